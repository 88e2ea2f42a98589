#include "train/replay.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/heartbeat.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/progress.h"
#include "checkpoint/log_chain.h"
#include "checkpoint/run_folder.h"
#include "formats/json.h"

/* What a line of the log is about. */
typedef enum { NOTHING, HEAD, STEP, VALIDATION, CHECKPOINT, KINDS } line_kind;
/* The keys of each, beside step and chain; the first tells the kind. */
static const char *const keys[KINDS][12] = {
    [HEAD] = {"dataset", "shards", "options", "network", "weights"},
    [STEP] = {"lr", "loss", "skipped", "spike", "grad_norm", "samples_per_s", "seconds", "tokens",
              "tokens_saved", "memory", "sent"},
    [VALIDATION] = {"val_loss", "r1", "r10", "mrr", "best", "waited"},
    [CHECKPOINT] = {"checkpoint", "lost_after"},
};

struct t2i_replay {
    const char *run;  /* borrowed */
    const char *init; /* borrowed: where the run began, by its options; NULL: a new model */
    long from, to;
    int64_t shards;   /* from the beginning: V of the run */
    char *checkpoint; /* owned: the file to begin from; NULL: the beginning */
    /* rank 0 */
    t2i_text log;
    const char *at;   /* the next line */
    t2i_json *line;   /* owned: the line that is compared */
    t2i_json *head;   /* owned: NULL in a log of an older version */
    long lines, done; /* to compare; compared */
    int edited;
};

t2i_status t2i_replay_range(const char *text, long *from, long *to, t2i_error *err)
{
    char *end = NULL;
    errno = 0;
    *from = isdigit((unsigned char)text[0]) ? strtol(text, &end, 10) : -1;
    if (end != NULL && strncmp(end, "..", 2) == 0 && isdigit((unsigned char)end[2])) {
        *to = strtol(end + 2, &end, 10);
        if (errno == 0 && *end == '\0' && *from < *to) return T2I_OK;
    }
    return t2i_fail(err, T2I_USAGE,
                    "replay = %s: give two steps as FROM..TO, such as 500..1000; FROM is the step "
                    "of a checkpoint, or 0 for the beginning",
                    text);
}

void t2i_replay_free(t2i_replay *r)
{
    if (r == NULL) return;
    t2i_free(r->checkpoint);
    t2i_text_free(&r->log);
    t2i_json_free(r->line);
    t2i_json_free(r->head);
    t2i_free(r);
}

/* ---- the log ---- */

/* Makes the next complete line r->line, NULL if it is no JSON. Returns 0 at the end. */
static int next_line(t2i_replay *r)
{
    t2i_error ignored;
    const char *end = r->log.data + r->log.size, *line = r->at,
               *newline = line == NULL ? NULL : memchr(line, '\n', (size_t)(end - line));
    if (newline == NULL) return 0;
    r->at = newline + 1;
    t2i_json_free(r->line);
    if (t2i_json_parse(&r->line, line, (size_t)(newline - line), "a line", &ignored) != T2I_OK)
        r->line = NULL;
    return 1;
}

static long line_step(const t2i_replay *r)
{
    int64_t step;
    return t2i_json_as_integer(t2i_json_get(r->line, "step"), &step) ? (long)step : -1;
}

static int is_of_kind(const char *key, line_kind kind)
{
    if (strcmp(key, "step") == 0 || strcmp(key, "chain") == 0) return 1;
    for (const char *const *k = keys[kind]; *k != NULL; k++)
        if (strcmp(key, *k) == 0) return 1;
    return 0;
}

/* NOTHING: it has a key that lines of its kind do not have, or is of no kind. */
static line_kind kind_of(const t2i_json *line)
{
    line_kind kind = HEAD;
    while (kind < KINDS && t2i_json_get(line, keys[kind][0]) == NULL) kind++;
    if (kind == KINDS) return NOTHING;
    for (const char *key = NULL; (key = t2i_json_next_key(line, key)) != NULL;)
        if (!is_of_kind(key, kind)) return NOTHING;
    return kind;
}

/* Makes the next line about this step r->line. NOTHING: there is none. */
static line_kind next_of(t2i_replay *r, long step)
{
    for (const char *before = r->at; next_line(r); before = r->at) {
        if (line_step(r) > step) {
            r->at = before;
            return NOTHING;
        }
        if (line_step(r) == step && kind_of(r->line) != HEAD) return kind_of(r->line);
    }
    return NOTHING;
}

/* ---- opening ---- */

/* Is there a checkpoint of this step? */
static int has_checkpoint(const char *run, long step)
{
    char *path = t2i_run_folder_checkpoint(run, step, NULL);
    int found = path != NULL && t2i_fs_exists(path);
    t2i_free(path);
    return found;
}

static t2i_status refuse_from(const t2i_replay *r, t2i_error *err)
{
    t2i_text list = {0};
    long *steps;
    size_t count;
    const char *why = r->from > 0       ? "there is no such checkpoint"
                      : r->head == NULL ? "its log has no head, as an older version began it"
                                        : "its log does not begin there";
    T2I_TRY(t2i_run_folder_checkpoints(r->run, &steps, &count, err));
    t2i_status status = t2i_text_addf(&list, err, "%s", r->shards > 0 ? "0 (the beginning)" : "");
    for (size_t i = count; status == T2I_OK && i-- > 0;)
        status = t2i_text_addf(&list, err, "%s%ld", list.size > 0 ? ", " : "", steps[i]);
    if (status == T2I_OK)
        status = t2i_fail(err, T2I_USAGE, "%s cannot be replayed from step %ld: %s; there is %s",
                          r->run, r->from, why, list.size > 0 ? list.data : "none");
    t2i_text_free(&list);
    t2i_free(steps);
    return status;
}

static t2i_status check_chain(t2i_replay *r, t2i_error *err)
{
    t2i_text said = {0};
    t2i_status status = t2i_log_chain_verify(r->run, &said, err);
    t2i_text_free(&said);
    if (status != T2I_DATA) return status;
    t2i_log_warn("%s", err->text);
    r->edited = 1;
    return T2I_OK;
}

/* Finds the head, counts the lines to compare, and the last step that was logged. Every other line
 * is one that training writes, so that none is passed over. */
static t2i_status look_through(t2i_replay *r, long *last, t2i_error *err)
{
    size_t number = 1;
    *last = 0;
    for (r->at = r->log.data; next_line(r); number++) {
        long step = line_step(r);
        line_kind kind = kind_of(r->line);
        if (kind == HEAD && r->head == NULL) {
            r->head = r->line;
            r->line = NULL;
            /* the head of a log that did not begin at 0 is about its later steps */
            if (step != 0 || !t2i_json_as_integer(t2i_json_get(r->head, "shards"), &r->shards) ||
                r->shards < 1)
                r->shards = 0;
            continue;
        }
        if (kind == NOTHING || kind == HEAD || step < 1)
            return t2i_fail(err, T2I_DATA,
                            "%s: line %zu of its log was edited or damaged: training writes no "
                            "such line",
                            r->run, number);
        if (step > *last) *last = step;
        r->lines += step > r->from && step <= r->to;
    }
    r->at = r->log.data;
    return T2I_OK;
}

/* Rank 0. */
static t2i_status open_log(t2i_replay *r, t2i_error *err)
{
    long last;
    T2I_TRY(t2i_log_chain_read(r->run, &r->log, err));
    T2I_TRY(check_chain(r, err));
    T2I_TRY(look_through(r, &last, err));
    if (r->from == 0 ? r->shards == 0 : !has_checkpoint(r->run, r->from))
        return refuse_from(r, err);
    if (r->to > last && !has_checkpoint(r->run, r->to))
        return t2i_fail(err, T2I_USAGE, "the log of %s ends at step %ld, before step %ld", r->run,
                        last, r->to);
    if (r->lines == 0 && !has_checkpoint(r->run, r->to))
        return t2i_fail(err, T2I_USAGE,
                        "%s has no line in its log from step %ld to %ld: there is nothing to "
                        "compare",
                        r->run, r->from + 1, r->to);
    return T2I_OK;
}

t2i_status t2i_replay_open(t2i_replay **out, t2i_comm *comm, const char *run, long from, long to,
                           t2i_error *err)
{
    t2i_replay *r = *out = t2i_alloc(1, sizeof *r);
    t2i_status mine = r == NULL ? t2i_fail_memory(err, sizeof *r, "the replay") : T2I_OK;
    if (mine == T2I_OK) {
        *r = (t2i_replay){.run = run, .from = from, .to = to};
        r->checkpoint = from > 0 ? t2i_run_folder_checkpoint(run, from, err) : NULL;
        if (from > 0 && r->checkpoint == NULL) mine = T2I_SYSTEM;
    }
    if (mine == T2I_OK && t2i_comm_rank(comm) == 0) mine = open_log(r, err);
    t2i_status status = t2i_comm_agree(comm, mine, err);
    if (status == T2I_OK) {
        t2i_comm_bcast(comm, 0, &r->shards, sizeof r->shards);
        return T2I_OK;
    }
    t2i_replay_free(r);
    *out = NULL;
    return status;
}

void t2i_replay_set(t2i_replay *r, t2i_train_options *options)
{
    options->replay = r;
    r->init = options->init;
    options->out = NULL;
    options->dry_run = 0;
    options->resume = r->checkpoint == NULL ? T2I_RESUME_NEVER : T2I_RESUME_NAMED;
    options->resume_path = r->checkpoint;
    if (r->checkpoint == NULL) options->shards = (long)r->shards;
    options->validate_every = 1; /* so that what a validation needs is loaded */
}

/* ---- comparing ---- */

/* The first key of a whose text differs in b; NULL: none. */
static const char *differing(const t2i_json *a, const t2i_json *b)
{
    for (const char *key = NULL; (key = t2i_json_next_key(a, key)) != NULL;) {
        const char *x, *y;
        if (!t2i_json_as_string(t2i_json_get(a, key), &x, NULL) ||
            !t2i_json_as_string(t2i_json_get(b, key), &y, NULL) || strcmp(x, y) != 0)
            return key;
    }
    return NULL;
}

static t2i_status check_head(const t2i_replay *r, const char *dataset, const char *result_options,
                             t2i_error *err)
{
    const char *said = "", *key;
    const t2i_json *logged = t2i_json_get(r->head, "options");
    t2i_json *options;
    if (r->head == NULL) return T2I_OK; /* the checkpoint has both, too */
    (void)t2i_json_as_string(t2i_json_get(r->head, "dataset"), &said, NULL);
    if (strcmp(said, dataset) != 0)
        return t2i_fail(err, T2I_DATA,
                        "%s was trained on another dataset: its digest is %.40s in the log, here "
                        "it is %s; give the run's dataset as --data",
                        r->run, said, dataset);
    T2I_TRY(t2i_json_parse(&options, result_options, strlen(result_options), "the options", err));
    key = differing(logged, options);
    if (key == NULL) key = differing(options, logged);
    t2i_status status =
        key == NULL ? T2I_OK
                    : t2i_fail(err, T2I_DATA,
                               "%s/job.ini was edited: it has another %s than the head of the log",
                               r->run, key);
    t2i_json_free(options);
    return status;
}

t2i_status t2i_replay_check(const t2i_replay *r, t2i_comm *comm, const char *dataset,
                            const char *result_options, t2i_error *err)
{
    t2i_status mine =
        t2i_comm_rank(comm) == 0 ? check_head(r, dataset, result_options, err) : T2I_OK;
    return t2i_comm_agree(comm, mine, err);
}

/* Rank 0. Are network and, at the beginning, weights those of the head? */
static t2i_status check_start(const t2i_replay *r, const t2i_train_state *state, t2i_error *err)
{
    const t2i_checkpoint model = t2i_train_state_model(state, state->weights);
    char network[T2I_HEX], weights[T2I_HEX];
    const char *its_network, *its_weights; /* absent in older heads */
    T2I_TRY(t2i_checkpoint_network(&model, network, err));
    if (!t2i_json_as_string(t2i_json_get(r->head, "network"), &its_network, NULL))
        its_network = network;
    if (r->from > 0)
        return strcmp(network, its_network) == 0
                   ? T2I_OK
                   : t2i_fail(err, T2I_DATA,
                              "%s: its checkpoint of step %ld has another network (sizes, "
                              "vocabulary) than the head of its log",
                              r->run, r->from);
    T2I_TRY(t2i_checkpoint_digest(&model, weights, err));
    if (!t2i_json_as_string(t2i_json_get(r->head, "weights"), &its_weights, NULL))
        its_weights = weights;
    if (strcmp(network, its_network) == 0 && strcmp(weights, its_weights) == 0) return T2I_OK;
    return t2i_fail(err, T2I_DATA,
                    "%s: the initial weights are not those of the run (init = %s): give the model "
                    "from which it was started as --init, or job.ini was edited",
                    r->run, r->init != NULL ? r->init : "none");
}

static t2i_status differ(const t2i_replay *r, long step, const char *what, const char *logged,
                         const char *computed, t2i_error *err)
{
    return t2i_fail(err, T2I_DATA,
                    "%s: step %ld differs: %s is %.40s in the run, and %.40s when it is computed "
                    "again; %ld line%s before it agree%s",
                    r->run, step, what, logged, computed, r->done, r->done == 1 ? "" : "s",
                    r->done == 1 ? "s" : "");
}

/* As a log prints it; what is absent is not finite, too. */
static void print_number(char out[32], double value)
{
    snprintf(out, 32, isfinite(value) ? "%.9g" : "null", value);
}

typedef struct {
    const char *key;
    double value;
} number;

static t2i_status compare_numbers(const t2i_replay *r, long step, const number *computed,
                                  size_t count, t2i_error *err)
{
    for (size_t i = 0; i < count; i++) {
        char a[32], b[32];
        double logged;
        if (!t2i_json_as_real(t2i_json_get(r->line, computed[i].key), &logged)) logged = NAN;
        print_number(a, logged);
        print_number(b, computed[i].value);
        if (strcmp(a, b) != 0) return differ(r, step, computed[i].key, a, b, err);
    }
    return T2I_OK;
}

static t2i_status compare_step(const t2i_replay *r, const t2i_run_state *run,
                               const t2i_step_result *result, t2i_error *err)
{
    const t2i_leaf *total = &result->total;
    const number computed[] = {{"loss", result->skipped ? NAN : result->loss},
                               {"skipped", result->skipped ? (double)run->skipped : NAN},
                               {"grad_norm", result->norm},
                               {"lr", result->lr},
                               {"tokens", total->tokens},
                               {"tokens_saved", total->tokens - total->prefixes}};
    return compare_numbers(r, run->step, computed, sizeof computed / sizeof *computed, err);
}

static t2i_status compare_validation(const t2i_replay *r, const t2i_validation *validation,
                                     long step, t2i_error *err)
{
    const t2i_recall *scores = &validation->scores;
    const number computed[] = {{"val_loss", validation->last_loss},
                               {"r1", scores->r1},
                               {"r10", scores->r10},
                               {"mrr", scores->mrr}};
    return compare_numbers(r, step, computed, sizeof computed / sizeof *computed, err);
}

static t2i_status compare_checkpoint(const t2i_replay *r, const t2i_train_state *state,
                                     t2i_error *err)
{
    const t2i_checkpoint checkpoint = t2i_train_state_checkpoint(state);
    char digest[T2I_HEX];
    const char *said = "";
    T2I_TRY(t2i_checkpoint_digest(&checkpoint, digest, err));
    (void)t2i_json_as_string(t2i_json_get(r->line, "checkpoint"), &said, NULL);
    if (strcmp(said, digest) == 0) return T2I_OK;
    return differ(r, state->run.step, "the digest of the checkpoint", said, digest, err);
}

/* A file of the last step, if it is there and of this step. like: what it has to hold; *same: it
 * was compared. */
static t2i_status compare_file(const t2i_replay *r, const char *path, const t2i_checkpoint *like,
                               int *same, t2i_error *err)
{
    t2i_checkpoint saved;
    char digest[T2I_HEX], network[T2I_HEX], again[T2I_HEX], what[300];
    snprintf(what, sizeof what, "the digest of %.280s", path);
    *same = 0;
    t2i_status status = t2i_checkpoint_load(&saved, path, like->m != NULL, 0, err);
    if (status == T2I_NOINPUT && !t2i_fs_exists(path)) return T2I_OK;
    T2I_TRY(status);
    if (saved.run.step == r->to) {
        *same = 1;
        status = t2i_checkpoint_digest(&saved, digest, err);
        if (status == T2I_OK) status = t2i_checkpoint_digest(like, again, err);
        if (status == T2I_OK && strcmp(digest, again) != 0)
            status = differ(r, r->to, what, digest, again, err);
        if (status == T2I_OK) status = t2i_checkpoint_network(&saved, network, err);
        if (status == T2I_OK) status = t2i_checkpoint_network(like, again, err);
        if (status == T2I_OK && strcmp(network, again) != 0)
            status = t2i_fail(err, T2I_DATA,
                              "%s differs: it has another network (sizes, vocabulary)", path);
        if (status == T2I_OK &&
            (saved.run.updates != like->run.updates || saved.run.skipped != like->run.skipped))
            status = t2i_fail(err, T2I_DATA, "%s differs: it has other counts of updates or skips",
                              path);
    }
    t2i_checkpoint_free(&saved);
    return status;
}

/* Adds the names of what was compared. */
static t2i_status compare_files(const t2i_replay *r, const t2i_train_state *state, t2i_text *said,
                                t2i_error *err)
{
    static const char *const models[] = {"model.safetensors", "best.safetensors"};
    const t2i_checkpoint all = t2i_train_state_checkpoint(state),
                         model = t2i_train_state_model(state, state->ema != NULL ? state->ema
                                                                                 : state->weights);
    int same = 0;
    char *path = t2i_run_folder_checkpoint(r->run, r->to, err);
    t2i_status status = path == NULL ? T2I_SYSTEM : compare_file(r, path, &all, &same, err);
    t2i_free(path);
    if (same && status == T2I_OK) status = t2i_text_addf(said, err, ", checkpoint %ld", r->to);
    for (size_t i = 0; status == T2I_OK && i < sizeof models / sizeof *models; i++) {
        path = t2i_fs_join(r->run, models[i], err);
        status = path == NULL ? T2I_SYSTEM : compare_file(r, path, &model, &same, err);
        t2i_free(path);
        if (same && status == T2I_OK) status = t2i_text_addf(said, err, ", %s", models[i]);
    }
    return status;
}

/* Collective. Compares all lines about the step that was taken. */
static t2i_status compare_lines(t2i_replay *r, t2i_comm *comm, t2i_step *step,
                                t2i_train_state *state, t2i_validation *validation,
                                const t2i_step_result *result, t2i_error *err)
{
    int root = t2i_comm_rank(comm) == 0;
    size_t bytes = state->model.layout.floats * sizeof(float);
    for (;;) {
        t2i_status mine = T2I_OK;
        line_kind kind =
            (line_kind)t2i_comm_max(comm, root ? (int64_t)next_of(r, state->run.step) : NOTHING);
        if (kind == NOTHING) return T2I_OK;
        if (kind == VALIDATION) {
            t2i_heartbeat_phase(T2I_AT_VALIDATE, state->run.step, bytes);
            t2i_validation_validate(validation, comm, t2i_step_model(step, comm), 0, NULL);
        } else if (kind == CHECKPOINT) {
            t2i_heartbeat_phase(T2I_AT_SAVE, state->run.step, 4 * bytes);
            t2i_step_gather(step, comm);
        }
        if (root)
            mine = kind == STEP         ? compare_step(r, &state->run, result, err)
                   : kind == VALIDATION ? compare_validation(r, validation, state->run.step, err)
                                        : compare_checkpoint(r, state, err);
        T2I_TRY(t2i_comm_agree(comm, mine, err));
        r->done++;
    }
}

/* Rank 0. */
static t2i_status conclude(const t2i_replay *r, const t2i_train_state *state, t2i_error *err)
{
    t2i_text said = {0};
    t2i_status status = t2i_text_add_plain(&said, r->run, strlen(r->run), err);
    if (status == T2I_OK)
        status = t2i_text_addf(&said, err, ": the bits agree: steps %ld..%ld, %ld line%s", r->from,
                               r->to, r->done, r->done == 1 ? "" : "s");
    if (status == T2I_OK) status = compare_files(r, state, &said, err);
    if (status == T2I_OK && r->done != r->lines)
        status = t2i_fail(err, T2I_DATA, "%s: %ld lines of its log are not in the order of steps",
                          r->run, r->lines - r->done);
    if (status == T2I_OK && r->edited)
        status = t2i_fail(err, T2I_DATA,
                          "%s: steps %ld..%ld agree, but the log or a file was edited (see the "
                          "warning)",
                          r->run, r->from, r->to);
    if (status == T2I_OK) status = t2i_text_addf(&said, err, "\n");
    if (status == T2I_OK) status = t2i_log_print(said.data, err);
    t2i_text_free(&said);
    return status;
}

t2i_status t2i_replay_steps(t2i_replay *r, t2i_comm *comm, t2i_step *step, t2i_train_state *state,
                            t2i_validation *validation, t2i_error *err)
{
    t2i_seconds ignored = {0};
    t2i_progress progress;
    t2i_status status = T2I_OK;
    t2i_status mine = t2i_comm_rank(comm) == 0 ? check_start(r, state, err) : T2I_OK;
    T2I_TRY(t2i_comm_agree(comm, mine, err));
    t2i_log_note("replaying steps %ld..%ld of %s on %d rank%s, %ld shards", r->from, r->to, r->run,
                 t2i_comm_size(comm), t2i_comm_size(comm) == 1 ? "" : "s", state->run.shards);
    t2i_step_scatter(step, comm);
    t2i_progress_begin(&progress, "replaying");
    while (status == T2I_OK && state->run.step < r->to) {
        long next = state->run.step + 1;
        t2i_step_result result = {0};
        t2i_step_take(step, comm, &result, &ignored);
        if (state->run.step != next) /* on all ranks */
            status = t2i_fail(err, T2I_SYSTEM,
                              "step %ld was not computed: a bit flipped in memory, or a core "
                              "computes wrongly; replay on another machine",
                              next);
        else
            status = compare_lines(r, comm, step, state, validation, &result, err);
        t2i_progress_at(&progress, (double)(state->run.step - r->from) / (double)(r->to - r->from));
    }
    t2i_progress_end(&progress);
    T2I_TRY(status);
    t2i_heartbeat_phase(T2I_AT_SAVE, r->to, 4 * state->model.layout.floats * sizeof(float));
    t2i_step_gather(step, comm);
    mine = t2i_comm_rank(comm) == 0 ? conclude(r, state, err) : T2I_OK;
    return t2i_comm_agree(comm, mine, err);
}
