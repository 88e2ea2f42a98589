/* The log: names, levels, colours, overwritten lines, results, durations. */
#define _XOPEN_SOURCE 700 /* posix_openpt: a terminal to write to */
#include "test.h"

#include <signal.h>
#include <sys/ioctl.h>

#include "base/log.h"
#include "child.h"

static t2i_error err;

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
    t2i_log_progress(0, "step 2 | a field | one that | does not fit");
    t2i_log_note("between");
    t2i_log_note("again");
    t2i_log_progress(1, "step 3");
}

/* "t2i-test: " and the first two fields are 80 columns. */
static void step_elsewhere(void)
{
    t2i_log_program("t2i-test");
    t2i_log_progress(1, "step 4 | %061d | last", 5);
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
    CU_ASSERT_EQUAL(child(step_elsewhere, 2, said, sizeof said), 0);
    CU_ASSERT_EQUAL(strlen(said), 81); /* with the newline */
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "5\n"));
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
        {speak_on_terminal, "\r\033[Kstep 1\r\033[Kstep 2 \xc3\xa9 cut where the "
                            "termin\r\033[Kstep 2 | a field | one that\r\n"
                            "t2i-test: between\r\n"
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

static void print_foreign(void)
{
    if (t2i_log_print("a\x1b[31m\tb\xe2\x80\xae\r\n\xc2\x9b\n", &err) != T2I_OK) _exit(1);
    if (t2i_log_print_drawing("\x1b[0m\n", &err) != T2I_OK) _exit(1);
}

static void speak_foreign(void)
{
    t2i_log_program("t2i-test");
    t2i_log_warn("%s", "a\nt2i-test: b\x1b\xe2\x80\xae");
    t2i_log_note("%s", "\xc2\x9b");
    t2i_log_progress(0, "%s", "step\r\x1b");
}

static void print_to_nobody(void)
{
    int ends[2];
    if (pipe(ends) != 0 || dup2(ends[1], 1) < 0) _exit(2);
    close(ends[0]);
    signal(SIGPIPE, SIG_IGN);
    _exit(t2i_log_print("results\n", &err) == T2I_OK ? 3 : 1);
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
    CU_ASSERT_EQUAL(child(print_foreign, 1, said, sizeof said), 0);
    CU_ASSERT_STRING_EQUAL(said, "a?[31m\tb??\n?\n\x1b[0m\n");
    CU_ASSERT_EQUAL(child(speak_foreign, 2, said, sizeof said), 0);
    CU_ASSERT_STRING_EQUAL(said, "t2i-test: warning: a?t2i-test: b??\nt2i-test: ?\n"
                                 "t2i-test: step??\n");
    CU_ASSERT_EQUAL(child(print_to_nobody, 1, said, sizeof said), 3);
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

int main(void)
{
    static const t2i_test tests[] = {
        {"lines have the program's name, once a job", test_log},
        {"colours, width and overwritten lines on a terminal", test_terminal},
        {"results go out without control characters, or it is said", test_print},
        {"durations for people", test_duration},
    };
    if (scratch_begin("log") != 0) return 1;
    int failed = t2i_test_main("log", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return failed;
}
