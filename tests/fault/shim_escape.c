/* shim_escape.c - code that got into t2i-reader (LD_PRELOAD), as a hostile dataset might bring it.
 *
 * Its constructor starts a thread and maps T2I_ESCAPE_OUT; when the reader reads the first bytes of
 * a dataset, that thread and the reader's own each try to escape in every way of the table below.
 * Each attempt is a line in that file: the thread, whether Landlock must refuse it, its name, and
 * what became of it: "refused", or else the errno or the result. The first line is the version of
 * Landlock that the kernel has (-1: none). With T2I_ESCAPE_NO_FILTER the reader loads no filter of
 * system calls.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

enum { ROOM = 65536, SOCKET = 3 };

static char *out; /* NULL: this is not the reader */
static size_t used;
static sem_t begin_now, done;
static char path[256]; /* of T2I_ESCAPE_OUT: a file that may be written */
static int dataset;    /* the descriptor that the reader reads */

/* ---- attempts: each returns -1 with errno, as a system call does ---- */

static long try(long number, long a, long b, long c, long d, long e)
{
    return syscall(number, a, b, c, d, e, 0L);
}

#define TRY(number, a, b, c, d, e)                                                                 \
    try(SYS_##number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e))

static char text[] = "/etc/passwd", parent_memory[64], created[300];

static long read_file(void)
{
    return TRY(openat, AT_FDCWD, text, O_RDONLY, 0, 0);
}
static long read_file_by_open(void)
{
    return TRY(open, text, O_RDONLY, 0, 0, 0);
}
static long read_folder(void)
{
    return TRY(openat, AT_FDCWD, "/", O_RDONLY | O_DIRECTORY, 0, 0);
}
static long open_parent(void)
{
    return TRY(openat, AT_FDCWD, parent_memory, O_RDWR, 0, 0);
}
static long write_file(void)
{
    return TRY(openat, AT_FDCWD, path, O_WRONLY, 0, 0);
}
static long create_file(void)
{
    return TRY(openat, AT_FDCWD, created, O_WRONLY | O_CREAT, 0600, 0);
}
static long make_folder(void)
{
    return TRY(mkdir, created, 0700, 0, 0, 0);
}
static long make_link(void)
{
    return TRY(symlink, text, created, 0, 0, 0);
}
static long make_pipe(void)
{
    return TRY(mknod, created, S_IFIFO | 0600, 0, 0, 0);
}
static long link_file(void)
{
    return TRY(link, path, created, 0, 0, 0);
}
static long rename_file(void)
{
    return TRY(rename, path, path, 0, 0, 0);
}
static long remove_file(void)
{
    return TRY(unlink, created, 0, 0, 0, 0);
}
static long cut_file(void)
{
    return TRY(truncate, path, ROOM, 0, 0, 0);
}
static long open_by_openat2(void)
{
    uint64_t how[3] = {O_RDONLY};
    return TRY(openat2, AT_FDCWD, text, how, sizeof how, 0);
}

static long look_at_file(void)
{
    struct stat file;
    return TRY(stat, text, &file, 0, 0, 0);
}
static long change_mode(void)
{
    return TRY(chmod, path, 0600, 0, 0, 0);
}
static long change_folder(void)
{
    return TRY(chdir, "/", 0, 0, 0, 0);
}
static long write_dataset(void)
{
    return TRY(write, dataset, "", 0, 0, 0);
}
static long copy_descriptor(void)
{
    return TRY(dup, dataset, 0, 0, 0, 0);
}
static long control_descriptor(void)
{
    return TRY(fcntl, dataset, F_GETFL, 0, 0, 0);
}
static long watch_files(void)
{
    return TRY(inotify_init1, 0, 0, 0, 0, 0);
}
static long make_socket(void)
{
    return TRY(socket, AF_INET, SOCK_STREAM, 0, 0, 0);
}
static long make_local_socket(void)
{
    return TRY(socket, AF_UNIX, SOCK_DGRAM, 0, 0, 0);
}
static long connect_socket(void)
{
    struct sockaddr_un there = {.sun_family = AF_UNIX, .sun_path = "/none"};
    return TRY(connect, SOCKET, &there, sizeof there, 0, 0);
}
static long hand_over(void)
{
    struct msghdr nothing = {.msg_iov = NULL};
    return TRY(sendmsg, SOCKET, &nothing, 0, 0, 0);
}

static long end_child(long pid)
{
    if (pid == 0) _exit(0);
    return pid;
}
static long fork_once(void)
{
    return end_child(TRY(fork, 0, 0, 0, 0, 0));
}
static long clone_once(void)
{
    return end_child(TRY(clone, SIGCHLD, 0, 0, 0, 0));
}
static long clone_by_clone3(void)
{
    struct clone_args how = {.exit_signal = SIGCHLD};
    return end_child(TRY(clone3, &how, sizeof how, 0, 0, 0));
}
static long execute(void)
{
    return TRY(execve, "/none", NULL, NULL, 0, 0);
}
static long execute_here(void)
{
    return TRY(execveat, dataset, "", NULL, NULL, 0x1000);
}

static long trace_parent(void)
{
    return TRY(ptrace, PTRACE_PEEKDATA, getppid(), text, text, 0);
}
static long read_parent(void)
{
    char byte;
    struct iovec here = {&byte, 1}, there = {&used, 1};
    return syscall(SYS_process_vm_readv, getppid(), &here, 1L, &there, 1L, 0L);
}
static long write_parent(void)
{
    char byte = 0;
    struct iovec here = {&byte, 1}, there = {&used, 1};
    return syscall(SYS_process_vm_writev, getppid(), &here, 1L, &there, 1L, 0L);
}
static long signal_parent(void)
{
    return TRY(kill, getppid(), 0, 0, 0, 0);
}
static long signal_thread(void)
{
    return TRY(tgkill, getppid(), getppid(), 0, 0, 0);
}
static long hold_parent(void)
{
    return TRY(pidfd_open, getppid(), 0, 0, 0, 0);
}

static long be_dumpable(void)
{
    return TRY(prctl, PR_SET_DUMPABLE, 1, 0, 0, 0);
}
static long get_more_memory(void)
{
    struct rlimit more = {RLIM_INFINITY, RLIM_INFINITY};
    return TRY(prlimit64, 0, RLIMIT_DATA, &more, NULL, 0);
}
static long limit_parent(void)
{
    struct rlimit was;
    return TRY(prlimit64, getppid(), RLIMIT_CPU, NULL, &was, 0);
}
static long get_code(void)
{
    return syscall(SYS_mmap, 0L, 4096L, (long)(PROT_READ | PROT_EXEC),
                   (long)(MAP_PRIVATE | MAP_ANONYMOUS), -1L, 0L);
}
static long make_code(void)
{
    static _Alignas(4096) char page[4096];
    return TRY(mprotect, page, sizeof page, PROT_READ | PROT_WRITE | PROT_EXEC, 0, 0);
}
static long get_stack(void)
{
    return syscall(SYS_mmap, 0L, 4096L, (long)PROT_READ,
                   (long)(MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN), -1L, 0L);
}
/* Three GiB, in pieces, which are given back. */
static long take_memory(void)
{
    enum { PIECES = 48 };
    const size_t piece = (size_t)64 << 20;
    void *at[PIECES];
    int count = 0;
    while (count < PIECES && (at[count] = mmap(NULL, piece, PROT_READ | PROT_WRITE,
                                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) != MAP_FAILED)
        count++;
    for (int i = 0; i < count; i++) munmap(at[i], piece);
    errno = EACCES;
    return count < PIECES ? -1 : count;
}
/* The test has opened it. */
static long read_inherited(void)
{
    char byte;
    long got = syscall(SYS_pread64, 9L, &byte, 1L, 0L);
    if (got == -1 && errno == EBADF) errno = EACCES;
    return got;
}
static long map_file(void)
{
    return syscall(SYS_mmap, 0L, 4096L, (long)PROT_READ, (long)MAP_PRIVATE, (long)dataset, 0L);
}
static long share_memory(void)
{
    return syscall(SYS_mmap, 0L, 4096L, (long)PROT_READ, (long)(MAP_SHARED | MAP_ANONYMOUS), -1L,
                   0L);
}
static long make_memory_file(void)
{
    return TRY(memfd_create, "x", 0, 0, 0, 0);
}
static long get_segment(void)
{
    return TRY(shmget, 0x743269, 4096, 0, 0, 0);
}
static long get_ring(void)
{
    char parameters[120] = "";
    return TRY(io_uring_setup, 1, parameters, 0, 0, 0);
}
static long leave_namespace(void)
{
    return TRY(unshare, CLONE_FILES, 0, 0, 0, 0);
}
static long change_filter(void)
{
    uint32_t action = 0x7fff0000; /* SECCOMP_RET_ALLOW: is it known? */
    return TRY(seccomp, 2, 0, &action, 0, 0);
}
static long make_timer(void)
{
    return TRY(timerfd_create, 0, 0, 0, 0, 0);
}

static const struct {
    const char *name;
    long (*attempt)(void);
    int by_landlock; /* Landlock alone refuses it, too, from its first version on */
} attempts[] = {
    {"read another file", read_file, 1},
    {"read another file by open", read_file_by_open, 1},
    {"read another file by openat2", open_by_openat2, 1},
    {"list a folder", read_folder, 1},
    {"open its parent's memory", open_parent, 1},
    {"write a file", write_file, 1},
    {"create a file", create_file, 1},
    {"make a folder", make_folder, 1},
    {"make a symbolic link", make_link, 1},
    {"make a named pipe", make_pipe, 1},
    {"link a file", link_file, 1},
    {"rename a file", rename_file, 1},
    {"remove a file", remove_file, 0},
    {"cut a file", cut_file, 0},
    {"look at a file", look_at_file, 0},
    {"change the mode of a file", change_mode, 0},
    {"change the folder", change_folder, 0},
    {"write", write_dataset, 0},
    {"copy a descriptor", copy_descriptor, 0},
    {"control a descriptor", control_descriptor, 0},
    {"watch files", watch_files, 0},
    {"make a network socket", make_socket, 0},
    {"make a local socket", make_local_socket, 0},
    {"connect a socket", connect_socket, 0},
    {"hand over a descriptor", hand_over, 0},
    {"fork", fork_once, 0},
    {"clone", clone_once, 0},
    {"clone3", clone_by_clone3, 0},
    {"execute a program", execute, 0},
    {"execute its file", execute_here, 0},
    {"trace its parent", trace_parent, 0},
    {"read its parent's memory", read_parent, 1},
    {"write its parent's memory", write_parent, 1},
    {"signal its parent", signal_parent, 0},
    {"signal a thread of its parent", signal_thread, 0},
    {"hold its parent", hold_parent, 0},
    {"be dumpable", be_dumpable, 0},
    {"get more memory", get_more_memory, 0},
    {"limit its parent", limit_parent, 0},
    {"get memory to execute", get_code, 0},
    {"make memory executable", make_code, 0},
    {"get a stack", get_stack, 0},
    {"take three GiB", take_memory, 0},
    {"read a descriptor of its parent", read_inherited, 0},
    {"map a file", map_file, 0},
    {"share memory", share_memory, 0},
    {"make a file in memory", make_memory_file, 0},
    {"get a shared segment", get_segment, 0},
    {"get an io_uring", get_ring, 0},
    {"leave a namespace", leave_namespace, 0},
    {"ask for filters", change_filter, 0},
    {"make a timer", make_timer, 0},
};

static void try_all(const char *thread)
{
    for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
        long result = attempts[i].attempt();
        int why = result == -1 ? errno : 0;
        int size = snprintf(out + used, ROOM - used, "%s %d %s: ", thread, attempts[i].by_landlock,
                            attempts[i].name);
        used += (size_t)size;
        if (why == EPERM || why == EACCES)
            size = snprintf(out + used, ROOM - used, "refused\n");
        else
            size = snprintf(out + used, ROOM - used, "result %ld, errno %d\n", result, why);
        used += (size_t)size;
    }
}

/* ---- getting in ---- */

static void *wait_and_try(void *nothing)
{
    while (sem_wait(&begin_now) != 0) {
    }
    try_all("thread");
    sem_post(&done);
    return nothing;
}

__attribute__((constructor)) static void get_in(void)
{
    const char *name = getenv("T2I_ESCAPE_OUT");
    pthread_t thread;
    if (name == NULL || strcmp(program_invocation_short_name, "t2i-reader") != 0) return;
    snprintf(path, sizeof path, "%s", name);
    snprintf(created, sizeof created, "%s.new", name);
    snprintf(parent_memory, sizeof parent_memory, "/proc/%d/mem", (int)getppid());
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || syscall(SYS_ftruncate, fd, (long)ROOM) != 0) _exit(98);
    out = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (out == MAP_FAILED || sem_init(&begin_now, 0, 0) != 0 || sem_init(&done, 0, 0) != 0 ||
        pthread_create(&thread, NULL, wait_and_try, NULL) != 0)
        _exit(99);
    long landlock = syscall(444, NULL, 0L, 1L); /* landlock_create_ruleset: which version? */
    used = (size_t)snprintf(out, ROOM, "kernel: Landlock %ld\n", landlock);
}

/* In front of libseccomp's own. */
int seccomp_load(const void *filter)
{
    int (*real)(const void *);
    void *found = dlsym(RTLD_NEXT, "seccomp_load");
    if (out != NULL && getenv("T2I_ESCAPE_NO_FILTER") != NULL) return 0;
    memcpy(&real, &found, sizeof real);
    return real(filter);
}

static void get_out(int fd)
{
    static atomic_int tried;
    if (out == NULL || atomic_exchange(&tried, 1) != 0) return;
    dataset = fd;
    try_all("reader");
    sem_post(&begin_now);
    while (sem_wait(&done) != 0) {
    }
}

ssize_t pread(int fd, void *bytes, size_t size, off_t at)
{
    get_out(fd);
    return syscall(SYS_pread64, fd, bytes, size, at);
}

ssize_t pread64(int fd, void *bytes, size_t size, off64_t at)
{
    get_out(fd);
    return syscall(SYS_pread64, fd, bytes, size, at);
}
