#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/text.h"

/* Name, rank and level of the process: set at the start, read by every message. */
static const char *log_program; /* NULL: nothing is printed */
static int log_rank;
static t2i_log_level log_level = T2I_NORMAL;
static int log_open_line; /* a progress line has no newline yet */
static void (*log_receive)(void *context, const char *text); /* of warnings */
static void *log_context;

void t2i_log_program(const char *program)
{
    log_program = program;
}

void t2i_log_rank(int rank)
{
    log_rank = rank;
}

void t2i_log_set_level(t2i_log_level level)
{
    log_level = level;
}

t2i_status t2i_log_print_drawing(const char *text, t2i_error *err)
{
    if ((fputs(text, stdout) == EOF || fflush(stdout) != 0) && errno != EPIPE)
        return t2i_fail(err, T2I_IO, "cannot write to standard output: %s", strerror(errno));
    return T2I_OK;
}

t2i_status t2i_log_print(const char *text, t2i_error *err)
{
    t2i_text clean = {0};
    t2i_status status = t2i_text_add(&clean, text, strlen(text), err);
    if (status == T2I_OK) {
        clean.data[t2i_utf8_clean(clean.data, clean.size, "\n\t")] = '\0';
        status = t2i_log_print_drawing(clean.data, err);
    }
    t2i_text_free(&clean);
    return status;
}

int t2i_log_is_terminal(void)
{
    const char *kind = getenv("TERM");
    return isatty(STDERR_FILENO) && kind != NULL && strcmp(kind, "dumb") != 0;
}

/* See no-color.org: NO_COLOR counts if it is set and not empty. */
static int in_colour(void)
{
    const char *no_colour = getenv("NO_COLOR");
    return t2i_log_is_terminal() && (no_colour == NULL || *no_colour == '\0');
}

/* One write per line, so that lines of several processes do not mix. */
static void put_line(const char *colour, const char *kind, const char *format, va_list args)
{
    if (log_program == NULL) return;
    char line[2048];
    int coloured = *colour != '\0' && in_colour();
    int used = snprintf(line, sizeof line, "%s%s%s: %s%s", log_open_line ? "\n" : "",
                        coloured ? colour : "", log_program, kind, coloured ? "\033[0m" : "");
    if (used < 0 || (size_t)used >= sizeof line) return;
    vsnprintf(line + used, sizeof line - (size_t)used, format, args);
    line[(size_t)used + t2i_utf8_clean(line + used, strlen(line + used), "")] = '\0';
    log_open_line = 0;
    fprintf(stderr, "%s\n", line);
}

static void print_error(const char *format, ...) T2I_PRINTF(1, 2);
static void print_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put_line("\033[1;31m", "", format, args);
    va_end(args);
}

void t2i_log_error(const t2i_error *err)
{
    if (log_rank == 0) print_error("%s", err->text);
}

void t2i_log_alarm(const t2i_error *err)
{
    print_error("%s", err->text);
}

void t2i_log_warn(const char *format, ...)
{
    if (log_rank != 0) return;
    va_list args;
    va_start(args, format);
    put_line("\033[1;33m", "warning: ", format, args);
    va_end(args);
    if (log_receive == NULL) return;
    char text[2048];
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    log_receive(log_context, text);
}

void t2i_log_on_warning(void (*receive)(void *context, const char *text), void *context)
{
    log_receive = receive;
    log_context = context;
}

void t2i_log_note(const char *format, ...)
{
    if (log_rank != 0 || log_level < T2I_NORMAL) return;
    va_list args;
    va_start(args, format);
    put_line("", "", format, args);
    va_end(args);
}

void t2i_log_detail(const char *format, ...)
{
    if (log_rank != 0 || log_level < T2I_VERBOSE) return;
    va_list args;
    va_start(args, format);
    put_line("", "", format, args);
    va_end(args);
}

/* Drops the last fields of the line until it is narrower than so many columns, and truncates it if
 * one field alone is wider: on a terminal a line that wraps cannot be overwritten. */
static void fit(char *line, size_t columns)
{
    size_t used = 0;
    char *field = NULL; /* the end of the last field that fits */
    for (; *line != '\0'; line++) {
        if (strncmp(line, T2I_LOG_FIELD, strlen(T2I_LOG_FIELD)) == 0) field = line;
        used += ((unsigned char)*line & 0xc0u) != 0x80u;
        if (used < columns) continue; /* some terminals wrap when the last column is used */
        *(field != NULL ? field : line) = '\0';
        return;
    }
}

void t2i_log_progress(int last, const char *format, ...)
{
    if (log_rank != 0 || log_level < T2I_NORMAL || log_program == NULL) return;
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    line[t2i_utf8_clean(line, strlen(line), "")] = '\0';
    if (t2i_log_is_terminal()) {
        struct winsize size = {0};
        int known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
        fit(line, known ? size.ws_col : 80);
        fprintf(stderr, "\r\033[K%s%s", line, last ? "\n" : "");
    } else { /* often on a terminal after all, behind mpirun */
        size_t name = strlen(log_program) + strlen(": ");
        fit(line, name < 80 ? 81 - name : 1);
        fprintf(stderr, "%s: %s\n", log_program, line);
    }
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
