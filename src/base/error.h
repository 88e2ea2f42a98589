/* error.h - errors: a status and one line of text.
 *
 * Why: every failure that a user can cause ends as one line on stderr and one exit code. A function
 * that fails fills the caller's t2i_error with a sentence that can be printed unchanged (what,
 * where, what to do) and returns its status. On success the error is not changed. The statuses are
 * the programs' exit codes; both types are part of the library's interface.
 */
#ifndef T2I_ERROR_H
#define T2I_ERROR_H

#include <stddef.h>

#include "t2i/t2i.h" /* t2i_status; t2i_error, without pointers, so that ranks can send it */

#define T2I_CHECKED            __attribute__((warn_unused_result))
#define T2I_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))

/* Fills *err (may be NULL) and returns status. The text passes t2i_utf8_clean, so that a malicious
 * file name can neither forge a second line nor control a terminal. */
t2i_status t2i_fail(t2i_error *err, t2i_status status, const char *format, ...) T2I_PRINTF(3, 4);

/* The same with T2I_SYSTEM and "cannot allocate N MB of memory for WHAT". */
t2i_status t2i_fail_memory(t2i_error *err, size_t bytes, const char *what);

/* Returns from the calling function if call fails. Only for functions that hold nothing that must
 * be closed, and never between two collective calls. */
#define T2I_TRY(call)                                                                              \
    do {                                                                                           \
        t2i_status t2i_try_ = (call);                                                              \
        if (t2i_try_ != T2I_OK) return t2i_try_;                                                   \
    } while (0)

/* A condition that is false only if the program has a bug. Prints its place, then ends the process
 * through the hook below (default: exit code 70). Always compiled in. */
#define T2I_ASSERT(condition)                                                                      \
    ((condition) ? (void)0 : t2i_assert_failed(#condition, __FILE__, __LINE__))
_Noreturn void t2i_assert_failed(const char *condition, const char *file, int line);

/* comm sets this to MPI_Abort, so that base does not depend on MPI. */
void t2i_set_abort_hook(void (*hook)(int code));

#endif
