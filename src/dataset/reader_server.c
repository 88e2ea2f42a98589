/* For rlimits and prctl of Linux. */
#define _DEFAULT_SOURCE
#include "dataset/reader_server.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/opts.h"
#include "dataset/dataset_h5.h"
#include "dataset/reader_confinement.h"
#include "dataset/reader_protocol.h"

/* All signals are blocked at the start. Signals to the job are ignored, because the parent decides
 * when the reader ends; a crash of HDF5 ends it at once. */
static void set_signals(void)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE};
    sigset_t none;
    sigemptyset(&none);
    for (int i = 1; i < SIGRTMIN; i++) signal(i, SIG_DFL);
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) signal(ignored[i], SIG_IGN);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

enum { CLOSE_RANGE = 436 };                                     /* Linux 5.9 */
enum { FILES_MOST = 1 << 20, GIB = 1 << 30, STACK = 64 << 20 }; /* STACK: bytes */

/* Closes inherited files, so that the reader does not keep a pipe open. */
static void close_files(void)
{
    if (syscall(CLOSE_RANGE, READER_SOCKET + 1, ~0u, 0) == 0) return;
    DIR *folder = opendir("/proc/self/fd");
    for (int fd = READER_SOCKET + 1; folder == NULL && fd < FILES_MOST; fd++) close(fd);
    if (folder == NULL) return;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        int fd = atoi(entry->d_name);
        if (fd > READER_SOCKET && fd != dirfd(folder)) close(fd);
    }
    closedir(folder);
}

/* The limit is relative to the initial use, as far as it is known: sanitizers reserve terabytes of
 * address space. The stack is counted apart, and is often not limited on clusters. */
static void limit_memory(void)
{
    unsigned long pages = 0;
    rlim_t most = 2 * (rlim_t)GIB;
    struct rlimit stack;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file != NULL && fscanf(file, "%*s %*s %*s %*s %*s %lu", &pages) == 1)
        most = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + GIB;
    if (file != NULL) fclose(file);
    setrlimit(RLIMIT_DATA, &(struct rlimit){most, most});
    if (getrlimit(RLIMIT_STACK, &stack) != 0) return;
    most = stack.rlim_cur < STACK ? stack.rlim_cur : STACK;
    setrlimit(RLIMIT_STACK, &(struct rlimit){most, most});
}

/* Limits the processor time from now on; SIGXCPU then ends the process. */
static void limit_time(int seconds)
{
    struct rusage used;
    struct rlimit limit;
    if (getrusage(RUSAGE_SELF, &used) != 0 || getrlimit(RLIMIT_CPU, &limit) != 0) return;
    rlim_t until = (rlim_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec + 1 + seconds);
    limit.rlim_cur = until < limit.rlim_max ? until : limit.rlim_max;
    setrlimit(RLIMIT_CPU, &limit);
}

/* Receives size bytes; returns 0 on failure. EINTR: the process was stopped and continued. */
static int receive(void *out, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t got = recv(READER_SOCKET, (char *)out + done, size - done, MSG_WAITALL);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return 0;
        done += (size_t)got;
    }
    return 1;
}

/* file: the descriptor that came with the request, or -1. */
static int receive_request(t2i_reader_request *ask, int *file)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof *file)];
    } beside;
    struct iovec part = {ask, sizeof *ask};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &beside,
                             .msg_controllen = sizeof beside.room};
    ssize_t got;
    do got = recvmsg(READER_SOCKET, &message, MSG_WAITALL | MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got <= 0) return 0;
    *file = -1;
    if (CMSG_FIRSTHDR(&message) != NULL) memcpy(file, CMSG_DATA(&beside.head), sizeof *file);
    return receive((char *)ask + got, sizeof *ask - (size_t)got);
}

static int answer(const void *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t sent = send(READER_SOCKET, (const char *)bytes + done, size - done, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return 0;
        done += (size_t)sent;
    }
    return 1;
}

/* Executes a request for an open file. out has room for READER_MOST bytes; *bytes: number of bytes
 * of the answer. */
static t2i_status act(const t2i_reader_request *ask, t2i_h5_file **file, uint8_t *out,
                      uint64_t *bytes, t2i_error *err)
{
    if (ask->verb == READER_CLOSE) {
        t2i_h5_close(*file);
        *file = NULL;
        return T2I_OK;
    }
    const t2i_column *column = t2i_h5_column(*file, ask->column);
    if (ask->verb == READER_SUMS) {
        *bytes = ask->count * sizeof(uint64_t);
        return t2i_h5_read_sums(column, ask->first, ask->count, (uint64_t *)(void *)out, err);
    }
    for (uint64_t i = 0; i < ask->count; i++) {
        T2I_TRY(t2i_h5_read_block(column, ask->first + i, out + *bytes, err));
        *bytes += t2i_column_block_bytes(column, ask->first + i);
    }
    return T2I_OK;
}

static void serve(t2i_reader_confinement confinement)
{
    static _Alignas(64) uint8_t room[READER_MOST];
    t2i_h5_file *file[READER_FILES] = {NULL};
    t2i_reader_request ask;
    int fd;
    while (receive_request(&ask, &fd)) {
        t2i_reader_path path;
        t2i_reader_answer said = {.error = {.status = T2I_OK}};
        if (ask.verb == READER_OPEN && !receive(&path, sizeof path)) return;
        limit_time(ask.seconds);
        if (ask.verb == READER_LOOK) {
            said.bytes = sizeof confinement;
            memcpy(room, &confinement, sizeof confinement);
        } else if (ask.verb == READER_OPEN) {
            said.bytes = sizeof(t2i_claims);
            said.error.status = t2i_h5_open(&file[ask.slot], fd, path.text, ask.first,
                                            (t2i_claims *)(void *)room, &said.error);
        } else {
            said.error.status = act(&ask, &file[ask.slot], room, &said.bytes, &said.error);
        }
        if (said.error.status != T2I_OK) said.bytes = 0;
        if (!answer(&said, sizeof said) || !answer(room, said.bytes)) return;
    }
}

int t2i_reader_server_run(int argc, char **argv)
{
    if (argc != 3 || strcmp(argv[1], T2I_VERSION) != 0) {
        fprintf(stderr,
                "t2i-reader: reads datasets for the programs of t2i-train %s, which start it; it "
                "cannot be run by hand\n",
                T2I_VERSION);
        return T2I_USAGE;
    }
    set_signals();
    close_files();
    limit_memory();
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    prctl(PR_SET_DUMPABLE, 0); /* also no core dump where core_pattern is a program */
    serve(t2i_reader_confinement_begin());
    return T2I_OK;
}
