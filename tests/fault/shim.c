/* shim.c - stands between a program and its files (LD_PRELOAD): lets one call fail, or keeps a log.
 *
 * T2I_SHIM_UNDER=DIR  only files below this folder matter (absolute)
 * T2I_SHIM_FAIL="CALL N HOW [ever|other]"  the N-th call fails (and all after it, or every other
 *     one); CALL is open, read, write, ftruncate, fsync (of a file), fsync-folder, close, rename,
 *     unlink, mkdir, or alloc (aligned_alloc, which is t2i_alloc's alone); HOW is an errno's name,
 *     "short" (half of a write or read), "torn" (that, and ENOSPC the next time), "flip" (a pwrite
 *     stores another bit), "kill" (SIGKILL in the middle of a write, before any other call), "exit"
 *     (with 0), or "waitMS" (it comes so many milliseconds late, and does not fail)
 * T2I_SHIM_RANK=R     in this rank of Open MPI's alone
 * T2I_SHIM_HIT=FILE   is created when that happens
 * T2I_SHIM_LOG=FILE   every change is appended to it (shim.h)
 */
#define _GNU_SOURCE /* RTLD_NEXT, and the 64-bit names that libraries call */
#include "fault/shim.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { FDS = 4096 };
static atomic_char watched[FDS]; /* is this descriptor's file below the folder? */
static atomic_long calls;
static int log_fd = -1;
static struct {
    char call[16], how[16];
    long number;
    char ever[8];
} plan;

/* The next definition of the caller's own name. A function pointer is no object: it is copied. */
#define REAL(type, args, name)                                                                     \
    static type(*real) args;                                                                       \
    if (real == NULL) {                                                                            \
        void *found_ = dlsym(RTLD_NEXT, name);                                                     \
        memcpy(&real, &found_, sizeof real);                                                       \
    }

static int is_below(const char *path)
{
    const char *folder = getenv("T2I_SHIM_UNDER");
    return folder != NULL && strncmp(path, folder, strlen(folder)) == 0;
}

static int is_watched(int fd)
{
    return fd >= 0 && fd < FDS && watched[fd];
}

__attribute__((constructor)) static void begin(void)
{
    const char *fail = getenv("T2I_SHIM_FAIL"), *path = getenv("T2I_SHIM_LOG");
    if (fail != NULL &&
        sscanf(fail, "%15s %ld %15s %7s", plan.call, &plan.number, plan.how, plan.ever) < 3) {
        fprintf(stderr, "shim: what is '%s'?\n", fail);
        _exit(99);
    }
    const char *here = getenv("PMIX_RANK"), *wanted = getenv("T2I_SHIM_RANK");
    if (wanted != NULL && (here == NULL || strcmp(here, wanted) != 0)) plan.call[0] = '\0';
    /* the reader of datasets changes no file, and closes what it inherits */
    if (path == NULL || strcmp(program_invocation_short_name, "t2i-reader") == 0) return;
    /* far from the numbers of the program's own files */
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND, 0666);
    log_fd = fcntl(fd, F_DUPFD_CLOEXEC, 1000);
    syscall(SYS_close, fd);
    const t2i_shim_record record = {.kind = SHIM_BEGIN};
    syscall(SYS_write, log_fd, &record, sizeof record);
}

static void note(int kind, int fd, const char *path, const char *other, long offset,
                 const void *data, size_t size)
{
    /* the lease of a run folder means nothing after a power loss: its owner is of an earlier boot
     */
    if (log_fd < 0 || (path != NULL && strstr(path, "/.writer") != NULL)) return;
    int why = errno;
    t2i_shim_record record = {.kind = kind, .fd = fd, .offset = (uint64_t)offset, .data = size};
    record.path = path == NULL ? 0 : (uint32_t)strlen(path);
    record.other = other == NULL ? 0 : (uint32_t)strlen(other);
    const struct iovec part[] = {{&record, sizeof record},
                                 {(void *)path, record.path},
                                 {(void *)other, record.other},
                                 {(void *)data, size}};
    if (syscall(SYS_writev, log_fd, part, 4) !=
        (long)(sizeof record + record.path + record.other + size))
        abort(); /* a log with a hole proves nothing */
    errno = why;
}

/* Is it this call's turn? Sets errno. */
static int fails(const char *call)
{
    static const struct {
        const char *name;
        int number;
    } errors[] = {{"EIO", EIO},       {"ENOSPC", ENOSPC}, {"EINTR", EINTR},
                  {"EDQUOT", EDQUOT}, {"EMFILE", EMFILE}, {"ENOMEM", ENOMEM}};
    int late;
    if (strcmp(call, plan.call) != 0) return 0;
    long turn = atomic_fetch_add(&calls, 1) + 1;
    int torn = strcmp(plan.how, "torn") == 0 && turn == plan.number + 1;
    int again = turn > plan.number && plan.ever[0] != '\0' &&
                (strcmp(plan.ever, "other") != 0 || (turn - plan.number) % 2 == 0);
    if (turn != plan.number && !torn && !again) return 0;
    const char *hit = getenv("T2I_SHIM_HIT");
    if (hit != NULL)
        syscall(SYS_close, syscall(SYS_openat, AT_FDCWD, hit, O_WRONLY | O_CREAT, 0666));
    if (strcmp(plan.how, "kill") == 0 && strcmp(call, "write") != 0) kill(getpid(), SIGKILL);
    if (strcmp(plan.how, "exit") == 0) _exit(0);
    if (sscanf(plan.how, "wait%d", &late) == 1) {
        nanosleep(&(struct timespec){late / 1000, late % 1000 * 1000000L}, NULL);
        return 0;
    }
    if (torn) errno = ENOSPC;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (strcmp(errors[i].name, plan.how) == 0) errno = errors[i].number;
    return torn ? 2 : 1;
}

/* Does some of it go through? */
static int is_partial(void)
{
    return strcmp(plan.how, "short") == 0 || strcmp(plan.how, "torn") == 0 ||
           strcmp(plan.how, "kill") == 0;
}

/* ---- files ---- */

static int open_real(const char *name, const char *path, int flags, unsigned mode)
{
    typedef int (*opener)(const char *, int, ...);
    void *found = dlsym(RTLD_NEXT, name);
    opener real;
    memcpy(&real, &found, sizeof real);
    int below = is_below(path);
    if (below && fails("open")) return -1;
    int fd = real(path, flags, mode);
    if (fd >= 0 && fd < FDS) watched[fd] = (char)below;
    if (below && fd >= 0) note(SHIM_OPEN, fd, path, NULL, flags, NULL, 0);
    return fd;
}

#define OPEN(name)                                                                                 \
    int name(const char *path, int flags, ...)                                                     \
    {                                                                                              \
        va_list args;                                                                              \
        va_start(args, flags);                                                                     \
        unsigned mode = flags & O_CREAT ? va_arg(args, unsigned) : 0;                              \
        va_end(args);                                                                              \
        return open_real(#name, path, flags, mode);                                                \
    }
OPEN(open)
OPEN(open64)

int close(int fd)
{
    REAL(int, (int), "close")
    int below = is_watched(fd);
    if (fd >= 0 && fd < FDS) watched[fd] = 0;
    int failed = below && fails("close"), why = errno;
    if (below) note(SHIM_CLOSE, fd, NULL, NULL, 0, NULL, 0);
    int result = real(fd); /* even when it fails: the descriptor is gone */
    if (failed) errno = why;
    return failed ? -1 : result;
}

/* Is the next pwrite of this thread to store another bit in the middle? */
static _Thread_local int flips;

/* The size that goes through, or -1. */
static ssize_t pass(int fd, const char *call, size_t size)
{
    int failed = is_watched(fd) ? fails(call) : 0;
    flips = failed && strcmp(plan.how, "flip") == 0;
    if (!failed || flips) return (ssize_t)size;
    return failed == 1 && is_partial() ? (ssize_t)(size - size / 2) : -1;
}

static ssize_t wrote(int fd, const void *bytes, long offset, ssize_t size, ssize_t asked)
{
    if (size > 0 && is_watched(fd)) note(SHIM_WRITE, fd, NULL, NULL, offset, bytes, (size_t)size);
    if (size >= 0 && size < asked && strcmp(plan.how, "kill") == 0) kill(getpid(), SIGKILL);
    return size;
}

ssize_t write(int fd, const void *bytes, size_t size)
{
    REAL(ssize_t, (int, const void *, size_t), "write")
    ssize_t most = pass(fd, "write", size);
    if (most < 0) return -1;
    ssize_t done = real(fd, bytes, (size_t)most);
    long at = is_watched(fd) && done > 0 ? lseek(fd, 0, SEEK_CUR) - done : 0;
    return wrote(fd, bytes, at, done, (ssize_t)size);
}

/* The bytes, or a copy of them with another bit, to be freed. */
static char *flipped(const void *bytes, size_t size)
{
    char *copy = flips && size > 0 ? malloc(size) : NULL;
    if (copy == NULL) return NULL;
    memcpy(copy, bytes, size);
    copy[size / 2] ^= 1;
    return copy;
}

#define PWRITE(name, type)                                                                         \
    ssize_t name(int fd, const void *bytes, size_t size, type offset)                              \
    {                                                                                              \
        REAL(ssize_t, (int, const void *, size_t, type), #name)                                    \
        ssize_t most = pass(fd, "write", size);                                                    \
        if (most < 0) return -1;                                                                   \
        char *other = flipped(bytes, (size_t)most);                                                \
        ssize_t done = real(fd, other != NULL ? other : bytes, (size_t)most, offset);              \
        free(other);                                                                               \
        return wrote(fd, bytes, offset, done, (ssize_t)size);                                      \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t read(int fd, void *bytes, size_t size)
{
    REAL(ssize_t, (int, void *, size_t), "read")
    ssize_t most = pass(fd, "read", size);
    return most < 0 ? -1 : real(fd, bytes, (size_t)most);
}

#define PREAD(name, type)                                                                          \
    ssize_t name(int fd, void *bytes, size_t size, type offset)                                    \
    {                                                                                              \
        REAL(ssize_t, (int, void *, size_t, type), #name)                                          \
        ssize_t most = pass(fd, "read", size);                                                     \
        return most < 0 ? -1 : real(fd, bytes, (size_t)most, offset);                              \
    }
PREAD(pread, off_t)
PREAD(pread64, off64_t)

#define TRUNCATE(name, type)                                                                       \
    int name(int fd, type size)                                                                    \
    {                                                                                              \
        REAL(int, (int, type), #name)                                                              \
        if (is_watched(fd) && fails("ftruncate")) return -1;                                       \
        int result = real(fd, size);                                                               \
        if (result == 0 && is_watched(fd)) note(SHIM_TRUNCATE, fd, NULL, NULL, size, NULL, 0);     \
        return result;                                                                             \
    }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

int fsync(int fd)
{
    REAL(int, (int), "fsync")
    if (!is_watched(fd)) return real(fd);
    struct stat info;
    int is_folder = fstat(fd, &info) == 0 && S_ISDIR(info.st_mode);
    if (fails(is_folder ? "fsync-folder" : "fsync")) return -1;
    note(SHIM_FSYNC, fd, NULL, NULL, 0, NULL, 0);
    return 0; /* no power is lost here, and disks are slow */
}

/* ---- names ---- */

int rename(const char *from, const char *to)
{
    REAL(int, (const char *, const char *), "rename")
    if (is_below(to) && fails("rename")) return -1;
    int result = real(from, to);
    if (result == 0 && is_below(to)) note(SHIM_RENAME, -1, from, to, 0, NULL, 0);
    return result;
}

int unlink(const char *path)
{
    REAL(int, (const char *), "unlink")
    if (is_below(path) && fails("unlink")) return -1;
    int result = real(path);
    if (result == 0 && is_below(path)) note(SHIM_UNLINK, -1, path, NULL, 0, NULL, 0);
    return result;
}

int mkdir(const char *path, mode_t mode)
{
    REAL(int, (const char *, mode_t), "mkdir")
    if (is_below(path) && fails("mkdir")) return -1;
    int result = real(path, mode);
    if (result == 0 && is_below(path)) note(SHIM_MKDIR, -1, path, NULL, 0, NULL, 0);
    return result;
}

/* ---- memory ---- */

void *aligned_alloc(size_t align, size_t size)
{
    REAL(void *, (size_t, size_t), "aligned_alloc")
    return fails("alloc") ? NULL : real(align, size);
}
