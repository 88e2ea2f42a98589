/* report.h - report.html: a self-contained page about a run folder (html.h).
 *
 * It is made only from the files of the folder (log.jsonl, events.jsonl, job.ini, status.json,
 * samples/), so it can be made again at any time, also for several runs together. Incomplete and
 * unknown lines are skipped and counted. Memory use and the size of the page are bounded for logs
 * of any length; writing a report again reads only new lines.
 */
#ifndef T2I_REPORT_H
#define T2I_REPORT_H

#include <stddef.h>
#include "base/error.h"
#include "record/runlog.h"

typedef struct t2i_report t2i_report;

/* Reads nothing yet. T2I_NOINPUT: there is no such folder, or it is not a run folder. */
T2I_CHECKED t2i_status t2i_report_open(t2i_report **out, const char *run, t2i_error *err);
void t2i_report_close(t2i_report *report); /* NULL is legal */

/* Reads new lines and writes the page (path NULL: RUN/report.html). status: overrides status.json,
 * which is written later; NULL: status.json applies. */
T2I_CHECKED t2i_status t2i_report_write(t2i_report *report, const t2i_run_status *status,
                                        const char *path, t2i_error *err);

/* Writes one page about several run folders (1..T2I_REPORT_RUNS): their curves in common charts,
 * their figures, and the options that differ. */
enum { T2I_REPORT_RUNS = 8 };
T2I_CHECKED t2i_status t2i_report_compare(const char *const *run, size_t runs, const char *path,
                                          t2i_error *err);

#endif
