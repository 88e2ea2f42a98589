/* log.h - messages for the user. Results go to standard output (t2i_log_print); errors, warnings,
 * notes and progress go to standard error, each line with the program's name in front.
 *
 * Whatever is printed passes t2i_utf8_clean here: no text of a file or a command line reaches a
 * terminal with its control characters.
 *
 * Why: in a program with many ranks a message must appear once. Rank 0 alone prints, except for
 * t2i_log_alarm. An error is printed after all ranks have agreed on it (t2i_comm_agree).
 *
 * Wording: an option that does not exist is "unknown"; a file that cannot be read is "missing" or
 * "damaged"; a run that ends early is "stopped" and is resumed by "the same command again".
 */
#ifndef T2I_LOG_H
#define T2I_LOG_H

#include "base/error.h"

/* What is printed: errors and warnings; notes and progress also; details also. */
typedef enum { T2I_QUIET, T2I_NORMAL, T2I_VERBOSE } t2i_log_level;

/* The default is T2I_NORMAL. */
void t2i_log_set_level(t2i_log_level level);

/* program: "t2i-train"; borrowed for the life of the process. Nothing is printed before this call,
 * as in the library. */
void t2i_log_program(const char *program);

/* Only rank 0 prints. The default is rank 0. */
void t2i_log_rank(int rank);

/* "t2i-train: TEXT" */
void t2i_log_error(const t2i_error *err);

/* The same from any rank, for errors that end the job, since rank 0 may be the cause. */
void t2i_log_alarm(const t2i_error *err);

/* "t2i-train: warning: TEXT" */
void t2i_log_warn(const char *format, ...) T2I_PRINTF(1, 2);

/* "t2i-train: TEXT", information; not with T2I_QUIET. */
void t2i_log_note(const char *format, ...) T2I_PRINTF(1, 2);

/* Sets a function that also receives the text of each printed warning; NULL: none. */
void t2i_log_on_warning(void (*receive)(void *context, const char *text), void *context);

/* Like t2i_log_note, only with T2I_VERBOSE. */
void t2i_log_detail(const char *format, ...) T2I_PRINTF(1, 2);

/* Prints a progress line, not with T2I_QUIET. It has as many of its fields, which T2I_LOG_FIELD
 * separates, as fit the terminal, or 80 columns elsewhere. On a terminal it overwrites the previous
 * one; elsewhere it is a line of its own. Any other message ends it first. last: the line stays (a
 * newline follows). */
#define T2I_LOG_FIELD " | "
void t2i_log_progress(int last, const char *format, ...) T2I_PRINTF(2, 3);

/* Prints results on standard output: lines without control characters (t2i_utf8_clean), except TAB.
 * JSON text is not changed, because t2i_json_text escapes them. A reader that has gone away, as
 * `head` does, is no failure. T2I_IO. */
T2I_CHECKED t2i_status t2i_log_print(const char *text, t2i_error *err);
/* Prints it unchanged: for pictures drawn on a terminal (terminal.h). */
T2I_CHECKED t2i_status t2i_log_print_drawing(const char *text, t2i_error *err);

/* Is stderr a terminal that can overwrite a line? Progress is then printed more often. */
int t2i_log_is_terminal(void);

/* Writes "1 h 02 min", "3 min 20 s" or "12 s" to out (at least 32 bytes) and returns out. */
char *t2i_log_duration(double seconds, char *out);

#endif
