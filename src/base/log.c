#include "t2i/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The process's name and rank: set once at the start, read by every line. */
static const char *log_program = "t2i";
static int log_rank;
static int log_open_line; /* a progress line waits for its newline */

void t2i_log_program(const char *program)
{
    log_program = program;
}

void t2i_log_rank(int rank)
{
    log_rank = rank;
}

t2i_status t2i_log_print(const char *text, t2i_error *err)
{
    if (fputs(text, stdout) == EOF || fflush(stdout) != 0)
        return t2i_fail(err, T2I_IO, "cannot write to standard output: %s", strerror(errno));
    return T2I_OK;
}

int t2i_log_is_terminal(void)
{
    return isatty(STDERR_FILENO);
}

/* One write a line, so that lines of several processes do not mix. */
static void put_line(const char *kind, const char *format, va_list args)
{
    char line[2048];
    int used =
        snprintf(line, sizeof line, "%s%s: %s", log_open_line ? "\n" : "", log_program, kind);
    if (used < 0 || (size_t)used >= sizeof line) return;
    vsnprintf(line + used, sizeof line - (size_t)used, format, args);
    log_open_line = 0;
    fprintf(stderr, "%s\n", line);
}

static void print_line(const char *kind, const char *format, ...) T2I_PRINTF(2, 3);
static void print_line(const char *kind, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put_line(kind, format, args);
    va_end(args);
}

void t2i_log_error(const t2i_error *err)
{
    if (log_rank == 0) print_line("", "%s", err->text);
}

void t2i_log_alarm(const t2i_error *err)
{
    print_line("", "%s", err->text);
}

void t2i_log_warn(const char *format, ...)
{
    if (log_rank != 0) return;
    va_list args;
    va_start(args, format);
    put_line("warning: ", format, args);
    va_end(args);
}

void t2i_log_note(const char *format, ...)
{
    if (log_rank != 0) return;
    va_list args;
    va_start(args, format);
    put_line("", format, args);
    va_end(args);
}

void t2i_log_progress(int last, const char *format, ...)
{
    if (log_rank != 0) return;
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (t2i_log_is_terminal())
        fprintf(stderr, "\r\033[K%s%s", line, last ? "\n" : "");
    else
        fprintf(stderr, "%s: %s\n", log_program, line);
    fflush(stderr);
    log_open_line = t2i_log_is_terminal() && !last;
}

char *t2i_log_duration(double seconds, char *out)
{
    long s = seconds > 0 && seconds < 1e9 ? (long)(seconds + 0.5) : 0;
    if (s >= 3600)
        snprintf(out, 32, "%ld h %02ld min", s / 3600, s / 60 % 60);
    else if (s >= 60)
        snprintf(out, 32, "%ld min %02ld s", s / 60, s % 60);
    else
        snprintf(out, 32, "%ld s", s);
    return out;
}
