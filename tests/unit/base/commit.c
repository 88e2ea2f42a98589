/* Files that are whole or not there: on success only the final name, on failure what was there
 * before. */
#define _GNU_SOURCE /* O_DIRECT */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "scratch.h"
#include "base/commit.h"
#include "base/fs.h"
#include "base/utf8.h"
#include "base/writer_lease.h"

static t2i_error err;

static int holds(const char *path, const char *bytes)
{
    t2i_text text = {0};
    OK(t2i_fs_read(path, 1 << 20, &text, &err));
    int same =
        text.data != NULL && text.size == strlen(bytes) && memcmp(text.data, bytes, text.size) == 0;
    t2i_text_free(&text);
    return same;
}

/* In front of the system's own, for what happens between two calls. */
static const char *removed; /* goes before the next lock is taken; then NULL again */
static int taken_away;      /* so does the file that is to be locked, by another one's sweep */
static int no_locks;        /* a file system without them */

int flock(int fd, int operation)
{
    if (removed != NULL) unlink(removed);
    removed = NULL;
    if (taken_away > 0) {
        taken_away--;
        char link[64], name[700] = "";
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        CU_ASSERT_TRUE(readlink(link, name, sizeof name - 1) > 0 && unlink(name) == 0);
    }
    if (no_locks) errno = ENOLCK;
    return no_locks ? -1 : (int)syscall(SYS_flock, fd, operation);
}

/* What happens to the direct writes of a file, counted from 1. */
static struct {
    const t2i_fs_out *out; /* NULL: of none */
    int number, count;     /* from which one on; how many there were */
    int why;               /* errno of these; 0: one is short, of so many bytes: */
    size_t size;
    int misplaced; /* of them were not whole blocks in whole blocks */
} direct;

ssize_t write(int fd, const void *bytes, size_t size)
{
    if (direct.out != NULL && direct.out->fd == fd && direct.out->direct) {
        off_t at = lseek(fd, 0, SEEK_CUR);
        direct.count++;
        direct.misplaced += ((uintptr_t)bytes | (uintptr_t)at | size) % 4096 != 0;
        if (direct.why != 0 && direct.count >= direct.number) {
            errno = direct.why;
            return -1;
        }
        if (direct.why == 0 && direct.count == direct.number) size = direct.size;
    }
    return syscall(SYS_write, fd, bytes, size);
}

static int no_memory;

void *aligned_alloc(size_t align, size_t size)
{
    void *pointer = NULL;
    return no_memory || posix_memalign(&pointer, align, size) != 0 ? NULL : pointer;
}

static mode_t mode_of(const char *path)
{
    struct stat info = {0};
    CU_ASSERT_EQUAL(stat(path, &info), 0);
    return info.st_mode & 07777;
}

static void test_commit(void)
{
    const char *path = in_scratch("a.txt");
    t2i_fs_out out;
    OK(t2i_fs_out_open(&out, path, &err));
    OK(t2i_fs_out_write(&out, "one ", 4, &err));
    OK(t2i_fs_out_write(&out, "", 0, &err));
    CU_ASSERT_TRUE(t2i_fs_exists(out.temp) && !t2i_fs_exists(path));
    OK(t2i_fs_out_write(&out, "two", 3, &err));
    OK(t2i_commit(&out, &err));
    CU_ASSERT_TRUE(entries(scratch) == 1 && holds(path, "one two"));
    CU_ASSERT_TRUE(out.fd == -1 && out.temp == NULL && out.path == NULL);
    t2i_fs_out_drop(&out);
    CU_ASSERT_TRUE(holds(path, "one two"));
    OK(t2i_commit_file(path, "three", 5, &err)); /* replaces */
    CU_ASSERT_TRUE(holds(path, "three"));
    CU_ASSERT_EQUAL(entries(scratch), 1);
    unlink(path);
}

static void test_drop(void)
{
    const char *path = in_scratch("b.txt");
    t2i_fs_out out, empty = {0};
    t2i_fs_out_drop(&empty); /* must not close descriptor 0 */
    CU_ASSERT_NOT_EQUAL(fcntl(0, F_GETFD), -1);
    OK(t2i_commit_file(path, "old", 3, &err));
    OK(t2i_fs_out_open(&out, path, &err));
    OK(t2i_fs_out_write(&out, "new", 3, &err));
    t2i_fs_out_drop(&out);
    t2i_fs_out_drop(&out);
    CU_ASSERT_TRUE(holds(path, "old"));
    CU_ASSERT_EQUAL(entries(scratch), 1);
    unlink(path);
}

static void test_cannot_create(void)
{
    t2i_fs_out out;
    FAILS(t2i_fs_out_open(&out, in_scratch("none/c.txt"), &err), T2I_CANTCREATE,
          "none/c.txt: No such file");
    CU_ASSERT_TRUE(out.fd == -1 && out.temp == NULL && out.path == NULL);
    FAILS(t2i_commit_file(in_scratch("none/c.txt"), "x", 1, &err), T2I_CANTCREATE, "none/c.txt");
    OK(t2i_fs_mkdir(in_scratch("folder/kept"), &err)); /* where the final name should be */
    FAILS(t2i_commit_file(in_scratch("folder"), "x", 1, &err), T2I_CANTCREATE, "it is a folder");
    OK(t2i_fs_out_open(&out, in_scratch("late"), &err)); /* one that comes while it is written */
    CU_ASSERT_EQUAL(mkdir(in_scratch("late"), 0777), 0);
    FAILS(t2i_commit(&out, &err), T2I_IO, "late: rename");
    CU_ASSERT_EQUAL(rmdir(in_scratch("late")), 0);
    CU_ASSERT_TRUE(t2i_fs_is_folder(in_scratch("folder/kept")));
    CU_ASSERT_EQUAL(entries(scratch), 1);
    scratch_remove(in_scratch("folder"));
}

/* What is no regular file stays as it is, also behind a link. */
static void test_special(void)
{
    static const char *const names[] = {"fifo", "socket",    "fifo link",
                                        "loop", "/dev/null", "/dev/full"};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    CU_ASSERT_EQUAL_FATAL(chdir(scratch), 0); /* the name of a socket is short */
    strcpy(address.sun_path, "socket");
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    CU_ASSERT_EQUAL(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    CU_ASSERT_EQUAL(mkfifo("fifo", 0666), 0);
    CU_ASSERT_EQUAL(symlink("fifo", "fifo link"), 0);
    CU_ASSERT_EQUAL(symlink("loop", "loop"), 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        t2i_fs_out out; /* not committed: the test may be run by root */
        struct stat before, after;
        CU_ASSERT_EQUAL(lstat(names[i], &before), 0);
        FAILS(t2i_fs_out_open(&out, names[i], &err), T2I_CANTCREATE,
              strcmp(names[i], "loop") == 0 ? "symbolic links" : "it is not a regular file");
        CU_ASSERT_TRUE(out.fd == -1 && out.temp == NULL && out.path == NULL);
        t2i_fs_out_drop(&out);
        FAILS(t2i_fs_may_replace(names[i], "x", "an x", &err), T2I_CANTCREATE, "cannot create");
        CU_ASSERT_EQUAL(lstat(names[i], &after), 0);
        CU_ASSERT_TRUE(before.st_ino == after.st_ino && before.st_mode == after.st_mode);
    }
    close(fd);
    CU_ASSERT_EQUAL(entries(scratch), 4);
    for (size_t i = 0; i < 4; i++) unlink(names[i]);
}

/* The file that standard output or error goes to. */
static void test_standard(void)
{
    for (int standard = 1; standard <= 2; standard++) {
        fflush(NULL);
        int kept = dup(standard), fd = open("said", O_WRONLY | O_CREAT, 0666);
        CU_ASSERT_TRUE(dup2(fd, standard) == standard && close(fd) == 0);
        t2i_fs_out out[2];
        t2i_status one = t2i_fs_out_open(&out[0], "said", &err),
                   other = t2i_fs_out_open(&out[1], "/dev/fd/1", &err);
        for (int i = 0; i < 2; i++) t2i_fs_out_drop(&out[i]);
        CU_ASSERT_TRUE(dup2(kept, standard) == standard && close(kept) == 0);
        CU_ASSERT_EQUAL(one, T2I_CANTCREATE);
        if (standard == 1) CU_ASSERT_EQUAL(other, T2I_CANTCREATE);
    }
    unlink("said");
}

/* A link stays, and the file where it ends is replaced, there or not. */
static void test_links(void)
{
    static const char *const link[][2] = {{"relative", "in/file"}, {"again", "relative"},
                                          {"in/up", "../again"},   {"in/beside", "file"},
                                          {"none", "in/new"},      {"in/absolute", NULL}};
    char absolute[700];
    snprintf(absolute, sizeof absolute, "%s/in/file", scratch);
    OK(t2i_fs_mkdir("in", &err));
    enum { LINKS = sizeof link / sizeof *link };
    for (size_t i = 0; i < LINKS; i++)
        CU_ASSERT_EQUAL(symlink(link[i][1] == NULL ? absolute : link[i][1], link[i][0]), 0);
    for (size_t i = 0; i < LINKS; i++) {
        const char *name = link[i][0], *end = strcmp(name, "none") == 0 ? "in/new" : "in/file";
        struct stat info;
        OK(t2i_commit_file(name, name, strlen(name), &err));
        CU_ASSERT_TRUE(lstat(name, &info) == 0 && S_ISLNK(info.st_mode));
        CU_ASSERT_TRUE(holds(end, name) && lstat(end, &info) == 0 && S_ISREG(info.st_mode));
    }
    CU_ASSERT_TRUE(entries("in") == 5 && entries(scratch) == 4);
    for (size_t i = 0; i < LINKS; i++) CU_ASSERT_EQUAL(unlink(link[i][0]), 0);
    CU_ASSERT_EQUAL(symlink("nowhere/x", "dangling"), 0);
    FAILS(t2i_commit_file("dangling", "x", 1, &err), T2I_CANTCREATE, "nowhere/x: No such file");
    unlink("dangling");
    scratch_remove(in_scratch("in"));
    CU_ASSERT_EQUAL(entries(scratch), 0);
}

/* In a process of its own, as the limit holds for all its files. */
static int write_beyond_limit(const char *path)
{
    static char much[20000];
    t2i_fs_out out;
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &(struct rlimit){10000, 10000}) != 0) return 1;
    if (t2i_commit_file(path, much, sizeof much, &err) != T2I_IO ||
        strstr(err.text, "d.txt: File too large") == NULL)
        return 2;
    if (t2i_fs_out_open(&out, path, &err) != T2I_OK ||
        t2i_fs_out_write(&out, much, 9000, &err) != T2I_OK)
        return 3;
    if (t2i_fs_out_write(&out, much, 9000, &err) != T2I_IO) return 4;
    t2i_fs_out_drop(&out);
    return t2i_commit_file(path, much, 10000, &err) == T2I_OK ? 0 : 5; /* what fits still goes */
}

static void test_cannot_write(void)
{
    const char *path = in_scratch("d.txt");
    OK(t2i_commit_file(path, "old", 3, &err));
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) _exit(write_beyond_limit(path));
    int status = -1;
    CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
    CU_ASSERT_TRUE(WIFEXITED(status));
    CU_ASSERT_EQUAL(WEXITSTATUS(status), 0);
    uint64_t size = 0;
    OK(t2i_fs_size(path, &size, &err));
    CU_ASSERT_EQUAL(size, 10000);
    CU_ASSERT_EQUAL(entries(scratch), 1);

    OK(t2i_commit_file(path, "old", 3, &err));
    t2i_fs_out out; /* the descriptor of a disk that fails: one that cannot be written */
    OK(t2i_fs_out_open(&out, path, &err));
    close(out.fd);
    out.fd = open("/dev/null", O_RDONLY);
    FAILS(t2i_fs_out_write(&out, "new", 3, &err), T2I_IO, "d.txt: ");
    t2i_fs_out_drop(&out);
    CU_ASSERT_TRUE(holds(path, "old"));
    CU_ASSERT_EQUAL(entries(scratch), 1);
    unlink(path);
}

/* A pipe has no fsync: a failed one is a failed write. */
static void test_failed_fsync(void)
{
    const char *path = in_scratch("e.txt");
    int ends[2];
    t2i_fs_out out;
    OK(t2i_commit_file(path, "old", 3, &err));
    OK(t2i_fs_out_open(&out, path, &err));
    CU_ASSERT_EQUAL(pipe(ends), 0);
    close(out.fd);
    out.fd = ends[1];
    OK(t2i_fs_out_write(&out, "new", 3, &err));
    FAILS(t2i_commit(&out, &err), T2I_IO, "e.txt: fsync");
    CU_ASSERT_TRUE(out.fd == -1 && out.temp == NULL && out.path == NULL);
    CU_ASSERT_EQUAL(write(ends[1], "x", 1), -1); /* it is closed */
    close(ends[0]);
    CU_ASSERT_TRUE(holds(path, "old"));
    CU_ASSERT_EQUAL(entries(scratch), 1);
    unlink(path);
}

/* Writes a file of so many bytes, expected, in parts of odd sizes. */
static t2i_status write_expected(const char *path, const char *bytes, size_t size, int number,
                                 int why, size_t part)
{
    t2i_fs_out out;
    OK(t2i_fs_out_open(&out, path, &err));
    t2i_fs_out_expect(&out, size);
    direct.out = &out;
    direct.number = number;
    direct.count = direct.misplaced = 0;
    direct.why = why;
    direct.size = part;
    t2i_status status = T2I_OK;
    for (size_t done = 0; status == T2I_OK && done < size;) {
        size_t some = (done * 7 + 1000003) % 3000017;
        if (some > size - done) some = size - done;
        status = t2i_fs_out_write(&out, bytes + done, some, &err);
        done += some;
    }
    if (status == T2I_OK) status = t2i_commit(&out, &err);
    t2i_fs_out_drop(&out);
    direct.out = NULL;
    return status;
}

static int is_file(const char *path, const char *bytes, size_t size)
{
    t2i_text text = {0};
    OK(t2i_fs_read(path, (size_t)1 << 26, &text, &err));
    int same = text.size == size && (size == 0 || memcmp(text.data, bytes, size) == 0);
    t2i_text_free(&text);
    return same;
}

/* Past the page cache: the same bytes, at any size; refused, short and failing writes. */
static void test_direct(void)
{
    enum { PIECE = 4 << 20, MOST = 3 * PIECE };
    static const size_t sizes[] = {
        0, 1, 4095, 4096, 4097, 10000, PIECE - 1, PIECE, PIECE + 1, PIECE + 4096, 2 * PIECE + 9000};
    enum { SIZES = sizeof sizes / sizeof *sizes };
    const char *path = in_scratch("direct"), *old = "old";
    char *bytes = malloc(MOST);
    for (size_t i = 0; i < MOST; i++) bytes[i] = (char)(i * i >> 7);
    int fd = open(in_scratch("probe"), O_WRONLY | O_CREAT | O_DIRECT, 0666), there = fd >= 0;
    if (there) close(fd);
    if (!there) printf("%s has no direct writes: not tested\n", scratch);
    unlink(in_scratch("probe"));
    OK(write_expected(path, bytes, MOST, 0, 0, 0)); /* too small for it */
    CU_ASSERT_EQUAL(direct.count, 0);
    setenv("T2I_ASIDE_MB", "0", 1);
    for (size_t i = 0; i < SIZES; i++) {
        size_t size = sizes[i];
        int writes = (int)((size + PIECE - 1) / PIECE) - (size % PIECE > 0 && size % PIECE < 4096);
        OK(write_expected(path, bytes, size, 0, 0, 0));
        CU_ASSERT_TRUE(is_file(path, bytes, size));
        CU_ASSERT_EQUAL(direct.count, there ? writes : 0);
        CU_ASSERT_EQUAL(direct.misplaced, 0);
        for (int n = 1; there && n <= writes; n++) {
            OK(write_expected(path, bytes, size, n, EINVAL, 0));
            CU_ASSERT_TRUE(is_file(path, bytes, size));
            CU_ASSERT_EQUAL(direct.count, n); /* not tried again */
            OK(write_expected(path, bytes, size, n, EOPNOTSUPP, 0));
            CU_ASSERT_TRUE(is_file(path, bytes, size));
            OK(write_expected(path, bytes, size, n, 0, 0)); /* takes nothing, as FUSE may */
            CU_ASSERT_TRUE(is_file(path, bytes, size));
            CU_ASSERT_EQUAL(direct.count, n);
            OK(write_expected(path, bytes, size, n, 0, 512)); /* short ones; then out of place */
            CU_ASSERT_TRUE(is_file(path, bytes, size));
            OK(write_expected(path, bytes, size, n, 0, 4096));
            CU_ASSERT_TRUE(is_file(path, bytes, size));
            OK(t2i_commit_file(path, old, 3, &err));
            FAILS(write_expected(path, bytes, size, n, EIO, 0), T2I_IO, "direct: Input/output");
            CU_ASSERT_EQUAL(direct.count, n);
            CU_ASSERT_TRUE(is_file(path, old, 3));
            FAILS(write_expected(path, bytes, size, n, ENOSPC, 0), T2I_IO, "direct: No space");
            CU_ASSERT_TRUE(is_file(path, old, 3));
            CU_ASSERT_EQUAL(entries(scratch), 1);
        }
    }
    t2i_fs_out out; /* without memory for a piece: as usual */
    OK(t2i_fs_out_open(&out, path, &err));
    no_memory = 1;
    t2i_fs_out_expect(&out, MOST);
    no_memory = 0;
    CU_ASSERT_TRUE(out.piece == NULL && !out.direct);
    OK(t2i_fs_out_write(&out, bytes, MOST, &err));
    OK(t2i_commit(&out, &err));
    CU_ASSERT_TRUE(is_file(path, bytes, MOST));
    out = (t2i_fs_out){.fd = open("/dev/null", O_WRONLY)}; /* has no direct writes */
    t2i_fs_out_expect(&out, MOST);
    CU_ASSERT_TRUE(out.piece == NULL && out.memory == NULL && !out.direct);
    OK(t2i_fs_out_write(&out, bytes, MOST, &err));
    close(out.fd);
    unsetenv("T2I_ASIDE_MB");
    free(bytes);
    unlink(path);
}

/* Two programs that write one file: both succeed, the later one wins, nothing is mixed. */
static void test_two_writers(void)
{
    const char *path = in_scratch("two.txt");
    t2i_fs_out first, second;
    OK(t2i_fs_out_open(&first, path, &err));
    OK(t2i_fs_out_write(&first, "first", 5, &err));
    OK(t2i_fs_out_open(&second, path, &err));
    OK(t2i_fs_out_write(&second, "second", 6, &err));
    OK(t2i_fs_out_write(&first, " more", 5, &err));
    OK(t2i_fs_out_close(&first, &err)); /* which keeps its lock: */
    OK(t2i_commit_file(path, "third", 5, &err));
    CU_ASSERT_TRUE(holds(path, "third"));
    OK(t2i_commit(&second, &err));
    CU_ASSERT_TRUE(holds(path, "second"));
    OK(t2i_fs_out_rename(&first, &err));
    CU_ASSERT_TRUE(holds(path, "first more"));
    CU_ASSERT_EQUAL(entries(scratch), 1);
    /* a program on another node whose locks are not seen here took its file for one that was left:
     * it says so, and does not rename what another one has written */
    OK(t2i_fs_out_open(&first, path, &err));
    OK(t2i_fs_out_write(&first, "lost", 4, &err));
    unlink(first.temp);
    FAILS(t2i_commit(&first, &err), T2I_IO, "two.txt: rename");
    CU_ASSERT_TRUE(holds(path, "first more"));
    taken_away = 3; /* before it could be locked: another name is used */
    OK(t2i_commit_file(path, "again", 5, &err));
    CU_ASSERT_TRUE(holds(path, "again"));
    unlink(path);
}

static pid_t killed_writer(const char *path)
{
    t2i_fs_out out;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        if (t2i_fs_out_open(&out, path, &err) == T2I_OK) raise(SIGKILL);
        _exit(1);
    }
    int status = 0;
    CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
    CU_ASSERT_TRUE(WIFSIGNALED(status));
    return child;
}

/* What a killed writer left goes when the same path is written again, and nothing else. */
static void test_left_over(void)
{
    static const char *const kept[] = {"k.txt.tmp",
                                       "k.txt.1.tmp",
                                       "k.txt.1-abc.tmp",
                                       "k.txt.1-0123456g.tmp",
                                       "k.txt.1-01234567.tmp.tmp",
                                       "k.txt.-01234567.tmp",
                                       "other.1-01234567.tmp"};
    const char *path = in_scratch("left/k.txt");
    enum { KEPT = sizeof kept / sizeof *kept };
    t2i_fs_out live;
    OK(t2i_fs_mkdir(in_scratch("left"), &err));
    for (int i = 0; i < KEPT; i++) {
        char name[100];
        snprintf(name, sizeof name, "left/%s", kept[i]);
        int fd = open(in_scratch(name), O_WRONLY | O_CREAT, 0666);
        CU_ASSERT_TRUE(fd >= 0 && close(fd) == 0);
    }
    OK(t2i_fs_mkdir(in_scratch("left/k.txt.2-01234567.tmp"), &err)); /* no file */
    CU_ASSERT_EQUAL(symlink("k.txt.tmp", in_scratch("left/k.txt.3-01234567.tmp")), 0);
    CU_ASSERT_EQUAL(mkfifo(in_scratch("left/k.txt.4-01234567.tmp"), 0666), 0);
    killed_writer(path);
    CU_ASSERT_EQUAL(entries(in_scratch("left")), KEPT + 4);
    OK(t2i_fs_out_open(&live, path, &err));
    CU_ASSERT_EQUAL(entries(in_scratch("left")), KEPT + 4); /* the new one, for the old one */
    OK(t2i_commit_file(path, "x", 1, &err));
    CU_ASSERT_TRUE(t2i_fs_exists(live.temp)); /* in use */
    no_locks = 1;                             /* nobody knows whose files they are */
    OK(t2i_commit_file(path, "x", 1, &err));
    no_locks = 0;
    CU_ASSERT_TRUE(t2i_fs_exists(live.temp));
    CU_ASSERT_EQUAL(entries(in_scratch("left")), KEPT + 5);
    unlink(live.temp); /* by a new owner of the folder */
    FAILS(t2i_commit(&live, &err), T2I_IO, "k.txt");
    CU_ASSERT_TRUE(holds(path, "x"));
    scratch_remove(in_scratch("left"));
}

static void test_umask(void)
{
    static const mode_t masks[] = {022, 027, 077, 0};
    const char *path = in_scratch("m.txt");
    for (size_t i = 0; i < sizeof masks / sizeof *masks; i++) {
        t2i_fs_out out;
        mode_t before = umask(masks[i]);
        OK(t2i_fs_out_open(&out, path, &err));
        CU_ASSERT_EQUAL(mode_of(out.temp), 0666 & ~masks[i]);
        OK(t2i_commit(&out, &err));
        umask(before);
        CU_ASSERT_EQUAL(mode_of(path), 0666 & ~masks[i]);
        unlink(path);
    }
}

/* A file that is replaced gives no more to group and others than it did. */
static void test_mode(void)
{
    static const mode_t modes[][3] = {/* umask, of the old file, of the new one */
                                      {022, 0600, 0600}, {022, 0640, 0640}, {022, 0664, 0644},
                                      {077, 0644, 0600}, {022, 0444, 0644}, {022, 07711, 0600},
                                      {0, 0, 0600},      {027, 0666, 0640}};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        t2i_fs_out out;
        OK(t2i_commit_file("mode", "old", 3, &err));
        CU_ASSERT_EQUAL(chmod("mode", modes[i][1]), 0);
        mode_t before = umask(modes[i][0]);
        OK(t2i_fs_out_open(&out, "mode", &err));
        CU_ASSERT_EQUAL(mode_of(out.temp), modes[i][2]); /* from the first byte on */
        OK(t2i_commit(&out, &err));
        umask(before);
        CU_ASSERT_EQUAL(mode_of("mode"), modes[i][2]);
    }
    unlink("mode");
}

/* Names up to the limit of file systems; what a killed writer of one left goes too. */
static void test_long_names(void)
{
    char name[256];
    for (size_t size = 215; size <= 255; size++) {
        memset(name, 'x', size);
        name[size] = '\0';
        for (size_t at = 214; at + 2 < size; at += 3) memcpy(name + at, "\xe2\x82\xac", 3);
        killed_writer(name);
        CU_ASSERT_EQUAL(entries(scratch), 1);
        t2i_fs_out out;
        OK(t2i_fs_out_open(&out, name, &err));
        if (out.temp == NULL) break;
        CU_ASSERT_EQUAL(t2i_utf8_valid(out.temp, strlen(out.temp)), strlen(out.temp));
        OK(t2i_commit(&out, &err));
        CU_ASSERT_TRUE(entries(scratch) == 1 && holds(name, ""));
        unlink(name);
    }
    memset(name, 0x80, 255); /* no UTF-8 */
    OK(t2i_commit_file(name, "x", 1, &err));
    CU_ASSERT_TRUE(holds(name, "x"));
    unlink(name);
    CU_ASSERT_EQUAL(entries(scratch), 0);
}

/* The holder of a lock file may remove it; who waited with the removed one has no lock. */
static void test_lock(void)
{
    const char *path = in_scratch("lock");
    int first = t2i_fs_lock(path);
    CU_ASSERT_TRUE(first >= 0);
    errno = 0;
    CU_ASSERT_EQUAL(t2i_fs_lock(path), -1);
    CU_ASSERT_EQUAL(errno, EWOULDBLOCK);
    unlink(path);
    int second = t2i_fs_lock(path);
    CU_ASSERT_TRUE(second >= 0);
    close(first);
    CU_ASSERT_EQUAL(t2i_fs_lock(path), -1);
    close(second);
    second = t2i_fs_lock(path);
    removed = path; /* by its holder, after this process has opened it */
    close(second);
    first = t2i_fs_lock(path);
    CU_ASSERT_TRUE(first >= 0 && removed == NULL);
    CU_ASSERT_EQUAL(t2i_fs_lock(path), -1); /* it locked the file that has the name now */
    close(first);
    no_locks = 1; /* in the file system */
    first = t2i_fs_lock(path);
    second = t2i_fs_lock(path);
    CU_ASSERT_TRUE(first >= 0 && second >= 0);
    no_locks = 0;
    close(first);
    close(second);
    unlink(path);
    CU_ASSERT_EQUAL(t2i_fs_lock(in_scratch("none/lock")), -1);
    CU_ASSERT_EQUAL(errno, ENOENT);
    CU_ASSERT_EQUAL(entries(scratch), 0);
}

/* After another process has taken the folder, this one writes nothing more. */
static void test_lost_lease(void)
{
    const char *run = in_scratch("run"), *path = in_scratch("run/a"), *other = in_scratch("b");
    OK(t2i_writer_lease_take(run, &err));
    OK(t2i_commit_file(path, "old", 3, &err));
    OK(t2i_writer_lease_check(&err));
    scratch_remove(in_scratch("run/.writer"));
    OK(t2i_fs_mkdir(in_scratch("run/.writer/another-host,1,1,1,1,0"), &err));
    FAILS(t2i_commit_file(path, "new", 3, &err), T2I_CANTCREATE, "taken over by process 1");
    CU_ASSERT_TRUE(holds(path, "old") && entries(run) == 2);
    FAILS(t2i_commit_file(other, "new", 3, &err), T2I_CANTCREATE, "of host another-host");
    CU_ASSERT_EQUAL(entries(scratch), 1);
    t2i_writer_lease_end();
    OK(t2i_commit_file(path, "new", 3, &err)); /* without a lease nothing is checked */
    scratch_remove(run);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"a committed file has its final name only", test_commit},
        {"a dropped one leaves nothing", test_drop},
        {"what cannot be created", test_cannot_create},
        {"devices, pipes and sockets stay", test_special},
        {"so does the file of standard output", test_standard},
        {"links are followed, and stay", test_links},
        {"what cannot be written leaves the old file", test_cannot_write},
        {"a failed fsync is a failed write", test_failed_fsync},
        {"files past the page cache", test_direct},
        {"two writers of one file", test_two_writers},
        {"what killed writers left", test_left_over},
        {"the umask holds", test_umask},
        {"a replaced file is not opened to others", test_mode},
        {"names of 255 bytes", test_long_names},
        {"locks whose file is removed", test_lock},
        {"a lost lease", test_lost_lease},
    };
    if (scratch_begin("commit") != 0) return 1;
    int failed = t2i_test_main("commit", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return failed;
}
