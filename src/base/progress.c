#include "base/progress.h"

#include "base/cpu.h"
#include "base/log.h"

void t2i_progress_begin(t2i_progress *progress, const char *what)
{
    double now = t2i_cpu_seconds();
    *progress = (t2i_progress){.what = what, .begun = now, .printed = now};
}

void t2i_progress_at(t2i_progress *progress, double done)
{
    double now = t2i_cpu_seconds(), elapsed = now - progress->begun;
    double interval = !progress->shown ? 1 : t2i_log_is_terminal() ? 0.2 : 10;
    if (done <= 0 || now - progress->printed < interval) return;
    char left[32];
    t2i_log_progress(0, "%s: %.0f %%, %s left", progress->what, 100 * done,
                     t2i_log_duration(elapsed / done - elapsed, left));
    progress->printed = now;
    progress->shown = 1;
}

void t2i_progress_end(t2i_progress *progress)
{
    char elapsed[32];
    if (progress->shown)
        t2i_log_progress(1, "%s: done in %s", progress->what,
                         t2i_log_duration(t2i_cpu_seconds() - progress->begun, elapsed));
}
