/* For syscall. */
#define _DEFAULT_SOURCE
#include "dataset/reader_confinement.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef T2I_SECCOMP
#include <seccomp.h>
#pragma GCC diagnostic ignored "-Wmissing-field-initializers" /* clang, for SCMP_A0 */
#endif

#include "dataset/reader_protocol.h"

/* ---- Landlock: no right to any path, port or process. Linux 5.13 and later ---- */

/* Of linux/landlock.h, which older systems do not have. */
enum { LANDLOCK_VERSION = 1 };
enum { CREATE_RULESET = 444, RESTRICT_SELF = 446 };
typedef struct {
    uint64_t files, net, scoped;
} landlock_rules;

/* Everything that a version of Landlock can forbid; its structure grew along. */
static size_t forbid_all(long version, landlock_rules *out)
{
    static const int files[] = {13, 14, 15, 15, 16}; /* numbers of rights by version */
    int count = files[version < 5 ? version - 1 : 4];
    *out = (landlock_rules){.files = ((uint64_t)1 << count) - 1,
                            .net = version >= 4 ? 3 : 0,     /* bind, connect */
                            .scoped = version >= 6 ? 3 : 0}; /* abstract sockets, signals */
    return version >= 6 ? 24 : version >= 4 ? 16 : 8;
}

/* Returns 0 or an errno. */
static int begin_landlock(void)
{
    landlock_rules rules;
    long version = syscall(CREATE_RULESET, NULL, 0, LANDLOCK_VERSION);
    if (version < 1) return errno;
    long fd = syscall(CREATE_RULESET, &rules, forbid_all(version, &rules), 0);
    if (fd < 0) return errno;
    int why = syscall(RESTRICT_SELF, fd, 0) != 0 ? errno : 0;
    close((int)fd);
    return why;
}

/* ---- seccomp: the system calls that reading takes; any other one is EPERM ---- */

#ifdef T2I_SECCOMP
static int allow_calls(scmp_filter_ctx filter)
{
    static const int calls[] = {
        SCMP_SYS(pread64), SCMP_SYS(lseek), SCMP_SYS(close), SCMP_SYS(brk), SCMP_SYS(munmap),
        SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(futex), SCMP_SYS(sched_yield),
        SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(getrusage),
        SCMP_SYS(getrandom), SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(rt_sigreturn),
        SCMP_SYS(rt_sigprocmask), SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(restart_syscall),
        /* a thread that a library has just started */
        SCMP_SYS(set_robust_list), SCMP_SYS(rseq)};
    int why = 0;
    for (size_t i = 0; i < sizeof calls / sizeof *calls && why == 0; i++)
        why = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
    return why;
}

/* Those that are allowed with some arguments only. */
static int allow_arguments(scmp_filter_ctx filter)
{
    const struct {
        int call;
        unsigned count;
        struct scmp_arg_cmp arg[2];
    } rules[] = {
        {SCMP_SYS(recvmsg), 1, {SCMP_A0(SCMP_CMP_EQ, READER_SOCKET)}},
        {SCMP_SYS(recvfrom), 1, {SCMP_A0(SCMP_CMP_EQ, READER_SOCKET)}},
        {SCMP_SYS(sendto), 2, {SCMP_A0(SCMP_CMP_EQ, READER_SOCKET), SCMP_A4(SCMP_CMP_EQ, 0)}},
        /* memory of its own, which RLIMIT_DATA counts (not as a stack) and nobody executes */
        {SCMP_SYS(mmap),
         2,
         {SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
          SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_SHARED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN,
                  MAP_PRIVATE | MAP_ANONYMOUS)}},
        {SCMP_SYS(mprotect), 1, {SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)}},
        /* limit_time in reader_server.c */
        {SCMP_SYS(prlimit64), 2, {SCMP_A0(SCMP_CMP_EQ, 0), SCMP_A1(SCMP_CMP_EQ, RLIMIT_CPU)}},
        /* abort */
        {SCMP_SYS(tgkill), 1, {SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid())}},
    };
    int why = 0;
    for (size_t i = 0; i < sizeof rules / sizeof *rules && why == 0; i++)
        why = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, rules[i].call, rules[i].count,
                                     rules[i].arg);
    return why;
}

/* Returns 0 or an errno. All threads: a library may have started some. */
static int begin_filter(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (filter == NULL) return ENOMEM;
    int why = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (why == 0) why = allow_calls(filter);
    if (why == 0) why = allow_arguments(filter);
    if (why == 0) why = seccomp_load(filter);
    seccomp_release(filter);
    return -why;
}
#else
static int begin_filter(void)
{
    return T2I_READER_NOT_BUILT;
}
#endif

t2i_reader_confinement t2i_reader_confinement_begin(void)
{
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); /* the two others fail without it */
    int landlock = begin_landlock();        /* first: the filter forbids it */
    return (t2i_reader_confinement){.filter = begin_filter(), .landlock = landlock};
}
