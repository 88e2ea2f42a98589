#include "base/stop_signal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>

static volatile sig_atomic_t received;
static volatile sig_atomic_t asked; /* a TERM or INT has come, */
static double asked_at;             /* at this time */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void set_one(int number, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGTERM); /* the handler is not interrupted by itself */
    sigaddset(&action.sa_mask, SIGINT);
    sigaction(number, &action, NULL);
}

static void on_signal(int number)
{
    if (number == SIGTERM || number == SIGINT) {
        int before = errno;
        if (asked && now() - asked_at > 0.1) {
            set_one(number, SIG_DFL);
            raise(number); /* takes effect when this handler returns */
        }
        if (!asked) asked_at = now();
        asked = 1;
        errno = before;
    }
    received = number;
}

static void set_all(void (*handler)(int))
{
    struct sigaction hup;
    set_one(SIGUSR1, handler);
    set_one(SIGTERM, handler);
    set_one(SIGINT, handler);
    if (sigaction(SIGHUP, NULL, &hup) == 0 && hup.sa_handler != SIG_IGN) set_one(SIGHUP, handler);
}

/* Who starts a program may have blocked them, which every program inherits. */
static void unblock_all(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_UNBLOCK, &signals, NULL);
}

void t2i_stop_signal_begin(void)
{
    unblock_all();
    for (int fd = 0; fd <= 2; fd++) /* open takes the lowest number that is free */
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_RDONLY : O_WRONLY) < 0) break;
    set_one(SIGXFSZ, SIG_IGN);
    set_one(SIGPIPE, SIG_IGN);
}

void t2i_stop_signal_prepare(void)
{
    set_all(SIG_DFL);
    set_one(SIGUSR1, on_signal);
}

void t2i_stop_signal_catch(void)
{
    set_all(on_signal);
}

void t2i_stop_signal_release(void)
{
    set_all(SIG_DFL);
}

int t2i_stop_signal_received(void)
{
    return (int)received;
}
