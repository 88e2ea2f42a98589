/* syncfs is not in POSIX. */
#define _GNU_SOURCE
#include "convert/new_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/heartbeat.h"
#include "base/mem.h"
#include "base/text.h"

#define LOCK ".t2i-lock" /* in PATH.tmp */

static t2i_status cannot(t2i_status status, const char *what, const char *path, t2i_error *err)
{
    return t2i_fail(err, status, "cannot %s %s: %s", what, path, strerror(errno));
}

/* Removes a folder with all that is in it; links are removed, not followed. */
static void remove_tree(const char *path)
{
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        struct stat found;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        char *inner = t2i_fs_join(path, entry->d_name, NULL);
        if (inner == NULL) continue;
        if (lstat(inner, &found) == 0 && S_ISDIR(found.st_mode))
            remove_tree(inner);
        else
            unlink(inner);
        t2i_free(inner);
    }
    if (folder != NULL) closedir(folder);
    rmdir(path);
}

static int is_empty_folder(const char *path)
{
    int entries = 0;
    DIR *folder = opendir(path);
    if (folder == NULL) return 0;
    while (readdir(folder) != NULL) entries++;
    closedir(folder);
    return entries <= 2; /* "." and ".." */
}

static t2i_status check_path(const char *path, t2i_error *err)
{
    const char *slash = strrchr(path, '/'), *last = slash == NULL ? path : slash + 1;
    if (*last == '\0' || strcmp(last, ".") == 0 || strcmp(last, "..") == 0)
        return t2i_fail(err, T2I_CANTCREATE, "cannot create the folder %s: give another --out",
                        path);
    struct stat there; /* a folder replaces no link, not even one to an empty folder */
    if (lstat(path, &there) != 0 || (S_ISDIR(there.st_mode) && is_empty_folder(path)))
        return T2I_OK;
    return t2i_fail(err, T2I_CANTCREATE,
                    "%s exists and is not an empty folder: give another --out, or remove it", path);
}

/* Creates PATH.tmp with its lock. */
static t2i_status create(t2i_new_folder *out, const char *lock, t2i_error *err)
{
    if (mkdir(out->temp, 0777) != 0 && errno != EEXIST)
        return cannot(T2I_CANTCREATE, "create the folder", out->path, err);
    struct stat made; /* a link may lead to a folder of which nothing is to be removed */
    int is_folder = lstat(out->temp, &made) == 0 && S_ISDIR(made.st_mode);
    if (!is_folder || (!t2i_fs_exists(lock) && !is_empty_folder(out->temp)))
        return t2i_fail(err, T2I_CANTCREATE, "%s is in the way: remove it, or give another --out",
                        out->temp);
    out->lock = t2i_fs_lock(lock);
    if (out->lock >= 0) return check_path(out->path, err); /* another program may have ended */
    if (errno != EWOULDBLOCK) return cannot(T2I_CANTCREATE, "create", lock, err);
    return t2i_fail(err, T2I_CANTCREATE,
                    "another program is writing %s: wait for its end, or give another --out",
                    out->temp);
}

/* Removes what a killed program left, except for the lock. */
static void clear(const t2i_new_folder *folder)
{
    DIR *entries = opendir(folder->temp);
    for (struct dirent *entry; entries != NULL && (entry = readdir(entries)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            strcmp(entry->d_name, LOCK) == 0)
            continue;
        char *inner = t2i_fs_join(folder->temp, entry->d_name, NULL);
        if (inner == NULL) continue;
        if (unlink(inner) != 0) remove_tree(inner);
        t2i_free(inner);
    }
    if (entries != NULL) closedir(entries);
}

static void empty(t2i_new_folder *folder)
{
    if (folder->lock >= 0) close(folder->lock);
    t2i_free(folder->path);
    t2i_free(folder->temp);
    *folder = (t2i_new_folder){.lock = -1};
}

t2i_status t2i_new_folder_open(t2i_new_folder *out, const char *path, t2i_error *err)
{
    *out = (t2i_new_folder){.lock = -1};
    t2i_text temp = {0};
    out->path = t2i_fs_copy_path(path, err);
    if (out->path == NULL) return T2I_SYSTEM;
    for (size_t size = strlen(path); size > 1 && path[size - 1] == '/'; size--)
        out->path[size - 1] = '\0';
    t2i_status status = t2i_text_addf(&temp, err, "%s.tmp", out->path);
    out->temp = temp.data;
    char *lock = status == T2I_OK ? t2i_fs_join(out->temp, LOCK, err) : NULL;
    if (lock == NULL) status = T2I_SYSTEM;
    if (status == T2I_OK) status = check_path(out->path, err);
    if (status == T2I_OK) status = create(out, lock, err);
    t2i_free(lock);
    if (status == T2I_OK)
        clear(out);
    else if (out->lock >= 0)
        t2i_new_folder_drop(out);
    else
        empty(out);
    return status;
}

t2i_status t2i_new_folder_file(const t2i_new_folder *folder, const char *name, char **path,
                               t2i_error *err)
{
    *path = t2i_fs_join(folder->temp, name, err);
    if (*path == NULL) return T2I_SYSTEM;
    for (char *slash = strchr(*path + strlen(folder->temp) + 1, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(*path, 0777) != 0 && errno != EEXIST) {
            cannot(T2I_CANTCREATE, "create the folder", *path, err);
            t2i_free(*path);
            *path = NULL;
            return T2I_CANTCREATE;
        }
        *slash = '/';
    }
    return T2I_OK;
}

static t2i_status write_all(int fd, const char *path, const char *bytes, size_t size,
                            t2i_error *err)
{
    while (size > 0) {
        ssize_t wrote = write(fd, bytes, size);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) return cannot(T2I_IO, "write", path, err);
        bytes += wrote;
        size -= (size_t)wrote;
    }
    return T2I_OK;
}

t2i_status t2i_new_folder_write(const t2i_new_folder *folder, const char *name, const void *bytes,
                                size_t size, t2i_error *err)
{
    char *path;
    T2I_TRY(t2i_new_folder_file(folder, name, &path, err));
    t2i_heartbeat_beat();
    t2i_status status = T2I_OK;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) status = cannot(T2I_CANTCREATE, "create", path, err);
    if (status == T2I_OK) status = write_all(fd, path, bytes, size, err);
    if (fd >= 0 && close(fd) != 0 && status == T2I_OK) status = cannot(T2I_IO, "write", path, err);
    t2i_free(path);
    return status;
}

t2i_status t2i_new_folder_commit(t2i_new_folder *folder, t2i_error *err)
{
    /* tells of a failed write to the file system since the lock was opened */
    int failed = syncfs(folder->lock) != 0;
    if (failed || rename(folder->temp, folder->path) != 0) {
        cannot(T2I_IO, failed ? "write" : "create the folder", folder->path, err);
        t2i_new_folder_drop(folder);
        return T2I_IO;
    }
    char *lock = t2i_fs_join(folder->path, LOCK, NULL);
    if (lock != NULL) unlink(lock);
    t2i_free(lock);
    empty(folder);
    return T2I_OK;
}

void t2i_new_folder_drop(t2i_new_folder *folder)
{
    if (folder->temp != NULL) remove_tree(folder->temp);
    empty(folder);
}
