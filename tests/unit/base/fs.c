/* Files that are whole or not there: on success only the final name, on failure what was there
 * before. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "scratch.h"
#include "base/fs.h"

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

static void test_commit(void)
{
    const char *path = in_scratch("a.txt"), *temp = in_scratch("a.txt.tmp");
    OK(t2i_fs_write(temp, "left over from a run that was killed", 36, &err));
    t2i_out out;
    OK(t2i_out_open(&out, path, &err));
    OK(t2i_out_write(&out, "one ", 4, &err));
    OK(t2i_out_write(&out, "", 0, &err));
    CU_ASSERT_TRUE(t2i_fs_exists(temp) && !t2i_fs_exists(path));
    OK(t2i_out_write(&out, "two", 3, &err));
    OK(t2i_out_commit(&out, &err));
    CU_ASSERT_TRUE(!t2i_fs_exists(temp) && holds(path, "one two"));
    CU_ASSERT_TRUE(out.fd == -1 && out.temp == NULL && out.path == NULL);
    t2i_out_drop(&out);
    CU_ASSERT_TRUE(holds(path, "one two"));
    OK(t2i_fs_write(path, "three", 5, &err)); /* replaces */
    CU_ASSERT_TRUE(holds(path, "three"));
    CU_ASSERT_EQUAL(entries(scratch), 1);
    unlink(path);
}

static void test_drop(void)
{
    const char *path = in_scratch("b.txt");
    t2i_out out, empty = {0};
    t2i_out_drop(&empty); /* must not close descriptor 0 */
    CU_ASSERT_NOT_EQUAL(fcntl(0, F_GETFD), -1);
    OK(t2i_fs_write(path, "old", 3, &err));
    OK(t2i_out_open(&out, path, &err));
    OK(t2i_out_write(&out, "new", 3, &err));
    t2i_out_drop(&out);
    t2i_out_drop(&out);
    CU_ASSERT_TRUE(holds(path, "old"));
    CU_ASSERT_EQUAL(entries(scratch), 1);
    unlink(path);
}

static void test_cannot_create(void)
{
    t2i_out out;
    FAILS(t2i_out_open(&out, in_scratch("none/c.txt"), &err), T2I_CANTCREATE,
          "none/c.txt: No such file");
    CU_ASSERT_TRUE(out.fd == -1 && out.temp == NULL && out.path == NULL);
    FAILS(t2i_fs_write(in_scratch("none/c.txt"), "x", 1, &err), T2I_CANTCREATE, "none/c.txt");
    OK(t2i_fs_mkdir(in_scratch("c.txt.tmp"), &err)); /* in the way, and not ours to remove */
    FAILS(t2i_fs_write(in_scratch("c.txt"), "x", 1, &err), T2I_CANTCREATE, "c.txt: File exists");
    CU_ASSERT_TRUE(t2i_fs_is_folder(in_scratch("c.txt.tmp")));
    rmdir(in_scratch("c.txt.tmp"));
    OK(t2i_fs_mkdir(in_scratch("folder/kept"), &err)); /* where the final name should be */
    FAILS(t2i_fs_write(in_scratch("folder"), "x", 1, &err), T2I_IO, "folder: rename");
    CU_ASSERT_TRUE(t2i_fs_is_folder(in_scratch("folder/kept")));
    CU_ASSERT_EQUAL(entries(scratch), 1);
    scratch_remove(in_scratch("folder"));
}

/* In a process of its own, as the limit holds for all its files. */
static int write_beyond_limit(const char *path)
{
    static char much[20000];
    t2i_out out;
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &(struct rlimit){10000, 10000}) != 0) return 1;
    if (t2i_fs_write(path, much, sizeof much, &err) != T2I_IO ||
        strstr(err.text, "d.txt: File too large") == NULL)
        return 2;
    if (t2i_out_open(&out, path, &err) != T2I_OK || t2i_out_write(&out, much, 9000, &err) != T2I_OK)
        return 3;
    if (t2i_out_write(&out, much, 9000, &err) != T2I_IO) return 4;
    t2i_out_drop(&out);
    return t2i_fs_write(path, much, 10000, &err) == T2I_OK ? 0 : 5; /* what fits still goes */
}

static void test_cannot_write(void)
{
    const char *path = in_scratch("d.txt");
    OK(t2i_fs_write(path, "old", 3, &err));
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

    OK(t2i_fs_write(path, "old", 3, &err));
    t2i_out out; /* the descriptor of a disk that fails: one that cannot be written */
    OK(t2i_out_open(&out, path, &err));
    close(out.fd);
    out.fd = open("/dev/null", O_RDONLY);
    FAILS(t2i_out_write(&out, "new", 3, &err), T2I_IO, "d.txt: ");
    t2i_out_drop(&out);
    CU_ASSERT_TRUE(holds(path, "old"));
    CU_ASSERT_EQUAL(entries(scratch), 1);
    unlink(path);
}

/* A pipe has no fsync: a failed one is a failed write. */
static void test_failed_fsync(void)
{
    const char *path = in_scratch("e.txt");
    int ends[2];
    t2i_out out;
    OK(t2i_fs_write(path, "old", 3, &err));
    OK(t2i_out_open(&out, path, &err));
    CU_ASSERT_EQUAL(pipe(ends), 0);
    close(out.fd);
    out.fd = ends[1];
    OK(t2i_out_write(&out, "new", 3, &err));
    FAILS(t2i_out_commit(&out, &err), T2I_IO, "e.txt: fsync");
    CU_ASSERT_TRUE(out.fd == -1 && out.temp == NULL && out.path == NULL);
    CU_ASSERT_EQUAL(write(ends[1], "x", 1), -1); /* it is closed */
    close(ends[0]);
    CU_ASSERT_TRUE(holds(path, "old"));
    CU_ASSERT_EQUAL(entries(scratch), 1);
    unlink(path);
}

/* Two programs that write one file: the later one wins, the other is told, nothing is mixed. */
static void test_two_writers(void)
{
    const char *path = in_scratch("two.txt");
    t2i_out first, second;
    OK(t2i_out_open(&first, path, &err));
    OK(t2i_out_write(&first, "first", 5, &err));
    OK(t2i_out_open(&second, path, &err));
    OK(t2i_out_write(&first, " more", 5, &err));
    OK(t2i_out_write(&second, "second", 6, &err));
    FAILS(t2i_out_commit(&first, &err), T2I_IO, "another program is writing it too");
    OK(t2i_out_commit(&second, &err));
    CU_ASSERT_TRUE(holds(path, "second"));
    CU_ASSERT_EQUAL(entries(scratch), 1);
    unlink(path);
}

static void test_publish(void)
{
    const char *path = in_scratch("f"), *temp = in_scratch("g");
    OK(t2i_fs_write(temp, "by another library", 18, &err));
    OK(t2i_fs_publish(temp, path, &err));
    CU_ASSERT_TRUE(!t2i_fs_exists(temp) && holds(path, "by another library"));
    FAILS(t2i_fs_publish(temp, path, &err), T2I_IO, path);
    OK(t2i_fs_write(temp, "x", 1, &err));
    FAILS(t2i_fs_publish(temp, in_scratch("none/f"), &err), T2I_IO, "none/f");
    CU_ASSERT_FALSE(t2i_fs_exists(temp));
    CU_ASSERT_TRUE(holds(path, "by another library"));
    unlink(path);
}

static void test_read(void)
{
    const char *path = in_scratch("h");
    t2i_text text = {0};
    OK(t2i_fs_write(path, "", 0, &err));
    OK(t2i_fs_read(path, 0, &text, &err));
    CU_ASSERT_TRUE(text.size == 0 && text.data != NULL && text.data[0] == '\0');
    OK(t2i_fs_write(path, "12345", 5, &err));
    OK(t2i_fs_read(path, 5, &text, &err));
    OK(t2i_fs_read(path, 6, &text, &err)); /* appends */
    CU_ASSERT_STRING_EQUAL(text.data, "1234512345");
    FAILS(t2i_fs_read(path, 4, &text, &err), T2I_DATA, "longer than the 4 bytes");
    FAILS(t2i_fs_read(in_scratch("none"), 4, &text, &err), T2I_NOINPUT, "none: No such file");
    FAILS(t2i_fs_read(scratch, 4, &text, &err), T2I_NOINPUT, scratch);
    if (access("/proc/self/mem", R_OK) == 0) /* opens, but its first bytes cannot be read */
        FAILS(t2i_fs_read("/proc/self/mem", 4, &text, &err), T2I_IO, "/proc/self/mem");
    t2i_text_free(&text);

    static char much[300001]; /* several reads */
    for (size_t i = 0; i < sizeof much; i++) much[i] = (char)(i % 251);
    OK(t2i_fs_write(path, much, sizeof much, &err));
    OK(t2i_fs_read(path, sizeof much, &text, &err));
    CU_ASSERT_TRUE(text.size == sizeof much && memcmp(text.data, much, sizeof much) == 0);
    t2i_text_free(&text);
    FAILS(t2i_fs_read(path, sizeof much - 1, &text, &err), T2I_DATA, "longer");
    t2i_text_free(&text);
    unlink(path);
}

static void test_mkdir(void)
{
    OK(t2i_fs_mkdir(in_scratch("i/j/k"), &err));
    OK(t2i_fs_mkdir(in_scratch("i/j/k"), &err));
    OK(t2i_fs_mkdir(in_scratch("i//l/"), &err));
    CU_ASSERT_TRUE(t2i_fs_is_folder(in_scratch("i/j/k")) && t2i_fs_is_folder(in_scratch("i/l")));
    OK(t2i_fs_mkdir("/", &err));
    OK(t2i_fs_mkdir(".", &err));
    OK(t2i_fs_write(in_scratch("i/file"), "x", 1, &err));
    FAILS(t2i_fs_mkdir(in_scratch("i/file"), &err), T2I_CANTCREATE, "i/file: Not a directory");
    FAILS(t2i_fs_mkdir(in_scratch("i/file/m"), &err), T2I_CANTCREATE, "i/file/m: Not a directory");
    FAILS(t2i_fs_mkdir("", &err), T2I_CANTCREATE, "No such file");
    scratch_remove(in_scratch("i"));
}

static void test_questions(void)
{
    uint64_t size = 0;
    OK(t2i_fs_write(in_scratch("n"), "123", 3, &err));
    OK(t2i_fs_size(in_scratch("n"), &size, &err));
    CU_ASSERT_EQUAL(size, 3);
    FAILS(t2i_fs_size(scratch, &size, &err), T2I_NOINPUT, "is not a regular file");
    FAILS(t2i_fs_size(in_scratch("none"), &size, &err), T2I_NOINPUT, "No such file");
    CU_ASSERT_TRUE(t2i_fs_exists(in_scratch("n")) && t2i_fs_exists(scratch) &&
                   !t2i_fs_exists(in_scratch("none")));
    CU_ASSERT_TRUE(t2i_fs_is_folder(scratch) && !t2i_fs_is_folder(in_scratch("n")));
    CU_ASSERT_FALSE(t2i_fs_is_folder(in_scratch("none")));
    unlink(in_scratch("n"));
}

static void test_join(void)
{
    static const char *const known[][3] = {{"a", "b", "a/b"}, {"a/", "b", "a/b"},
                                           {"a", "/b", "/b"}, {"", "b", "b"},
                                           {"/", "b", "/b"},  {"a/b", "c/d.e", "a/b/c/d.e"},
                                           {"a", "", "a/"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        char *joined = t2i_fs_join(known[i][0], known[i][1]);
        CU_ASSERT_STRING_EQUAL(joined, known[i][2]);
        t2i_free(joined);
    }
}

int main(void)
{
    static const t2i_test tests[] = {
        {"a committed file has its final name only", test_commit},
        {"a dropped one leaves nothing", test_drop},
        {"what cannot be created", test_cannot_create},
        {"what cannot be written leaves the old file", test_cannot_write},
        {"a failed fsync is a failed write", test_failed_fsync},
        {"two writers of one file", test_two_writers},
        {"files of other libraries are published", test_publish},
        {"reading, up to a limit", test_read},
        {"folders and their parents", test_mkdir},
        {"size, folder, there or not", test_questions},
        {"joined names", test_join},
    };
    if (scratch_begin("fs") != 0) return 1;
    int failed = t2i_test_main("fs", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return failed;
}
