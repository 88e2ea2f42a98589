/* report.h - report.html: what a run folder tells, as a page by itself (html.h).
 *
 * Made from the files of the folder alone (log.jsonl, events.jsonl, job.ini, status.json,
 * samples/), so it can be made again at any time, and of several runs together. Lines that are torn
 * or not ours are passed over and counted. What is held of a log, and what is drawn, is bounded
 * whatever its length; a report that is written again reads what is new only.
 */
#ifndef T2I_REPORT_H
#define T2I_REPORT_H

#include <stddef.h>
#include "base/error.h"
#include "record/runlog.h"

typedef struct t2i_report t2i_report;

/* Reads nothing yet. T2I_NOINPUT when there is no such folder, or nothing of a run in it. */
T2I_CHECKED t2i_status t2i_report_open(t2i_report **out, const char *run, t2i_error *err);
void t2i_report_close(t2i_report *report); /* NULL is legal */

/* Reads what is new and writes the page (path NULL: RUN/report.html). status: what status.json is
 * about to say; NULL: what it says. */
T2I_CHECKED t2i_status t2i_report_write(t2i_report *report, const t2i_run_status *status,
                                        const char *path, t2i_error *err);

/* One page over several run folders (2..T2I_REPORT_RUNS): their curves over each other, their
 * figures, and the options in which they differ. */
enum { T2I_REPORT_RUNS = 8 };
T2I_CHECKED t2i_status t2i_report_compare(const char *const *run, size_t runs, const char *path,
                                          t2i_error *err);

#endif
