/* The small base modules: errors, memory, digests, blocks, the log, the processor. */
#define _XOPEN_SOURCE 700 /* posix_openpt: a terminal to write to */
#include "test.h"

#include <fcntl.h>
#include <fenv.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scratch.h"
#include "base/block.h"
#include "base/cpu.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/log.h"

static t2i_error err;

/* ---- error ---- */

static void test_fail(void)
{
    t2i_error e = {0};
    CU_ASSERT_EQUAL(t2i_fail(&e, T2I_DATA, "%s:%d: bad", "file", 3), T2I_DATA);
    CU_ASSERT_EQUAL(e.status, T2I_DATA);
    CU_ASSERT_STRING_EQUAL(e.text, "file:3: bad");
    CU_ASSERT_EQUAL(t2i_fail(NULL, T2I_IO, "nobody wants to know"), T2I_IO);
    t2i_fail(&e, T2I_DATA, "a%sb", "\n\r\t\x1b\x7f\x01");
    CU_ASSERT_STRING_EQUAL(e.text, "a??????b");
    t2i_fail(&e, T2I_DATA, "%s", "\xc3\xa9"); /* UTF-8 stays */
    CU_ASSERT_STRING_EQUAL(e.text, "\xc3\xa9");
    char text[3000];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    t2i_fail(&e, T2I_DATA, "%s", text); /* cut, with its end */
    CU_ASSERT_EQUAL(strlen(e.text), sizeof e.text - 1);
    CU_ASSERT_EQUAL(t2i_fail_memory(&e, 12345678, "a thing"), T2I_SYSTEM);
    CU_ASSERT_STRING_EQUAL(e.text, "cannot get 12.3 MB of memory for a thing");
}

/* What a child that does this writes to stderr (and stdout, which is fd 1) and how it ends. */
static int child(void (*work)(void), int fd, char *out, size_t room)
{
    const char *path = in_scratch("child.txt");
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
        if (file < 0 || dup2(file, fd) < 0) _exit(99);
        work();
        fflush(NULL);
        _exit(0);
    }
    int status = -1;
    CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
    t2i_text text = {0};
    OK(t2i_fs_read(path, 1 << 20, &text, &err));
    snprintf(out, room, "%s", text.data == NULL ? "" : text.data);
    t2i_text_free(&text);
    unlink(path);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void hook(int code)
{
    fprintf(stderr, "hook %d\n", code);
}

static void assert_with_hook(void)
{
    t2i_set_abort_hook(hook);
    T2I_ASSERT(1 + 1 == 2);
    T2I_ASSERT(1 + 1 == 3);
}

static void assert_without_hook(void)
{
    T2I_ASSERT(0);
}

static void test_assert(void)
{
    char said[1000];
    CU_ASSERT_EQUAL(child(assert_with_hook, 2, said, sizeof said), T2I_BUG);
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "'1 + 1 == 3'"));
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "tests/unit/base/base.c"));
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "hook 70\n"));
    CU_ASSERT_EQUAL(child(assert_without_hook, 2, said, sizeof said), T2I_BUG);
}

/* ---- memory ---- */

static void test_alloc(void)
{
    for (size_t size = 0; size < 200; size++) {
        size_t calls = t2i_alloc_calls(), live = t2i_alloc_live(), bad = 0;
        unsigned char *p = t2i_alloc(size, 3);
        CU_ASSERT_TRUE(p != NULL && (uintptr_t)p % 64 == 0);
        CU_ASSERT_TRUE(t2i_alloc_calls() == calls + 1 && t2i_alloc_live() == live + 1);
        for (size_t i = 0; p != NULL && i < size * 3; i++) bad += p[i] != 0;
        CU_ASSERT_EQUAL(bad, 0);
        if (p != NULL) memset(p, 0xee, size * 3); /* what the next one must clear */
        t2i_free(p);
        CU_ASSERT_EQUAL(t2i_alloc_live(), live);
    }
    size_t live = t2i_alloc_live();
    static const size_t much[][2] = {{SIZE_MAX, 1},        {1, SIZE_MAX},
                                     {SIZE_MAX, SIZE_MAX}, {SIZE_MAX / 2 + 1, 2},
                                     {SIZE_MAX / 3, 4},    {(size_t)1 << 32, (size_t)1 << 32},
                                     {SIZE_MAX - 64, 1}};
    for (size_t i = 0; i < sizeof much / sizeof *much; i++)
        CU_ASSERT_PTR_NULL(t2i_alloc(much[i][0], much[i][1]));
    void *zero = t2i_alloc(SIZE_MAX, 0);
    CU_ASSERT_PTR_NOT_NULL(zero);
    t2i_free(zero);
    t2i_free(NULL);
    CU_ASSERT_EQUAL(t2i_alloc_live(), live);
}

static void test_grow(void)
{
    int *p = NULL;
    CU_ASSERT_EQUAL(t2i_grow(&p, 0, 3, sizeof *p), 0);
    for (int i = 0; p != NULL && i < 3; i++) p[i] = i + 1;
    CU_ASSERT_EQUAL(t2i_grow(&p, 3, 100, sizeof *p), 0);
    CU_ASSERT_TRUE(p[0] == 1 && p[1] == 2 && p[2] == 3);
    for (int i = 3; i < 100; i++) CU_ASSERT_EQUAL(p[i], 0);
    int *before = p;
    CU_ASSERT_EQUAL(t2i_grow(&p, 100, SIZE_MAX / 2, sizeof *p), -1);
    CU_ASSERT_TRUE(p == before && p[2] == 3);
    t2i_free(p);
    char *copy = t2i_strdup("caf\xc3\xa9"), *empty = t2i_strdup("");
    CU_ASSERT_STRING_EQUAL(copy, "caf\xc3\xa9");
    CU_ASSERT_STRING_EQUAL(empty, "");
    t2i_free(copy);
    t2i_free(empty);
}

/* ---- digests ---- */

/* The empty input's digests are xxHash's own (XXH3 with seed 0). */
static void test_hash(void)
{
    char hex[T2I_HEX], pieces[T2I_HEX];
    t2i_hash_hex("", 0, hex);
    CU_ASSERT_STRING_EQUAL(hex, "99aa06d3014798d86001c324468d497f");
    CU_ASSERT_EQUAL(t2i_hash_64("", 0), 0x2d06800538d394c2u);
    unsigned char bytes[3000];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(i * 7 + i / 256);
    t2i_hash_hex(bytes, sizeof bytes, hex);
    CU_ASSERT_EQUAL(strspn(hex, "0123456789abcdef"), T2I_HEX - 1);
    static const size_t cut[] = {1, 7, 64, 255, 256, 257, 1024, 2999, 3000};
    for (size_t k = 0; k < sizeof cut / sizeof *cut; k++) {
        t2i_hash *hash = NULL;
        OK(t2i_hash_new(&hash, &err));
        t2i_hash_add(hash, NULL, 0);
        for (size_t at = 0; at < sizeof bytes; at += cut[k])
            t2i_hash_add(hash, bytes + at, sizeof bytes - at < cut[k] ? sizeof bytes - at : cut[k]);
        t2i_hash_end(hash, pieces);
        CU_ASSERT_STRING_EQUAL(pieces, hex);
        t2i_hash_end(hash, pieces); /* it can be asked again */
        CU_ASSERT_STRING_EQUAL(pieces, hex);
        t2i_hash_free(hash);
    }
    bytes[1234] ^= 1;
    t2i_hash_hex(bytes, sizeof bytes, pieces);
    CU_ASSERT_STRING_NOT_EQUAL(pieces, hex);
    t2i_hash_free(NULL);
}

/* ---- blocks ---- */

static void test_layout(void)
{
    t2i_layout layout = {0};
    OK(t2i_layout_add(&layout, 3, 5, &err, "layers.%d.weight", 7));
    OK(t2i_layout_add(&layout, 0, 16, &err, "bias"));
    OK(t2i_layout_add(&layout, 1, 1, &err, "one"));
    CU_ASSERT_TRUE(layout.tensors == 3 && layout.count == 15 + 16 + 1 &&
                   layout.floats == T2I_CHUNK);
    CU_ASSERT_STRING_EQUAL(layout.tensor[0].name, "layers.7.weight");
    CU_ASSERT_TRUE(layout.tensor[0].offset == 0 && layout.tensor[1].offset == 16 &&
                   layout.tensor[2].offset == 32);
    CU_ASSERT_TRUE(t2i_tensor_count(&layout.tensor[0]) == 15 &&
                   t2i_tensor_count(&layout.tensor[1]) == 16);
    CU_ASSERT_TRUE(t2i_layout_find(&layout, "bias") == &layout.tensor[1]);
    CU_ASSERT_PTR_NULL(t2i_layout_find(&layout, "bia"));
    OK(t2i_layout_add(&layout, 0, T2I_CHUNK - 48, &err, "to the end of the chunk"));
    CU_ASSERT_EQUAL(layout.floats, T2I_CHUNK);
    OK(t2i_layout_add(&layout, 0, 1, &err, "one more"));
    CU_ASSERT_EQUAL(layout.floats, 2 * T2I_CHUNK);
    FAILS(t2i_layout_add(&layout, SIZE_MAX / 2, 3, &err, "vast"), T2I_USAGE, "vast");
    CU_ASSERT_TRUE(layout.tensors == 5 && layout.floats == 2 * T2I_CHUNK);
    float *block = t2i_block_new(&layout);
    CU_ASSERT_TRUE(block != NULL && (uintptr_t)block % 64 == 0);
    for (size_t i = 0; block != NULL && i < layout.floats; i++) CU_ASSERT_EQUAL(block[i], 0.0f);
    t2i_free(block);
    char name[200];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    OK(t2i_layout_add(&layout, 0, 1, &err, "%s", name));
    CU_ASSERT_EQUAL(strlen(layout.tensor[5].name), T2I_NAME_MAX - 1);
    t2i_layout_free(&layout);
    CU_ASSERT_TRUE(layout.tensor == NULL && layout.tensors == 0 && layout.floats == 0);
}

/* ---- the log ---- */

static void speak(void)
{
    t2i_error e;
    t2i_fail(&e, T2I_DATA, "something is wrong");
    t2i_log_program("t2i-test");
    t2i_log_error(&e);
    t2i_log_warn("careful: %d", 5);
    t2i_log_note("by the way");
    t2i_log_progress(0, "step %d", 1);
    t2i_log_progress(1, "step %d", 2);
}

static void speak_as_another_rank(void)
{
    t2i_log_rank(3);
    speak();
}

static void speak_quietly(void)
{
    t2i_log_set_level(T2I_QUIET);
    t2i_log_detail("a detail");
    speak();
}

static void speak_at_length(void)
{
    t2i_log_program("t2i-test");
    t2i_log_detail("no detail");
    t2i_log_set_level(T2I_VERBOSE);
    t2i_log_detail("a detail");
}

/* On a terminal; what came out goes to stderr's place, which child reads. */
static void on_terminal(void (*say)(void), const char *kind, const char *no_colour)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY), kept = dup(2);
    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0) return;
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    const struct winsize size = {.ws_row = 24, .ws_col = 30};
    if (slave < 0 || ioctl(slave, TIOCSWINSZ, &size) != 0 || dup2(slave, 2) < 0) return;
    setenv("TERM", kind, 1);
    setenv("NO_COLOR", no_colour, 1);
    t2i_log_program("t2i-test");
    say();
    fputs("t2i-test: after", stderr);
    char out[1000] = "";
    size_t read_so_far = 0;
    while (strstr(out, "after") == NULL) { /* it may come in pieces */
        ssize_t got = read(master, out + read_so_far, sizeof out - 1 - read_so_far);
        if (got <= 0) return;
        read_so_far += (size_t)got;
    }
    if (write(kept, out, read_so_far) == (ssize_t)read_so_far) _exit(1);
}

static void steps(void)
{
    t2i_log_progress(0, "step 1");
    t2i_log_progress(0, "step 2 \xc3\xa9 cut where the terminal ends");
    t2i_log_note("between");
    t2i_log_note("again");
    t2i_log_progress(1, "step 3");
}

static void speak_on_terminal(void)
{
    on_terminal(steps, "xterm", "");
}

static void speak_on_dumb_terminal(void)
{
    on_terminal(speak, "dumb", "");
}

static void speak_in_colour(void)
{
    on_terminal(speak, "xterm", "");
}

static void speak_without_colour(void)
{
    on_terminal(speak, "xterm", "1");
}

static void test_log(void)
{
    char said[1000];
    CU_ASSERT_EQUAL(child(speak, 2, said, sizeof said), 0);
    CU_ASSERT_STRING_EQUAL(said, "t2i-test: something is wrong\nt2i-test: warning: careful: 5\n"
                                 "t2i-test: by the way\nt2i-test: step 1\nt2i-test: step 2\n");
    CU_ASSERT_EQUAL(child(speak_as_another_rank, 2, said, sizeof said), 0);
    CU_ASSERT_STRING_EQUAL(said, "");
    CU_ASSERT_EQUAL(child(speak_quietly, 2, said, sizeof said), 0);
    CU_ASSERT_STRING_EQUAL(said, "t2i-test: something is wrong\nt2i-test: warning: careful: 5\n");
    CU_ASSERT_EQUAL(child(speak_at_length, 2, said, sizeof said), 0);
    CU_ASSERT_STRING_EQUAL(said, "t2i-test: a detail\n");
}

static void test_terminal(void)
{
    static const struct {
        void (*speak)(void);
        const char *says;
    } known[] = {
        {speak_on_terminal,
         "\r\033[Kstep 1\r\033[Kstep 2 \xc3\xa9 cut where the termin\r\nt2i-test: between\r\n"
         "t2i-test: again\r\n\r\033[Kstep 3\r\nt2i-test: after"},
        {speak_in_colour,
         "\033[1;31mt2i-test: \033[0msomething is wrong\r\n"
         "\033[1;33mt2i-test: warning: \033[0mcareful: 5\r\nt2i-test: by the way\r\n"
         "\r\033[Kstep 1\r\033[Kstep 2\r\nt2i-test: after"},
        {speak_without_colour,
         "t2i-test: something is wrong\r\nt2i-test: warning: careful: 5\r\n"
         "t2i-test: by the way\r\n\r\033[Kstep 1\r\033[Kstep 2\r\nt2i-test: after"},
        {speak_on_dumb_terminal,
         "t2i-test: something is wrong\r\nt2i-test: warning: careful: 5\r\nt2i-test: by the way\r\n"
         "t2i-test: step 1\r\nt2i-test: step 2\r\nt2i-test: after"},
    };
    char said[1000];
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (child(known[i].speak, 2, said, sizeof said) == 1) /* else there are no terminals here */
            CU_ASSERT_STRING_EQUAL(said, known[i].says);
}

static void print(void)
{
    if (t2i_log_print("{\"a\": \"100%s\"}\n", &err) != T2I_OK) _exit(1);
}

static void print_to_full_disk(void)
{
    int full = open("/dev/full", O_WRONLY);
    if (full < 0) _exit(T2I_IO); /* no such device here */
    dup2(full, 1);
    static char buffer[1000];
    setvbuf(stdout, buffer, _IOFBF,
            sizeof buffer); /* as it is in a program whose output is redirected */
    t2i_status status = t2i_log_print("results", &err);
    _exit(strstr(err.text, "standard output") == NULL ? 1 : (int)status);
}

static void test_print(void)
{
    char said[1000];
    CU_ASSERT_EQUAL(child(print, 1, said, sizeof said), 0);
    CU_ASSERT_STRING_EQUAL(said, "{\"a\": \"100%s\"}\n");
    CU_ASSERT_EQUAL(child(print_to_full_disk, 1, said, sizeof said), T2I_IO);
}

static void test_duration(void)
{
    static const struct {
        double seconds;
        const char *text;
    } known[] = {{0, "0 s"},           {12, "12 s"},         {59.4, "59 s"},
                 {59.6, "1 min 00 s"}, {200, "3 min 20 s"},  {3599.4, "59 min 59 s"},
                 {3600, "1 h 00 min"}, {3720, "1 h 02 min"}, {360000, "100 h 00 min"},
                 {-5, "0 s"}};
    char out[32];
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        CU_ASSERT_STRING_EQUAL(t2i_log_duration(known[i].seconds, out), known[i].text);
    double zero = 0.0;
    CU_ASSERT_STRING_EQUAL(t2i_log_duration(zero / zero, out), "0 s"); /* an estimate of nothing */
    CU_ASSERT_STRING_EQUAL(t2i_log_duration(1 / zero, out), "0 s");
}

/* ---- the processor ---- */

static void test_cpu(void)
{
    unsigned char mask[T2I_CPU_MASK];
    int cores = 0;
    memset(mask, 0xff, sizeof mask);
    t2i_cpu_mask(mask);
    for (size_t i = 0; i < 8 * sizeof mask; i++) cores += mask[i / 8] >> i % 8 & 1;
    CU_ASSERT_TRUE(cores == t2i_cpu_usable() && cores >= 1);
    const char *vectors = t2i_cpu_vectors_name();
    CU_ASSERT_TRUE(strcmp(vectors, "avx512") == 0 || strcmp(vectors, "avx2") == 0 ||
                   strcmp(vectors, "plain") == 0);
    double before = t2i_cpu_seconds();
    t2i_cpu_rest(0.0);
    t2i_cpu_rest(0.001);
    double middle = t2i_cpu_seconds();
    CU_ASSERT_TRUE(middle >= before + 0.001);
    t2i_cpu_rest(1.001); /* seconds as well as parts of one */
    CU_ASSERT_TRUE(t2i_cpu_seconds() >= middle + 1.001);
}

static void test_rounding(void)
{
    volatile float one = 1.0f, third = 3.0f, tiny = 1e-38f, ten = 10.0f;
    float nearest = one / third;
    fesetround(FE_UPWARD);
#if defined(__x86_64__)
    unsigned set = 0x9fc0; /* flush to zero, denormals are zero */
    __asm__ volatile("ldmxcsr %0" : : "m"(set));
    fesetround(FE_UPWARD);
    volatile float flushed = tiny / ten;
    CU_ASSERT_EQUAL(flushed, 0.0f); /* the test's own trick works */
#endif
    t2i_cpu_set_rounding();
    CU_ASSERT_EQUAL(fegetround(), FE_TONEAREST);
    volatile float again = one / third, denormal = tiny / ten, back = denormal * ten;
    CU_ASSERT_EQUAL(again, nearest);
    CU_ASSERT_TRUE(denormal > 0.0f && back > 0.0f);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"an error is one clean line", test_fail},
        {"a broken assertion ends the process with 70", test_assert},
        {"memory is aligned, zeroed, counted; too much is refused", test_alloc},
        {"growing keeps and clears; copies of texts", test_grow},
        {"digests are XXH3's, in pieces or whole", test_hash},
        {"tensors lie in a block, aligned, in whole chunks", test_layout},
        {"lines have the program's name, once a job", test_log},
        {"colours, width and overwritten lines on a terminal", test_terminal},
        {"results go out as they are, or it is said", test_print},
        {"durations for people", test_duration},
        {"cores, vectors, clock, rest", test_cpu},
        {"rounding to nearest, denormals kept", test_rounding},
    };
    if (scratch_begin("base") != 0) return 1;
    int failed = t2i_test_main("base", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return failed;
}
