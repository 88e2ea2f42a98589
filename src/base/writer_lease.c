/* realpath is of XSI. */
#define _XOPEN_SOURCE 700
#include "base/writer_lease.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cpu.h"
#include "base/fs.h"
#include "base/heartbeat.h"
#include "base/log.h"
#include "base/mem.h"

enum {
    PATIENCE = 15, /* seconds to wait for the end of the owner */
    NAME = 256     /* bytes of a file's name */
};

/* The boot of a kernel that does not tell it, as in a container that hides it. */
#define NO_BOOT "0"

/* A process: its host, the boot of its kernel, its PID namespace, its pid there, and its start time
 * in clock ticks, because pids are reused. locked: it holds a lock of its file, so that its kernel
 * tells other PID namespaces, and users who do not see its processes, whether it lives. */
typedef struct {
    char host[65], boot[40], space[24];
    long pid;
    unsigned long long began;
    int locked;
} writer;

static struct {
    writer me;    /* this process, once the lease is asked for */
    char *folder; /* owned: as the caller spells it; NULL: no lease */
    char *run;    /* owned: the same, absolute */
    char *notes;  /* owned: RUN/.writer */
    char *mine;   /* owned: the file there that is named after this process */
    char *above; /* owned: the nearest folder above that is not of this process; NULL: RUN is not */
    int fd;      /* of this file, with its lock; -1: none */
} lease;

/* ---- processes ---- */

/* The first line of a file, without its end; "" if it cannot be read. */
static void read_line(const char *path, char *line, int size)
{
    FILE *file = fopen(path, "r");
    if (file == NULL || fgets(line, size, file) == NULL) line[0] = '\0';
    if (file != NULL) fclose(file);
    line[strcspn(line, "\n")] = '\0';
}

/* Start time of a process; 0 if it does not exist or the time is unknown. */
static unsigned long long began(long pid)
{
    char path[64], line[1024];
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    read_line(path, line, sizeof line);
    const char *at = strrchr(line, ')'); /* the name before it may contain any character */
    if (at == NULL || at[1] == '\0' || at[2] == 'Z') return 0; /* a zombie does not write */
    /* counted from the state, the start time is field 20 (proc(5)) */
    for (int field = 0; at != NULL && field < 20; field++) at = strchr(at + 1, ' ');
    return at == NULL ? 0 : strtoull(at, NULL, 10);
}

static writer myself(void)
{
    char link[64] = "";
    writer me = {.pid = (long)getpid(), .began = began((long)getpid()), .space = "0"};
    if (gethostname(me.host, sizeof me.host - 1) != 0 || me.host[0] == '\0')
        strcpy(me.host, "unknown");
    for (char *c = me.host; *c != '\0'; c++)
        if (*c == ',' || *c == '/') *c = '_';
    read_line("/proc/sys/kernel/random/boot_id", me.boot, sizeof me.boot);
    if (me.boot[0] == '\0') strcpy(me.boot, NO_BOOT);
    if (readlink("/proc/self/ns/pid", link, sizeof link - 1) > 0)
        (void)sscanf(link, "pid:[%23[0-9]", me.space);
    return me;
}

static void name_of(const writer *w, char name[NAME])
{
    snprintf(name, NAME, "%s,%ld,%llu,%s,%s,%d", w->host, w->pid, w->began, w->space, w->boot,
             w->locked);
}

/* Does a file's name name a process? */
static int names(const char *name, writer *w)
{
    *w = (writer){0};
    return sscanf(name, "%64[^,],%ld,%llu,%23[^,],%39[^,],%d", w->host, &w->pid, &w->began,
                  w->space, w->boot, &w->locked) == 6;
}

/* The lock of a file: this process has it, another one has it, or there are no locks. */
typedef enum { FREE, HELD, UNKNOWN } lock_state;

/* Is it another process of this host that still exists? lock: of its file. Who has a lock and does
 * not hold that of this file is dead, or the file is a copy. */
static int lives(const writer *w, lock_state lock)
{
    const writer *me = &lease.me;
    int here = strcmp(w->boot, me->boot) == 0, seen = strcmp(w->space, me->space) == 0,
        somewhere = strcmp(w->boot, NO_BOOT) == 0 || strcmp(me->boot, NO_BOOT) == 0;
    if (w->locked && lock != UNKNOWN) return lock == HELD && (here || somewhere);
    if (!here || (seen && w->pid == me->pid && w->began == me->began)) return 0;
    return seen && w->began != 0 && began(w->pid) == w->began;
}

/* ---- the file that names the owner ---- */

static t2i_status cannot_read(const char *notes, t2i_error *err)
{
    return t2i_fail(err, T2I_IO,
                    "cannot read %s, which names the process that writes to its folder: %s", notes,
                    strerror(errno));
}

/* A lock of NFS wants a file that is open for writing, which another user's may not be. */
static int open_named(const char *path)
{
    int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 || (errno != EACCES && errno != EPERM && errno != EROFS)) return fd;
    return open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
}

static lock_state take_lock(int fd)
{
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) return FREE;
    return fd >= 0 && errno == EWOULDBLOCK ? HELD : UNKNOWN;
}

/* What a file's name may be. */
typedef enum { NOTHING, STRANGER, NOBODY, OWNER, LIVES } name_kind;

/* LIVES only where another file names an owner, too: else who takes the file will see. */
static name_kind kind_of(const char *notes, const char *name, name_kind other)
{
    writer w;
    if (!names(name, &w)) return strcmp(name, "nobody") == 0 ? NOBODY : STRANGER;
    if (other < OWNER) return OWNER;
    char *path = t2i_fs_join(notes, name, NULL);
    int fd = path == NULL ? -1 : open_named(path);
    lock_state lock = take_lock(fd);
    if (fd >= 0) close(fd);
    t2i_free(path);
    return lives(&w, lock) ? LIVES : OWNER;
}

/* The name of the file; "" without one. Other programs leave files anywhere: of several, the one
 * that names a process, one that lives if there is one. T2I_IO. */
static t2i_status read_owner(const char *notes, char name[NAME], name_kind *kind, t2i_error *err)
{
    *kind = NOTHING;
    DIR *dir = opendir(notes);
    name[0] = '\0';
    if (dir == NULL) return errno == ENOENT || errno == ENOTDIR ? T2I_OK : cannot_read(notes, err);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        name_kind is = kind_of(notes, entry->d_name, *kind);
        if (is > *kind) snprintf(name, NAME, "%s", entry->d_name);
        if (is > *kind) *kind = is;
    }
    closedir(dir);
    return T2I_OK;
}

static void remove_draft(const char *draft)
{
    char *file = t2i_fs_join(draft, "nobody", NULL);
    if (file != NULL) unlink(file);
    rmdir(draft);
    t2i_free(file);
}

/* Puts a .writer that names nobody where there is none, or an empty one. If another process was
 * quicker, that is no failure. */
static t2i_status put_nobody(const char *draft, const char *notes, t2i_error *err)
{
    char *file = t2i_fs_join(draft, "nobody", err);
    if (file == NULL) return T2I_SYSTEM;
    int fd = mkdir(draft, 0777) == 0 || errno == EEXIST
                 ? open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0666)
                 : -1;
    int done = fd >= 0 && rename(draft, notes) == 0, why = errno;
    if (fd >= 0) close(fd);
    t2i_free(file);
    if (done) return T2I_OK;
    remove_draft(draft);
    if (why == ENOTDIR && unlink(notes) == 0) return T2I_OK; /* a file, as version 1.0.0 wrote it */
    if (why == ENOTEMPTY || why == EEXIST || why == ENOENT) return T2I_OK;
    return t2i_fail(err, T2I_CANTCREATE, "cannot create %s: %s", notes, strerror(why));
}

/* Removes drafts of processes that were killed. */
static void sweep_drafts(const char *run)
{
    DIR *dir = opendir(run);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        if (strncmp(entry->d_name, ".writer.", 8) != 0) continue;
        char *draft = t2i_fs_join(run, entry->d_name, NULL);
        if (draft != NULL) remove_draft(draft);
        t2i_free(draft);
    }
    if (dir != NULL) closedir(dir);
}

/* Why the lease is not taken: a live process has it (pid is not 0), or another process, which may
 * be about to take it, has locked the file. */
typedef struct {
    writer owner;
    int held;
} obstacle;

/* Removes a file that no process of ours made, so that .writer becomes empty. Renamed to an owner,
 * two of them would make two. One that cannot be removed is in the way like a lock. */
static t2i_status remove_stranger(const char *name, obstacle *why, t2i_error *err)
{
    char *path = t2i_fs_join(lease.notes, name, err);
    if (path == NULL) return T2I_SYSTEM;
    why->held = unlink(path) != 0 && errno != ENOENT && rmdir(path) != 0 && errno != ENOENT;
    t2i_free(path);
    return T2I_OK;
}

/* Renames the file from the name that was seen to the own one, with a lock of it if there can be
 * one. Who is patient waits for a lock that another process holds. Who is not goes without one
 * where an owner is named, whose lock a server may have kept; nobody's is held by a live one. */
static t2i_status take_from(const char *seen, int patient, obstacle *why, t2i_error *err)
{
    char name[NAME];
    writer me = lease.me, w;
    t2i_status status = T2I_OK;
    char *mine = NULL, *from = t2i_fs_join(lease.notes, seen, err);
    if (from == NULL) return T2I_SYSTEM;
    int fd = open_named(from), gone = fd < 0 && errno == ENOENT;
    lock_state lock = take_lock(fd);
    me.locked = lock == FREE;
    why->held = lock == HELD;
    name_of(&me, name);
    int named = names(seen, &w);
    if (named && lives(&w, lock))
        why->owner = w;
    else if (!gone && !(why->held && (patient || !named)) &&
             (fd < 0 || t2i_fs_is_named(fd, from))) {
        mine = t2i_fs_join(lease.notes, name, err);
        if (mine == NULL)
            status = T2I_SYSTEM;
        else if (rename(from, mine) == 0) {
            lease.mine = mine;
            lease.fd = fd;
        } else if (errno != ENOENT) /* else another process was quicker */
            status = t2i_fail(err, T2I_CANTCREATE, "cannot create %s: %s", mine, strerror(errno));
    }
    t2i_free(from);
    if (lease.mine != NULL) return T2I_OK;
    if (fd >= 0) close(fd);
    t2i_free(mine);
    return status;
}

/* ---- the lease ---- */

static t2i_status attempt(int patient, obstacle *why, t2i_error *err)
{
    char seen[NAME], own[NAME], name[NAME + 16];
    name_kind kind;
    *why = (obstacle){0};
    if (!t2i_fs_is_folder(lease.run)) T2I_TRY(t2i_fs_mkdir(lease.run, err));
    T2I_TRY(read_owner(lease.notes, seen, &kind, err));
    if (kind == STRANGER) return remove_stranger(seen, why, err);
    if (kind != NOTHING) return take_from(seen, patient, why, err);
    name_of(&lease.me, own);
    snprintf(name, sizeof name, ".writer.%s.tmp", own);
    char *draft = t2i_fs_join(lease.run, name, err);
    t2i_status status = draft == NULL ? T2I_SYSTEM : put_nobody(draft, lease.notes, err);
    t2i_free(draft);
    return status;
}

/* Ends: who finds no obstacle makes a step, or another process has made one. */
static t2i_status wait_for_turn(t2i_error *err)
{
    double since = t2i_cpu_seconds(), waited = 0.0;
    int told = 0;
    obstacle why;
    for (;; waited = t2i_cpu_seconds() - since) {
        T2I_TRY(attempt(waited <= PATIENCE, &why, err));
        if (lease.mine != NULL) return T2I_OK;
        if (why.owner.pid != 0 && waited > PATIENCE)
            return t2i_fail(err, T2I_CANTCREATE,
                            "%s is being written by process %ld of this host; wait for its end, or "
                            "stop it",
                            lease.folder, why.owner.pid);
        if (why.held && waited > 2 * PATIENCE)
            return t2i_fail(err, T2I_CANTCREATE,
                            "%s is being taken by another process; if there is none, remove %s",
                            lease.folder, lease.notes);
        if (!told && why.owner.pid != 0)
            t2i_log_note("%s is being written by process %ld; waiting for its end", lease.folder,
                         why.owner.pid);
        else if (!told && why.held && waited > 1.0)
            t2i_log_note("%s is locked by another process; waiting for its end", lease.folder);
        told = told || why.owner.pid != 0 || waited > 1.0;
        t2i_heartbeat_beat();
        t2i_cpu_sleep(why.owner.pid != 0 || why.held ? 0.1 : 0.0);
    }
}

static void forget(void)
{
    t2i_free(lease.folder);
    free(lease.run);
    free(lease.above);
    t2i_free(lease.notes);
    t2i_free(lease.mine);
    memset(&lease, 0, sizeof lease);
}

/* The nearest folder above a path that exists, which the caller frees; NULL without memory. */
static char *folder_above(const char *path)
{
    char *part = t2i_strdup(path), *above = NULL;
    while (part != NULL && above == NULL) {
        char *slash = strrchr(part, '/');
        if (slash == NULL || slash == part) {
            above = realpath(slash == NULL ? "." : "/", NULL);
            break;
        }
        *slash = '\0';
        above = realpath(part, NULL);
    }
    t2i_free(part);
    return above;
}

t2i_status t2i_writer_lease_take(const char *folder, t2i_error *err)
{
    T2I_ASSERT(lease.folder == NULL);
    lease.me = myself();
    if (!t2i_fs_exists(folder)) {
        lease.above = folder_above(folder);
        t2i_status status = t2i_fs_mkdir(folder, err);
        if (status != T2I_OK) forget();
        T2I_TRY(status);
    }
    lease.folder = t2i_fs_copy_path(folder, err);
    lease.run = realpath(folder, NULL);
    if (lease.run != NULL) lease.notes = t2i_fs_join(lease.run, ".writer", err);
    t2i_status status = T2I_OK;
    if (lease.run == NULL)
        status = t2i_fail(err, T2I_CANTCREATE, "cannot open %s: %s", folder, strerror(errno));
    else if (lease.folder == NULL || lease.notes == NULL)
        status = T2I_SYSTEM;
    if (status == T2I_OK) status = wait_for_turn(err);
    if (status == T2I_OK)
        sweep_drafts(lease.run);
    else
        forget();
    return status;
}

/* Is the file with the own name there, and no copy of it? 0 with errno. */
static int is_mine(void)
{
    if (lease.fd < 0) return access(lease.mine, F_OK) == 0;
    errno = ENOENT;
    return t2i_fs_is_named(lease.fd, lease.mine);
}

/* Does the path by which the caller writes, which may have a link in it, still lead to the folder
 * that was taken? */
static int is_same_folder(void)
{
    struct stat spelled, taken;
    return stat(lease.folder, &spelled) != 0 || stat(lease.run, &taken) != 0 ||
           (spelled.st_dev == taken.st_dev && spelled.st_ino == taken.st_ino);
}

t2i_status t2i_writer_lease_check(t2i_error *err)
{
    char name[NAME];
    name_kind kind;
    writer now;
    if (lease.mine == NULL) return T2I_OK;
    DIR *dir = opendir(lease.notes); /* what is opened anew is as NFS's server has it */
    int held = dir != NULL && is_mine(), why = errno;
    if (dir != NULL) closedir(dir);
    if (!is_same_folder())
        return t2i_fail(err, T2I_CANTCREATE,
                        "%s is another folder than it was, which is %s: this process writes "
                        "nothing more",
                        lease.folder, lease.run);
    if (held) return T2I_OK;
    errno = why;
    if (why != ENOENT && why != ENOTDIR) return cannot_read(lease.notes, err);
    T2I_TRY(read_owner(lease.notes, name, &kind, err));
    if (!names(name, &now) || strcmp(name, strrchr(lease.mine, '/') + 1) == 0) /* a copy */
        return t2i_fail(
            err, T2I_CANTCREATE,
            "%s no longer names this process as writer of %s: this process writes nothing more",
            lease.notes, lease.folder);
    return t2i_fail(err, T2I_CANTCREATE,
                    "%s was taken over by process %ld of host %s: this process writes nothing more",
                    lease.folder, now.pid, now.host);
}

/* Those that this process created, as far as they are empty. */
static void remove_folders(void)
{
    while (strlen(lease.run) > strlen(lease.above) && rmdir(lease.run) == 0)
        *strrchr(lease.run, '/') = '\0';
}

void t2i_writer_lease_end(void)
{
    if (lease.mine == NULL) return;
    int mine = is_mine();
    if (lease.fd >= 0) close(lease.fd); /* first: NFS keeps open files under another name */
    if (mine && unlink(lease.mine) == 0 && rmdir(lease.notes) == 0 && lease.above != NULL)
        remove_folders();
    forget();
}
