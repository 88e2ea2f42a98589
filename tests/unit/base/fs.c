/* Reading, folders and names. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "scratch.h"
#include "base/commit.h"
#include "base/fs.h"

static t2i_error err;

static void test_read(void)
{
    const char *path = in_scratch("h");
    t2i_text text = {0};
    OK(t2i_commit_file(path, "", 0, &err));
    OK(t2i_fs_read(path, 0, &text, &err));
    CU_ASSERT_TRUE(text.size == 0 && text.data != NULL && text.data[0] == '\0');
    OK(t2i_commit_file(path, "12345", 5, &err));
    OK(t2i_fs_read(path, 5, &text, &err));
    OK(t2i_fs_read(path, 6, &text, &err)); /* appends */
    CU_ASSERT_STRING_EQUAL(text.data, "1234512345");
    FAILS(t2i_fs_read(path, 4, &text, &err), T2I_DATA, "larger than 4 bytes");
    FAILS(t2i_fs_read(in_scratch("none"), 4, &text, &err), T2I_NOINPUT, "none: No such file");
    FAILS(t2i_fs_read(scratch, 4, &text, &err), T2I_NOINPUT, scratch);
    CU_ASSERT_EQUAL(mkfifo(in_scratch("fifo"), 0600), 0); /* nobody writes to it */
    FAILS(t2i_fs_read(in_scratch("fifo"), 4, &text, &err), T2I_NOINPUT, "fifo is not a regular");
    FAILS(t2i_fs_read("/dev/zero", 4, &text, &err), T2I_NOINPUT, "zero is not a regular file");
    FAILS(t2i_fs_read_stream(path, 4, &text, &err), T2I_DATA, "larger than 4 bytes");
    OK(t2i_fs_read_stream("/dev/null", 4, &text, &err));
    unlink(in_scratch("fifo"));
    OK(t2i_commit_file(in_scratch("sparse"), "", 0, &err));
    CU_ASSERT_EQUAL(truncate(in_scratch("sparse"), (off_t)1 << 43), 0); /* no memory is taken */
    FAILS(t2i_fs_read(in_scratch("sparse"), 4, &text, &err), T2I_DATA, "larger than 4 bytes");
    unlink(in_scratch("sparse"));
    if (access("/proc/self/mem", R_OK) == 0) /* opens, but its first bytes cannot be read */
        FAILS(t2i_fs_read("/proc/self/mem", 4, &text, &err), T2I_IO, "/proc/self/mem");
    t2i_text_free(&text);

    static char much[300001]; /* several reads */
    for (size_t i = 0; i < sizeof much; i++) much[i] = (char)(i % 251);
    OK(t2i_commit_file(path, much, sizeof much, &err));
    OK(t2i_fs_read(path, sizeof much, &text, &err));
    CU_ASSERT_TRUE(text.size == sizeof much && memcmp(text.data, much, sizeof much) == 0);
    t2i_text_free(&text);
    FAILS(t2i_fs_read(path, sizeof much - 1, &text, &err), T2I_DATA, "is larger than 300000 bytes");
    t2i_text_free(&text);
    unlink(path);
}

static void test_read_at(void)
{
    const char *path = in_scratch("at");
    const size_t large = (33u << 20) + 1; /* bytes: more than one piece */
    char *bytes = malloc(large);
    OK(t2i_commit_file(path, "123456", 6, &err));
    int fd = open(path, O_RDONLY);
    CU_ASSERT_EQUAL(t2i_fs_read_at(fd, bytes, 4, 1), 4);
    CU_ASSERT_EQUAL(memcmp(bytes, "2345", 4), 0);
    CU_ASSERT_EQUAL(t2i_fs_read_at(fd, bytes, 4, 4), 2);
    CU_ASSERT_EQUAL(memcmp(bytes, "5645", 4), 0); /* no more than that is written */
    CU_ASSERT_EQUAL(t2i_fs_read_at(fd, bytes, 4, 6), 0);
    CU_ASSERT_EQUAL(t2i_fs_read_at(fd, bytes, 4, 9), 0);
    CU_ASSERT_EQUAL(truncate(path, (off_t)large), 0);
    CU_ASSERT_EQUAL(t2i_fs_read_at(fd, bytes, large, 0), (ssize_t)large);
    CU_ASSERT_TRUE(bytes[5] == '6' && bytes[large - 1] == '\0');
    close(fd);
    CU_ASSERT_EQUAL(t2i_fs_read_at(-1, bytes, 4, 0), -1);
    CU_ASSERT_EQUAL(errno, EBADF);
    unlink(path);
    free(bytes);
}

static void test_mkdir(void)
{
    OK(t2i_fs_mkdir(in_scratch("i/j/k"), &err));
    OK(t2i_fs_mkdir(in_scratch("i/j/k"), &err));
    OK(t2i_fs_mkdir(in_scratch("i//l/"), &err));
    CU_ASSERT_TRUE(t2i_fs_is_folder(in_scratch("i/j/k")) && t2i_fs_is_folder(in_scratch("i/l")));
    OK(t2i_fs_mkdir("/", &err));
    OK(t2i_fs_mkdir(".", &err));
    OK(t2i_commit_file(in_scratch("i/file"), "x", 1, &err));
    FAILS(t2i_fs_mkdir(in_scratch("i/file"), &err), T2I_CANTCREATE, "i/file: Not a directory");
    FAILS(t2i_fs_mkdir(in_scratch("i/file/m"), &err), T2I_CANTCREATE, "i/file/m: Not a directory");
    FAILS(t2i_fs_mkdir("", &err), T2I_CANTCREATE, "No such file");
    scratch_remove(in_scratch("i"));
}

static void test_questions(void)
{
    uint64_t size = 0;
    OK(t2i_commit_file(in_scratch("n"), "123", 3, &err));
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

static void test_may_replace(void)
{
    const char *path = in_scratch("r"), *link = in_scratch("l");
    char name[700];
    OK(t2i_fs_may_replace(path, "abc", "a list", &err)); /* nothing */
    OK(t2i_commit_file(path, "", 0, &err));
    OK(t2i_fs_may_replace(path, "abc", "a list", &err)); /* nothing to lose */
    OK(t2i_commit_file(path, "abcd", 4, &err));
    OK(t2i_fs_may_replace(path, "abcd", "a list", &err));
    FAILS(t2i_fs_may_replace(path, "abd", "a list", &err), T2I_CANTCREATE,
          "r exists and is not a list");
    FAILS(t2i_fs_may_replace(path, "abcde", "a list", &err), T2I_CANTCREATE, "is not a list");
    FAILS(t2i_fs_may_replace(scratch, "abc", "a list", &err), T2I_CANTCREATE, "it is a folder");
    struct rlimit usual, none; /* a file that cannot be looked into */
    getrlimit(RLIMIT_NOFILE, &usual);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = usual.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
    t2i_status status = t2i_fs_may_replace(path, "abcd", "a list", &err);
    setrlimit(RLIMIT_NOFILE, &usual);
    CU_ASSERT_EQUAL(status, T2I_CANTCREATE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "cannot read what it replaces"));
    CU_ASSERT_EQUAL(symlink("r", link), 0);
    FAILS(t2i_fs_may_replace(link, "abd", "a list", &err), T2I_CANTCREATE, "is not a list");
    snprintf(name, sizeof name, "%s/../%s", scratch, strrchr(path, '/') + 1);
    CU_ASSERT_TRUE(t2i_fs_is_same(path, link) && t2i_fs_is_same(path, path));
    CU_ASSERT_FALSE(t2i_fs_is_same(path, scratch) || t2i_fs_is_same(path, name) ||
                    t2i_fs_is_same(name, name));
    unlink(link);
    unlink(path);
}

static void test_join(void)
{
    static const char *const known[][3] = {{"a", "b", "a/b"}, {"a/", "b", "a/b"},
                                           {"a", "/b", "/b"}, {"", "b", "b"},
                                           {"/", "b", "/b"},  {"a/b", "c/d.e", "a/b/c/d.e"},
                                           {"a", "", "a/"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        char *joined = t2i_fs_join(known[i][0], known[i][1], &err);
        CU_ASSERT_STRING_EQUAL(joined, known[i][2]);
        t2i_free(joined);
    }
}

/* A disk that is full in the middle of a line. */
static void test_append(void)
{
    const char *path = in_scratch("log");
    t2i_text text = {0};
    struct rlimit usual, small;
    OK(t2i_commit_file(path, "12345", 5, &err));
    int fd = open(path, O_WRONLY | O_APPEND);
    getrlimit(RLIMIT_FSIZE, &usual);
    small = (struct rlimit){.rlim_cur = 8, .rlim_max = usual.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    t2i_status status = t2i_fs_append(fd, path, "abcdef", 6, &err);
    setrlimit(RLIMIT_FSIZE, &usual);
    CU_ASSERT_EQUAL(status, T2I_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "log: File too large"));
    OK(t2i_fs_append(fd, path, "xyz", 3, &err));
    close(fd);
    OK(t2i_fs_read(path, 100, &text, &err));
    CU_ASSERT_STRING_EQUAL(text.data, "12345xyz");
    t2i_text_free(&text);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"reading, up to a limit", test_read},
        {"reading at an offset, up to the end", test_read_at},
        {"folders and their parents", test_mkdir},
        {"size, folder, there or not", test_questions},
        {"what a new file may replace", test_may_replace},
        {"joined names", test_join},
        {"a line that does not fit is taken back", test_append},
    };
    if (scratch_begin("fs") != 0) return 1;
    int failed = t2i_test_main("fs", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return failed;
}
