#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

static void (*abort_hook)(int code);

void t2i_set_abort_hook(void (*hook)(int code))
{
    abort_hook = hook;
}

t2i_status t2i_fail(t2i_error *err, t2i_status status, const char *format, ...)
{
    if (err == NULL) return status;
    va_list args;
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    err->text[t2i_utf8_clean(err->text, strlen(err->text), "")] = '\0';
    err->status = status;
    return status;
}

t2i_status t2i_fail_memory(t2i_error *err, size_t bytes, const char *what)
{
    return t2i_fail(err, T2I_SYSTEM, "cannot allocate %.1f MB of memory for %s",
                    (double)bytes / 1e6, what);
}

_Noreturn void t2i_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "t2i: internal error: '%s' is false at %s:%d; please report it\n", condition,
            file, line);
    if (abort_hook != NULL) abort_hook(T2I_BUG);
    _Exit(T2I_BUG);
}
