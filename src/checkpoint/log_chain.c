#include "checkpoint/log_chain.h"

#include <stdint.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/run_folder.h"
#include "formats/json.h"

static const char mark[] = ",\"chain\":\"", end[] = "\"}";

void t2i_log_chain_begin(const char *bytes, size_t size, char chain[T2I_CHAIN])
{
    t2i_hash_sha256 hash;
    t2i_hash_sha256_begin(&hash);
    t2i_hash_sha256_add(&hash, bytes, size);
    t2i_hash_sha256_end(&hash, chain);
}

void t2i_log_chain_next(char chain[T2I_CHAIN], const char *text, size_t size)
{
    t2i_hash_sha256 hash;
    t2i_hash_sha256_begin(&hash);
    t2i_hash_sha256_add(&hash, chain, T2I_CHAIN - 1);
    t2i_hash_sha256_add(&hash, text, size);
    t2i_hash_sha256_end(&hash, chain);
}

t2i_status t2i_log_chain_line(const char *text, size_t size, const char chain[T2I_CHAIN],
                              t2i_text *out, t2i_error *err)
{
    T2I_TRY(t2i_text_add(out, text, size, err));
    return t2i_text_addf(out, err, "%s%s%s\n", mark, chain, end);
}

size_t t2i_log_chain_split(const char *line, size_t size, char chain[T2I_CHAIN])
{
    const size_t digits = T2I_CHAIN - 1, tail = strlen(mark) + digits + strlen(end);
    if (size <= tail) return 0;
    const char *at = line + size - tail;
    if (memcmp(at, mark, strlen(mark)) != 0 ||
        memcmp(at + strlen(mark) + digits, end, strlen(end)) != 0)
        return 0;
    memcpy(chain, at + strlen(mark), digits);
    chain[digits] = '\0';
    return size - tail;
}

/* ---- verification ---- */

t2i_status t2i_log_chain_read(const char *run, t2i_text *text, t2i_error *err)
{
    static const size_t most = (size_t)1 << 32;
    char *path = t2i_fs_join(run, "log.jsonl", err);
    if (path == NULL) return T2I_SYSTEM;
    t2i_status status = t2i_fs_exists(path) ? t2i_fs_read(path, most, text, err) : T2I_OK;
    t2i_free(path);
    return status;
}

/* A log as far as it was read. */
typedef struct {
    const char *run;
    char *path; /* owned */
    char chain[T2I_CHAIN];
    size_t line, chained;          /* of the last line; number of lines with a chain */
    t2i_json *head;                /* owned: the first of them */
    int64_t first;                 /* its step */
    int64_t lost_after, lost_upto; /* lines between these steps are missing; -1: none */
    long *step;                    /* owned: checkpoints in the folder, newest first */
    char (*digest)[T2I_HEX];       /* owned: of each in the log; "": none */
    size_t checkpoints, matched;   /* matched: those that are as the log says */
} log_read;

static t2i_status refuse_line(const log_read *log, const char *why, t2i_error *err)
{
    return t2i_fail(err, T2I_DATA, "%s was edited or damaged: line %zu %s", log->path, log->line,
                    why);
}

static void note_checkpoint(log_read *log, const t2i_json *json)
{
    int64_t step, lost;
    const char *digest;
    if (!t2i_json_as_integer(t2i_json_get(json, "step"), &step)) return;
    if (log->lost_after < 0 && t2i_json_as_integer(t2i_json_get(json, "lost_after"), &lost)) {
        log->lost_after = lost;
        log->lost_upto = step;
    }
    if (!t2i_json_as_string(t2i_json_get(json, "checkpoint"), &digest, NULL) ||
        strlen(digest) >= T2I_HEX)
        return;
    for (size_t i = 0; i < log->checkpoints; i++)
        if (log->step[i] == step) strcpy(log->digest[i], digest);
}

/* Can a line without a chain be one of an older version? */
static int is_old(const char *line, size_t size)
{
    static const char *const newer[] = {"chain", "dataset", "checkpoint"};
    t2i_json *json;
    t2i_error ignored;
    int old = memchr(line, '\r', size) == NULL;
    if (t2i_json_parse(&json, line, size, "a line", &ignored) != T2I_OK) return old;
    for (size_t i = 0; i < sizeof newer / sizeof *newer; i++)
        old = old && t2i_json_get(json, newer[i]) == NULL;
    t2i_json_free(json);
    return old;
}

/* before: the bytes of the log up to this line. */
static t2i_status read_line(log_read *log, const char *before, const char *line, size_t size,
                            t2i_error *err)
{
    char said[T2I_CHAIN];
    t2i_json *json;
    size_t text = t2i_log_chain_split(line, size, said);
    log->line++;
    if (text == 0 && log->chained == 0 && is_old(line, size)) return T2I_OK;
    if (text == 0) return refuse_line(log, "has no chain: it was added or changed", err);
    if (log->chained++ == 0) t2i_log_chain_begin(before, (size_t)(line - before), log->chain);
    t2i_log_chain_next(log->chain, line, text);
    if (strcmp(log->chain, said) != 0)
        return refuse_line(log,
                           "does not follow from those before it: it or the one before was "
                           "changed, or lines between them were added or removed",
                           err);
    T2I_TRY(t2i_json_parse(&json, line, size, log->path, err));
    note_checkpoint(log, json);
    if (log->chained > 1) {
        t2i_json_free(json);
    } else {
        log->head = json;
        (void)t2i_json_as_integer(t2i_json_get(json, "step"), &log->first);
    }
    return T2I_OK;
}

/* Is the member of the head that of the file? Both as texts. */
static t2i_status compare_head(const log_read *log, const char *path, const char *key,
                               const t2i_json *of_file, t2i_error *err)
{
    char *a = NULL, *b = NULL;
    const t2i_json *of_log = t2i_json_get(log->head, key);
    t2i_status status = T2I_OK;
    if (of_log != NULL) status = t2i_json_text(of_log, 0, &a, err);
    if (status == T2I_OK) status = t2i_json_text(of_file, 0, &b, err);
    if (status == T2I_OK && (a == NULL || strcmp(a, b) != 0))
        status =
            t2i_fail(err, T2I_DATA, "%s is of another run than %s: its %s is %.200s, not %.200s",
                     path, log->path, key, b, a == NULL ? "there" : a);
    t2i_free(a);
    t2i_free(b);
    return status;
}

static t2i_status compare_run(const log_read *log, const char *path, const t2i_checkpoint *c,
                              t2i_error *err)
{
    static const char *const keys[] = {"dataset", "shards", "options", "network"};
    char network[T2I_HEX];
    t2i_json *options;
    if (!c->ours) return t2i_fail(err, T2I_DATA, "%s is no file of t2i-train", path);
    T2I_TRY(t2i_checkpoint_network(c, network, err));
    T2I_TRY(t2i_json_parse(&options, c->run.options, strlen(c->run.options), path, err));
    t2i_json *file = t2i_json_object();
    t2i_json_set_string(file, "dataset", c->run.dataset);
    t2i_json_set_integer(file, "shards", c->run.shards);
    t2i_json_set(file, "options", options);
    if (t2i_json_get(log->head, "network") != NULL) /* absent in older heads */
        t2i_json_set_string(file, "network", network);
    t2i_status status = T2I_OK;
    for (size_t i = 0; status == T2I_OK && i < t2i_json_size(file); i++)
        status = compare_head(log, path, keys[i], t2i_json_get(file, keys[i]), err);
    t2i_json_free(file);
    return status;
}

/* *found: 0: the checkpoint is gone, as a run that trains removes old ones. */
static t2i_status load_checkpoint(t2i_checkpoint *c, const char *path, int *found, t2i_error *err)
{
    t2i_status status = t2i_checkpoint_load(c, path, 1, 0, err);
    *found = status == T2I_OK;
    return status == T2I_NOINPUT && !t2i_fs_exists(path) ? T2I_OK : status;
}

static t2i_status compare_checkpoint(log_read *log, size_t i, t2i_error *err)
{
    t2i_checkpoint c;
    char digest[T2I_HEX];
    int found = 0;
    char *path = t2i_run_folder_checkpoint(log->run, log->step[i], err);
    t2i_status status = path == NULL ? T2I_SYSTEM : load_checkpoint(&c, path, &found, err);
    if (found) {
        if (log->digest[i][0] == '\0')
            status = t2i_fail(err, T2I_DATA, "%s has no line of the checkpoint %s: it was cut off",
                              log->path, path);
        if (status == T2I_OK) status = compare_run(log, path, &c, err);
        if (status == T2I_OK) status = t2i_checkpoint_digest(&c, digest, err);
        if (status == T2I_OK && strcmp(digest, log->digest[i]) != 0)
            status = t2i_fail(err, T2I_DATA, "%s has other values than %s says", path, log->path);
        t2i_checkpoint_free(&c);
        log->matched++;
    }
    t2i_free(path);
    return status;
}

/* Has the model the weights, or their averages, of the checkpoint of its step? */
static t2i_status compare_weights(const log_read *log, const char *path,
                                  const t2i_checkpoint *model, t2i_text *said, t2i_error *err)
{
    t2i_checkpoint c;
    int found = 0;
    char *its = t2i_run_folder_checkpoint(log->run, model->run.step, err);
    t2i_status status = its == NULL ? T2I_SYSTEM : load_checkpoint(&c, its, &found, err);
    if (found) {
        const float *wanted = c.ema != NULL ? c.ema : c.weights;
        if (c.model.layout.floats != model->model.layout.floats ||
            memcmp(model->weights, wanted, c.model.layout.floats * sizeof *wanted) != 0)
            status =
                t2i_fail(err, T2I_DATA, "%s has other weights than the checkpoint of its step %ld",
                         path, model->run.step);
        t2i_checkpoint_free(&c);
    } else if (status == T2I_OK) {
        status = t2i_text_add_plain(said, path, strlen(path), err);
        if (status == T2I_OK)
            status = t2i_text_addf(
                said, err,
                ": of step %ld, whose checkpoint is gone: its weights are not compared\n",
                model->run.step);
    }
    t2i_free(its);
    return status;
}

static t2i_status compare_model(const log_read *log, const char *name, t2i_text *said,
                                t2i_error *err)
{
    t2i_checkpoint model;
    char *path = t2i_fs_join(log->run, name, err);
    if (path == NULL) return T2I_SYSTEM;
    t2i_status status = T2I_OK;
    int there = t2i_fs_exists(path);
    if (there) status = t2i_checkpoint_load(&model, path, 0, 0, err);
    if (there && status == T2I_OK) {
        if (!model.ours || model.run.step >= log->first) { /* otherwise of an older version */
            status = compare_run(log, path, &model, err);
            if (status == T2I_OK) status = compare_weights(log, path, &model, said, err);
        }
        t2i_checkpoint_free(&model);
    }
    t2i_free(path);
    return status;
}

/* The line about the log. */
static t2i_status describe(const log_read *log, size_t older, size_t rest, t2i_text *said,
                           t2i_error *err)
{
    size_t old = log->line - log->chained;
    T2I_TRY(t2i_text_add_plain(said, log->path, strlen(log->path), err));
    if (log->chained == 0)
        T2I_TRY(t2i_text_addf(
            said, err,
            ": no chain: written by an older version, or all that is newer was removed"));
    else
        T2I_TRY(t2i_text_addf(said, err, ": no line was edited (%zu lines, %zu checkpoint%s)",
                              log->line, log->matched, log->matched == 1 ? "" : "s"));
    if (log->chained > 0 && old > 0)
        T2I_TRY(t2i_text_addf(said, err, "; the first %zu were not protected before line %zu", old,
                              old + 1));
    else if (log->first > 0)
        T2I_TRY(t2i_text_addf(said, err, "; it begins after step %ld", (long)log->first));
    if (older > 0)
        T2I_TRY(t2i_text_addf(said, err, "; %zu checkpoint%s from before it not compared", older,
                              older == 1 ? "" : "s"));
    if (rest > 0)
        T2I_TRY(t2i_text_addf(said, err, "; the last %zu bytes are no whole line, as a kill leaves",
                              rest));
    if (log->chained > 0)
        T2I_TRY(t2i_text_addf(said, err, "; the last one's chain is %s", log->chain));
    return t2i_text_add(said, "\n", 1, err);
}

static t2i_status verify(log_read *log, const t2i_text *text, t2i_text *said, t2i_error *err)
{
    const char *at = text->data, *stop = at + text->size, *newline;
    size_t older = 0;
    /* what follows the last newline is being written, or was left by a killed process */
    for (; at < stop && (newline = memchr(at, '\n', (size_t)(stop - at))) != NULL; at = newline + 1)
        T2I_TRY(read_line(log, text->data, at, (size_t)(newline - at), err));
    if (log->line == 0 && log->checkpoints > 0)
        return t2i_fail(err, T2I_DATA, "%s has no lines, but %s has checkpoints: it was removed",
                        log->path, log->run);
    if (log->lost_after >= 0)
        return t2i_fail(err, T2I_DATA,
                        "%s was cut off before a resume: the lines between steps %ld and %ld are "
                        "missing",
                        log->path, (long)log->lost_after, (long)log->lost_upto);
    for (size_t i = 0; log->chained > 0 && i < log->checkpoints; i++)
        if (log->step[i] < log->first)
            older++; /* of an older version, or of another run from which this one goes on */
        else
            T2I_TRY(compare_checkpoint(log, i, err));
    if (log->chained > 0) {
        T2I_TRY(compare_model(log, "model.safetensors", said, err));
        T2I_TRY(compare_model(log, "best.safetensors", said, err));
    }
    return log->line > 0 ? describe(log, older, (size_t)(stop - at), said, err) : T2I_OK;
}

t2i_status t2i_log_chain_verify(const char *run, t2i_text *said, t2i_error *err)
{
    log_read log = {
        .run = run, .path = t2i_fs_join(run, "log.jsonl", err), .lost_after = -1, .lost_upto = -1};
    t2i_text text = {0};
    t2i_status status = log.path == NULL
                            ? T2I_SYSTEM
                            : t2i_run_folder_checkpoints(run, &log.step, &log.checkpoints, err);
    if (status == T2I_OK) {
        log.digest = t2i_alloc(log.checkpoints + 1, sizeof *log.digest);
        if (log.digest == NULL) status = t2i_fail_memory(err, log.checkpoints, "digests");
    }
    if (status == T2I_OK) status = t2i_log_chain_read(run, &text, err);
    if (status == T2I_OK) status = t2i_text_add(&text, "", 0, err); /* no log is an empty one */
    if (status == T2I_OK) status = verify(&log, &text, said, err);
    t2i_json_free(log.head);
    t2i_text_free(&text);
    t2i_free(log.digest);
    t2i_free(log.step);
    t2i_free(log.path);
    return status;
}
