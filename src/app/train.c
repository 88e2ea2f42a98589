#include "t2i/train.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "t2i/augment.h"
#include "t2i/contrast.h"
#include "t2i/cpu.h"
#include "t2i/fold.h"
#include "t2i/fs.h"
#include "t2i/linalg.h"
#include "t2i/log.h"
#include "t2i/mem.h"
#include "t2i/ops.h"
#include "t2i/optim.h"
#include "t2i/plan.h"
#include "t2i/replay.h"
#include "t2i/rows.h"
#include "t2i/runlog.h"
#include "t2i/start.h"
#include "t2i/stop.h"
#include "t2i/store.h"
#include "t2i/watch.h"

/* Everything that a run has while it trains. */
typedef struct {
    const t2i_job *job;
    t2i_comm *comm;
    int rank, size;
    t2i_dataset *dataset;
    char *options; /* owned: what changes the result, as JSON */
    t2i_start start;
    t2i_plan plan;
    t2i_replay replay;
    t2i_rows rows;      /* of this rank's shards; of all pairs for the other samplers */
    uint64_t first_row; /* number (of N) of rows.row[0] */
    t2i_watch watch;
    t2i_pool *pool;
    t2i_fold *fold;
    t2i_packed packed; /* weights as of the last fill */
    t2i_work *work;
    size_t most_rows;
    float *m, *v;           /* owned: moments of this rank's slice */
    float *ema;             /* owned: averaged weights of this rank's slice; NULL: none are kept */
    float *averaged;        /* owned: a whole block, as of the last call of gather_average */
    t2i_store store;        /* features of the pictures that the node's ranks name */
    t2i_contrast *contrast; /* owned: NULL: squared error alone */
    uint8_t *trains;        /* owned: for it: the pictures of training pairs, a bit a picture */
    t2i_rights rights;
    t2i_augment_options augment;
    size_t chunks, first_chunk, slice_chunks;
    uint64_t *draw; /* owned: most_rows each */
    size_t *index;  /* of the rows of a shard's batch, in rows */
    t2i_row *batch;
    uint16_t *changed;           /* owned: ids of prompts that are augmented; NULL: none are */
    float *target, *dprediction; /* owned: (most_rows, D) */
    uint8_t *used;               /* owned: a byte a chunk */
    t2i_schedule schedule;
    t2i_adamw adamw;
    t2i_runlog *log;     /* rank 0 */
    t2i_seconds seconds; /* since the last logged line */
    double began, line_began, shown;
    long line_step, first_step; /* of the last logged line; of this session */
    double last_loss, last_norm;
    long saved_step; /* newest checkpoint of this session, -1: none */
} trainer;

/* ---- set-up ---- */

static t2i_status begin_folder(trainer *t, t2i_error *err)
{
    t2i_status status = T2I_OK;
    static const char *const folders[] = {"checkpoints", "samples"};
    for (size_t i = 0; status == T2I_OK && i < 2; i++) {
        char *path = t2i_fs_join(t->job->out, folders[i]);
        status = path == NULL ? t2i_fail_memory(err, 64, "a file name") : t2i_fs_mkdir(path, err);
        t2i_free(path);
    }
    if (status == T2I_OK)
        status = t2i_runlog_open(&t->log, t->job->out, t->start.checkpoint.run.step, err);
    t2i_text text = {0};
    char *path = t2i_fs_join(t->job->out, "job.ini");
    if (status == T2I_OK) status = t2i_opts_echo(&t->job->opts, &text, err);
    if (status == T2I_OK && path == NULL) status = t2i_fail_memory(err, 64, "a file name");
    if (status == T2I_OK) status = t2i_fs_write(path, text.data, text.size, err);
    t2i_free(path);
    t2i_text_free(&text);
    return status;
}

static t2i_status write_status(const trainer *t, const char *state, int code, const char *message,
                               t2i_error *err)
{
    const t2i_run_status status = {.state = state,
                                   .step = t->start.checkpoint.run.step,
                                   .exit = code,
                                   .message = message,
                                   .dataset = t2i_dataset_get_info(t->dataset)->digest,
                                   .options = t->options};
    return t2i_runlog_status(t->job->out, &status, err);
}

/* Collective. Every rank has read the command line and the job file by itself; ranks that read
 * different things (several programs in one mpirun, an old copy of a file) would wait for one
 * another forever. Only the dataset may have another name on another node: its contents are
 * compared. */
static t2i_status check_options(t2i_comm *comm, const t2i_job *job, t2i_error *err)
{
    char hex[T2I_HEX] = "";
    t2i_text text = {0};
    t2i_status mine = T2I_OK;
    for (size_t i = 0; mine == T2I_OK && i < job->opts.opts; i++) {
        if (job->opts.opt[i].value == (void *)&job->data) continue;
        mine = t2i_opts_value(&job->opts.opt[i], &text, err);
        if (mine == T2I_OK) mine = t2i_text_add(&text, "\n", 1, err);
    }
    if (mine == T2I_OK) t2i_hash_hex(text.data, text.size, hex);
    t2i_text_free(&text);
    int same = t2i_comm_same(comm, hex, sizeof hex);
    if (mine == T2I_OK && !same)
        mine = t2i_fail(err, T2I_USAGE, "the ranks were started with different options");
    return t2i_comm_agree(comm, mine, err);
}

/* Collective. Ranks that compute with different kernels would give different bits. */
static t2i_status check_alike(t2i_comm *comm, t2i_dataset *dataset, t2i_error *err)
{
    char machine[128] = "", digest[T2I_HEX];
    snprintf(machine, sizeof machine, "%.60s/%s", t2i_blas_core(), t2i_cpu_vectors_name());
    memcpy(digest, t2i_dataset_get_info(dataset)->digest, sizeof digest);
    t2i_status mine = T2I_OK;
    char first[sizeof machine];
    memcpy(first, machine, sizeof first);
    t2i_comm_bcast(comm, 0, first, sizeof first);
    if (strcmp(first, machine) != 0)
        mine = t2i_fail(err, T2I_SYSTEM,
                        "the ranks do not compute alike: BLAS kernels and vectors are %s on rank 0 "
                        "and %s here; run on "
                        "one CPU type, or set OPENBLAS_CORETYPE to the older one on all",
                        first, machine);
    if (!t2i_comm_same(comm, digest, sizeof digest) && mine == T2I_OK)
        mine = t2i_fail(err, T2I_DATA, "the ranks see different contents of %s",
                        t2i_dataset_path(dataset));
    return t2i_comm_agree(comm, mine, err);
}

/* V, and the rows that are drawn from. */
static t2i_status make_plan(trainer *t, const uint64_t counts[T2I_SPLITS], t2i_error *err)
{
    const t2i_job *job = t->job;
    t2i_run_state *run = &t->start.checkpoint.run;
    int replays = t->replay.rows != NULL;
    t->plan =
        (t2i_plan){.batch = (size_t)job->batch,
                   .rows = replays ? t2i_dataset_get_info(t->dataset)->pairs : counts[T2I_TRAIN],
                   .seed = (uint64_t)job->seed,
                   .sampler = replays                                ? T2I_REPLAY
                              : strcmp(job->sampler, "uniform") == 0 ? T2I_UNIFORM
                                                                     : T2I_SHARDED,
                   .replay = t->replay.rows};
    if (t->start.resumed)
        t->plan.shards = (size_t)run->shards;
    else
        T2I_TRY(t2i_plan_shards(&t->plan.shards, (size_t)job->shards, (size_t)t->size,
                                (size_t)t->size, t->plan.batch, t->plan.rows, err));
    if (t->plan.shards > t->plan.batch || (t->plan.shards & (t->plan.shards - 1)) != 0)
        return t2i_fail(err, T2I_DATA, "the checkpoint's %zu shards do not go with batch %zu",
                        t->plan.shards, t->plan.batch);
    run->shards = (long)t->plan.shards;
    if ((size_t)t->size > t->plan.shards)
        t2i_log_warn("%d ranks, but the run has %zu shards: %zu ranks will idle", t->size,
                     t->plan.shards, (size_t)t->size - t->plan.shards);
    return T2I_OK;
}

static t2i_status load_rows(trainer *t, const uint64_t counts[T2I_SPLITS], t2i_error *err)
{
    const t2i_checkpoint *c = &t->start.checkpoint;
    size_t first = t2i_share(t->plan.shards, t->rank, t->size),
           end = t2i_share(t->plan.shards, t->rank + 1, t->size);
    int all = t->plan.sampler != T2I_SHARDED;
    t->first_row = all ? 0 : t2i_plan_first_row(&t->plan, first);
    uint64_t end_row = all ? t->plan.rows : t2i_plan_first_row(&t->plan, end);
    T2I_TRY(t2i_rows_load(&t->rows, t->dataset,
                          t->plan.sampler == T2I_REPLAY ? T2I_ANY_SPLIT : T2I_TRAIN, t->first_row,
                          first == end ? t->first_row : end_row, &c->vocab,
                          c->model.config.block_size, t->job->min_count == 1, err));
    if (t->plan.sampler == T2I_REPLAY &&
        t->rows.count > 0) /* from the user's row numbers to rows in memory */
        T2I_TRY(t2i_replay_map(&t->replay, t->rows.user_row, t->rows.count, err));
    return t2i_watch_new(&t->watch, t->job, t->dataset, &t->start.checkpoint, counts, t->rank,
                         t->size, err);
}

/* Collective. */
static t2i_status open_store(trainer *t, t2i_error *err)
{
    size_t bytes = ((size_t)t2i_dataset_get_info(t->dataset)->images + 7) / 8;
    uint8_t *wanted = t2i_alloc(bytes, 1);
    t2i_status mine = wanted == NULL ? t2i_fail_memory(err, bytes, "the pictures") : T2I_OK;
    if (mine == T2I_OK && strcmp(t->job->loss, "contrastive") == 0) {
        t->trains = t2i_alloc(bytes, 1);
        mine = t->trains == NULL ? t2i_fail_memory(err, bytes, "the pictures")
                                 : t2i_want_split(t->trains, t->dataset, T2I_TRAIN, err);
        if (mine == T2I_OK) memcpy(wanted, t->trains, bytes);
    }
    for (size_t i = 0; mine == T2I_OK && i < t->rows.count; i++) t2i_want(wanted, t->rows.image[i]);
    if (mine == T2I_OK) t2i_watch_want(&t->watch, wanted);
    t2i_status status = t2i_comm_agree(t->comm, mine, err);
    if (status == T2I_OK) status = t2i_store_new(&t->store, t->comm, t->dataset, wanted, err);
    t2i_free(wanted);
    return status;
}

/* What tells a row's picture from the others. */
static t2i_status open_contrast(trainer *t, const uint64_t counts[T2I_SPLITS], t2i_error *err)
{
    const t2i_job *job = t->job;
    const t2i_checkpoint *c = &t->start.checkpoint;
    const t2i_contrast_options options = {.temperature = job->temperature,
                                          .negatives = (size_t)job->negatives,
                                          .seed = (uint64_t)job->seed};
    size_t block = c->model.config.block_size;
    int replays = t->plan.sampler == T2I_REPLAY;
    if (strcmp(job->loss, "contrastive") != 0) return T2I_OK;
    T2I_TRY(t2i_contrast_new(&t->contrast, t->dataset, t->trains, &t->store, &options, t->most_rows,
                             err));
    return t2i_rights_new(&t->rights, t->contrast, t->dataset, &t->rows,
                          replays ? T2I_ANY_SPLIT : T2I_TRAIN, t->first_row,
                          replays ? t->plan.rows : counts[T2I_TRAIN], &c->vocab, block, err);
}

/* All memory of the step loop. */
static t2i_status take_memory(trainer *t, t2i_error *err)
{
    const t2i_model *model = &t->start.checkpoint.model;
    size_t D = model->config.vision_feature_dim;
    t->most_rows = t->watch.rows.count > 0 ? T2I_WATCH_ROWS : 1;
    for (size_t v = t2i_share(t->plan.shards, t->rank, t->size);
         v < t2i_share(t->plan.shards, t->rank + 1, t->size); v++)
        if (t2i_plan_draws(&t->plan, v) > t->most_rows) t->most_rows = t2i_plan_draws(&t->plan, v);
    size_t longest =
        t->rows.longest > t->watch.rows.longest ? t->rows.longest : t->watch.rows.longest;
    t->chunks = model->layout.floats / T2I_CHUNK;
    t->first_chunk = t2i_share(t->chunks, t->rank, t->size);
    t->slice_chunks = t2i_share(t->chunks, t->rank + 1, t->size) - t->first_chunk;
    T2I_TRY(t2i_packed_new(&t->packed, model, 1, err));
    T2I_TRY(
        t2i_work_new(&t->work, model, t->most_rows, longest, strcmp(t->job->trie, "on") == 0, err));
    T2I_TRY(t2i_pool_new(&t->pool, 1, 0, err));
    t->m = t2i_alloc(t->slice_chunks * T2I_CHUNK, sizeof *t->m);
    t->v = t2i_alloc(t->slice_chunks * T2I_CHUNK, sizeof *t->v);
    t->draw = t2i_alloc(t->most_rows, sizeof *t->draw);
    t->index = t2i_alloc(t->most_rows, sizeof *t->index);
    t->batch = t2i_alloc(t->most_rows, sizeof *t->batch);
    t->target = t2i_alloc(t->most_rows * D, sizeof *t->target);
    t->dprediction = t2i_alloc(t->most_rows * D, sizeof *t->dprediction);
    if (t->m == NULL || t->v == NULL || t->draw == NULL || t->index == NULL || t->batch == NULL ||
        t->target == NULL || t->dprediction == NULL)
        return t2i_fail_memory(err, t->most_rows * D * 8, "a batch");
    return T2I_OK;
}

/* What only some runs need. */
static t2i_status take_extras(trainer *t, t2i_error *err)
{
    const t2i_job *job = t->job;
    const t2i_checkpoint *c = &t->start.checkpoint;
    if (job->ema > 0) {
        t->ema = t2i_alloc(t->slice_chunks * T2I_CHUNK, sizeof *t->ema);
        t->averaged = t2i_block_new(&c->model.layout);
        if (t->ema == NULL || t->averaged == NULL)
            return t2i_fail_memory(err, c->model.layout.floats * 4, "averaged weights");
    }
    if (job->augment > 0) {
        t->augment = (t2i_augment_options){.share = job->augment,
                                           .seed = (uint64_t)job->seed,
                                           .space = t2i_vocab_id(&c->vocab, ' '),
                                           .unknown = c->vocab.unknown};
        t->changed = t2i_alloc(t->most_rows * t->rows.longest, sizeof *t->changed);
        if (t->changed == NULL)
            return t2i_fail_memory(err, t->most_rows * t->rows.longest * 2, "changed prompts");
    }
    return T2I_OK;
}

static void print_plan(const trainer *t, const uint64_t counts[T2I_SPLITS])
{
    const t2i_checkpoint *c = &t->start.checkpoint;
    const t2i_config *m = &c->model.config;
    t2i_log_note(
        "%s: %llu training rows, %llu for validation, %llu pictures of %zu features", t->job->data,
        (unsigned long long)counts[T2I_TRAIN], (unsigned long long)counts[T2I_VALIDATION],
        (unsigned long long)t2i_dataset_get_info(t->dataset)->images, m->vision_feature_dim);
    t2i_log_note("model: %zu parameters (vocabulary %zu, d-model %zu, heads %zu, layers %zu, d-ff "
                 "%zu, block-size %zu)",
                 c->model.layout.count, m->vocab_size, m->d_model, m->n_heads, m->n_layers, m->d_ff,
                 m->block_size);
    t2i_log_note("%d rank%s (%d on this node, %d core%s each may use), %zu shards, batch %zu, "
                 "steps %ld..%ld; BLAS %s, "
                 "vectors %s",
                 t->size, t->size == 1 ? "" : "s", t2i_comm_node_size(t->comm), t2i_cpu_usable(),
                 t2i_cpu_usable() == 1 ? "" : "s", t->plan.shards, t->plan.batch, c->run.step + 1,
                 t->job->steps, t2i_blas_core(), t2i_cpu_vectors_name());
}

/* What rank 0 holds; the others hold less by the moments of a checkpoint. */
static void print_memory(const trainer *t)
{
    const t2i_model *model = &t->start.checkpoint.model;
    size_t block = model->layout.floats * sizeof(float), longest = t->rows.longest;
    size_t rows = t->rows.count * (sizeof(t2i_row) + 40),
           features = t->store.held * t->store.dim * sizeof(float);
    size_t work = t2i_work_bytes(model, t->most_rows, longest) + t2i_packed_bytes(model, 1);
    size_t fold = t2i_fold_bytes(t->fold);
    t2i_log_note(
        "memory of rank 0: weights %.1f MB, moments %.1f MB, gradients %.1f MB, "
        "activations %.1f MB, rows %.1f MB; pictures' features on its node %.1f MB; a checkpoint "
        "has %.1f MB",
        (double)block / 1e6, (double)block * 2e-6 * (1.0 + 1.0 / t->size), (double)fold / 1e6,
        (double)work / 1e6, (double)rows / 1e6, (double)features / 1e6, (double)block * 3e-6);
}

/* Collective. Everything up to the first step. */
static t2i_status set_up(trainer *t, t2i_error *err)
{
    const t2i_job *job = t->job;
    uint64_t counts[T2I_SPLITS] = {0};
    T2I_TRY(check_options(t->comm, job, err));
    t2i_status mine = t2i_dataset_open(&t->dataset, job->data, err);
    if (mine == T2I_OK) mine = t2i_rows_count(t->dataset, counts, err);
    T2I_TRY(t2i_comm_agree(t->comm, mine, err));
    T2I_TRY(t2i_replay_open(&t->replay, t->comm, job, err));
    mine = t2i_job_result_options(job, t->replay.name, &t->options, err);
    T2I_TRY(t2i_comm_agree(t->comm, mine, err));
    T2I_TRY(check_alike(t->comm, t->dataset, err));
    T2I_TRY(t2i_start_make(&t->start, t->comm, job, t->dataset, t->options, err));
    if (t->start.finished) return T2I_OK;
    mine = make_plan(t, counts, err);
    if (mine == T2I_OK) mine = load_rows(t, counts, err);
    T2I_TRY(t2i_comm_agree(t->comm, mine, err));
    T2I_TRY(open_store(t, err));
    mine = take_memory(t, err);
    if (mine == T2I_OK) mine = take_extras(t, err);
    if (mine == T2I_OK) mine = open_contrast(t, counts, err);
    if (mine == T2I_OK)
        mine = t2i_watch_begin(&t->watch, &t->store, &t->packed, t->work, t->contrast, err);
    T2I_TRY(t2i_comm_agree(t->comm, mine, err));
    T2I_TRY(t2i_fold_new(&t->fold, t->comm, t->pool, t->plan.shards,
                         t->start.checkpoint.model.layout.floats, err));
    int64_t cut = (int64_t)t->rows.cut;
    /* with the other samplers every rank that is not idle has all rows */
    cut = t->plan.sampler == T2I_SHARDED ? t2i_comm_sum(t->comm, cut) : t2i_comm_max(t->comm, cut);
    if (cut > 0)
        t2i_log_warn("%lld training prompts are longer than block-size %zu and are cut",
                     (long long)cut, t->start.checkpoint.model.config.block_size);
    if (job->validate_every > 0 && t->watch.validated == 0)
        t2i_log_note("the dataset has no validation rows: none is done");
    print_plan(t, counts);
    t2i_watch_tell(&t->watch, t->comm);
    if (job->dry_run) print_memory(t);
    if (job->dry_run) return T2I_OK;
    size_t chunk = T2I_CHUNK * sizeof(float);
    t2i_comm_scatter(t->comm, t->start.checkpoint.m, t->m, chunk, t->chunks);
    t2i_comm_scatter(t->comm, t->start.checkpoint.v, t->v, chunk, t->chunks);
    if (t->ema != NULL)
        t2i_comm_scatter(t->comm, t->start.checkpoint.ema, t->ema, chunk, t->chunks);
    mine = t->rank == 0 ? begin_folder(t, err) : T2I_OK;
    if (mine == T2I_OK && t->rank == 0 && job->sample_every > 0)
        mine = t2i_watch_choose(&t->watch, err);
    if (mine == T2I_OK && t->rank == 0) mine = write_status(t, "running", 0, "", err);
    return t2i_comm_agree(t->comm, mine, err);
}

static void tear_down(trainer *t)
{
    t2i_watch_free(&t->watch);
    t2i_dataset_close(t->dataset);
    t2i_free(t->options);
    t2i_start_free(&t->start);
    t2i_replay_close(&t->replay);
    t2i_rows_free(&t->rows);
    t2i_store_free(&t->store);
    t2i_fold_free(t->fold);
    t2i_pool_free(t->pool);
    t2i_packed_free(&t->packed);
    t2i_work_free(t->work);
    t2i_free(t->m);
    t2i_free(t->v);
    t2i_free(t->ema);
    t2i_free(t->averaged);
    t2i_contrast_free(t->contrast);
    t2i_free(t->trains);
    t2i_rights_free(&t->rights);
    t2i_free(t->index);
    t2i_free(t->changed);
    t2i_free(t->draw);
    t2i_free(t->batch);
    t2i_free(t->target);
    t2i_free(t->dprediction);
    t2i_runlog_close(t->log);
}

/* ---- a step ---- */

/* Adds the time since *from to *sum, and moves *from on. */
static void clock_into(double *sum, double *from)
{
    double now = t2i_cpu_seconds();
    *sum += now - *from;
    *from = now;
}

/* The rows that a shard draws at a step, with their targets; `first` is their place in the batch.
 */
static void fetch_rows(trainer *t, long step, size_t shard, size_t rows)
{
    size_t D = t->start.checkpoint.model.config.vision_feature_dim;
    uint64_t first = (uint64_t)(shard * t->plan.batch / t->plan.shards);
    uint16_t *room = t->changed;
    t2i_plan_sample(&t->plan, (uint64_t)step, shard, t->draw);
    for (size_t i = 0; i < rows; i++) {
        size_t index = t->index[i] = (size_t)(t->draw[i] - t->first_row);
        t2i_row *row = &t->batch[i];
        *row = t->rows.row[index];
        memcpy(t->target + i * D, t2i_store_feature(&t->store, t->rows.image[index]),
               D * sizeof(float));
        if (room == NULL) continue;
        row->length =
            t2i_augment(&t->augment, (uint64_t)step, first + i, row->ids, row->length, room);
        row->ids = room;
        room += row->length;
    }
}

static void compute_shards(trainer *t, long step, double *clock)
{
    const t2i_checkpoint *c = &t->start.checkpoint;
    size_t D = c->model.config.vision_feature_dim;
    double weight = t->job->contrastive_weight;
    float scale = (float)(2.0 / ((double)t->plan.batch * (double)D)),
          pull = (float)(weight / (double)t->plan.batch);
    size_t end = t2i_share(t->plan.shards, t->rank + 1, t->size);
    t2i_packed_fill(&t->packed, c->weights, 0, 1);
    if (t->contrast != NULL) t2i_contrast_begin(t->contrast, (uint64_t)step);
    for (size_t v = t2i_share(t->plan.shards, t->rank, t->size); v < end; v++) {
        size_t rows = t2i_plan_draws(&t->plan, v);
        fetch_rows(t, step, v, rows);
        clock_into(&t->seconds.data, clock);
        uint8_t *used;
        float *gradient = t2i_fold_leaf(t->fold, 0, &used);
        const float *prediction = t2i_forward(&t->packed, t->work, t->batch, rows, c->vocab.pad);
        t2i_leaf leaf = {.rows = (double)rows,
                         .tokens = (double)t2i_work_tokens(t->work),
                         .prefixes = (double)t2i_work_prefixes(t->work)};
        leaf.loss = t2i_squared_error(t->dprediction, prediction, t->target, scale, rows * D);
        if (t->contrast !=
            NULL) /* in units of the squared error, which is divided by D at the end */
            leaf.loss += weight * (double)D *
                         t2i_contrast_add(t->contrast, &t->rights, t->index, rows, prediction,
                                          t->target, pull, t->dprediction);
        t2i_backward(&t->packed, t->work, t->dprediction, gradient, used);
        t2i_fold_add(t->fold, 0, &leaf);
        clock_into(&t->seconds.compute, clock);
    }
}

static t2i_status log_step(trainer *t, const t2i_leaf *total, double lr, int skipped,
                           t2i_error *err)
{
    const t2i_run_state *run = &t->start.checkpoint.run;
    double now = t2i_cpu_seconds();
    t2i_log_line line = {.step = run->step,
                         .skipped = skipped ? run->skipped : 0,
                         .loss = t->last_loss,
                         .lr = lr,
                         .grad_norm = t->last_norm,
                         .samples_per_s = (double)(run->step - t->line_step) *
                                          (double)t->plan.batch / (now - t->line_began),
                         .tokens = total->tokens,
                         .tokens_saved = total->tokens - total->prefixes,
                         .memory = t2i_cpu_memory(),
                         .seconds = t->seconds};
    t->seconds = (t2i_seconds){0};
    t->line_began = now;
    t->line_step = run->step;
    return t2i_runlog_step(t->log, &line, err);
}

static void update_chunk(void *context, size_t chunk, float *weights, const float *gradient)
{
    const trainer *t = context;
    size_t at = chunk * T2I_CHUNK;
    unsigned long update = (unsigned long)t->start.checkpoint.run.updates;
    t2i_adamw_update(weights, t->m + at, t->v + at, gradient, T2I_CHUNK, &t->adamw,
                     t2i_clip_factor(t->last_norm, t->job->clip), update);
    if (t->ema != NULL) t2i_ema_update(t->ema + at, weights, T2I_CHUNK, t->job->ema, update);
}

/* Collective. One step: all shards, the tree, the update. votes comes in with this rank's and goes
 * out summed. */
static void take_step(trainer *t, t2i_votes *votes, t2i_leaf *total, double *lr, int *skipped)
{
    t2i_checkpoint *c = &t->start.checkpoint;
    long step = c->run.step + 1;
    double clock = t2i_cpu_seconds();
    compute_shards(t, step, &clock);
    double squares;
    t2i_fold_exchange(t->fold, t->comm, total, votes, &squares);
    T2I_ASSERT(total->rows == (double)t->plan.batch);
    t->last_loss =
        total->loss / ((double)t->plan.batch * (double)c->model.config.vision_feature_dim);
    t->last_norm = sqrt(squares);
    /* as a float: AdamW squares in float, and a moment that is not finite could never be loaded
     * again */
    *skipped = !isfinite(total->loss) || !isfinite((float)squares);
    *lr = t2i_schedule_lr(&t->schedule, step);
    if (*skipped)
        c->run.skipped++;
    else {
        c->run.updates++;
        t->adamw.lr = *lr;
        t2i_fold_update(t->fold, t->comm, c->weights, update_chunk, t);
    }
    c->run.step = step;
    clock_into(&t->seconds.sync, &clock);
}

/* ---- now and then ---- */

/* Collective. The weights that are validated, drawn and saved as the model. */
static float *gather_average(trainer *t)
{
    if (t->ema == NULL) return t->start.checkpoint.weights;
    memcpy(t->averaged + t->first_chunk * T2I_CHUNK, t->ema,
           t->slice_chunks * T2I_CHUNK * sizeof(float));
    t2i_comm_share_all(t->comm, t->averaged, T2I_CHUNK * sizeof(float), t->chunks);
    return t->averaged;
}

/* Removes what is older than the newest `keep` checkpoints up to this step. */
static void prune(const trainer *t)
{
    long *steps;
    size_t count;
    long kept = 0;
    t2i_error ignored;
    if (t2i_checkpoint_list(t->job->out, &steps, &count, &ignored) != T2I_OK) return;
    for (size_t i = 0; i < count; i++) {
        if (steps[i] > t->start.checkpoint.run.step || ++kept <= t->job->keep) continue;
        char *path = t2i_checkpoint_path(t->job->out, steps[i]);
        if (path != NULL && unlink(path) != 0 && errno != ENOENT)
            t2i_log_warn("cannot remove the old checkpoint %s: %s", path, strerror(errno));
        t2i_free(path);
    }
    t2i_free(steps);
}

/* Collective. Gathers the moments and lets rank 0 write. */
static t2i_status save(trainer *t, t2i_error *err)
{
    t2i_checkpoint *c = &t->start.checkpoint;
    if (t->saved_step == c->run.step) return T2I_OK;
    double clock = t2i_cpu_seconds();
    size_t chunk = T2I_CHUNK * sizeof(float);
    t2i_comm_gather(t->comm, t->m, c->m, chunk, t->chunks);
    t2i_comm_gather(t->comm, t->v, c->v, chunk, t->chunks);
    if (t->ema != NULL) t2i_comm_gather(t->comm, t->ema, c->ema, chunk, t->chunks);
    t2i_status mine = T2I_OK;
    if (t->rank == 0) {
        char *path = t2i_checkpoint_path(t->job->out, c->run.step);
        mine = path == NULL ? t2i_fail_memory(err, 64, "a file name")
                            : t2i_checkpoint_save(c, path, err);
        t2i_free(path);
        if (mine == T2I_OK) prune(t);
    }
    t2i_status status = t2i_comm_agree(t->comm, mine, err);
    if (status == T2I_OK) t->saved_step = c->run.step;
    clock_into(&t->seconds.checkpoint, &clock);
    return status;
}

static void show_progress(trainer *t, double lr, int last)
{
    const t2i_run_state *run = &t->start.checkpoint.run;
    double now = t2i_cpu_seconds();
    if (!last && now - t->shown < (t2i_log_is_terminal() ? 0.2 : 10.0)) return;
    t->shown = now;
    double rate = (double)(run->step - t->first_step) / (now - t->began);
    char eta[32], validation[64] = "";
    if (t->watch.last_loss >= 0.0)
        snprintf(validation, sizeof validation, " | val %.5f, R@10 %.1f %%", t->watch.last_loss,
                 100.0 * t->watch.scores.r10);
    t2i_log_progress(
        last, "step %ld/%ld | loss %.5f%s | norm %.3f | lr %.2e | %.0f samples/s | %s %s",
        run->step, t->job->steps, t->last_loss, validation, t->last_norm, lr,
        rate * (double)t->plan.batch, last ? "took" : "left",
        t2i_log_duration(last ? now - t->began : (double)(t->job->steps - run->step) / rate, eta));
}

static int due(long step, long every)
{
    return every > 0 && step % every == 0;
}

/* Collective. What a step may be followed by. */
static void after_step(trainer *t, const t2i_leaf *total, double lr, int skipped)
{
    const t2i_job *job = t->job;
    t2i_checkpoint *c = &t->start.checkpoint;
    t2i_error err = {0};
    long step = c->run.step;
    int last = step == job->steps;
    if (skipped)
        t2i_log_warn("step %ld: the %s is not finite; the step is skipped (%ld so far)", step,
                     isfinite(total->loss) ? "gradient" : "loss", c->run.skipped);
    if (t->rank == 0 && (due(step, job->log_every) || last || skipped || step == 1))
        t2i_runlog_lapse(log_step(t, total, lr, skipped, &err), &err);
    /* the validation after the last step does not count for the best unless it was due: a run that
     * grows would remember it */
    if (t->watch.validated > 0 && (due(step, job->validate_every) || last))
        t2i_watch_validate(&t->watch, t->comm, gather_average(t), due(step, job->validate_every),
                           t->log);
    if (job->sample_every > 0 && (due(step, job->sample_every) || last)) {
        const float *weights = gather_average(t);
        if (t->rank == 0) t2i_runlog_lapse(t2i_watch_draw(&t->watch, weights, &err), &err);
    }
    if (due(step, job->checkpoint_every) && !last) t2i_runlog_lapse(save(t, &err), &err);
    show_progress(t, lr, last);
}

/* Collective. All steps; *stopped when told to stop before the last. */
static t2i_status run_steps(trainer *t, int *stopped, t2i_error *err)
{
    const t2i_job *job = t->job;
    t->began = t->line_began = t2i_cpu_seconds();
    t->line_step = t->first_step = t->start.checkpoint.run.step;
    *stopped = 0;
    while (!*stopped && t->start.checkpoint.run.step < job->steps) {
        t2i_votes votes = {.stop = t2i_stop_asked() != 0};
        votes.late =
            t->rank == 0 && job->max_time > 0.0 && t2i_cpu_seconds() - t->began > job->max_time;
        t2i_leaf total;
        double lr;
        int skipped;
        take_step(t, &votes, &total, &lr, &skipped);
        after_step(t, &total, lr, skipped);
        *stopped = votes.stop + votes.late > 0 && t->start.checkpoint.run.step < job->steps;
    }
    return save(t, err);
}

/* Rank 0. The model without moments, and the last records. */
static t2i_status write_end(trainer *t, float *weights, t2i_error *err)
{
    t2i_status status = t2i_watch_save_model(&t->watch, "model.safetensors", weights, err);
    t2i_error ignored = {0};
    if (status == T2I_OK) t2i_runlog_lapse(t2i_runlog_plot(t->log, &ignored), &ignored);
    return status;
}

/* Collective. Durable work first, status.json last. */
static t2i_status finish(trainer *t, t2i_status status, int stopped, t2i_error *err)
{
    if (status == T2I_OK && !stopped) {
        float *weights = gather_average(t);
        status = t2i_comm_agree(t->comm, t->rank == 0 ? write_end(t, weights, err) : T2I_OK, err);
    }
    long step = t->start.checkpoint.run.step;
    if (status == T2I_OK && stopped)
        status = t2i_fail(err, T2I_STOPPED,
                          "stopped at step %ld of %ld with a sound checkpoint; run the same "
                          "command again to go on",
                          step, t->job->steps);
    t2i_status mine = T2I_OK;
    t2i_error why = {0};
    if (t->rank == 0)
        mine = write_status(t,
                            status == T2I_OK        ? "finished"
                            : status == T2I_STOPPED ? "stopped"
                                                    : "failed",
                            (int)status, status == T2I_OK ? "all steps done" : err->text, &why);
    mine = t2i_comm_agree(t->comm, mine, &why);
    if (mine != T2I_OK && (status == T2I_OK || status == T2I_STOPPED)) {
        *err = why;
        status = mine;
    }
    if (status == T2I_OK) t2i_log_note("done: %s/model.safetensors", t->job->out);
    return status;
}

t2i_status t2i_train(t2i_comm *comm, const t2i_job *job, t2i_error *err)
{
    trainer t = {.job = job,
                 .comm = comm,
                 .rank = t2i_comm_rank(comm),
                 .size = t2i_comm_size(comm),
                 .schedule = {job->lr, job->min_lr, job->warmup, job->steps,
                              strcmp(job->schedule, "cosine") == 0},
                 .adamw = {job->lr, job->beta1, job->beta2, job->eps, job->weight_decay},
                 .saved_step = -1};
    int stopped = 0;
    t2i_cpu_set_rounding();
    t2i_blas_begin();
    t2i_status status = set_up(&t, err);
    if (status == T2I_OK && t.start.finished)
        t2i_log_note("%s is finished: all %ld steps are done; nothing to do", job->out, job->steps);
    else if (status == T2I_OK && job->dry_run)
        t2i_log_note("dry run: everything is in order");
    else if (status == T2I_OK) {
        int own = strcmp(job->resume, "auto") == 0; /* a named one may lie in another folder */
        if (t.start.resumed && own) t.saved_step = t.start.checkpoint.run.step;
        status = run_steps(&t, &stopped, err);
        status = finish(&t, status, stopped, err);
    }
    tear_down(&t);
    return status;
}
