/* log.h - lines for people, on stderr, each begun with the program's name.
 *
 * Why: in a program of many ranks a line must come once. Warnings and notes are
 * printed by rank 0 only; so is an error, which by the time it is printed has
 * been agreed on by all ranks (t2i_comm_agree).
 */
#ifndef T2I_LOG_H
#define T2I_LOG_H

#include "base/error.h"

/* What is said: warnings and errors; notes and progress too; details as well. */
typedef enum { T2I_QUIET, T2I_NORMAL, T2I_VERBOSE } t2i_log_level;

/* T2I_NORMAL where nobody calls this. */
void t2i_log_set_level(t2i_log_level level);

/* program: "t2i-train"; borrowed for the life of the process. Before this call nothing is printed:
 * so it is in the library. */
void t2i_log_program(const char *program);

/* Only rank 0 prints. A process that never calls this is rank 0. */
void t2i_log_rank(int rank);

/* "t2i-train: TEXT" */
void t2i_log_error(const t2i_error *err);

/* The same from whichever rank: the job is ending, and rank 0 may be why. */
void t2i_log_alarm(const t2i_error *err);

/* "t2i-train: warning: TEXT" */
void t2i_log_warn(const char *format, ...) T2I_PRINTF(1, 2);

/* "t2i-train: TEXT", for what is worth knowing and no cause for worry; not when quiet. */
void t2i_log_note(const char *format, ...) T2I_PRINTF(1, 2);

/* From now on the text of each warning that is printed also goes there; NULL: no more. */
void t2i_log_listen(void (*hear)(void *context, const char *text), void *context);

/* The same for what is worth knowing when something is looked into: only when verbose. */
void t2i_log_detail(const char *format, ...) T2I_PRINTF(1, 2);

/* A progress line, not when quiet: on a terminal it overwrites the one before and is cut to its
 * width, elsewhere it is a plain line. Any other line of this module ends it first. last: this one
 * stays (a newline follows). */
void t2i_log_progress(int last, const char *format, ...) T2I_PRINTF(2, 3);

/* A program's results, as they are, on standard output. T2I_IO when it cannot be written. */
T2I_CHECKED t2i_status t2i_log_print(const char *text, t2i_error *err);

/* Is stderr a terminal that can overwrite a line? Decides how often progress is worth printing. */
int t2i_log_is_terminal(void);

/* "1 h 02 min", "3 min 20 s", "12 s" into out (at least 32 bytes); returns out. */
char *t2i_log_duration(double seconds, char *out);

#endif
