/* O_DIRECT is not in POSIX. */
#define _GNU_SOURCE
#include "base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/heartbeat.h"
#include "base/mem.h"

/* Direct writes: bytes of one write; what its place in file and memory, and its size, are multiples
 * of. */
enum { PIECE = 4 << 20, BLOCK = 4096 };
/* Bytes of a name that its temporary names begin with: names of files have at most 255. */
enum { NAME_KEPT = 220 };

static char *checked(char *path, size_t size, t2i_error *err)
{
    if (path == NULL) (void)t2i_fail_memory(err, size, "a file name");
    return path;
}

char *t2i_fs_copy_path(const char *path, t2i_error *err)
{
    return checked(t2i_strdup(path), strlen(path), err);
}

/* How much of a path its temporary names begin with; no character of UTF-8 is cut. */
static size_t kept_size(const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t size = strlen(path), folder = slash == NULL ? 0 : (size_t)(slash + 1 - path);
    if (size - folder <= NAME_KEPT) return size;
    size = folder + NAME_KEPT;
    for (int i = 0; i < 3 && ((unsigned char)path[size] & 0xc0) == 0x80; i++) size--;
    return size;
}

/* A name that no other process has had: pid and time differ, or else the host. */
static char *temporary_name(const char *path, t2i_error *err)
{
    struct timespec now = {0};
    size_t size = strlen(path) + 64;
    char *name = checked(t2i_alloc(size, 1), size, err);
    clock_gettime(CLOCK_REALTIME, &now);
    if (name != NULL)
        snprintf(name, size, "%.*s.%ld-%08x.tmp", (int)kept_size(path), path, (long)getpid(),
                 (unsigned)t2i_hash_64(&now, sizeof now));
    return name;
}

/* Is it what follows a path in its temporary names? */
static int ends_temporary_name(const char *end)
{
    size_t pid = end[0] == '.' ? strspn(end + 1, "0123456789") : 0;
    return pid > 0 && end[1 + pid] == '-' && strspn(end + 2 + pid, "0123456789abcdef") == 8 &&
           strcmp(end + 2 + pid + 8, ".tmp") == 0;
}

static int is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

int t2i_fs_is_named(int fd, const char *path)
{
    struct stat opened, named;
    return fstat(fd, &opened) == 0 && lstat(path, &named) == 0 && is_same(&opened, &named);
}

/* Locks a file: TAKEN, HELD by another process, or UNKNOWN without locks in the file system. */
typedef enum { TAKEN, HELD, UNKNOWN } lock_state;

static lock_state take_lock(int fd)
{
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) return TAKEN;
    return errno == EWOULDBLOCK ? HELD : UNKNOWN;
}

int t2i_fs_lock(const char *path)
{
    for (;;) {
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (fd < 0) return -1;
        int held = take_lock(fd) == HELD;
        if (!held && t2i_fs_is_named(fd, path)) return fd;
        close(fd); /* not held: its holder removed it between open and flock */
        errno = EWOULDBLOCK;
        if (held) return -1;
    }
}

static void sweep_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return;
    if (take_lock(fd) == TAKEN) unlink(path);
    close(fd);
}

/* Removes what killed writers of the path left: what t2i_fs_out_open creates for it, and nothing
 * without its lock. */
static void sweep_path(const char *path)
{
    const char *slash = strrchr(path, '/'), *begin = slash == NULL ? path : slash + 1;
    size_t kept = kept_size(begin);
    char *folder = t2i_strdup(slash == NULL ? "." : path);
    if (folder != NULL && slash != NULL) folder[slash - path + 1] = '\0';
    DIR *dir = folder == NULL ? NULL : opendir(folder);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        const char *name = entry->d_name;
        if (strncmp(name, begin, kept) != 0 || !ends_temporary_name(name + kept)) continue;
        char *file = t2i_fs_join(folder, name, NULL);
        if (file != NULL) sweep_file(file);
        t2i_free(file);
    }
    if (dir != NULL) closedir(dir);
    t2i_free(folder);
}

/* What a new file would replace; *mode is 0 if there is nothing. */
static t2i_status look(const char *path, mode_t *mode, t2i_error *err)
{
    const char *why = NULL;
    struct stat there, standard;
    *mode = 0;
    if (stat(path, &there) != 0) {
        if (errno == ENOENT) return T2I_OK;
        return t2i_fail(err, T2I_CANTCREATE, "cannot create %s: %s", path, strerror(errno));
    }
    *mode = there.st_mode;
    if (S_ISDIR(there.st_mode))
        why = "is a folder";
    else if (!S_ISREG(there.st_mode))
        why = "is not a regular file";
    for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO && why == NULL; fd++)
        if (fstat(fd, &standard) == 0 && is_same(&there, &standard))
            why = "is where the program's messages go";
    if (why == NULL) return T2I_OK;
    return t2i_fail(err, T2I_CANTCREATE, "cannot create %s: it %s", path, why);
}

t2i_status t2i_fs_may_replace(const char *path, const char *begin, const char *what, t2i_error *err)
{
    char first[32];
    mode_t mode;
    T2I_TRY(look(path, &mode, err));
    if (mode == 0) return T2I_OK;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : t2i_fs_read_at(fd, first, strlen(begin), 0);
    int why = errno;
    if (fd >= 0) close(fd);
    if (got < 0)
        return t2i_fail(err, T2I_CANTCREATE, "cannot create %s: cannot read what it replaces: %s",
                        path, strerror(why));
    if (got == 0 || (got == (ssize_t)strlen(begin) && memcmp(first, begin, strlen(begin)) == 0))
        return T2I_OK;
    return t2i_fail(err, T2I_CANTCREATE, "%s exists and is not %s: give another name, or remove it",
                    path, what);
}

/* Follows links, so that a file is written where they end, there or not. */
static char *follow(const char *path, t2i_error *err)
{
    char target[PATH_MAX], *at = t2i_fs_copy_path(path, err);
    for (int left = 40; at != NULL && left > 0; left--) { /* stat has refused a loop */
        ssize_t size = readlink(at, target, sizeof target - 1);
        if (size < 0) break;
        target[size] = '\0';
        char *link = at, *slash = strrchr(link, '/');
        link[slash == NULL ? 0 : slash + 1 - link] = '\0';
        at = t2i_fs_join(link, target, err);
        t2i_free(link);
    }
    return at;
}

/* Creates and locks the temporary file. T2I_SYSTEM, T2I_CANTCREATE. */
static t2i_status create(t2i_fs_out *out, mode_t mode, t2i_error *err)
{
    for (int left = 100;; left--) {
        out->temp = temporary_name(out->path, err);
        if (out->temp == NULL) return T2I_SYSTEM;
        out->fd = open(out->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        int why = errno;
        if (out->fd >= 0 && take_lock(out->fd) != HELD && t2i_fs_is_named(out->fd, out->temp))
            return T2I_OK;
        /* the name exists, or another program took the file for one that was left */
        if (out->fd >= 0) close(out->fd);
        if (out->fd >= 0) why = EEXIST;
        t2i_free(out->temp); /* nothing to remove */
        out->temp = NULL;
        out->fd = -1;
        if (why != EEXIST || left == 0)
            return t2i_fail(err, T2I_CANTCREATE, "cannot create %s: %s", out->path, strerror(why));
    }
}

t2i_status t2i_fs_out_open(t2i_fs_out *out, const char *path, t2i_error *err)
{
    mode_t old;
    *out = (t2i_fs_out){.fd = -1};
    T2I_TRY(look(path, &old, err));
    out->path = follow(path, err);
    if (out->path == NULL) return T2I_SYSTEM;
    sweep_path(out->path);
    t2i_status status = create(out, old == 0 ? 0666 : 0666 & (old | 0600), err);
    if (status != T2I_OK) t2i_fs_out_drop(out);
    return status;
}

/* Switches direct writes on or off; 0 with errno if that is refused. */
static int set_direct(t2i_fs_out *out, int on)
{
    int flags = fcntl(out->fd, F_GETFL);
    if (flags < 0) return 0;
    if (fcntl(out->fd, F_SETFL, on ? flags | O_DIRECT : flags & ~O_DIRECT) != 0) return 0;
    out->direct = on;
    return 1;
}

int t2i_fs_is_large(uint64_t bytes)
{
    return t2i_mem_at_least(bytes, 64, "T2I_ASIDE_MB");
}

void t2i_fs_out_expect(t2i_fs_out *out, uint64_t bytes)
{
    if (!t2i_fs_is_large(bytes)) return;
    out->memory = t2i_alloc_untouched(PIECE + BLOCK, 1);
    if (out->memory == NULL) return;
    if (set_direct(out, 1)) {
        out->piece = out->memory + (BLOCK - (uintptr_t)out->memory % BLOCK) % BLOCK;
        return;
    }
    t2i_free(out->memory);
    out->memory = NULL;
}

/* A direct write that is refused is made as an ordinary one, as are all after it. Other errors of
 * one are errors of the disk. */
static t2i_status write_all(t2i_fs_out *out, const char *at, size_t size, t2i_error *err)
{
    static const size_t most = 16u << 20; /* bytes between two heartbeats: a disk may be slow */
    while (size > 0) {
        t2i_heartbeat_beat();
        ssize_t wrote = write(out->fd, at, size < most ? size : most);
        int why = wrote == 0 ? EIO : errno; /* FUSE may take nothing */
        if (wrote < 0 && why == EINTR) continue;
        if (wrote <= 0 && out->direct && (wrote == 0 || why == EINVAL || why == EOPNOTSUPP) &&
            set_direct(out, 0))
            continue;
        if (wrote <= 0)
            return t2i_fail(err, T2I_IO, "cannot write %s: %s", out->path, strerror(why));
        at += wrote;
        size -= (size_t)wrote;
    }
    return T2I_OK;
}

t2i_status t2i_fs_out_write(t2i_fs_out *out, const void *bytes, size_t size, t2i_error *err)
{
    const char *at = bytes;
    if (out->piece == NULL) return write_all(out, at, size, err);
    while (size > 0) {
        size_t part = PIECE - out->held < size ? PIECE - out->held : size;
        memcpy(out->piece + out->held, at, part);
        out->held += part;
        at += part;
        size -= part;
        if (out->held < PIECE) continue;
        T2I_TRY(write_all(out, out->piece, PIECE, err));
        out->held = 0;
    }
    return T2I_OK;
}

/* Writes what is held: whole blocks directly, the rest, shorter than a block, as usual. */
static t2i_status write_held(t2i_fs_out *out, t2i_error *err)
{
    size_t whole = out->held / BLOCK * BLOCK;
    T2I_TRY(write_all(out, out->piece, whole, err));
    if (out->direct && !set_direct(out, 0))
        return t2i_fail(err, T2I_IO, "cannot write %s: %s", out->path, strerror(errno));
    return write_all(out, out->piece + whole, out->held - whole, err);
}

/* Makes the name of a file durable by an fsync of its folder. Allocates nothing: after a rename
 * only the fsync may fail. */
static t2i_status sync_folder_of(const char *path, t2i_error *err)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t size = slash == NULL ? 1 : slash == path ? 1 : (size_t)(slash - path);
    if (size >= sizeof folder)
        size = sizeof folder - 1; /* such a path could not be opened before */
    memcpy(folder, slash == NULL ? "." : path, size);
    folder[size] = '\0';
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* Some file systems do not support fsync of a folder and return EINVAL. This is not an error.
     */
    int failed = fd < 0 || (fsync(fd) != 0 && errno != EINVAL);
    int why = errno;
    if (fd >= 0) close(fd);
    return failed ? t2i_fail(err, T2I_IO, "cannot fsync the folder of %s: %s", path, strerror(why))
                  : T2I_OK;
}

t2i_status t2i_fs_out_close(t2i_fs_out *out, t2i_error *err)
{
    if (out->piece != NULL && write_held(out, err) != T2I_OK) {
        t2i_fs_out_drop(out);
        return T2I_IO;
    }
    const char *step = "fsync";
    int failed = fsync(out->fd) != 0, why = errno;
    if (!failed) {
        step = "close";
        int kept = fcntl(out->fd, F_DUPFD_CLOEXEC, 0); /* keeps the lock until the rename */
        failed = close(out->fd) != 0;
        why = errno;
        out->fd = kept;
    }
    if (!failed) return T2I_OK;
    t2i_fail(err, T2I_IO, "cannot write %s: %s: %s", out->path, step, strerror(why));
    t2i_fs_out_drop(out);
    return T2I_IO;
}

t2i_status t2i_fs_out_rename(t2i_fs_out *out, t2i_error *err)
{
    t2i_status status;
    if (rename(out->temp, out->path) != 0)
        status = t2i_fail(err, T2I_IO, "cannot write %s: rename: %s", out->path, strerror(errno));
    else {
        t2i_free(out->temp); /* the file has its final name now */
        out->temp = NULL;
        status = sync_folder_of(out->path, err);
    }
    t2i_fs_out_drop(out);
    return status;
}

void t2i_fs_out_drop(t2i_fs_out *out)
{
    if (out->path == NULL && out->temp == NULL) return; /* empty: fd may be 0 in a zeroed struct */
    if (out->fd >= 0) close(out->fd);
    if (out->temp != NULL) unlink(out->temp);
    t2i_free(out->temp);
    t2i_free(out->path);
    t2i_free(out->memory);
    *out = (t2i_fs_out){.fd = -1};
}

t2i_status t2i_fs_append(int fd, const char *path, const void *bytes, size_t size, t2i_error *err)
{
    off_t before = lseek(fd, 0, SEEK_END);
    size_t done = 0;
    while (done < size) {
        ssize_t wrote = write(fd, (const char *)bytes + done, size - done);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) break;
        done += (size_t)wrote;
    }
    if (done == size) return T2I_OK;
    int why = errno;
    const char *and =
        before < 0 || ftruncate(fd, before) != 0 ? "; an incomplete line remains" : "";
    return t2i_fail(err, T2I_IO, "cannot write %s: %s%s", path, strerror(why), and);
}

ssize_t t2i_fs_read_at(int fd, void *out, size_t size, uint64_t offset)
{
    static const size_t most = 16u << 20; /* bytes between two heartbeats: a disk may be slow */
    size_t done = 0;
    while (done < size) {
        t2i_heartbeat_beat();
        size_t left = size - done;
        ssize_t got =
            pread(fd, (char *)out + done, left < most ? left : most, (off_t)(offset + done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -1;
        if (got == 0) break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

static t2i_status refuse_kind(const char *path, t2i_error *err)
{
    return t2i_fail(err, T2I_NOINPUT, "%s is not a regular file", path);
}

static t2i_status refuse_size(const char *path, size_t limit, t2i_error *err)
{
    return t2i_fail(err, T2I_DATA, "%s is larger than %zu bytes, the limit for such a file", path,
                    limit);
}

t2i_status t2i_fs_read_open(int fd, const char *path, size_t limit, t2i_text *text, t2i_error *err)
{
    char piece[1 << 16];
    size_t total = 0;
    for (;;) {
        t2i_heartbeat_beat();
        ssize_t got = read(fd, piece, sizeof piece);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0)
            return t2i_fail(err, errno == EISDIR ? T2I_NOINPUT : T2I_IO, "cannot read %s: %s", path,
                            strerror(errno));
        if (got == 0) return t2i_text_add(text, "", 0, err);
        total += (size_t)got;
        if (total > limit) return refuse_size(path, limit, err);
        T2I_TRY(t2i_text_add(text, piece, (size_t)got, err));
    }
}

t2i_status t2i_fs_read_stream(const char *path, size_t limit, t2i_text *text, t2i_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return t2i_fail(err, T2I_NOINPUT, "cannot open %s: %s", path, strerror(errno));
    t2i_status status = t2i_fs_read_open(fd, path, limit, text, err);
    close(fd);
    return status;
}

t2i_status t2i_fs_read(const char *path, size_t limit, t2i_text *text, t2i_error *err)
{
    static const size_t more = 1 << 16; /* for a file that grows */
    struct stat info;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* a FIFO is not waited for */
    if (fd < 0 || fstat(fd, &info) != 0) {
        const char *why = strerror(errno);
        if (fd >= 0) close(fd);
        return t2i_fail(err, T2I_NOINPUT, "cannot open %s: %s", path, why);
    }
    t2i_status status = T2I_OK;
    if (!S_ISREG(info.st_mode))
        status = refuse_kind(path, err);
    else if ((uint64_t)info.st_size > limit)
        status = refuse_size(path, limit, err);
    else
        status = t2i_text_reserve(text, (size_t)info.st_size + more, err);
    if (status == T2I_OK) status = t2i_fs_read_open(fd, path, limit, text, err);
    close(fd);
    return status;
}

/* Creates one folder, whose parent exists. Its name is made durable: otherwise a power loss could
 * remove the folder with files that were fsynced. */
static t2i_status make_folder(const char *path, t2i_error *err)
{
    t2i_error why;
    int made = mkdir(path, 0777) == 0;
    if (!made && errno != EEXIST)
        return t2i_fail(err, T2I_CANTCREATE, "cannot create the folder %s: %s", path,
                        strerror(errno));
    t2i_status status = sync_folder_of(path, &why);
    /* An existing folder is fsynced too, since the program that created it may have ended before
     * this line. A failure is ignored then: some parent folders cannot be opened. */
    return status == T2I_OK || !made ? T2I_OK : t2i_fail(err, status, "%s", why.text);
}

t2i_status t2i_fs_mkdir(const char *path, t2i_error *err)
{
    char *part = t2i_strdup(path);
    if (part == NULL) return t2i_fail_memory(err, strlen(path), "a folder's name");
    t2i_status status = T2I_OK;
    for (char *c = part + (part[0] == '/'); status == T2I_OK; c++) {
        if (*c != '/' && *c != '\0') continue;
        char kept = *c;
        *c = '\0';
        status = make_folder(part, err);
        *c = kept;
        if (kept == '\0') break;
    }
    t2i_free(part);
    errno = ENOTDIR;
    if (status == T2I_OK && !t2i_fs_is_folder(path))
        status = t2i_fail(err, T2I_CANTCREATE, "cannot create the folder %s: %s", path,
                          errno == ENOENT ? "it is a link to a folder that does not exist"
                                          : strerror(errno));
    return status;
}

int t2i_fs_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

int t2i_fs_is_same(const char *path, const char *other)
{
    struct stat a, b;
    return stat(path, &a) == 0 && stat(other, &b) == 0 && is_same(&a, &b);
}

t2i_status t2i_fs_keep_input(const char *input, const char *option, const char *out, t2i_error *err)
{
    if (input == NULL || out == NULL || !t2i_fs_is_same(input, out)) return T2I_OK;
    return t2i_fail(err, T2I_USAGE, "%s would overwrite the input %s: name another file", option,
                    input);
}

int t2i_fs_is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

t2i_status t2i_fs_size(const char *path, uint64_t *size, t2i_error *err)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return t2i_fail(err, T2I_NOINPUT, "cannot open %s: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode)) return refuse_kind(path, err);
    *size = (uint64_t)info.st_size;
    return T2I_OK;
}

char *t2i_fs_join(const char *folder, const char *name, t2i_error *err)
{
    size_t size = strlen(folder) + strlen(name) + 2;
    int alone = name[0] == '/' || folder[0] == '\0';
    const char *slash = alone || folder[strlen(folder) - 1] == '/' ? "" : "/";
    char *joined = checked(t2i_alloc(size, 1), size, err);
    if (joined != NULL) snprintf(joined, size, "%s%s%s", alone ? "" : folder, slash, name);
    return joined;
}
