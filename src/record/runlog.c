#include "record/runlog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/commit.h"
#include "checkpoint/log_chain.h"
#include "base/fs.h"
#include "formats/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "draw/plot.h"
#include "base/text.h"
#include "protobuf/tfevents.h"
#include "image/image_file.h"

/* Bytes of a log. */
static const size_t limit = (size_t)1 << 32;

/* A growing list of (step, loss). */
typedef struct {
    double *x, *y; /* owned */
    size_t count, room;
} curve;

struct t2i_runlog {
    char *run, *path; /* owned */
    int fd;
    char chain[T2I_CHAIN]; /* of the last line */
    int chained;           /* has the last line one? */
    int64_t last;          /* step of the last line */
    int64_t checkpoint;    /* step of the last line of a checkpoint, -1: none */
    int64_t best;          /* step of best.safetensors, -1: unknown */
    curve train, validation;
    t2i_tfevents board; /* closed if not wanted */
};

static t2i_status add_point(curve *c, double x, double y, t2i_error *err)
{
    if (c->count == c->room) {
        size_t room = c->room * 2 + 256;
        if (t2i_grow(&c->x, c->count, room, sizeof *c->x) != 0 ||
            t2i_grow(&c->y, c->count, room, sizeof *c->y) != 0)
            return t2i_fail_memory(err, room * 16, "the loss curve");
        c->room = room;
    }
    c->x[c->count] = x;
    c->y[c->count++] = y;
    return T2I_OK;
}

void t2i_runlog_close(t2i_runlog *log)
{
    if (log == NULL) return;
    if (log->fd >= 0) close(log->fd);
    t2i_tfevents_close(&log->board);
    t2i_free(log->run);
    t2i_free(log->path);
    t2i_free(log->train.x);
    t2i_free(log->train.y);
    t2i_free(log->validation.x);
    t2i_free(log->validation.y);
    t2i_free(log);
}

/* Keeps the complete lines of steps up to last_step, and their losses. An incomplete last line (no
 * newline) is dropped. */
static t2i_status keep_lines(t2i_runlog *log, const t2i_text *old, long last_step, t2i_text *kept,
                             t2i_error *err)
{
    const char *at = old->data, *end = at + old->size, *newline;
    for (; at < end && (newline = memchr(at, '\n', (size_t)(end - at))) != NULL; at = newline + 1) {
        t2i_json *line;
        int64_t step;
        double loss;
        t2i_status status = t2i_json_parse(&line, at, (size_t)(newline - at), "log.jsonl", err);
        if (status == T2I_DATA) continue;
        T2I_TRY(status);
        if (t2i_json_as_integer(t2i_json_get(line, "step"), &step) && step <= last_step) {
            status = t2i_text_add(kept, at, (size_t)(newline + 1 - at), err);
            log->chained = t2i_log_chain_split(at, (size_t)(newline - at), log->chain) > 0;
            log->last = step;
            if (t2i_json_get(line, "checkpoint") != NULL) log->checkpoint = step;
            t2i_json_as_integer(t2i_json_get(line, "best"), &log->best);
            if (status == T2I_OK && t2i_json_as_real(t2i_json_get(line, "loss"), &loss))
                status = add_point(&log->train, (double)step, loss, err);
            if (status == T2I_OK && t2i_json_as_real(t2i_json_get(line, "val_loss"), &loss))
                status = add_point(&log->validation, (double)step, loss, err);
        }
        t2i_json_free(line);
        T2I_TRY(status);
    }
    return T2I_OK;
}

static t2i_status cut_back(t2i_runlog *log, long last_step, t2i_error *err)
{
    t2i_text old = {0}, kept = {0};
    t2i_status status = T2I_OK;
    if (t2i_fs_exists(log->path) && last_step > 0)
        status = t2i_fs_read(log->path, limit, &old, err);
    if (status == T2I_OK && old.size > 0) status = keep_lines(log, &old, last_step, &kept, err);
    if (!log->chained) t2i_log_chain_begin(kept.data, kept.size, log->chain);
    if (status == T2I_OK)
        status = t2i_commit_file(log->path, kept.size > 0 ? kept.data : "", kept.size, err);
    t2i_text_free(&old);
    t2i_text_free(&kept);
    return status;
}

static t2i_status open_file(t2i_runlog *log, t2i_error *err)
{
    int fd = open(log->path, O_RDWR | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return t2i_fail(err, T2I_CANTCREATE, "cannot open %s: %s", log->path, strerror(errno));
    if (log->fd >= 0) close(log->fd);
    log->fd = fd;
    return T2I_OK;
}

t2i_status t2i_runlog_open(t2i_runlog **out, const char *run, long last_step, t2i_error *err)
{
    t2i_runlog *log = *out = t2i_alloc(1, sizeof *log);
    if (log == NULL) return t2i_fail_memory(err, sizeof *log, "the log");
    log->fd = -1;
    log->checkpoint = log->best = -1;
    log->run = t2i_fs_copy_path(run, err);
    log->path = t2i_fs_join(run, "log.jsonl", err);
    t2i_status status =
        log->run == NULL || log->path == NULL ? T2I_SYSTEM : cut_back(log, last_step, err);
    if (status == T2I_OK) status = open_file(log, err);
    if (status != T2I_OK) {
        t2i_runlog_close(log);
        *out = NULL;
    }
    return status;
}

/* Somebody may move the log away, or put another in its place, while the run writes it: what was
 * written is still in the open file, and gets its name again. */
static t2i_status write_anew(t2i_runlog *log, t2i_error *err)
{
    t2i_text all = {0};
    t2i_log_warn("%s was moved or replaced while the run writes it: it is written anew", log->path);
    t2i_status status =
        lseek(log->fd, 0, SEEK_SET) == 0
            ? t2i_fs_read_open(log->fd, log->path, limit, &all, err)
            : t2i_fail(err, T2I_IO, "cannot read %s: %s", log->path, strerror(errno));
    if (status == T2I_OK) status = t2i_commit_file(log->path, all.data, all.size, err);
    t2i_text_free(&all);
    return status == T2I_OK ? open_file(log, err) : status;
}

/* Takes ownership of json, an object. */
static t2i_status append(t2i_runlog *log, t2i_json *json, t2i_error *err)
{
    char *text, chain[T2I_CHAIN];
    size_t size;
    t2i_text line = {0};
    T2I_TRY(t2i_json_line(json, &text, &size, err));
    size -= strlen("}\n");
    memcpy(chain, log->chain, T2I_CHAIN);
    t2i_log_chain_next(chain, text, size);
    t2i_status status = t2i_log_chain_line(text, size, chain, &line, err);
    if (status == T2I_OK) status = t2i_fs_append(log->fd, log->path, line.data, line.size, err);
    if (status == T2I_OK) { /* a line that could not be written is not in the chain */
        memcpy(log->chain, chain, T2I_CHAIN);
        log->chained = 1;
    }
    t2i_text_free(&line);
    t2i_free(text);
    return status;
}

static t2i_status append_head(t2i_runlog *log, const t2i_checkpoint *start, t2i_error *err)
{
    const t2i_run_state *run = &start->run;
    t2i_checkpoint model = *start;
    char network[T2I_HEX], weights[T2I_HEX];
    t2i_json *options;
    model.m = model.v = model.ema = NULL;
    T2I_TRY(t2i_checkpoint_network(&model, network, err));
    T2I_TRY(t2i_checkpoint_digest(&model, weights, err));
    T2I_TRY(t2i_json_parse(&options, run->options, strlen(run->options), "the options", err));
    t2i_json *json = t2i_json_object();
    t2i_json_set_integer(json, "step", run->step);
    t2i_json_set_string(json, "dataset", run->dataset);
    t2i_json_set_integer(json, "shards", run->shards);
    t2i_json_set(json, "options", options);
    t2i_json_set_string(json, "network", network);
    t2i_json_set_string(json, "weights", weights);
    return append(log, json, err);
}

/* lost: the line says that those after the last one were lost. */
static t2i_status append_checkpoint(t2i_runlog *log, const t2i_checkpoint *c, int lost,
                                    t2i_error *err)
{
    char digest[T2I_HEX];
    if (!t2i_fs_is_named(log->fd, log->path)) T2I_TRY(write_anew(log, err));
    if (log->checkpoint == c->run.step) return T2I_OK;
    T2I_TRY(t2i_checkpoint_digest(c, digest, err));
    t2i_json *json = t2i_json_object();
    t2i_json_set_integer(json, "step", c->run.step);
    t2i_json_set_string(json, "checkpoint", digest);
    if (lost) t2i_json_set_integer(json, "lost_after", log->last);
    T2I_TRY(append(log, json, err));
    if (fsync(log->fd) != 0)
        return t2i_fail(err, T2I_IO, "cannot write %s: %s", log->path, strerror(errno));
    log->checkpoint = c->run.step;
    return T2I_OK;
}

t2i_status t2i_runlog_begin(t2i_runlog *log, const t2i_checkpoint *start, t2i_error *err)
{
    int lost = log->chained && start->run.step > 0 && log->checkpoint != start->run.step;
    if (lost)
        t2i_log_warn("%s has no line of the checkpoint of step %ld: its lines after step %ld were "
                     "lost, which the log says from now on",
                     log->path, start->run.step, (long)log->last);
    if (!log->chained) T2I_TRY(append_head(log, start, err));
    return start->run.step > 0 ? append_checkpoint(log, start, lost, err) : T2I_OK;
}

t2i_status t2i_runlog_checkpoint(t2i_runlog *log, const t2i_checkpoint *checkpoint, t2i_error *err)
{
    return append_checkpoint(log, checkpoint, 0, err);
}

t2i_status t2i_runlog_tensorboard(t2i_runlog *log, long last_step, t2i_error *err)
{
    char *folder = t2i_fs_join(log->run, "tensorboard", err);
    t2i_status status =
        folder == NULL ? T2I_SYSTEM : t2i_tfevents_open(&log->board, folder, last_step + 1, err);
    t2i_free(folder);
    return status;
}

/* Writes scalars for TensorBoard, if wanted. */
static t2i_status show(const t2i_runlog *log, long step, const t2i_scalar *scalar, size_t count,
                       t2i_error *err)
{
    if (log->board.path == NULL) return T2I_OK;
    return t2i_tfevents_scalars(&log->board, step, scalar, count, err);
}

t2i_status t2i_runlog_step(t2i_runlog *log, const t2i_log_line *line, t2i_error *err)
{
    t2i_json *json = t2i_json_object(), *seconds = t2i_json_object(), *memory = t2i_json_object(),
             *sent = t2i_json_object();
    t2i_json_set_integer(json, "step", line->step);
    if (line->skipped > 0)
        t2i_json_set_integer(json, "skipped", line->skipped);
    else
        t2i_json_set_real(json, "loss", line->loss);
    if (line->spike > 0.0) t2i_json_set_real(json, "spike", line->spike);
    t2i_json_set_real(json, "lr", line->lr);
    t2i_json_set_real(json, "grad_norm", line->grad_norm);
    t2i_json_set_real(json, "samples_per_s", line->samples_per_s);
    t2i_json_set_real(seconds, "data", line->seconds.data);
    t2i_json_set_real(seconds, "compute", line->seconds.compute);
    t2i_json_set_real(seconds, "sync", line->seconds.sync);
    t2i_json_set_real(seconds, "checkpoint", line->seconds.checkpoint);
    t2i_json_set(json, "seconds", seconds);
    t2i_json_set_integer(json, "tokens", (int64_t)line->tokens);
    t2i_json_set_integer(json, "tokens_saved", (int64_t)line->tokens_saved);
    t2i_json_set_integer(memory, "own", (int64_t)line->memory.own);
    t2i_json_set_integer(memory, "shared", (int64_t)line->memory.shared);
    t2i_json_set(json, "memory", memory);
    t2i_json_set_integer(sent, "messages", (int64_t)line->sent.messages);
    t2i_json_set_integer(sent, "bytes", (int64_t)line->sent.bytes);
    t2i_json_set(json, "sent", sent);
    T2I_TRY(append(log, json, err));
    if (line->skipped == 0) T2I_TRY(add_point(&log->train, (double)line->step, line->loss, err));
    const t2i_scalar scalar[] = {{"lr", line->lr},
                                 {"grad_norm", line->grad_norm},
                                 {"samples_per_s", line->samples_per_s},
                                 {"loss", line->loss}};
    return show(log, line->step, scalar, line->skipped > 0 ? 3 : 4, err);
}

long t2i_runlog_best(const t2i_runlog *log)
{
    return log == NULL ? -1 : (long)log->best;
}

t2i_status t2i_runlog_validation(t2i_runlog *log, long step, double loss, const t2i_recall *scores,
                                 int best, long waited, t2i_error *err)
{
    t2i_json *json = t2i_json_object();
    if (best) log->best = step;
    t2i_json_set_integer(json, "step", step);
    t2i_json_set_real(json, "val_loss", loss);
    t2i_json_set_real(json, "r1", scores->r1);
    t2i_json_set_real(json, "r10", scores->r10);
    t2i_json_set_real(json, "mrr", scores->mrr);
    if (log->best > 0) t2i_json_set_integer(json, "best", log->best);
    if (waited > 0) t2i_json_set_integer(json, "waited", waited);
    T2I_TRY(append(log, json, err));
    T2I_TRY(add_point(&log->validation, (double)step, loss, err));
    const t2i_scalar scalar[] = {
        {"val_loss", loss}, {"r1", scores->r1}, {"r10", scores->r10}, {"mrr", scores->mrr}};
    return show(log, step, scalar, 4, err);
}

t2i_status t2i_runlog_sample(t2i_runlog *log, long step, t2i_error *err)
{
    static const size_t most = 64u << 20;
    char name[64];
    t2i_text png = {0};
    t2i_image sheet = {0};
    if (log->board.path == NULL) return T2I_OK;
    snprintf(name, sizeof name, "samples/step-%ld.png", step);
    char *path = t2i_fs_join(log->run, name, err);
    if (path == NULL) return T2I_SYSTEM;
    t2i_status status = t2i_fs_read(path, most, &png, err);
    if (status == T2I_OK)
        status = t2i_image_file_decode(&sheet, png.data, png.size, path, NULL, NULL, err);
    if (status == T2I_OK)
        status = t2i_tfevents_picture(&log->board, step, "samples", &png, sheet.width, sheet.height,
                                      err);
    t2i_image_free(&sheet);
    t2i_text_free(&png);
    t2i_free(path);
    return status;
}

void t2i_runlog_warn_failed(t2i_status status, const t2i_error *err)
{
    if (status != T2I_OK) t2i_log_warn("%s; training continues", err->text);
}

t2i_status t2i_runlog_plot(const t2i_runlog *log, t2i_error *err)
{
    const t2i_series series[] = {
        {"training (per batch)", log->train.x, log->train.y, log->train.count, 0},
        {"validation (all rows)", log->validation.x, log->validation.y, log->validation.count, 1},
    };
    t2i_plot plot = {.title = log->run, .x_label = "step", .y_label = "loss", .log_y = 1};
    t2i_image image;
    T2I_TRY(t2i_plot_draw(&image, &plot, series, log->validation.count > 0 ? 2 : 1, err));
    char *path = t2i_fs_join(log->run, "loss.png", err);
    t2i_status status = path == NULL ? T2I_SYSTEM : t2i_image_file_write(&image, path, err);
    t2i_free(path);
    t2i_image_free(&image);
    return status;
}

t2i_status t2i_runlog_status(const char *run, const t2i_run_status *s, t2i_error *err)
{
    t2i_json *json = t2i_json_object(), *options = NULL;
    t2i_json_set_string(json, "state", s->state);
    t2i_json_set_integer(json, "step", s->step);
    t2i_json_set_integer(json, "exit", s->exit);
    t2i_json_set_string(json, "message", s->message);
    if (s->best > 0) t2i_json_set_integer(json, "best", s->best);
    if (s->dataset != NULL) t2i_json_set_string(json, "dataset", s->dataset);
    t2i_status status = T2I_OK;
    if (s->options != NULL) {
        status = t2i_json_parse(&options, s->options, strlen(s->options), "the options", err);
        t2i_json_set(json, "options", options);
    }
    char *text = NULL, *path = t2i_fs_join(run, "status.json", err);
    if (status == T2I_OK) status = t2i_json_text(json, 1, &text, err);
    if (status == T2I_OK)
        status = path == NULL ? T2I_SYSTEM : t2i_commit_file(path, text, strlen(text), err);
    t2i_free(text);
    t2i_free(path);
    t2i_json_free(json);
    return status;
}

int t2i_runlog_ended(const char *run)
{
    char *path = t2i_fs_join(run, "status.json", NULL);
    t2i_text text = {0};
    t2i_json *json = NULL;
    t2i_error ignored;
    const char *state = "";
    int ended = path != NULL && t2i_fs_read(path, 1 << 20, &text, &ignored) == T2I_OK &&
                t2i_json_parse(&json, text.data, text.size, path, &ignored) == T2I_OK &&
                t2i_json_as_string(t2i_json_get(json, "state"), &state, NULL) &&
                strcmp(state, "finished") == 0;
    t2i_json_free(json);
    t2i_text_free(&text);
    t2i_free(path);
    return ended;
}

t2i_status t2i_runlog_owner(const char *run, char **dataset, char **options, t2i_error *err)
{
    *dataset = *options = NULL;
    char *path = t2i_fs_join(run, "status.json", err);
    t2i_text text = {0};
    t2i_json *json = NULL;
    t2i_status status = path == NULL ? T2I_SYSTEM : T2I_OK;
    if (status == T2I_OK && t2i_fs_exists(path)) status = t2i_fs_read(path, 1 << 20, &text, err);
    if (status == T2I_OK && text.size > 0)
        status = t2i_json_parse(&json, text.data, text.size, path, err);
    if (status == T2I_DATA)
        status = T2I_OK; /* not readable; the checkpoints still identify the run */
    const char *digest;
    if (t2i_json_as_string(t2i_json_get(json, "dataset"), &digest, NULL)) {
        *dataset = t2i_strdup(digest);
        if (*dataset == NULL) status = t2i_fail_memory(err, strlen(digest), "a digest");
    }
    if (status == T2I_OK && t2i_json_is_object(t2i_json_get(json, "options")))
        status = t2i_json_text(t2i_json_get(json, "options"), 0, options, err);
    t2i_json_free(json);
    t2i_text_free(&text);
    t2i_free(path);
    return status;
}
