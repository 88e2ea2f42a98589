/* writer_lease_interleavings.c - two processes and one run folder, in every order of their steps.
 * TIMEOUT: 300
 *
 * Each process is a coroutine that does what t2i-train does with a run folder, by the functions
 * that it calls:
 *
 *   step     functions                                  the other process may run before each
 *   take     t2i_writer_lease_take                      look into .writer, open of its file,
 *                                                       rename, unlink, rmdir
 *   sweep    t2i_run_folder_sweep                       unlink
 *   look     t2i_run_folder_checkpoints,                look into checkpoints,
 *            t2i_runlog_ended                           open of status.json
 *   begin    t2i_runlog_open,                           open of log.jsonl,
 *            t2i_runlog_status("running")               look for the own file, rename
 *   step N   t2i_runlog_validation, t2i_commit_file     look for the own file, rename
 *   finish   t2i_runlog_status("finished")              look for the own file, rename
 *   end      t2i_writer_lease_end                       unlink, rmdir
 *
 * Their system calls are defined here, in front of the C library's: before each one above the
 * other process may run, the first one may be killed where that is asked for, and one that waits
 * for the owner may lose its patience. All orders are tried, depth first; one that comes to a state
 * that was seen is not followed further. A state is the folder's contents and, of each process, all
 * that it has seen so far. Time, pids, boots and PID namespaces are made up; files and locks are
 * real.
 *
 * Checked at every change of the folder and at the end of every order:
 *   - only the owner changes anything: so at most one process believes that it may write, and one
 *     that is refused changes nothing. If another host takes the folder, a rename that was begun
 *     may still come before the new owner looks at the folder, but not later;
 *   - a finished run is reopened only for more steps;
 *   - the log has each step up to the newest checkpoint, once;
 *   - unless a process was refused or another host has taken the folder, it ends well; the run ends
 *     finished, and nobody owns it.
 * Then the errors of earlier versions are put back, one at a time, and each must be found. With
 * SOAK=1 there are two more scenes of two hosts.
 */
#define _DEFAULT_SOURCE /* syscall */
#include "base/writer_lease.c"

#include <stdarg.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>

#include "base/commit.h"
#include "base/hash.h"
#include "checkpoint/run_folder.h"
#include "record/runlog.h"
#include "scratch.h"
#include "test.h"

enum { STACK = 1 << 20, MOST_CHOICES = 4000, SEEN = 1 << 20 };

/* Errors of earlier versions. */
typedef enum {
    NONE,
    NO_SWEEP,        /* temporary files of the owner before stay while the folder is looked at */
    LOOK_FIRST,      /* the folder is looked at before it is taken */
    SWEEP_REFUSED,   /* a refused process sweeps */
    WRITE_OVER,      /* who saw no live owner writes its name over whatever is there */
    LOOK_THEN_UNLINK /* the end looks for the own file, and removes whatever is there */
} bug;

enum {
    DEAD = 1,      /* the folder has a dead owner, a checkpoint and what it was writing */
    STRANGERS = 2, /* another program has left files in .writer */
    LOCKLESS = 4   /* there are no locks */
};

/* What is tried. */
typedef struct {
    bug bug;
    int has;      /* of the above */
    int kills;    /* the first process may be killed, once */
    long goal[2]; /* steps */
    const char *boot[2], *space[2];
} scene;

typedef struct {
    ucontext_t context;
    char *stack; /* owned */
    long pid;
    int done, asleep, killed, lost, refused;
    double clock;
    uint64_t seen;       /* hash of all that it has seen */
    long taken, settled; /* when it took the folder, and had swept it; moves */
    __typeof__(lease) lease;
} process;

static process all[2], *self; /* self: whose turn it is; NULL: nobody's */
static ucontext_t scheduler;
static const scene *now;
static int draining; /* this order was seen: it is only brought to an end */
static long moves;
static char run[600];

/* The order: choices made so far, and those that are to be made first. */
static unsigned char choice[MOST_CHOICES];
static size_t chosen, given;
static unsigned char (*todo)[MOST_CHOICES]; /* owned: orders that are to be tried */
static size_t *todo_size, todos, todo_room;
static uint64_t *visited; /* owned: a table of states */
static size_t states, orders;
static char wrong[512]; /* the first thing that was wrong; "" */

static void blame(const char *format, ...)
{
    va_list list;
    if (wrong[0] != '\0' || draining) return;
    va_start(list, format);
    int size = vsnprintf(wrong, 300, format, list);
    va_end(list);
    for (size_t i = 0; i < chosen && size < 480; i++)
        size += snprintf(wrong + size, sizeof wrong - (size_t)size, "%s%d",
                         i == 0 ? "; order " : "", choice[i]);
}

/* ---- states ---- */

static uint64_t mix(uint64_t hash, const void *bytes, size_t size)
{
    const uint64_t both[] = {hash, t2i_hash_64(bytes, size)};
    return t2i_hash_64(both, sizeof both);
}

/* Of a file's contents, and of a folder's: names and contents, in no order. Temporary names are
 * random after the pid. */
static uint64_t contents(const char *path)
{
    char piece[8192];
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 1;
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        ssize_t size = read(fd, piece, sizeof piece);
        close(fd);
        return t2i_hash_64(piece, size < 0 ? 0 : (size_t)size);
    }
    uint64_t sum = 2;
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        char name[1200];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        snprintf(name, sizeof name, "%s/%s", path, e->d_name);
        size_t size = strlen(e->d_name);
        uint64_t inner = contents(name);
        if (size > 13 && strcmp(e->d_name + size - 4, ".tmp") == 0 && e->d_name[size - 13] == '-')
            size -= 12;
        sum += mix(inner, e->d_name, size);
    }
    closedir(dir);
    return sum;
}

/* Does this process now learn something? */
static void learn(uint64_t what)
{
    if (self != NULL) self->seen = mix(self->seen, &what, sizeof what);
}

static int seen_before(uint64_t state)
{
    size_t at = state % SEEN;
    while (visited[at] != 0 && visited[at] != state) at = (at + 1) % SEEN;
    if (visited[at] == state) return 1;
    visited[at] = state;
    if (++states > SEEN / 2) abort();
    return 0;
}

/* One of `count`: what the order says, else 0, and the others are noted. */
static int choose(int count)
{
    if (draining || count < 2) return 0;
    if (chosen < given) return choice[chosen++];
    uint64_t parts[16] = {contents(run), (uint64_t)count, self == NULL ? 0 : (uint64_t)self->pid};
    for (int i = 0; i < 2; i++) {
        const process *p = &all[i];
        uint64_t *at = parts + 3 + 5 * i;
        *at++ = p->seen;
        *at++ = (uint64_t)(p->done | p->asleep << 1 | p->killed << 2 | p->lost << 3);
        *at++ = (uint64_t)p->clock;
        *at++ = (uint64_t)(p->settled > all[1 - i].taken);
        *at++ = (uint64_t)p->refused;
    }
    draining = seen_before(t2i_hash_64(parts, sizeof parts));
    all[0].killed |= draining; /* whose calls do nothing, so that both soon end */
    all[1].killed |= draining;
    if (draining) return 0;
    if (chosen == MOST_CHOICES) abort();
    for (int c = 1; c < count; c++) {
        if (todos == todo_room) {
            todo_room = todo_room * 2 + 64;
            todo = realloc(todo, todo_room * sizeof *todo);
            todo_size = realloc(todo_size, todo_room * sizeof *todo_size);
            if (todo == NULL || todo_size == NULL) abort();
        }
        memcpy(todo[todos], choice, chosen);
        todo[todos][chosen] = (unsigned char)c;
        todo_size[todos++] = chosen + 1;
    }
    choice[chosen++] = 0;
    return 0;
}

/* ---- what must hold ---- */

static int is_below(const char *path)
{
    return self != NULL && strncmp(path, run, strlen(run)) == 0;
}

static int is_lease(const char *path)
{
    return strstr(path, "/.writer") != NULL;
}

static int is_owner(const process *p)
{
    return p->lease.mine != NULL && syscall(SYS_faccessat, AT_FDCWD, p->lease.mine, F_OK) == 0;
}

static int of_hosts(void)
{
    return now->boot[1][0] != '\0' && strcmp(now->boot[0], now->boot[1]) != 0;
}

/* A change of the folder by the process whose turn it is. */
static void changes(const char *what, const char *path)
{
    const process *other = &all[self == &all[0]];
    self->lease = lease;
    if (is_lease(path) || is_owner(self)) return;
    int temporary = strstr(path, ".tmp") != NULL,
        others = strstr(path, self->pid == 1001 ? ".1002-" : ".1001-") != NULL;
    if (of_hosts() && ((temporary && (!others || other->killed)) || other->settled < other->taken))
        return;
    blame("process %ld, which does not own the folder: %s %s", self->pid, what, path + strlen(run));
}

static int says(const char *path, const char *text)
{
    char bytes[8192];
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? 0 : read(fd, bytes, sizeof bytes - 1);
    if (fd >= 0) close(fd);
    bytes[size < 0 ? 0 : size] = '\0';
    return strstr(bytes, text) != NULL;
}

static long newest(void)
{
    long *steps, step = 0;
    size_t count;
    t2i_error err;
    const process *turn = self;
    self = NULL;
    if (t2i_run_folder_checkpoints(run, &steps, &count, &err) != T2I_OK) abort();
    if (count > 0) step = steps[0];
    t2i_free(steps);
    self = (process *)turn;
    return step;
}

static void check_status(const char *from, const char *to)
{
    if (strstr(to, "/status.json") == NULL || !says(to, "finished") || says(from, "finished"))
        return;
    if (newest() >= now->goal[self == &all[1]])
        blame("process %ld reopens a finished run", self->pid);
}

static void check_log(void)
{
    char path[700], line[1024];
    long step = newest(), at = 0, read;
    snprintf(path, sizeof path, "%s/log.jsonl", run);
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (strstr(line, "val_loss") != NULL && sscanf(line, "{\"step\":%ld", &read) == 1 &&
            ++at != read)
            blame("the log has step %ld at line %ld", read, at);
    if (file != NULL) fclose(file);
    if (at < step) blame("the log ends at step %ld, the checkpoints at %ld", at, step);
}

static void check_end(void)
{
    char path[700];
    int well = 0;
    long goal = 0;
    for (int i = 0; i < 2; i++) {
        well += !all[i].killed && !all[i].lost && !all[i].refused;
        if (all[i].lost && (!of_hosts() || all[1 - i].taken < all[i].taken))
            blame("process %ld has lost the folder to nobody", all[i].pid);
        if (!all[i].killed && !all[i].lost && !all[i].refused && now->goal[i] > goal)
            goal = now->goal[i];
    }
    check_log();
    snprintf(path, sizeof path, "%s/status.json", run);
    if (well == 0 && !all[0].killed) blame("no process ends well");
    if (well > 0 && (newest() < goal || !says(path, "finished")))
        blame("the run ends at step %ld, and not finished", newest());
    snprintf(path, sizeof path, "%s/.writer", run);
    if (well > 0 && !all[0].killed && syscall(SYS_faccessat, AT_FDCWD, path, F_OK) == 0)
        blame("an owner is left");
}

/* ---- system calls ---- */

/* Lets the other process run. Returns whether this one is killed: its calls do nothing any more. */
static int gives_way(void)
{
    if (self == NULL) return 0;
    if (self->killed) return 1;
    learn(1); /* it has come so far */
    swapcontext(&self->context, &scheduler);
    return self->killed;
}

static int dead(void)
{
    errno = EIO;
    return -1;
}

static int result(long got)
{
    int why = errno;
    learn((uint64_t)(got < 0 ? -why : 0));
    errno = why;
    return (int)got;
}

int rename(const char *from, const char *to)
{
    if (is_below(to)) {
        if (gives_way()) return dead();
        if (syscall(SYS_faccessat, AT_FDCWD, from, F_OK) == 0) {
            changes("renames", to);
            check_status(from, to);
        }
    }
    int got = result(syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
    if (is_below(to) && got == 0 && strstr(to, "/.writer/") != NULL) self->taken = ++moves;
    return got;
}

int unlink(const char *path)
{
    if (is_below(path)) {
        if (gives_way()) return dead();
        changes("removes", path);
    }
    return result(syscall(SYS_unlinkat, AT_FDCWD, path, 0));
}

int rmdir(const char *path)
{
    if (is_below(path) && gives_way()) return dead();
    return result(syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR));
}

int mkdir(const char *path, mode_t mode)
{
    if (is_below(path)) {
        if (self->killed) return dead();
        if (strcmp(path, run) == 0) {
            if (gives_way()) return dead();
        } else if (!of_hosts()) /* an empty folder that every run has */
            changes("makes", path);
    }
    return result(syscall(SYS_mkdirat, AT_FDCWD, path, mode));
}

/* Only of the owner's file. */
int lstat(const char *path, struct stat *info)
{
    if (is_below(path) && is_lease(path) && lease.mine != NULL && gives_way()) return dead();
    return result(fstatat(AT_FDCWD, path, info, AT_SYMLINK_NOFOLLOW));
}

int access(const char *path, int mode)
{
    if (is_below(path) && gives_way()) return dead();
    return result(syscall(SYS_faccessat, AT_FDCWD, path, mode));
}

DIR *opendir(const char *path)
{
    if (is_below(path)) {
        /* the owner opens .writer only to look for its file in it: lstat, below */
        int shared = is_lease(path) ? lease.mine == NULL : strstr(path, "/checkpoints") != NULL;
        if (self->killed || (shared && gives_way())) {
            errno = EIO;
            return NULL;
        }
        learn(contents(path));
    }
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? NULL : fdopendir(fd);
}

int open(const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    unsigned mode = (flags & O_CREAT) != 0 ? va_arg(list, unsigned) : 0;
    va_end(list);
    if (is_below(path) && (flags & O_DIRECTORY) == 0) {
        if (self->killed || ((flags & O_CREAT) == 0 && gives_way())) return dead();
        if ((flags & O_CREAT) != 0)
            changes("creates", path);
        else
            learn(contents(path));
    }
    return result(syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}

int flock(int fd, int operation)
{
    if (self != NULL && self->killed) return dead();
    errno = ENOLCK;
    return result((now->has & LOCKLESS) != 0 ? -1 : syscall(SYS_flock, fd, operation));
}

ssize_t write(int fd, const void *bytes, size_t size)
{
    if (self != NULL && self->killed) return dead();
    return syscall(SYS_write, fd, bytes, size);
}

int fsync(int fd)
{
    (void)fd; /* a matter of power losses */
    return 0;
}

pid_t getpid(void)
{
    return self == NULL ? (pid_t)syscall(SYS_getpid) : (pid_t)self->pid;
}

/* An owner that is alive ends, saves or is stopped: the one that waits looks again when the other
 * has moved, or when its patience is at an end. */
int nanosleep(const struct timespec *time, struct timespec *left)
{
    (void)left;
    if (self == NULL || self->killed) return 0;
    self->seen = (uint64_t)self->pid; /* the loop keeps nothing else */
    if (choose(2) == 1) {
        self->clock += PATIENCE + 1;
        return 0;
    }
    if (draining) return 0;
    self->asleep = time->tv_nsec > 0;
    swapcontext(&self->context, &scheduler);
    return 0;
}

int sched_yield(void)
{
    if (self != NULL) self->seen = (uint64_t)self->pid + 10; /* likewise */
    return 0;
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
    if (self == NULL) return (int)syscall(SYS_clock_gettime, clock, time);
    *time = (struct timespec){(time_t)self->clock, clock == CLOCK_REALTIME ? ++moves : 0};
    return 0;
}

ssize_t readlink(const char *path, char *to, size_t size)
{
    if (self == NULL || strcmp(path, "/proc/self/ns/pid") != 0)
        return syscall(SYS_readlinkat, AT_FDCWD, path, to, size);
    return snprintf(to, size, "pid:[%s]", now->space[self == &all[1]]);
}

FILE *fopen(const char *path, const char *mode)
{
    static char text[2][200];
    long pid;
    int fd = -1;
    char *line = text[self == &all[1]];
    if (self != NULL && sscanf(path, "/proc/%ld/stat", &pid) == 1) {
        const process *p = &all[pid == 1002];
        if ((pid != 1001 && pid != 1002) || p->done || p->killed) return NULL;
        snprintf(line, sizeof text[0], "%ld (t2i-train) S%s 77 1", pid,
                 " 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1");
    } else if (self != NULL && strcmp(path, "/proc/sys/kernel/random/boot_id") == 0)
        snprintf(line, sizeof text[0], "%s\n", now->boot[self == &all[1]]);
    else
        return (fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC)) < 0
                   ? NULL
                   : fdopen(fd, mode);
    return fmemopen(line, strlen(line), mode);
}

/* ---- a process ---- */

/* As version 1.0.0 did: looks for a live owner, then writes its name over whatever is there. */
static t2i_status take_by_writing(t2i_error *err)
{
    char seen[NAME], name[NAME];
    name_kind kind;
    writer w;
    double since = t2i_cpu_seconds();
    lease.me = myself();
    lease.fd = -1;
    lease.run = strdup(run);
    lease.folder = t2i_strdup(run);
    lease.notes = t2i_fs_join(run, ".writer", err);
    name_of(&lease.me, name);
    for (;;) {
        if (read_owner(lease.notes, seen, &kind, err) != T2I_OK) return T2I_IO;
        if (!names(seen, &w) || !lives(&w, UNKNOWN)) break;
        if (t2i_cpu_seconds() - since > PATIENCE) return t2i_fail(err, T2I_CANTCREATE, "refused");
        t2i_cpu_sleep(0.1);
    }
    if (gives_way()) return T2I_IO;
    (void)mkdir(run, 0777);
    scratch_remove(lease.notes);
    (void)mkdir(lease.notes, 0777);
    lease.mine = t2i_fs_join(lease.notes, name, err);
    close(open(lease.mine, O_WRONLY | O_CREAT, 0666));
    self->taken = ++moves;
    return T2I_OK;
}

/* As version 1.0.0 did. */
static void end_by_looking(void)
{
    t2i_error err;
    if (lease.mine != NULL && t2i_writer_lease_check(&err) == T2I_OK && !gives_way()) {
        scratch_remove(lease.notes);
        rmdir(lease.notes);
    }
    if (lease.fd >= 0) close(lease.fd);
    forget();
}

static t2i_status look(long *step, int *ended, t2i_error *err)
{
    long *steps;
    size_t count;
    T2I_TRY(t2i_run_folder_checkpoints(run, &steps, &count, err));
    *step = count > 0 ? steps[0] : 0;
    t2i_free(steps);
    *ended = t2i_runlog_ended(run);
    return T2I_OK;
}

static t2i_status save(long step, t2i_error *err)
{
    char *path = t2i_run_folder_checkpoint(run, step, err);
    t2i_status status = t2i_commit_file(path, "weights", 7, err);
    t2i_free(path);
    return status;
}

static t2i_status train(long step, long goal, t2i_error *err)
{
    t2i_runlog *log = NULL;
    t2i_run_status running = {.state = "running", .message = ""};
    char *checkpoints = t2i_fs_join(run, "checkpoints", err);
    t2i_status status = t2i_writer_lease_check(err);
    if (status == T2I_OK) status = t2i_fs_mkdir(checkpoints, err);
    t2i_free(checkpoints);
    if (status == T2I_OK) status = t2i_runlog_open(&log, run, step, err);
    if (status == T2I_OK) status = t2i_runlog_status(run, &running, err);
    while (status == T2I_OK && step++ < goal) {
        status = t2i_runlog_validation(log, step, 1.0, &(t2i_recall){0}, 0, 0, err);
        if (status == T2I_OK) status = save(step, err);
    }
    running.state = "finished";
    if (status == T2I_OK) status = t2i_runlog_status(run, &running, err);
    t2i_runlog_close(log);
    return status;
}

/* What t2i-train does: the lease, a look, the run (src/train/train.c). */
static void live(void)
{
    t2i_error err = {0};
    long step = 0, goal = now->goal[self == &all[1]];
    int ended = 0;
    t2i_status status = T2I_OK;
    if (now->bug == LOOK_FIRST) status = look(&step, &ended, &err);
    if (status == T2I_OK)
        status = now->bug == WRITE_OVER ? take_by_writing(&err) : t2i_writer_lease_take(run, &err);
    if (status != T2I_OK) forget();
    self->refused = status != T2I_OK;
    if (now->bug != LOOK_FIRST) { /* nothing else is kept of how it was taken */
        self->seen = (uint64_t)self->pid + 20 + (uint64_t)(lease.above != NULL);
        learn((uint64_t)status);
        if (lease.mine != NULL) learn(t2i_hash_64(lease.mine, strlen(lease.mine)));
    }
    if (now->bug == SWEEP_REFUSED ? self->refused : !self->refused && now->bug != NO_SWEEP)
        t2i_run_folder_sweep(run);
    if (!self->killed) self->settled = ++moves;
    if (status == T2I_OK && now->bug != LOOK_FIRST) status = look(&step, &ended, &err);
    if (status == T2I_OK && !(ended && step == goal) && step <= goal)
        status = train(step, goal, &err);
    self->lost = status != T2I_OK && !self->refused && !self->killed;
    if (self->lost && !of_hosts()) blame("process %ld: %s", self->pid, err.text);
    if (now->bug == LOOK_THEN_UNLINK)
        end_by_looking();
    else
        t2i_writer_lease_end();
    self->lease = lease;
    self->done = 1;
    for (;;) swapcontext(&self->context, &scheduler);
}

/* ---- one order, all orders ---- */

static void prepare(void)
{
    t2i_error err;
    char path[700];
    scratch_remove(run);
    if ((now->has & STRANGERS) != 0) {
        snprintf(path, sizeof path, "%s/.writer/folder", run);
        OK(t2i_fs_mkdir(path, &err));
        snprintf(path, sizeof path, "%s/.writer/.DS_Store", run);
        close(open(path, O_WRONLY | O_CREAT, 0666));
    }
    if ((now->has & DEAD) != 0) {
        const t2i_run_status failed = {.state = "running", .message = ""};
        t2i_runlog *log;
        snprintf(path, sizeof path, "%s/checkpoints", run);
        OK(t2i_fs_mkdir(path, &err));
        snprintf(path, sizeof path, "%s/.writer", run);
        OK(t2i_fs_mkdir(path, &err));
        snprintf(path, sizeof path, "%s/.writer/dead,900,5,%s,%s,1", run, now->space[0],
                 now->boot[0]);
        close(open(path, O_WRONLY | O_CREAT, 0666));
        snprintf(path, sizeof path, "%s/checkpoints/step-2.safetensors.tmp", run);
        close(open(path, O_WRONLY | O_CREAT, 0666));
        OK(t2i_runlog_open(&log, run, 0, &err));
        OK(t2i_runlog_validation(log, 1, 1.0, &(t2i_recall){0}, 0, 0, &err));
        OK(save(1, &err));
        OK(t2i_runlog_status(run, &failed, &err));
        t2i_runlog_close(log);
    }
    for (int i = 0; i < 2; i++) {
        char *stack = all[i].stack;
        all[i] = (process){.stack = stack, .pid = 1001 + i, .settled = -1, .taken = -1};
        getcontext(&all[i].context);
        all[i].context.uc_stack.ss_sp = stack;
        all[i].context.uc_stack.ss_size = STACK;
        all[i].context.uc_link = &scheduler;
        makecontext(&all[i].context, live, 0);
    }
    moves = 0;
    draining = 0;
    chosen = 0;
}

static void turn(process *p)
{
    process *other = &all[p == &all[0]];
    self = p;
    lease = p->lease;
    swapcontext(&scheduler, &p->context);
    p->lease = lease;
    memset(&lease, 0, sizeof lease);
    self = NULL;
    if (!p->asleep || p->done) other->asleep = 0;
}

static void try_order(void)
{
    int kills = now->kills, first = 1;
    prepare();
    orders++;
    for (;;) {
        process *can[2];
        int count = 0;
        if (all[0].done && all[1].done) break;
        for (int i = 0; i < 2; i++)
            if (!all[i].done && (!all[i].asleep || all[1 - i].done || draining))
                can[count++] = &all[i];
        if (count == 0) {
            blame("both processes wait");
            break;
        }
        /* two hosts are alike: one of them begins */
        int alike = of_hosts() && now->goal[0] == now->goal[1] && !kills;
        int next = first && alike ? 0 : choose(count + (kills && !all[0].done));
        first = 0;
        if (next == count && !draining) {
            kills = 0;
            all[0].killed = 1;
            next = 0;
            turn(&all[0]);
        } else
            turn(can[next]);
    }
    if (!draining) check_end();
}

/* Tries all orders until one is wrong. */
static int is_right(const char *what, const scene *s)
{
    now = s;
    todos = states = orders = given = 0;
    wrong[0] = '\0';
    memset(visited, 0, SEEN * sizeof *visited);
    try_order();
    while (todos > 0 && wrong[0] == '\0') {
        given = todo_size[--todos];
        memcpy(choice, todo[todos], given);
        try_order();
    }
    printf("    %s: %zu states, %zu orders%s%s\n", what, states, orders,
           wrong[0] == '\0' ? "" : ": ", wrong);
    return wrong[0] == '\0';
}

#define HERE                                                                                       \
    {"boot", "boot"},                                                                              \
    {                                                                                              \
        "1", "1"                                                                                   \
    }
#define CONTAINERS                                                                                 \
    {"boot", "boot"},                                                                              \
    {                                                                                              \
        "1", "2"                                                                                   \
    }
#define UNTOLD                                                                                     \
    {"boot", ""},                                                                                  \
    {                                                                                              \
        "1", "2"                                                                                   \
    }
#define HOSTS                                                                                      \
    {"boot", "other"},                                                                             \
    {                                                                                              \
        "1", "1"                                                                                   \
    }

static void test_one_host(void)
{
    CU_ASSERT_TRUE(is_right("a new run", &(scene){NONE, 0, 1, {1, 1}, HERE}));
    CU_ASSERT_TRUE(is_right("a dead owner", &(scene){NONE, DEAD, 1, {2, 2}, HERE}));
    CU_ASSERT_TRUE(is_right("one with more steps", &(scene){NONE, 0, 1, {1, 2}, HERE}));
    CU_ASSERT_TRUE(is_right("two containers", &(scene){NONE, 0, 1, {1, 1}, CONTAINERS}));
}

/* What else may be, without a process that is killed. */
static void test_also(void)
{
    CU_ASSERT_TRUE(is_right("no boot is told", &(scene){NONE, 0, 0, {1, 1}, UNTOLD}));
    CU_ASSERT_TRUE(is_right("no locks", &(scene){NONE, LOCKLESS, 0, {1, 1}, HERE}));
    CU_ASSERT_TRUE(is_right("others' files", &(scene){NONE, STRANGERS, 0, {1, 1}, HERE}));
}

static void test_two_hosts(void)
{
    CU_ASSERT_TRUE(is_right("a new run", &(scene){NONE, 0, 0, {1, 1}, HOSTS}));
    if (getenv("SOAK") == NULL) return;
    CU_ASSERT_TRUE(is_right("a dead owner", &(scene){NONE, DEAD, 0, {2, 2}, HOSTS}));
    CU_ASSERT_TRUE(is_right("one is killed", &(scene){NONE, 0, 1, {1, 1}, HOSTS}));
}

static void test_errors(void)
{
    CU_ASSERT_FALSE(is_right("look, then take", &(scene){LOOK_FIRST, 0, 0, {1, 1}, HERE}));
    CU_ASSERT_FALSE(is_right("refused, sweeps", &(scene){SWEEP_REFUSED, DEAD, 0, {2, 2}, HERE}));
    CU_ASSERT_FALSE(is_right("look, then write", &(scene){WRITE_OVER, 0, 0, {1, 1}, HERE}));
    CU_ASSERT_FALSE(is_right("look, then unlink", &(scene){LOOK_THEN_UNLINK, 0, 0, {1, 2}, HOSTS}));
    CU_ASSERT_FALSE(is_right("no sweep", &(scene){NO_SWEEP, 0, 0, {1, 1}, HOSTS}));
}

int main(void)
{
    static const t2i_test tests[] = {
        {"one host: one at a time, of which one may be killed", test_one_host},
        {"one host, without boot or locks, with files of others", test_also},
        {"two hosts: the later one takes over", test_two_hosts},
        {"errors of earlier versions are found", test_errors},
    };
    if (syscall(SYS_faccessat, AT_FDCWD, "/dev/shm", W_OK) == 0) setenv("TMPDIR", "/dev/shm", 0);
    if (scratch_begin("interleavings") != 0) return 1;
    snprintf(run, sizeof run, "%s/run", scratch);
    for (int i = 0; i < 2; i++) all[i].stack = malloc(STACK);
    visited = malloc(SEEN * sizeof *visited);
    if (all[0].stack == NULL || all[1].stack == NULL || visited == NULL) return 1;
    int failed = t2i_test_main("writer_lease_interleavings", tests, sizeof tests / sizeof *tests);
    for (int i = 0; i < 2; i++) free(all[i].stack);
    free(visited);
    free(todo);
    free(todo_size);
    scratch_end();
    return failed;
}
