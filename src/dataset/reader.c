/* Shared memory without a name, and rlimits: Linux's names, not in POSIX. */
#define _DEFAULT_SOURCE
#include "dataset/reader.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "dataset/dataset_h5.h"
#include "dataset/reader_file.h"

enum { FILES = 8, ROOM = BLOCK_MAX, SUMS_AT_ONCE = ROOM / sizeof(uint64_t) };
enum { SECONDS = 60, SECONDS_MAX = 86400 };

_Static_assert(sizeof(t2i_claims) <= ROOM, "what opening a file tells goes through the same room");

typedef enum { OPEN, BLOCKS, SUMS, CLOSE } verb;

typedef struct {
    verb verb;
    unsigned slot, column;
    uint64_t first, count; /* BLOCKS and SUMS: which; OPEN: the file's size is first */
} request;

/* The answer is a t2i_error by the socket; bulk lies in room: the path of OPEN and what comes back.
 */

/* Of this process: the one reader it has, as HDF5 cannot be asked twice at a time either. */
static struct {
    pid_t pid, owner; /* owner: who forked it; a fork of ours has none of its own yet */
    int fd;           /* the socket */
    uint8_t *room;    /* shared; NULL: there is no reader */
    unsigned long birth;
    int used[FILES];
} reader;

static int seconds_to_wait(void)
{
    const char *text = getenv("T2I_READER_SECONDS");
    long wish = text == NULL ? 0 : strtol(text, NULL, 10);
    return wish >= 1 && wish <= SECONDS_MAX ? (int)wish : SECONDS;
}

/* ---- the reader's own side ---- */

/* Signals to the job are not for it (its parent decides when it ends); what HDF5 does to itself
 * ends it at once, whatever handlers the parent has. */
static void set_signals(void)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE};
    sigset_t none;
    sigemptyset(&none);
    for (int i = 1; i < SIGRTMIN; i++) signal(i, SIG_DFL);
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) signal(ignored[i], SIG_IGN);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* All but our end of the socket goes: nobody who waits for the end of the parent's output should
 * wait for us. */
static void close_files(int fd)
{
    int null = open("/dev/null", O_RDWR);
    for (int i = 0; i < 3 && null >= 0; i++) dup2(null, i);
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL) return;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        int other = atoi(entry->d_name);
        if (other > 2 && other != fd && other != dirfd(folder)) close(other);
    }
    closedir(folder);
}

/* Counted from what is there already: sanitizers begin with terabytes of address space. */
static void limit_memory(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL) return;
    if (fscanf(file, "%*s %*s %*s %*s %*s %lu", &pages) == 1) {
        rlim_t most = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + ((rlim_t)1 << 30);
        setrlimit(RLIMIT_DATA, &(struct rlimit){most, most});
    }
    fclose(file);
}

/* So much processor time from now on; SIGXCPU ends us then. */
static void limit_time(int seconds)
{
    struct rusage used;
    struct rlimit limit;
    if (getrusage(RUSAGE_SELF, &used) != 0 || getrlimit(RLIMIT_CPU, &limit) != 0) return;
    rlim_t until = (rlim_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec + 1 + seconds);
    limit.rlim_cur = until < limit.rlim_max ? until : limit.rlim_max;
    setrlimit(RLIMIT_CPU, &limit);
}

static t2i_status act(const request *ask, t2i_h5_file **file, uint8_t *room, t2i_error *err)
{
    if (ask->verb == OPEN) {
        char path[PATH_MAX];
        t2i_claims claims;
        snprintf(path, sizeof path, "%s", (const char *)room);
        t2i_status status = t2i_h5_open(file, path, ask->first, &claims, err);
        memcpy(room, &claims, sizeof claims);
        return status;
    }
    if (ask->verb == CLOSE) {
        t2i_h5_close(*file);
        *file = NULL;
        return T2I_OK;
    }
    const t2i_column *column = t2i_h5_column(*file, ask->column);
    if (ask->verb == SUMS)
        return t2i_h5_read_sums(column, ask->first, ask->count, (uint64_t *)(void *)room, err);
    for (uint64_t i = 0; i < ask->count; i++) {
        T2I_TRY(t2i_h5_read_block(column, ask->first + i, room, err));
        room += t2i_column_block_bytes(column, ask->first + i);
    }
    return T2I_OK;
}

/* Until the parent closes its end of the socket. */
static void serve(int fd, uint8_t *room, int seconds)
{
    t2i_h5_file *file[FILES] = {NULL};
    request ask;
    for (;;) {
        ssize_t got = recv(fd, &ask, sizeof ask, 0);
        if (got < 0 && errno == EINTR) continue; /* stopped and continued */
        if (got != sizeof ask) return;
        t2i_error answer = {.status = T2I_OK};
        limit_time(seconds);
        answer.status = act(&ask, &file[ask.slot], room, &answer);
        if (send(fd, &answer, sizeof answer, 0) != sizeof answer) return;
    }
}

static void be_reader(int fd, uint8_t *room, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "t2i-reader");
    if (getppid() != parent) return; /* it was gone before we asked to go with it */
    set_signals();
    close_files(fd);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    limit_memory();
    int seconds = seconds_to_wait() / 6;
    serve(fd, room, seconds > 0 ? seconds : 1);
}

/* ---- beginning and end ---- */

/* Not among standard input, output and error, where one of them was closed. */
static int lift(int fd)
{
    if (fd > STDERR_FILENO) return fd;
    int higher = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    close(fd);
    return higher;
}

static void forget(void)
{
    close(reader.fd);
    munmap(reader.room, ROOM);
    reader.room = NULL;
}

static t2i_status begin(t2i_error *err)
{
    int ends[2];
    pid_t me = getpid();
    if (reader.room != NULL && reader.owner == me) return T2I_OK;
    if (reader.room != NULL) forget(); /* that one is our parent's */
    void *room = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED) return t2i_fail_memory(err, ROOM, "the reader of datasets");
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        munmap(room, ROOM);
        return t2i_fail(err, T2I_SYSTEM, "the reader of datasets cannot be reached: %s",
                        strerror(errno));
    }
    for (int i = 0; i < 2; i++) ends[i] = lift(ends[i]);
    pid_t pid = fork();
    if (pid == 0) {
        be_reader(ends[1], room, me);
        _exit(0); /* the parent's exit handlers and buffers are not ours */
    }
    int why = errno;
    close(ends[1]);
    setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){.tv_sec = 1},
               sizeof(struct timeval));
    reader.pid = pid;
    reader.owner = me;
    reader.fd = ends[0];
    reader.room = room;
    reader.birth++;
    memset(reader.used, 0, sizeof reader.used);
    if (pid > 0) return T2I_OK;
    forget();
    return t2i_fail(err, T2I_SYSTEM, "the reader of datasets cannot be started: %s", strerror(why));
}

void t2i_reader_begin(void)
{
    t2i_error later; /* told when a dataset is opened */
    t2i_status status = begin(&later);
    (void)status;
}

/* Killed, it is not waited for longer than a moment: it may hang on a disk. */
static void finish(void)
{
    kill(reader.pid, SIGKILL);
    for (int i = 0; i < 100 && waitpid(reader.pid, NULL, WNOHANG) == 0; i++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    forget();
}

void t2i_reader_end(void)
{
    if (reader.room != NULL && reader.owner == getpid()) finish();
}

/* No answer in time: it hangs on a disk, or was stopped. */
static t2i_status stalled(const char *path, int seconds, t2i_error *err)
{
    finish();
    return t2i_fail(err, T2I_IO,
                    "cannot read %s: nothing came for %d s; is its disk gone, or slow? "
                    "T2I_READER_SECONDS in the environment waits longer",
                    path, seconds);
}

/* It is dead, or (not nothing came, but nonsense) must die. */
static t2i_status died(const char *path, ssize_t came, t2i_error *err)
{
    int end = 0;
    kill(reader.pid, SIGKILL);
    pid_t known = waitpid(reader.pid, &end, 0);
    forget();
    int number = came <= 0 && known > 0 && WIFSIGNALED(end) ? WTERMSIG(end) : 0;
    if (number == SIGKILL)
        return t2i_fail(err, T2I_IO,
                        "cannot read %s: the process that reads it was killed (is there too little "
                        "memory?)",
                        path);
    if (number == SIGXCPU)
        return t2i_fail(err, T2I_DATA,
                        "%s is damaged: HDF5 comes to no end with it; restore the file or build it "
                        "again",
                        path);
    return t2i_fail(err, T2I_DATA,
                    "%s is damaged: HDF5 crashes on it (signal %d); restore the file or build it "
                    "again",
                    path, number);
}

/* ---- asking ---- */

static int is_known(t2i_status status)
{
    return status == T2I_OK || status == T2I_DATA || status == T2I_NOINPUT || status == T2I_IO ||
           status == T2I_SYSTEM;
}

static t2i_status exchange(const char *path, const request *ask, t2i_error *err)
{
    t2i_error answer;
    int seconds = 0, most = seconds_to_wait();
    if (send(reader.fd, ask, sizeof *ask, MSG_NOSIGNAL) != sizeof *ask) return died(path, 0, err);
    ssize_t got = recv(reader.fd, &answer, sizeof answer, 0);
    while (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        /* whole seconds in which nothing came are counted, not the clock: that goes on while the
         * job is suspended */
        if (errno == EAGAIN && ++seconds >= most) return stalled(path, most, err);
        got = recv(reader.fd, &answer, sizeof answer, 0);
    }
    if (got != sizeof answer || !is_known(answer.status)) return died(path, got, err);
    if (answer.status == T2I_OK) return T2I_OK;
    answer.text[sizeof answer.text - 1] = '\0';
    return t2i_fail(err, answer.status, "%s", answer.text);
}

/* The file is open in this very reader. */
static int is_open(const t2i_reader_file *file)
{
    return file->birth != 0 && reader.room != NULL && file->birth == reader.birth &&
           reader.owner == getpid();
}

/* Asks for bytes of an open file, which are copied to out. */
static t2i_status fetch(const t2i_reader_file *file, const request *ask, void *out, size_t bytes,
                        t2i_error *err)
{
    if (bytes > ROOM) return t2i_fail(err, T2I_BUG, "a block of %zu bytes was asked for", bytes);
    if (!is_open(file))
        return t2i_fail(err, T2I_IO, "cannot read %s: the process that read it is gone",
                        file->path);
    T2I_TRY(exchange(file->path, ask, err));
    memcpy(out, reader.room, bytes);
    return T2I_OK;
}

t2i_status t2i_reader_open(t2i_reader_file *out, const char *path, uint64_t file_size,
                           t2i_claims *claims, t2i_error *err)
{
    *out = (t2i_reader_file){.path = path};
    T2I_TRY(begin(err));
    while (out->slot < FILES && reader.used[out->slot]) out->slot++;
    if (out->slot == FILES || strlen(path) >= PATH_MAX)
        return t2i_fail(err, T2I_SYSTEM, "cannot open %s: its name is too long, or %d are open",
                        path, FILES);
    request ask = {.verb = OPEN, .slot = out->slot, .first = file_size};
    strcpy((char *)reader.room, path);
    T2I_TRY(exchange(path, &ask, err));
    memcpy(claims, reader.room, sizeof *claims);
    reader.used[out->slot] = 1;
    out->birth = reader.birth;
    return T2I_OK;
}

t2i_status t2i_reader_blocks(const t2i_reader_file *file, unsigned column, uint64_t block,
                             uint64_t count, void *out, size_t bytes, t2i_error *err)
{
    request ask = {
        .verb = BLOCKS, .slot = file->slot, .column = column, .first = block, .count = count};
    return fetch(file, &ask, out, bytes, err);
}

t2i_status t2i_reader_sums(const t2i_reader_file *file, unsigned column, uint64_t *out,
                           uint64_t count, t2i_error *err)
{
    request ask = {.verb = SUMS, .slot = file->slot, .column = column};
    for (; ask.first < count; ask.first += ask.count) {
        ask.count = count - ask.first < SUMS_AT_ONCE ? count - ask.first : SUMS_AT_ONCE;
        T2I_TRY(fetch(file, &ask, out + ask.first, (size_t)ask.count * sizeof *out, err));
    }
    return T2I_OK;
}

void t2i_reader_close(t2i_reader_file *file)
{
    request ask = {.verb = CLOSE, .slot = file->slot};
    if (is_open(file)) {
        t2i_error later; /* if it dies of this, whoever opens a dataset next gets another */
        t2i_status status = exchange(file->path, &ask, &later);
        reader.used[file->slot] = 0;
        (void)status;
    }
    file->birth = 0;
}
