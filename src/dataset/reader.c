/* For dladdr, a GNU extension. */
#define _GNU_SOURCE
#include "dataset/reader.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/opts.h"
#include "dataset/reader_protocol.h"

extern char **environ;

enum { SUMS_AT_ONCE = READER_MOST / sizeof(uint64_t) };
enum { SECONDS = 60, SECONDS_MAX = 86400 };
enum { CANNOT_RUN = 127 }; /* exit code of the dynamic loader, as of a shell */

/* The one reader of this process. */
static struct {
    pid_t pid, owner; /* owner: the process that started it; a fork of that has no reader yet */
    int running, fd;  /* fd: the socket, while it is running */
    unsigned long birth;
    int used[READER_FILES];
} reader;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards reader and every exchange */

static int seconds_to_wait(void)
{
    const char *text = getenv("T2I_READER_SECONDS");
    long wish = text == NULL ? 0 : strtol(text, NULL, 10);
    return wish >= 1 && wish <= SECONDS_MAX ? (int)wish : SECONDS;
}

/* ---- the program ---- */

/* out: FOLDER/BELOWt2i-reader, with the folder of path. Returns 1 if that program exists. */
static int is_beside(const char *path, const char *below, char out[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL) return 0;
    int size = snprintf(out, PATH_MAX, "%.*s/%st2i-reader", (int)(slash - path), path, below);
    return size < PATH_MAX && access(out, X_OK) == 0;
}

/* Searches in the order that reader.h documents. */
static t2i_status find_program(char out[PATH_MAX], t2i_error *err)
{
    static const char *const below[] = {"", "../libexec/t2i/", "../../libexec/t2i/"};
    const char *named = getenv("T2I_READER");
    char program[PATH_MAX] = "";
    Dl_info here;
    if (named != NULL && *named != '\0') {
        snprintf(out, PATH_MAX, "%s", named);
        return T2I_OK;
    }
    ssize_t size = readlink("/proc/self/exe", program, sizeof program - 1);
    program[size > 0 ? size : 0] = '\0';
    int known = dladdr(&reader, &here) != 0 && here.dli_fname != NULL;
    for (size_t i = 0; i < sizeof below / sizeof *below && known; i++)
        if (is_beside(here.dli_fname, below[i], out)) return T2I_OK;
    for (size_t i = 0; i < sizeof below / sizeof *below; i++)
        if (is_beside(program, below[i], out)) return T2I_OK;
    return t2i_fail(err, T2I_SYSTEM,
                    "there is no t2i-reader, which reads datasets: neither beside %s nor in "
                    "../libexec/t2i; install it, or set T2I_READER to its path",
                    known && strchr(here.dli_fname, '/') != NULL ? here.dli_fname : program);
}

/* ---- start and end ---- */

/* Moves a descriptor above the numbers of those that the reader gets. */
static int lift(int fd)
{
    if (fd < 0 || fd > READER_SOCKET) return fd;
    int higher = fcntl(fd, F_DUPFD_CLOEXEC, READER_SOCKET + 1), why = errno;
    close(fd);
    errno = why;
    return higher;
}

static void forget(void)
{
    close(reader.fd);
    reader.running = 0;
}

/* Kills the reader if it is still a child: the caller may have waited for any child. */
static void kill_it(void)
{
    siginfo_t info;
    if (waitid(P_PID, (id_t)reader.pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0)
        kill(reader.pid, SIGKILL);
}

/* Kills the reader and waits at most 0.1 s for its end: it may hang on a disk. */
static void finish(void)
{
    kill_it();
    for (int i = 0; i < 100 && waitpid(reader.pid, NULL, WNOHANG) == 0; i++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    forget();
}

/* Returns 0 or an errno. All signals are blocked until the reader has set up its own handling. */
static int spawn(const char *program, const char *path, int socket, pid_t *pid)
{
    char *argv[] = {"t2i-reader", T2I_VERSION, (char *)path, NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t all;
    sigfillset(&all);
    int why = posix_spawn_file_actions_init(&files);
    if (why != 0) return why;
    why = posix_spawnattr_init(&attributes);
    if (why == 0) {
        why = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDWR, 0);
        if (why == 0) why = posix_spawn_file_actions_adddup2(&files, 0, 1);
        if (why == 0) why = posix_spawn_file_actions_adddup2(&files, 0, 2);
        if (why == 0) why = posix_spawn_file_actions_adddup2(&files, socket, READER_SOCKET);
        if (why == 0) why = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
        if (why == 0) why = posix_spawnattr_setsigmask(&attributes, &all);
        if (why == 0) why = posix_spawn(pid, program, &files, &attributes, argv, environ);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&files);
    return why;
}

/* Starts the reader if there is none. path: the first file that it will open. */
static t2i_status begin(const char *path, t2i_error *err)
{
    int ends[2];
    char program[PATH_MAX];
    pid_t me = getpid();
    if (reader.running && reader.owner == me) return T2I_OK;
    if (reader.running) forget(); /* it belongs to the parent process */
    T2I_TRY(find_program(program, err));
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) ends[0] = ends[1] = -1;
    for (int i = 0; i < 2; i++) ends[i] = lift(ends[i]);
    int why = ends[0] < 0 || ends[1] < 0 ? errno : spawn(program, path, ends[1], &reader.pid);
    if (ends[1] >= 0) close(ends[1]);
    if (why != 0) {
        if (ends[0] >= 0) close(ends[0]);
        return t2i_fail(err, T2I_SYSTEM, "cannot start %s, which reads datasets: %s", program,
                        strerror(why));
    }
    reader.running = 1;
    reader.fd = ends[0];
    reader.owner = me;
    reader.birth++;
    memset(reader.used, 0, sizeof reader.used);
    setsockopt(reader.fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){.tv_sec = 1},
               sizeof(struct timeval));
    return T2I_OK;
}

void t2i_reader_end(void)
{
    pthread_mutex_lock(&lock);
    if (reader.running && reader.owner == getpid()) finish();
    pthread_mutex_unlock(&lock);
}

/* The reader did not answer in time: it hangs on a disk, or was stopped. */
static t2i_status stalled(const char *path, int seconds, t2i_error *err)
{
    finish();
    return t2i_fail(err, T2I_IO,
                    "cannot read %s: no answer for %d s; is its disk slow or unreachable? "
                    "A larger T2I_READER_SECONDS in the environment waits longer",
                    path, seconds);
}

/* The reader has ended, or (came > 0: its answer was invalid) is killed. */
static t2i_status died(const char *path, ssize_t came, t2i_error *err)
{
    int end = 0;
    kill_it();
    pid_t known = waitpid(reader.pid, &end, 0);
    forget();
    char how[64];
    const int ended = came <= 0 && known > 0;
    int number = ended && WIFSIGNALED(end) ? WTERMSIG(end) : 0;
    if (number == SIGKILL)
        return t2i_fail(err, T2I_IO,
                        "cannot read %s: the process that reads it was killed (is there too little "
                        "memory?)",
                        path);
    if (ended && WIFEXITED(end) && WEXITSTATUS(end) == T2I_USAGE)
        return t2i_fail(
            err, T2I_SYSTEM,
            "cannot read %s: t2i-reader is not of version %s; install both from one build", path,
            T2I_VERSION);
    if (ended && WIFEXITED(end) && WEXITSTATUS(end) == CANNOT_RUN)
        return t2i_fail(err, T2I_SYSTEM,
                        "cannot read %s: t2i-reader does not start (exit code %d); are its shared "
                        "libraries installed?",
                        path, CANNOT_RUN);
    if (number == SIGXCPU)
        return t2i_fail(
            err, T2I_DATA,
            "%s is damaged: HDF5 does not finish reading it; restore the file or build it "
            "again",
            path);
    if (number != 0)
        snprintf(how, sizeof how, "HDF5 crashes on it (signal %d)", number);
    else if (ended && WIFEXITED(end))
        snprintf(how, sizeof how, "its reader ends (exit code %d)", WEXITSTATUS(end));
    else
        snprintf(how, sizeof how, "its reader answers what cannot be");
    return t2i_fail(err, T2I_DATA, "%s is damaged: %s; restore the file or build it again", path,
                    how);
}

/* ---- requests ---- */

static int is_known(t2i_status status)
{
    return status == T2I_OK || status == T2I_DATA || status == T2I_NOINPUT || status == T2I_IO ||
           status == T2I_SYSTEM;
}

static t2i_status receive(const char *path, void *out, size_t size, t2i_error *err)
{
    int seconds = 0, most = seconds_to_wait();
    for (size_t done = 0; done < size;) {
        ssize_t got = recv(reader.fd, (char *)out + done, size - done, MSG_WAITALL);
        if (got > 0) {
            done += (size_t)got;
        } else if (got < 0 && errno == EAGAIN) {
            /* counts timeouts of one second and does not read the clock, which continues while the
             * job is suspended */
            if (++seconds >= most) return stalled(path, most, err);
        } else if (got == 0 || errno != EINTR) {
            return died(path, got, err);
        }
    }
    return T2I_OK;
}

/* Sends a request; with it, unless file is -1, that descriptor and then path. Returns 0 on failure.
 */
static int ask_for(const t2i_reader_request *ask, int file, const char *path)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof file)];
    } beside = {.room = ""};
    t2i_reader_path name = {.text = ""};
    struct iovec parts[] = {{(void *)ask, sizeof *ask}, {&name, sizeof name}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 1};
    if (file >= 0) {
        beside.head = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(sizeof file), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&beside.head), &file, sizeof file);
        strcpy(name.text, path);
        message.msg_iovlen = 2;
        message.msg_control = &beside;
        message.msg_controllen = sizeof beside.room;
    }
    size_t size = sizeof *ask + (file >= 0 ? sizeof name : 0);
    return sendmsg(reader.fd, &message, MSG_NOSIGNAL) == (ssize_t)size;
}

/* Sends a request and receives its answer, which must have exactly `bytes` bytes. file: a
 * descriptor for READER_OPEN, else -1. */
static t2i_status exchange(const char *path, t2i_reader_request *ask, int file, void *out,
                           size_t bytes, t2i_error *err)
{
    t2i_reader_answer said;
    int seconds = seconds_to_wait();
    ask->seconds = seconds >= 6 ? seconds / 6 : 1;
    if (!ask_for(ask, file, path)) return died(path, 0, err);
    T2I_TRY(receive(path, &said, sizeof said, err));
    t2i_status status = said.error.status;
    if (!is_known(status) || said.bytes != (status == T2I_OK ? bytes : 0))
        return died(path, 1, err);
    if (status == T2I_OK) return receive(path, out, bytes, err);
    said.error.text[sizeof said.error.text - 1] = '\0';
    return t2i_fail(err, status, "%s", said.error.text);
}

/* Is the file open in the reader that is running? */
static int is_open(const t2i_reader_file *file)
{
    return file->birth != 0 && reader.running && file->birth == reader.birth &&
           reader.owner == getpid();
}

/* Requests bytes of an open file. */
static t2i_status fetch(const t2i_reader_file *file, t2i_reader_request *ask, void *out,
                        size_t bytes, t2i_error *err)
{
    if (bytes > READER_MOST)
        return t2i_fail(err, T2I_BUG, "a block of %zu bytes was requested", bytes);
    if (!is_open(file))
        return t2i_fail(err, T2I_IO, "cannot read %s: the process that read it has ended",
                        file->path);
    return exchange(file->path, ask, -1, out, bytes, err);
}

static t2i_status open_file(t2i_reader_file *out, uint64_t file_size, t2i_claims *claims,
                            t2i_error *err)
{
    T2I_TRY(begin(out->path, err));
    while (out->slot < READER_FILES && reader.used[out->slot]) out->slot++;
    if (out->slot == READER_FILES || strlen(out->path) >= PATH_MAX)
        return t2i_fail(err, T2I_SYSTEM,
                        "cannot open %s: its name is too long, or %d datasets are open", out->path,
                        READER_FILES);
    t2i_reader_request ask = {.verb = READER_OPEN, .slot = out->slot, .first = file_size};
    int fd = open(out->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not block */
    if (fd < 0) return t2i_fail(err, T2I_NOINPUT, "cannot open %s: %s", out->path, strerror(errno));
    t2i_status status = exchange(out->path, &ask, fd, claims, sizeof *claims, err);
    close(fd);
    T2I_TRY(status);
    reader.used[out->slot] = 1;
    out->birth = reader.birth;
    return T2I_OK;
}

t2i_status t2i_reader_look(t2i_reader_confinement *out, t2i_error *err)
{
    t2i_reader_request ask = {.verb = READER_LOOK};
    pthread_mutex_lock(&lock);
    t2i_status status = begin("", err);
    if (status == T2I_OK) status = exchange("datasets", &ask, -1, out, sizeof *out, err);
    pthread_mutex_unlock(&lock);
    return status;
}

t2i_status t2i_reader_open(t2i_reader_file *out, const char *path, uint64_t file_size,
                           t2i_claims *claims, t2i_error *err)
{
    *out = (t2i_reader_file){.path = path};
    pthread_mutex_lock(&lock);
    t2i_status status = open_file(out, file_size, claims, err);
    pthread_mutex_unlock(&lock);
    return status;
}

t2i_status t2i_reader_blocks(const t2i_reader_file *file, unsigned column, uint64_t block,
                             uint64_t count, void *out, size_t bytes, t2i_error *err)
{
    t2i_reader_request ask = {.verb = READER_BLOCKS,
                              .slot = file->slot,
                              .column = column,
                              .first = block,
                              .count = count};
    pthread_mutex_lock(&lock);
    t2i_status status = fetch(file, &ask, out, bytes, err);
    pthread_mutex_unlock(&lock);
    return status;
}

t2i_status t2i_reader_sums(const t2i_reader_file *file, unsigned column, uint64_t *out,
                           uint64_t count, t2i_error *err)
{
    t2i_reader_request ask = {.verb = READER_SUMS, .slot = file->slot, .column = column};
    t2i_status status = T2I_OK;
    pthread_mutex_lock(&lock);
    for (; ask.first < count && status == T2I_OK; ask.first += ask.count) {
        ask.count = count - ask.first < SUMS_AT_ONCE ? count - ask.first : SUMS_AT_ONCE;
        status = fetch(file, &ask, out + ask.first, (size_t)ask.count * sizeof *out, err);
    }
    pthread_mutex_unlock(&lock);
    return status;
}

void t2i_reader_close(t2i_reader_file *file)
{
    t2i_reader_request ask = {.verb = READER_CLOSE, .slot = file->slot};
    pthread_mutex_lock(&lock);
    if (is_open(file)) {
        t2i_error later; /* ignored: if the reader crashes, the next dataset starts another */
        t2i_status status = exchange(file->path, &ask, -1, NULL, 0, &later);
        reader.used[file->slot] = 0;
        (void)status;
    }
    file->birth = 0;
    pthread_mutex_unlock(&lock);
}
