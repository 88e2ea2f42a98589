/* report_read.c - reads the files of a run folder, whose contents are not trusted. */
#include "record/report_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "formats/file_kind.h"
#include "base/fs.h"
#include "base/mem.h"

enum { PIECE = 1 << 16 }; /* bytes; longer lines are skipped */

static const char *text_of(const t2i_json *json, const char *key)
{
    const char *text = "";
    t2i_json_as_string(t2i_json_get(json, key), &text, NULL);
    return text;
}

/* Copies as much as fits, without splitting a character. */
static void copy_text(char *to, size_t room, const char *from)
{
    size_t size = strlen(from);
    if (size >= room) size = room - 1;
    while (size > 0 && from[size] != '\0' && ((unsigned char)from[size] & 0xc0) == 0x80) size--;
    memcpy(to, from, size);
    to[size] = '\0';
}

static double number_of(const t2i_json *json, const char *key)
{
    double value = 0.0;
    t2i_json_as_real(t2i_json_get(json, key), &value);
    return value;
}

static long step_of(const t2i_json *json, const char *key)
{
    int64_t value = 0;
    return t2i_json_as_integer(t2i_json_get(json, key), &value) && value >= 0 ? (long)value : -1;
}

/* ---- log.jsonl ---- */

static void add_points(t2i_report *r, const t2i_json *json, long step)
{
    static const struct {
        const char *key, *within;
    } places[CURVES] = {{"loss", NULL},         {"val_loss", NULL},      {"r1", NULL},
                        {"r10", NULL},          {"mrr", NULL},           {"grad_norm", NULL},
                        {"lr", NULL},           {"samples_per_s", NULL}, {"data", "seconds"},
                        {"compute", "seconds"}, {"sync", "seconds"},     {"checkpoint", "seconds"}};
    for (size_t i = 0; i < CURVES; i++) {
        double value;
        const t2i_json *from = places[i].within == NULL ? json : t2i_json_get(json, "seconds");
        if (t2i_json_as_real(t2i_json_get(from, places[i].key), &value))
            t2i_chart_curve_add(&r->curve[i], (double)step, value);
    }
}

static void hear_log(t2i_report *r, const t2i_json *json)
{
    long step = step_of(json, "step"), skipped = step_of(json, "skipped");
    if (step < r->step) { /* steps must not decrease */
        r->strange++;
        return;
    }
    r->step = step;
    r->lines++;
    if (skipped > r->skipped) r->skipped = skipped;
    add_points(r, json, step);
    if (step > 0 && step_of(json, "best") == step) {
        r->best = step;
        r->best_loss = number_of(json, "val_loss");
        r->best_mrr = number_of(json, "mrr");
    }
    r->tokens += number_of(json, "tokens");
    r->saved += number_of(json, "tokens_saved");
    const t2i_json *memory = t2i_json_get(json, "memory");
    if (memory != NULL) {
        r->own = number_of(memory, "own");
        r->shared = number_of(memory, "shared");
    }
}

/* ---- events.jsonl ---- */

static void add_event(t2i_report *r, const t2i_json *json, const char *kind, const char *text)
{
    if (r->events == REPORT_EVENTS) {
        r->events--;
        r->left_out++;
        memmove(&r->event[REPORT_FIRST], &r->event[REPORT_FIRST + 1],
                (REPORT_EVENTS - REPORT_FIRST - 1) * sizeof *r->event);
    }
    report_event *event = &r->event[r->events++];
    copy_text(event->time, sizeof event->time, text_of(json, "time"));
    if (strlen(event->time) == 20) { /* from ISO 8601 to a readable form */
        event->time[10] = ' ';
        event->time[19] = '\0';
    }
    copy_text(event->kind, sizeof event->kind, kind);
    copy_text(event->text, sizeof event->text, text);
    event->step = step_of(json, "step");
}

static void hear_start(t2i_report *r, const t2i_json *json)
{
    char text[REPORT_TEXT];
    const t2i_json *nodes = t2i_json_get(json, "nodes");
    size_t count = t2i_json_size(nodes);
    long ranks = step_of(json, "ranks"), threads = step_of(json, "threads");
    snprintf(text, sizeof text, "%s: %ld rank%s x %ld thread%s on %s%s",
             step_of(json, "step") > 0 ? "resumed" : "started", ranks, ranks == 1 ? "" : "s",
             threads, threads == 1 ? "" : "s", text_of(t2i_json_at(nodes, 0), "host"),
             count > 1 ? " and other nodes" : "");
    add_event(r, json, "start", text);
    r->before += r->elapsed;
    r->elapsed = 0.0;
}

/* Returns 1 if it took ownership of json. */
static int hear_event(t2i_report *r, t2i_json *json)
{
    const char *kind = text_of(json, "event");
    t2i_json **kept = NULL;
    char text[REPORT_TEXT];
    if (strcmp(kind, "start") == 0) {
        hear_start(r, json);
        kept = &r->start;
    } else if (strcmp(kind, "ranks") == 0) {
        r->elapsed = number_of(json, "elapsed");
        kept = &r->ranks;
    } else if (strcmp(kind, "samples") == 0)
        kept = &r->prompts;
    else if (strcmp(kind, "warning") == 0)
        add_event(r, json, kind, text_of(json, "text"));
    else if (strcmp(kind, "end") == 0) {
        snprintf(text, sizeof text, "%.15s: %.300s", text_of(json, "state"), text_of(json, "text"));
        add_event(r, json, kind, text);
    } else
        r->strange++;
    if (kept == NULL) return 0;
    t2i_json_free(*kept);
    *kept = json;
    return 1;
}

/* ---- lines ---- */

static t2i_status hear_line(t2i_report *r, int log, const char *line, size_t size, t2i_error *err)
{
    t2i_json *json = NULL;
    t2i_status status = t2i_json_parse(&json, line, size, "a line", err);
    if (status != T2I_OK && status != T2I_DATA) return status;
    if (status == T2I_DATA || !t2i_json_is_object(json))
        r->strange++;
    else if (log)
        hear_log(r, json);
    else if (hear_event(r, json))
        json = NULL;
    t2i_json_free(json);
    return T2I_OK;
}

/* Reads complete lines from file->at on; an incomplete last line is left for the next call. */
static t2i_status hear_lines(t2i_report *r, int log, report_file *file, int fd, char *piece,
                             t2i_error *err)
{
    size_t held = 0;
    int skip = 0; /* inside a line that is too long */
    for (;;) {
        ssize_t got = t2i_fs_read_at(fd, piece + held, PIECE - held, (uint64_t)file->at + held);
        if (got < 0)
            return t2i_fail(err, T2I_IO, "cannot read %s: %s", file->path, strerror(errno));
        if (got == 0) return T2I_OK;
        held += (size_t)got;
        const char *at = piece, *end = piece + held, *newline;
        while ((newline = memchr(at, '\n', (size_t)(end - at))) != NULL) {
            if (!skip && newline > at) T2I_TRY(hear_line(r, log, at, (size_t)(newline - at), err));
            skip = 0;
            at = newline + 1;
        }
        if (at == piece && held == PIECE) { /* the line is too long */
            r->strange += !skip;
            skip = 1;
            at = end;
        }
        file->at += (long)(at - piece);
        held = (size_t)(end - at);
        memmove(piece, at, held);
    }
}

static t2i_status read_lines(t2i_report *r, int log, report_file *file, t2i_error *err)
{
    int fd = open(file->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return T2I_OK; /* nothing was logged */
    char *piece = t2i_alloc(PIECE, 1);
    t2i_status status = piece == NULL ? t2i_fail_memory(err, PIECE, "a log")
                                      : hear_lines(r, log, file, fd, piece, err);
    t2i_free(piece);
    close(fd);
    return status;
}

/* ---- the small files ---- */

/* Reads RUN/name into *text; empty if it cannot be read. */
static t2i_status read_small(const t2i_report *r, const char *name, t2i_text *text, t2i_error *err)
{
    char *path = t2i_fs_join(r->run, name, err);
    if (path == NULL) return T2I_SYSTEM;
    t2i_error ignored;
    t2i_status status = t2i_fs_exists(path) ? t2i_fs_read(path, 1 << 20, text, &ignored) : T2I_OK;
    t2i_free(path);
    if (status == T2I_SYSTEM) return t2i_fail(err, status, "%s", ignored.text);
    if (status != T2I_OK) t2i_text_free(text);
    return T2I_OK;
}

static t2i_status read_status(t2i_report *r, t2i_error *err)
{
    t2i_text text = {0};
    t2i_json *json = NULL;
    T2I_TRY(read_small(r, "status.json", &text, err));
    t2i_status status = T2I_OK;
    if (text.size > 0) status = t2i_json_parse(&json, text.data, text.size, "status.json", err);
    copy_text(r->state, sizeof r->state, text_of(json, "state"));
    copy_text(r->message, sizeof r->message, text_of(json, "message"));
    copy_text(r->dataset, sizeof r->dataset, text_of(json, "dataset"));
    r->told = step_of(json, "step");
    r->exit = step_of(json, "exit");
    t2i_json_free(json);
    t2i_text_free(&text);
    return status == T2I_DATA ? T2I_OK : status;
}

/* Reads `key = value` lines; a comment before a line names the origin of the value. */
static t2i_status read_options(t2i_report *r, t2i_error *err)
{
    const char *origin = "";
    t2i_text_free(&r->ini);
    r->options = 0;
    T2I_TRY(read_small(r, "job.ini", &r->ini, err));
    for (char *line = r->ini.data, *next; line != NULL && r->options < REPORT_OPTIONS;
         line = next) {
        next = strchr(line, '\n');
        if (next != NULL) *next++ = '\0';
        char *equal = strchr(line, '=');
        if (strncmp(line, "; from the ", 11) == 0) {
            origin = line + 11;
        } else if (line[0] != ';' && equal != NULL && equal > line) {
            char *key_end = equal;
            while (key_end > line && key_end[-1] == ' ') key_end--;
            *key_end = '\0';
            r->option[r->options++] =
                (report_option){line, equal + 1 + strspn(equal + 1, " "), origin};
            origin = "";
        }
    }
    return T2I_OK;
}

const report_option *t2i_report_find(const t2i_report *r, const char *key)
{
    for (size_t i = 0; i < r->options; i++)
        if (strcmp(r->option[i].key, key) == 0) return &r->option[i];
    return NULL;
}

double t2i_report_seconds(const t2i_report *r)
{
    return r->before + r->elapsed;
}

t2i_status t2i_report_read(t2i_report *r, const t2i_run_status *status, t2i_error *err)
{
    T2I_TRY(read_lines(r, 1, &r->log, err));
    T2I_TRY(read_lines(r, 0, &r->happened, err));
    T2I_TRY(read_status(r, err));
    if (status != NULL) {
        copy_text(r->state, sizeof r->state, status->state);
        copy_text(r->message, sizeof r->message, status->message);
        r->told = status->step;
        r->exit = status->exit;
    }
    T2I_TRY(read_options(r, err));
    return t2i_report_read_samples(r, err);
}

/* ---- lifetime ---- */

t2i_status t2i_report_open(t2i_report **out, const char *run, t2i_error *err)
{
    static const char *const files[] = {"log.jsonl", "job.ini", "status.json"};
    int found = 0;
    *out = NULL;
    if (t2i_fs_exists(run) && !t2i_fs_is_folder(run))
        return t2i_file_kind_check(run, NULL, "a run folder", err);
    if (!t2i_fs_is_folder(run))
        return t2i_fail(err, T2I_NOINPUT, "%s is not a run folder: there is no such folder", run);
    for (size_t i = 0; i < 3; i++) {
        char *path = t2i_fs_join(run, files[i], err);
        if (path == NULL) return T2I_SYSTEM;
        found += t2i_fs_exists(path);
        t2i_free(path);
    }
    if (found == 0)
        return t2i_fail(err, T2I_NOINPUT,
                        "%s is not a run folder: there is no log.jsonl, job.ini or status.json in "
                        "it",
                        run);
    t2i_report *r = t2i_alloc(1, sizeof *r);
    if (r == NULL) return t2i_fail_memory(err, sizeof *r, "a report");
    r->run = t2i_fs_copy_path(run, err);
    r->log.path = t2i_fs_join(run, "log.jsonl", err);
    r->happened.path = t2i_fs_join(run, "events.jsonl", err);
    *out = r;
    if (r->run != NULL && r->log.path != NULL && r->happened.path != NULL) return T2I_OK;
    t2i_report_close(r);
    *out = NULL;
    return T2I_SYSTEM;
}

void t2i_report_close(t2i_report *r)
{
    if (r == NULL) return;
    t2i_report_free_samples(r);
    t2i_json_free(r->start);
    t2i_json_free(r->ranks);
    t2i_json_free(r->prompts);
    t2i_text_free(&r->ini);
    t2i_free(r->log.path);
    t2i_free(r->happened.path);
    t2i_free(r->run);
    t2i_free(r);
}
