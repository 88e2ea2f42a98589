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

/* A log as far as it was read. */
typedef struct {
    const char *run;
    char *path; /* owned */
    char chain[T2I_CHAIN];
    size_t line, chained;        /* of the last line; number of lines with a chain */
    t2i_json *head;              /* owned: the first of them */
    long *step;                  /* owned: checkpoints in the folder, newest first */
    char (*digest)[T2I_HEX];     /* owned: of each in the log; "": none */
    size_t checkpoints, matched; /* matched: those that are as the log says */
} log_read;

static t2i_status refuse_line(const log_read *log, const char *why, t2i_error *err)
{
    return t2i_fail(err, T2I_DATA, "%s was edited or damaged: line %zu %s", log->path, log->line,
                    why);
}

static void note_checkpoint(log_read *log, const t2i_json *json)
{
    int64_t step;
    const char *digest;
    if (!t2i_json_as_integer(t2i_json_get(json, "step"), &step) ||
        !t2i_json_as_string(t2i_json_get(json, "checkpoint"), &digest, NULL) ||
        strlen(digest) >= T2I_HEX)
        return;
    for (size_t i = 0; i < log->checkpoints; i++)
        if (log->step[i] == step) strcpy(log->digest[i], digest);
}

/* before: the bytes of the log up to this line. */
static t2i_status read_line(log_read *log, const char *before, const char *line, size_t size,
                            t2i_error *err)
{
    char said[T2I_CHAIN];
    t2i_json *json;
    size_t text = t2i_log_chain_split(line, size, said);
    log->line++;
    if (text == 0 && log->chained == 0) return T2I_OK; /* of an older version */
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
    if (log->chained > 1)
        t2i_json_free(json);
    else
        log->head = json;
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

static t2i_status compare_run(const log_read *log, const char *path, const t2i_run_state *run,
                              t2i_error *err)
{
    t2i_json *file = t2i_json_object(), *options = NULL;
    static const char *const keys[] = {"dataset", "shards", "options"};
    t2i_status status = t2i_json_parse(&options, run->options, strlen(run->options), path, err);
    t2i_json_set_string(file, "dataset", run->dataset);
    t2i_json_set_integer(file, "shards", run->shards);
    t2i_json_set(file, "options", options);
    for (size_t i = 0; status == T2I_OK && i < sizeof keys / sizeof *keys; i++)
        status = compare_head(log, path, keys[i], t2i_json_get(file, keys[i]), err);
    t2i_json_free(file);
    return status;
}

/* The model of the last step has the weights, or their averages, of the checkpoint of that step. */
static t2i_status compare_model(const log_read *log, const t2i_checkpoint *c, t2i_error *err)
{
    t2i_checkpoint model = {0};
    char *path = t2i_fs_join(log->run, "model.safetensors", err);
    t2i_status status = path == NULL ? T2I_SYSTEM : T2I_OK;
    if (status == T2I_OK && t2i_fs_exists(path)) {
        status = t2i_checkpoint_load(&model, path, 0, 0, err);
        const float *wanted = c->ema != NULL ? c->ema : c->weights;
        if (status == T2I_OK && model.ours && model.run.step == c->run.step &&
            (model.model.layout.floats != c->model.layout.floats ||
             memcmp(model.weights, wanted, c->model.layout.floats * sizeof *wanted) != 0))
            status =
                t2i_fail(err, T2I_DATA, "%s has other weights than the checkpoint of its step %ld",
                         path, c->run.step);
        t2i_checkpoint_free(&model);
    }
    t2i_free(path);
    return status;
}

static t2i_status compare_checkpoint(log_read *log, size_t i, t2i_error *err)
{
    t2i_checkpoint c;
    char digest[T2I_HEX];
    int64_t first = 0;
    (void)t2i_json_as_integer(t2i_json_get(log->head, "step"), &first);
    if (log->step[i] < first) return T2I_OK; /* of an older version */
    char *path = t2i_run_folder_checkpoint(log->run, log->step[i], err);
    t2i_status status = path == NULL ? T2I_SYSTEM : T2I_OK;
    if (status == T2I_OK && log->digest[i][0] == '\0')
        status = t2i_fail(err, T2I_DATA, "%s has no line of the checkpoint %s: it was cut off",
                          log->path, path);
    if (status == T2I_OK) status = t2i_checkpoint_load(&c, path, 1, 0, err);
    if (status == T2I_OK) {
        status = c.ours ? compare_run(log, path, &c.run, err)
                        : t2i_fail(err, T2I_DATA, "%s is no checkpoint of t2i-train", path);
        if (status == T2I_OK) status = t2i_checkpoint_digest(&c, digest, err);
        if (status == T2I_OK && strcmp(digest, log->digest[i]) != 0)
            status = t2i_fail(err, T2I_DATA, "%s has other values than %s says", path, log->path);
        if (status == T2I_OK) status = compare_model(log, &c, err);
        t2i_checkpoint_free(&c);
    }
    t2i_free(path);
    log->matched++;
    return status;
}

static t2i_status verify(log_read *log, const t2i_text *text, t2i_text *said, t2i_error *err)
{
    const char *at = text->data, *stop = at + text->size, *newline;
    /* what follows the last newline is being written, or was left by a killed process */
    for (; at < stop && (newline = memchr(at, '\n', (size_t)(stop - at))) != NULL; at = newline + 1)
        T2I_TRY(read_line(log, text->data, at, (size_t)(newline - at), err));
    T2I_TRY(t2i_text_add_plain(said, log->path, strlen(log->path), err));
    if (log->chained == 0)
        return t2i_text_addf(said, err, ": no chain: written by an older version\n");
    for (size_t i = 0; i < log->checkpoints; i++) T2I_TRY(compare_checkpoint(log, i, err));
    T2I_TRY(t2i_text_addf(said, err, ": no line was edited (%zu lines, %zu checkpoint%s); ",
                          log->line, log->matched, log->matched == 1 ? "" : "s"));
    if (log->line > log->chained)
        T2I_TRY(t2i_text_addf(said, err, "the first %zu were not protected before line %zu; ",
                              log->line - log->chained, log->line - log->chained + 1));
    return t2i_text_addf(said, err, "the last one's chain is %s\n", log->chain);
}

t2i_status t2i_log_chain_verify(const char *run, t2i_text *said, t2i_error *err)
{
    static const size_t most = (size_t)1 << 32;
    log_read log = {.run = run, .path = t2i_fs_join(run, "log.jsonl", err)};
    t2i_text text = {0};
    t2i_status status = log.path == NULL ? T2I_SYSTEM : T2I_OK;
    if (status == T2I_OK && t2i_fs_exists(log.path)) {
        status = t2i_run_folder_checkpoints(run, &log.step, &log.checkpoints, err);
        if (status == T2I_OK) {
            log.digest = t2i_alloc(log.checkpoints + 1, sizeof *log.digest);
            if (log.digest == NULL) status = t2i_fail_memory(err, log.checkpoints, "digests");
        }
        if (status == T2I_OK) status = t2i_fs_read(log.path, most, &text, err);
        if (status == T2I_OK && text.data != NULL) status = verify(&log, &text, said, err);
    }
    t2i_json_free(log.head);
    t2i_text_free(&text);
    t2i_free(log.digest);
    t2i_free(log.step);
    t2i_free(log.path);
    return status;
}
