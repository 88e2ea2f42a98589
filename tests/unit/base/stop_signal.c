/* Signals that set a flag, and a file-size limit that ends no process. */
#include "test.h"

#include <signal.h>
#include <sys/wait.h>
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

static void test_signals(void)
{
    static const int known[] = {SIGUSR1, SIGTERM, SIGINT};
    CU_ASSERT_EQUAL(t2i_stop_signal_received(), 0);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        CU_ASSERT_EQUAL(fate(t2i_stop_signal_begin, known[i]), 100 + known[i]);
        CU_ASSERT_EQUAL(fate(catch, known[i]), 1);
        CU_ASSERT_EQUAL(fate(release, known[i]), 100 + known[i]);
    }
    CU_ASSERT_EQUAL(fate(t2i_stop_signal_begin, SIGXFSZ), 0);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"they end the process but while they are caught", test_signals}};
    return t2i_test_main("stop_signal", tests, sizeof tests / sizeof *tests);
}
