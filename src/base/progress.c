#include "base/progress.h"

#include "base/cpu.h"
#include "base/log.h"

void t2i_progress_begin(t2i_progress *progress, const char *what)
{
    double now = t2i_cpu_seconds();
    *progress = (t2i_progress){.what = what, .begun = now, .said = now};
}

void t2i_progress_at(t2i_progress *progress, double share)
{
    double now = t2i_cpu_seconds(), gone = now - progress->begun;
    double pause = !progress->shown ? 1 : t2i_log_is_terminal() ? 0.2 : 10;
    if (share <= 0 || now - progress->said < pause) return;
    char left[32];
    t2i_log_progress(0, "%s: %.0f %%, %s left", progress->what, 100 * share,
                     t2i_log_duration(gone / share - gone, left));
    progress->said = now;
    progress->shown = 1;
}

void t2i_progress_end(t2i_progress *progress)
{
    char took[32];
    if (progress->shown)
        t2i_log_progress(1, "%s: done in %s", progress->what,
                         t2i_log_duration(t2i_cpu_seconds() - progress->begun, took));
}
