/* Signals that set a flag, and a file-size limit that ends no process. */
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/stop_signal.h"

/* How a process ends that does this and then gets that signal: its exit code, or 100 + the signal.
 */
static int fate(void (*work)(void), int number)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        work();
        raise(number);
        _exit(t2i_stop_signal_received() == number ? 1 : 0);
    }
    int status = -1;
    CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

static void catch (void)
{
    t2i_stop_signal_begin();
    t2i_stop_signal_catch();
}

static void release(void)
{
    catch ();
    t2i_stop_signal_release();
}

static void prepare(void)
{
    signal(SIGINT, SIG_IGN); /* as in the background of a script */
    t2i_stop_signal_begin();
    t2i_stop_signal_prepare();
}

static void catch_under_nohup(void)
{
    signal(SIGHUP, SIG_IGN);
    catch ();
}

static void release_under_nohup(void)
{
    catch_under_nohup();
    t2i_stop_signal_release();
}

static void catch_blocked(void)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    catch ();
}

static void catch_and_get(int one, double seconds, int two)
{
    const struct timespec pause = {0, (long)(1e9 * seconds)};
    catch ();
    raise(one);
    nanosleep(&pause, NULL);
    raise(two);
}

static void two_at_once(void)
{
    catch_and_get(SIGTERM, 0.0, SIGTERM); /* as from `timeout` */
}

static void one_later(void)
{
    catch_and_get(SIGINT, 0.15, SIGUSR1);
}

static void closed_terminal(void)
{
    catch_and_get(SIGHUP, 0.15, SIGHUP);
}

static void two_later(void)
{
    catch_and_get(SIGTERM, 0.15, SIGINT);
}

static void test_signals(void)
{
    static const int known[] = {SIGUSR1, SIGTERM, SIGINT, SIGHUP};
    CU_ASSERT_EQUAL(t2i_stop_signal_received(), 0);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        CU_ASSERT_EQUAL(fate(t2i_stop_signal_begin, known[i]), 100 + known[i]);
        CU_ASSERT_EQUAL(fate(prepare, known[i]), i == 0 ? 1 : 100 + known[i]);
        CU_ASSERT_EQUAL(fate(catch, known[i]), 1);
        CU_ASSERT_EQUAL(fate(catch_blocked, known[i]), 1);
        CU_ASSERT_EQUAL(fate(release, known[i]), 100 + known[i]);
    }
    CU_ASSERT_EQUAL(fate(t2i_stop_signal_begin, SIGXFSZ), 0);
    CU_ASSERT_EQUAL(fate(t2i_stop_signal_begin, SIGPIPE), 0);
    CU_ASSERT_EQUAL(fate(catch_under_nohup, SIGHUP), 0);
    CU_ASSERT_EQUAL(fate(release_under_nohup, SIGHUP), 0);
}

static void test_second(void)
{
    CU_ASSERT_EQUAL(fate(two_at_once, SIGTERM), 1);
    CU_ASSERT_EQUAL(fate(one_later, SIGUSR1), 1);
    CU_ASSERT_EQUAL(fate(closed_terminal, SIGTERM), 1);
    CU_ASSERT_EQUAL(fate(two_later, SIGUSR1), 100 + SIGINT);
}

/* Closes 0, 1 and 2; then all three must be open, and a new file must get another number. */
static void close_all(void)
{
    close(0);
    close(1);
    close(2);
    t2i_stop_signal_begin();
    int fd = open("/dev/null", O_RDONLY);
    char byte;
    if (fd <= 2 || read(0, &byte, 1) != 0 || write(1, "x", 1) != 1 || write(2, "x", 1) != 1)
        _exit(5);
    _exit(6);
}

static void close_one(void)
{
    close(1);
    t2i_stop_signal_begin();
    _exit(write(1, "x", 1) == 1 && open("/dev/null", O_RDONLY) > 2 ? 6 : 5);
}

static void test_descriptors(void)
{
    CU_ASSERT_EQUAL(fate(close_all, SIGTERM), 6);
    CU_ASSERT_EQUAL(fate(close_one, SIGTERM), 6);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"they end the process but while they are caught", test_signals},
        {"a second one ends it at any time", test_second},
        {"closed descriptors are opened", test_descriptors},
    };
    return t2i_test_main("stop_signal", tests, sizeof tests / sizeof *tests);
}
