/* Which process owns a run folder: taken, held, lost, given back; however the folder is spelled. */
#define _DEFAULT_SOURCE /* strsep */
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/writer_lease.h"
#include "scratch.h"

static t2i_error err;

/* The file in run/.writer, whose name is the owner. */
static const char *owner(void)
{
    static char path[800];
    DIR *dir = opendir(in_scratch("run/.writer"));
    path[0] = '\0';
    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;)
        if (e->d_name[0] != '.')
            snprintf(path, sizeof path, "%s/run/.writer/%s", scratch, e->d_name);
    if (dir != NULL) closedir(dir);
    return path;
}

/* Another process takes it. */
static void become(const char *name)
{
    char path[700];
    snprintf(path, sizeof path, "%s/run/.writer/%s", scratch, name);
    CU_ASSERT_EQUAL(rename(owner(), path), 0);
}

static void put(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0666);
    CU_ASSERT_TRUE(fd >= 0);
    close(fd);
}

static void test_lease(void)
{
    const char *run = in_scratch("run");
    OK(t2i_writer_lease_check(&err)); /* nothing is claimed */
    OK(t2i_writer_lease_take(run, &err));
    CU_ASSERT_EQUAL(entries(in_scratch("run/.writer")), 1);
    CU_ASSERT_EQUAL(entries(run), 1);
    OK(t2i_writer_lease_check(&err));
    t2i_writer_lease_end();
    CU_ASSERT_FALSE(t2i_fs_exists(run)); /* it was made for nothing */
    OK(t2i_writer_lease_check(&err));
    OK(t2i_fs_mkdir(run, &err));
    OK(t2i_writer_lease_take(run, &err));
    t2i_writer_lease_end();
    CU_ASSERT_EQUAL(entries(run), 0);
    put(in_scratch("file"));
    FAILS(t2i_writer_lease_take(in_scratch("file/run"), &err), T2I_CANTCREATE, "file");
    FAILS(t2i_writer_lease_take(in_scratch("file"), &err), T2I_CANTCREATE, "file");
}

/* A start that is refused takes away the folders that it made, and no others. */
static void test_parents(void)
{
    OK(t2i_fs_mkdir(in_scratch("there"), &err));
    OK(t2i_writer_lease_take(in_scratch("there/a//b/c/"), &err));
    t2i_writer_lease_end();
    CU_ASSERT_EQUAL(entries(in_scratch("there")), 0);
    OK(t2i_writer_lease_take(in_scratch("there/a/b"), &err));
    put(in_scratch("there/a/other"));
    t2i_writer_lease_end();
    CU_ASSERT_EQUAL(entries(in_scratch("there/a")), 1);
    scratch_remove(in_scratch("there"));
    CU_ASSERT_EQUAL(symlink("nothing", in_scratch("dangling")), 0);
    FAILS(t2i_writer_lease_take(in_scratch("dangling"), &err), T2I_CANTCREATE,
          "it is a link to a folder that does not exist");
    CU_ASSERT_EQUAL(symlink("loop", in_scratch("loop")), 0);
    FAILS(t2i_writer_lease_take(in_scratch("loop"), &err), T2I_CANTCREATE, "levels of symbolic");
    unlink(in_scratch("dangling"));
    unlink(in_scratch("loop"));
}

/* In front of the C library's: other processes take, end and prepare the folder before it. */
static int replaces;
int flock(int fd, int operation)
{
    if (replaces) {
        put(in_scratch("other"));
        CU_ASSERT_EQUAL(rename(in_scratch("other"), in_scratch("run/.writer/nobody")), 0);
    }
    replaces = 0;
    return (int)syscall(SYS_flock, fd, operation);
}

static void test_replaced(void)
{
    OK(t2i_fs_mkdir(in_scratch("run/.writer"), &err));
    put(in_scratch("run/.writer/nobody"));
    replaces = 1;
    OK(t2i_writer_lease_take(in_scratch("run"), &err));
    CU_ASSERT_EQUAL(replaces, 0);
    int fd = open(owner(), O_RDWR);
    CU_ASSERT_EQUAL(flock(fd, LOCK_EX | LOCK_NB), -1); /* the file that has the name is locked */
    close(fd);
    t2i_writer_lease_end();
}

static void test_lost(void)
{
    OK(t2i_writer_lease_take(in_scratch("run"), &err));
    become("elsewhere,4711,1,1,1,0");
    FAILS(t2i_writer_lease_check(&err), T2I_CANTCREATE,
          "taken over by process 4711 of host elsewhere");
    t2i_writer_lease_end();
    CU_ASSERT_PTR_NOT_NULL(strstr(owner(), "elsewhere,4711")); /* the other's file stays */
    OK(t2i_writer_lease_take(in_scratch("run"), &err));        /* another host cannot be seen */
    OK(t2i_writer_lease_check(&err));
    unlink(owner());
    FAILS(t2i_writer_lease_check(&err), T2I_CANTCREATE, ".writer no longer names this process");
    rmdir(in_scratch("run/.writer"));
    FAILS(t2i_writer_lease_check(&err), T2I_CANTCREATE, ".writer no longer names this process");
    t2i_writer_lease_end();
}

/* The name of this process as owner, with another field: 1 pid, 2 start, 3 PID namespace, 4 boot,
 * 5 locked. */
static void become_like(const char *mine, int field, const char *value)
{
    char name[300] = "", all[300];
    int at = 0;
    snprintf(all, sizeof all, "%s", mine);
    for (char *rest = all, *part; (part = strsep(&rest, ",")) != NULL; at++)
        snprintf(name + strlen(name), sizeof name - strlen(name), "%s%s", at == 0 ? "" : ",",
                 at == field ? value : part);
    become(name);
}

static void test_dead(void)
{
    static const char *const other[] = {NULL, "999999999", "1", "1", "1"};
    char mine[300];
    OK(t2i_writer_lease_take(in_scratch("run"), &err));
    snprintf(mine, sizeof mine, "%s", strrchr(owner(), '/') + 1);
    mine[strlen(mine) - 1] = '0'; /* else its lock, which is free, decides */
    for (int field = 1; field <= 4; field++) {
        become_like(mine, field, other[field]);
        FAILS(t2i_writer_lease_check(&err), T2I_CANTCREATE, "taken over");
        t2i_writer_lease_end();
        OK(t2i_writer_lease_take(in_scratch("run"), &err)); /* nobody of this name lives */
    }
    become("nobody"); /* killed between its two steps */
    t2i_writer_lease_end();
    OK(t2i_fs_mkdir(in_scratch("run/.writer.killed.tmp"), &err)); /* or before them */
    put(in_scratch("run/.writer.killed.tmp/nobody"));
    OK(t2i_writer_lease_take(in_scratch("run"), &err));
    CU_ASSERT_EQUAL(entries(in_scratch("run")), 1);
    t2i_writer_lease_end();
    OK(t2i_fs_mkdir(in_scratch("run/.writer"), &err)); /* or while it gave the lease back */
    OK(t2i_writer_lease_take(in_scratch("run"), &err));
    t2i_writer_lease_end();
    put(in_scratch("run/.writer")); /* version 1.0.0 wrote a file */
    OK(t2i_writer_lease_take(in_scratch("run"), &err));
    CU_ASSERT_EQUAL(entries(in_scratch("run/.writer")), 1);
    t2i_writer_lease_end();
}

/* In front of the C library's: kernels that do not tell their boot, and a clock that runs ahead. */
static int no_boot;
static double ahead;
FILE *fopen(const char *path, const char *mode)
{
    if (no_boot && strcmp(path, "/proc/sys/kernel/random/boot_id") == 0) return NULL;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY);
    return fd < 0 ? NULL : fdopen(fd, mode);
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
    int got = (int)syscall(SYS_clock_gettime, clock, time);
    time->tv_sec += (time_t)ahead;
    return got;
}

int nanosleep(const struct timespec *time, struct timespec *left)
{
    ahead += 5.0;
    (void)time, (void)left;
    return 0;
}

/* Another process has the lease of SCRATCH/run, until the pipe is closed. */
static pid_t keep(int ends[2])
{
    char byte;
    CU_ASSERT_EQUAL(pipe(ends), 0);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        byte = t2i_writer_lease_take(in_scratch("run"), &err) == T2I_OK;
        if (write(ends[1], &byte, 1) == 1) pause();
        _exit(1);
    }
    close(ends[1]);
    CU_ASSERT_EQUAL(read(ends[0], &byte, 1), 1);
    CU_ASSERT_EQUAL(byte, 1);
    return pid;
}

static void end_keeping(pid_t pid, int ends[2])
{
    kill(pid, SIGKILL);
    CU_ASSERT_EQUAL(waitpid(pid, NULL, 0), pid);
    close(ends[0]);
    scratch_remove(in_scratch("run"));
}

/* A live process whose name has another boot or PID namespace, and who has no lock, is another. */
static void test_unseen(void)
{
    char name[300];
    int ends[2];
    pid_t pid = keep(ends);
    snprintf(name, sizeof name, "%s", strrchr(owner(), '/') + 1);
    name[strlen(name) - 1] = '0';
    for (int field = 3; field <= 4; field++) {
        scratch_remove(in_scratch("run/.writer"));
        OK(t2i_fs_mkdir(in_scratch("run/.writer"), &err));
        put(in_scratch("run/.writer/nobody"));
        become_like(name, field, "1");
        OK(t2i_writer_lease_take(in_scratch("run"), &err));
        t2i_writer_lease_end();
    }
    end_keeping(pid, ends);
}

static void is_refused(void)
{
    char before[800];
    snprintf(before, sizeof before, "%s", owner());
    FAILS(t2i_writer_lease_take(in_scratch("run"), &err), T2I_CANTCREATE, "is being written by");
    CU_ASSERT_STRING_EQUAL(before, owner());
}

/* Files of other programs in .writer hide no owner, and are none. */
static void test_strangers(void)
{
    int ends[2];
    char before[800], copy[820];
    pid_t pid = keep(ends);
    snprintf(before, sizeof before, "%s", owner());
    for (int i = 0; i < 20; i++) { /* these read like owners, and are not locked */
        snprintf(copy, sizeof copy, "%s.copy%d", before, i);
        put(copy);
    }
    put(in_scratch("run/.writer/.DS_Store"));
    put(in_scratch("run/.writer/zzz"));
    FAILS(t2i_writer_lease_take(in_scratch("run"), &err), T2I_CANTCREATE, "is being written by");
    CU_ASSERT_EQUAL(entries(in_scratch("run/.writer")), 23);
    CU_ASSERT_TRUE(t2i_fs_exists(before));
    end_keeping(pid, ends);
    OK(t2i_fs_mkdir(in_scratch("run/.writer/folder"), &err));
    put(in_scratch("run/.writer/.DS_Store"));
    OK(t2i_writer_lease_take(in_scratch("run"), &err));
    CU_ASSERT_EQUAL(entries(in_scratch("run/.writer")), 1);
    OK(t2i_writer_lease_check(&err));
    t2i_writer_lease_end();
    CU_ASSERT_EQUAL(entries(in_scratch("run")), 0);
    OK(t2i_fs_mkdir(in_scratch("run/.writer/folder/full"), &err));
    FAILS(t2i_writer_lease_take(in_scratch("run"), &err), T2I_CANTCREATE, "remove ");
    scratch_remove(in_scratch("run"));
}

/* Whose kernel does not tell its boot is alive while its lock is held, seen from either side. */
static void test_no_boot(void)
{
    int ends[2];
    for (int i = 0; i < 2; i++) {
        no_boot = i;
        pid_t pid = keep(ends);
        no_boot = !i;
        is_refused();
        end_keeping(pid, ends);
        no_boot = i;
        pid = keep(ends);
        is_refused();
        end_keeping(pid, ends);
    }
    no_boot = 0;
}

/* A user who may not write the owner's file sees its lock. */
static void test_other_user(void)
{
    char other[300];
    int ends[2];
    if (geteuid() != 0) return;
    pid_t pid = keep(ends);
    snprintf(other, sizeof other, "%s", strrchr(owner(), '/') + 1);
    become_like(other, 3, "1");
    CU_ASSERT_EQUAL(chmod(owner(), 0644), 0);
    CU_ASSERT_EQUAL(chmod(in_scratch("run/.writer"), 0777), 0);
    CU_ASSERT_EQUAL(chmod(scratch, 0755), 0);
    CU_ASSERT_EQUAL(seteuid(65534), 0);
    is_refused();
    CU_ASSERT_EQUAL(seteuid(0), 0);
    end_keeping(pid, ends);
}

/* Another folder is put where that of a live owner was: by a link, or as a copy. */
static void test_exchanged(void)
{
    char mine[800], copy[800];
    OK(t2i_fs_mkdir(in_scratch("one"), &err));
    OK(t2i_fs_mkdir(in_scratch("two"), &err));
    CU_ASSERT_EQUAL(symlink("one", in_scratch("turned")), 0);
    OK(t2i_writer_lease_take(in_scratch("turned"), &err));
    OK(t2i_writer_lease_check(&err));
    unlink(in_scratch("turned"));
    CU_ASSERT_EQUAL(symlink("two", in_scratch("turned")), 0);
    FAILS(t2i_writer_lease_check(&err), T2I_CANTCREATE, "is another folder than it was");
    t2i_writer_lease_end();
    CU_ASSERT_EQUAL(entries(in_scratch("one")), 0);
    CU_ASSERT_EQUAL(entries(in_scratch("two")), 0);

    OK(t2i_writer_lease_take(in_scratch("run"), &err));
    snprintf(mine, sizeof mine, "%s", owner());
    snprintf(copy, sizeof copy, "%s/copy/.writer/%s", scratch, strrchr(mine, '/') + 1);
    OK(t2i_fs_mkdir(in_scratch("copy/.writer"), &err));
    put(copy);
    CU_ASSERT_EQUAL(rename(in_scratch("run"), in_scratch("old")), 0);
    CU_ASSERT_EQUAL(rename(in_scratch("copy"), in_scratch("run")), 0);
    FAILS(t2i_writer_lease_check(&err), T2I_CANTCREATE, "no longer names this process");
    t2i_writer_lease_end();
    CU_ASSERT_TRUE(t2i_fs_exists(mine)); /* the copy's */
    scratch_remove(in_scratch("old"));
    scratch_remove(in_scratch("run"));
}

/* A copy of a live run's folder is nobody's: the lock of its file is free. */
static void test_copied(void)
{
    int ends[2];
    char copy[800];
    pid_t pid = keep(ends);
    snprintf(copy, sizeof copy, "%s/copy/.writer/%s", scratch, strrchr(owner(), '/') + 1);
    OK(t2i_fs_mkdir(in_scratch("copy/.writer"), &err));
    put(copy);
    OK(t2i_writer_lease_take(in_scratch("copy"), &err));
    t2i_writer_lease_end();
    is_refused();
    end_keeping(pid, ends);
    scratch_remove(in_scratch("copy"));
}

/* Takes the lease by this spelling in a process that is then killed: the file stays as it is. */
static void take_and_die(const char *folder)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        t2i_writer_lease_end(); /* the parent's, which it has lost */
        _exit(t2i_writer_lease_take(folder, &err) == T2I_OK ? 0 : 1);
    }
    int status = -1;
    CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
    CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_spelling(void)
{
    const char *run = in_scratch("run");
    char before[800], here[512];
    OK(t2i_fs_mkdir(run, &err));
    CU_ASSERT_EQUAL(symlink("run", in_scratch("link")), 0);
    CU_ASSERT_PTR_NOT_NULL(getcwd(here, sizeof here));
    CU_ASSERT_EQUAL(chdir(scratch), 0);
    const char *const spelled[] = {
        run,   in_scratch("run/"), in_scratch("./run//"), in_scratch("link"), in_scratch("link/."),
        "run", "./run/",           "run/../link"};
    for (size_t i = 0; i < sizeof spelled / sizeof *spelled; i++) {
        OK(t2i_writer_lease_take(spelled[i], &err));
        OK(t2i_writer_lease_check(&err));
        snprintf(before, sizeof before, "%s", owner());
        scratch_remove(in_scratch("run/.writer"));
        take_and_die(spelled[(i + 1) % 8]);
        CU_ASSERT_STRING_NOT_EQUAL(before, owner());
        FAILS(t2i_writer_lease_check(&err), T2I_CANTCREATE, "taken over by process");
        t2i_writer_lease_end();
        CU_ASSERT_EQUAL(entries(run), 1);
    }
    CU_ASSERT_EQUAL(chdir(here), 0);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"taken, held and given back", test_lease},
        {"the lock is of the file that has the name", test_replaced},
        {"taken over by another: nothing more is written", test_lost},
        {"what a dead process left is no obstacle", test_dead},
        {"boot and PID namespace are part of the owner", test_unseen},
        {"folders that were made are removed", test_parents},
        {"files of other programs", test_strangers},
        {"a boot that is not told", test_no_boot},
        {"the lock of another user's file", test_other_user},
        {"another folder in its place", test_exchanged},
        {"a copy of a live run", test_copied},
        {"every spelling of the folder is the same folder", test_spelling},
    };
    if (scratch_begin("writer_lease") != 0) return 1;
    int failed = t2i_test_main("writer_lease", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return failed;
}
