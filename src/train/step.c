#include "train/step.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "train/audit.h"
#include "train/augment.h"
#include "base/cpu.h"
#include "base/hash.h"
#include "base/mem.h"
#include "kernels/ops.h"
#include "kernels/optim.h"
#include "model/search_space.h"
#include "base/heartbeat.h"

/* The inputs of a shard's loss. */
typedef struct {
    const t2i_row *row;
    size_t rows;
    const float *target;      /* (rows, D) */
    const t2i_rights *rights; /* of rows index[0], index[1], ... */
    const size_t *index;
} batch;

/* The buffers of a thread. */
typedef struct {
    t2i_work *work;
    t2i_leaf *leaf; /* owned: of the shards of a bundle */
    uint64_t *draw; /* owned: most_rows each */
    size_t *index;  /* of the rows of a shard's batch, in rows */
    t2i_row *batch;
    uint16_t *changed;    /* owned: ids of augmented prompts; NULL: no augmentation */
    float *target;        /* owned: (most_rows, D) */
    t2i_outputs doutputs; /* owned: (most_rows, D), (most_rows, E) */
} worker;

struct t2i_step {
    t2i_step_input in;
    int threads;
    t2i_thread_pool *pool;
    t2i_reduce *reduce;
    t2i_packed_weights packed; /* in memory shared by the node; packed.weights NULL: out of date */
    const float *unpacked;     /* the weights being packed */
    int packer, packers; /* this rank's index among the ranks that share packed, and their number */
    worker *worker;      /* owned: threads */
    size_t work_bytes;
    size_t chunks, first_chunk, slice_floats; /* chunks in total; the first of this rank's slice */
    /* owned, but in place: those of the state */
    float *m, *v;    /* moments of this rank's slice */
    float *ema;      /* averaged weights of this rank's slice; NULL: no averaging */
    float *averaged; /* all averaged weights, of the last call of t2i_step_model */
    t2i_augment_options augment;
    size_t batch_most; /* with negatives = batch: maximum rows of a shard; */
    uint32_t
        *batch_image; /* owned: (shards, batch_most): the pictures of the batch, NULL otherwise */
    float *batch_feature; /* owned: (shards, batch_most, D) */
    uint64_t *replica;    /* owned: one hash per chunk of the weights */
    uint32_t *sums;       /* owned: checksums of each chunk of the slice after the last update;
                             NULL: memory is not verified */
    int summed;
    atomic_int damaged;           /* a checksum did not match */
    t2i_audit_batch mine, theirs; /* audited shards: this rank's, and that of another rank */
    t2i_audit_turn turn;          /* of the current step */
    int auditor;                  /* the thread that computes theirs: the first that has a shard */
    uint64_t shard, again;        /* hashes of mine and theirs; 0: no audit in this step */
    t2i_schedule schedule;
    t2i_adamw adamw;
    t2i_adamw_factors factors; /* of the current update */
    long number;               /* the current step */
    double clock;              /* of the first thread */
    t2i_loss_spike
        usual; /* statistics of the loss, if skip-spikes is 0 and they need not be in checkpoints */
    t2i_seconds *spent;                  /* while a step is taken */
    const t2i_checkpoint_writer *writer; /* before an update the step waits for it; or NULL */
};

/* ---- set-up ---- */

int t2i_step_threads(const t2i_sampler *sampler, int size, int threads)
{
    size_t most = (sampler->shards + (size_t)size - 1) / (size_t)size;
    return (size_t)threads < most ? threads : (int)most;
}

t2i_work_sizes t2i_step_work_sizes(const t2i_step_plan *plan, size_t rows, size_t most_rows,
                                   size_t longest, const t2i_train_options *options)
{
    return (t2i_work_sizes){.passes = plan->bundle,
                            .rows = rows,
                            .most_rows = most_rows,
                            .longest = longest,
                            .share = options->trie,
                            .drops = options->dropout > 0,
                            .by_layer = plan->by_layer};
}

size_t t2i_step_rows(const t2i_sampler *sampler, int rank, int size)
{
    size_t most = 1;
    for (size_t v = t2i_comm_share(sampler->shards, rank, size);
         v < t2i_comm_share(sampler->shards, rank + 1, size); v++)
        if (t2i_sampler_draws(sampler, v) > most) most = t2i_sampler_draws(sampler, v);
    return most;
}

static t2i_status begin_worker(t2i_step *s, worker *w, t2i_error *err)
{
    const t2i_model *model = &s->in.state->model;
    size_t D = model->config.vision_feature_dim, E = model->config.embed_dim,
           most = s->in.most_rows;
    const t2i_work_sizes sizes =
        t2i_step_work_sizes(&s->in.plan, s->in.own_rows, most, s->in.longest, s->in.options);
    T2I_TRY(t2i_transformer_work_new(&w->work, model, &sizes, err));
    w->leaf = t2i_alloc(sizes.passes, sizeof *w->leaf);
    w->draw = t2i_alloc(most, sizeof *w->draw);
    w->index = t2i_alloc(most, sizeof *w->index);
    w->batch = t2i_alloc(most, sizeof *w->batch);
    w->target = t2i_alloc(most * D, sizeof *w->target);
    w->doutputs.features = t2i_alloc(most * D, sizeof *w->doutputs.features);
    if (E > 0) w->doutputs.query = t2i_alloc(most * E, sizeof *w->doutputs.query);
    size_t ids = s->in.options->augment > 0 ? most * s->in.rows->longest : 0;
    if (s->in.options->augment > 0) w->changed = t2i_alloc(ids, sizeof *w->changed);
    if (w->leaf == NULL || w->draw == NULL || w->index == NULL || w->batch == NULL ||
        w->target == NULL || w->doutputs.features == NULL || (E > 0 && w->doutputs.query == NULL) ||
        (s->in.options->augment > 0 && w->changed == NULL))
        return t2i_fail_memory(err, most * D * 8 + ids * 2, "a batch");
    s->work_bytes += t2i_transformer_work_bytes(model, &sizes);
    return T2I_OK;
}

/* Allocates batches large enough for the shards of any rank. */
static t2i_status begin_audits(t2i_step *s, t2i_error *err)
{
    const t2i_step_input *in = &s->in;
    s->mine = (t2i_audit_batch){.rows = in->most_rows,
                                .ids = in->longest,
                                .dim = in->state->model.config.vision_feature_dim,
                                .rights = in->most_rights};
    s->theirs = s->mine;
    T2I_TRY(t2i_audit_batch_new(&s->mine, err));
    return t2i_audit_batch_new(&s->theirs, err);
}

/* Allocates what needs no communication except agreement. */
static t2i_status begin(t2i_step *s, t2i_comm *comm, t2i_error *err)
{
    const t2i_train_options *options = s->in.options;
    const t2i_train_state *state = s->in.state;
    int rank = t2i_comm_rank(comm), size = t2i_comm_size(comm);
    s->chunks = state->model.layout.floats / T2I_CHUNK;
    s->first_chunk = t2i_comm_share(s->chunks, rank, size);
    s->slice_floats = (t2i_comm_share(s->chunks, rank + 1, size) - s->first_chunk) * T2I_CHUNK;
    s->schedule = (t2i_schedule){options->lr, options->min_lr, options->warmup, options->steps,
                                 options->schedule == T2I_SCHEDULE_COSINE};
    s->adamw = (t2i_adamw){options->lr, options->beta1, options->beta2, options->eps,
                           options->weight_decay};
    s->augment = (t2i_augment_options){.fraction = options->augment,
                                       .seed = (uint64_t)options->seed,
                                       .space = t2i_vocab_id(&state->vocab, ' '),
                                       .unknown = state->vocab.unknown};
    T2I_TRY(t2i_thread_pool_new(&s->pool, s->threads, !t2i_comm_crowded(comm), err));
    s->worker = t2i_alloc((size_t)s->threads, sizeof *s->worker);
    if (s->in.plan.in_place) {
        s->m = state->m;
        s->v = state->v;
        s->ema = s->averaged = state->ema;
    } else {
        s->m = t2i_alloc(s->slice_floats, sizeof *s->m);
        s->v = t2i_alloc(s->slice_floats, sizeof *s->v);
    }
    if (s->worker == NULL || s->m == NULL || s->v == NULL)
        return t2i_fail_memory(err, s->slice_floats * 8, "the moments");
    for (int t = 0; t < s->threads; t++) T2I_TRY(begin_worker(s, &s->worker[t], err));
    if (options->verify_every > 0) {
        s->replica = t2i_alloc(s->chunks, sizeof *s->replica);
        s->sums = t2i_alloc(s->slice_floats / T2I_CHUNK, sizeof *s->sums);
        if (s->replica == NULL || s->sums == NULL)
            return t2i_fail_memory(err, s->chunks * sizeof *s->replica, "sums of the weights");
    }
    if (options->audit_every > 0) T2I_TRY(begin_audits(s, err));
    if (s->in.contrastive != NULL && options->negatives == T2I_NEGATIVES_BATCH) {
        const t2i_sampler *sampler = s->in.sampler;
        size_t D = state->model.config.vision_feature_dim, shards = sampler->shards;
        s->batch_most = (sampler->batch + shards - 1) / shards;
        s->batch_image = t2i_alloc(shards * s->batch_most, sizeof *s->batch_image);
        s->batch_feature = t2i_alloc(shards * s->batch_most, D * sizeof *s->batch_feature);
        if (s->batch_image == NULL || s->batch_feature == NULL)
            return t2i_fail_memory(err, shards * s->batch_most * D * sizeof(float),
                                   "the pictures of a batch");
    }
    if (options->ema <= 0 || s->in.plan.in_place) return T2I_OK;
    s->ema = t2i_alloc(s->slice_floats, sizeof *s->ema);
    s->averaged = t2i_block_new(&state->model.layout);
    if (s->ema == NULL || s->averaged == NULL)
        return t2i_fail_memory(err, state->model.layout.floats * 4, "averaged weights");
    return T2I_OK;
}

/* Collective. Moves the weights and the packed weights to memory shared by the ranks of the
 * node. */
static t2i_status move_weights(t2i_step *s, t2i_comm *comm, t2i_error *err)
{
    t2i_train_state *state = s->in.state;
    int purpose = s->in.plan.by_layer ? T2I_TO_TRAIN_BY_LAYER : T2I_TO_TRAIN;
    size_t bytes = t2i_packed_weights_bytes(&state->model, purpose);
    float *weights = t2i_reduce_weights(s->reduce);
    void *memory;
    if (t2i_reduce_first(s->reduce))
        memcpy(weights, state->weights, state->model.layout.floats * sizeof *weights);
    t2i_train_state_move(state, weights);
    s->work_bytes += bytes;
    T2I_TRY(t2i_comm_node_memory(comm, bytes, &memory, &s->packer, &s->packers, err));
    return t2i_comm_agree(
        comm, t2i_packed_weights_new(&s->packed, &state->model, purpose, memory, err), err);
}

t2i_status t2i_step_new(t2i_step **out, t2i_comm *comm, const t2i_step_input *input, t2i_error *err)
{
    t2i_step *s = *out = t2i_alloc(1, sizeof *s);
    t2i_status mine = s == NULL ? t2i_fail_memory(err, sizeof *s, "the training step") : T2I_OK;
    if (mine == T2I_OK) {
        s->in = *input;
        s->threads = input->threads;
        mine = begin(s, comm, err);
    }
    t2i_status status = t2i_comm_agree(comm, mine, err);
    if (status == T2I_OK)
        status = t2i_reduce_new_by_section(
            &s->reduce, comm, s->pool, input->sampler->shards, input->state->model.layout.floats,
            (t2i_reduce_sections){s->in.plan.bundle, s->in.plan.section}, err);
    if (status == T2I_OK) status = move_weights(s, comm, err);
    for (size_t first = 0, end = 0; status == T2I_OK && s->auditor < s->threads; s->auditor++) {
        t2i_reduce_shards(s->reduce, s->auditor, &first, &end);
        if (first < end) break;
    }
    if (status == T2I_OK) return T2I_OK;
    t2i_step_free(s);
    *out = NULL;
    return status;
}

void t2i_step_free(t2i_step *s)
{
    if (s == NULL) return;
    for (int t = 0; s->worker != NULL && t < s->threads; t++) {
        worker *w = &s->worker[t];
        t2i_transformer_work_free(w->work);
        t2i_free(w->leaf);
        t2i_free(w->draw);
        t2i_free(w->index);
        t2i_free(w->batch);
        t2i_free(w->changed);
        t2i_free(w->target);
        t2i_free(w->doutputs.features);
        t2i_free(w->doutputs.query);
    }
    t2i_packed_weights_free(&s->packed);
    if (s->reduce != NULL && s->in.state->weights == t2i_reduce_weights(s->reduce))
        t2i_train_state_move(s->in.state, NULL);
    t2i_reduce_free(s->reduce);
    t2i_thread_pool_free(s->pool);
    t2i_free(s->worker);
    if (!s->in.plan.in_place) {
        t2i_free(s->m);
        t2i_free(s->v);
        t2i_free(s->ema);
        t2i_free(s->averaged);
    }
    t2i_free(s->batch_image);
    t2i_free(s->batch_feature);
    t2i_free(s->replica);
    t2i_free(s->sums);
    t2i_audit_batch_free(&s->mine);
    t2i_audit_batch_free(&s->theirs);
    t2i_free(s);
}

t2i_packed_weights *t2i_step_packed(t2i_step *s)
{
    return &s->packed;
}

t2i_work *t2i_step_work(t2i_step *s)
{
    return s->worker[0].work;
}

size_t t2i_step_work_bytes(const t2i_step *s)
{
    return s->work_bytes;
}

size_t t2i_step_reduce_bytes(const t2i_step *s)
{
    return t2i_reduce_bytes(s->reduce);
}

void t2i_step_hold(t2i_step *s, const t2i_checkpoint_writer *writer)
{
    s->writer = writer;
}

/* ---- slices ---- */

void t2i_step_scatter(t2i_step *s, t2i_comm *comm)
{
    const t2i_train_state *state = s->in.state;
    size_t chunk = T2I_CHUNK * sizeof(float);
    if (s->in.plan.in_place) return;
    t2i_comm_scatter(comm, state->m, s->m, chunk, s->chunks);
    t2i_comm_scatter(comm, state->v, s->v, chunk, s->chunks);
    if (s->ema != NULL) t2i_comm_scatter(comm, state->ema, s->ema, chunk, s->chunks);
}

void t2i_step_gather(t2i_step *s, t2i_comm *comm)
{
    t2i_train_state *state = s->in.state;
    size_t chunk = T2I_CHUNK * sizeof(float);
    if (s->in.plan.in_place) return;
    t2i_comm_gather(comm, s->m, state->m, chunk, s->chunks);
    t2i_comm_gather(comm, s->v, state->v, chunk, s->chunks);
    if (s->ema != NULL) t2i_comm_gather(comm, s->ema, state->ema, chunk, s->chunks);
}

static void pack_slice(void *context, int thread)
{
    t2i_step *s = context;
    t2i_packed_weights_fill(&s->packed, s->unpacked, (size_t)(s->packer * s->threads + thread),
                            (size_t)(s->packers * s->threads));
}

/* Collective over the ranks of the node, none of which reads the packed weights meanwhile. */
static void pack(t2i_step *s, t2i_comm *comm, const float *weights)
{
    s->unpacked = weights;
    t2i_thread_pool_run(s->pool, pack_slice, s);
    s->packed.weights = weights;
    s->packed.fills++;
    if (s->packers > 1) t2i_comm_node_barrier(comm);
}

float *t2i_step_model(t2i_step *s, t2i_comm *comm)
{
    float *weights = s->in.state->weights;
    if (s->ema == NULL) {
        if (s->packed.weights != weights) pack(s, comm, weights);
        return weights;
    }
    if (!s->in.plan.in_place) {
        memcpy(s->averaged + s->first_chunk * T2I_CHUNK, s->ema, s->slice_floats * sizeof *s->ema);
        t2i_comm_allgather(comm, s->averaged, T2I_CHUNK * sizeof(float), s->chunks);
    }
    pack(s, comm, s->averaged);
    return s->averaged;
}

/* ---- a step ---- */

/* Adds the time since the last call to *sum; called by the first thread. */
static void clock_into(t2i_step *s, double *sum)
{
    double now = t2i_cpu_seconds();
    *sum += now - s->clock;
    s->clock = now;
}

/* The rows that a shard draws, with their targets. */
static batch fetch_rows(const t2i_step *s, worker *w, size_t shard)
{
    const t2i_step_input *in = &s->in;
    size_t D = in->state->model.config.vision_feature_dim,
           rows = t2i_sampler_draws(in->sampler, shard);
    uint64_t first =
        (uint64_t)(shard * in->sampler->batch / in->sampler->shards); /* in the batch */
    uint16_t *room = w->changed;
    t2i_sampler_sample(in->sampler, (uint64_t)s->number, shard, w->draw);
    for (size_t i = 0; i < rows; i++) {
        size_t index = w->index[i] = (size_t)(w->draw[i] - in->first_row);
        t2i_row *row = &w->batch[i];
        *row = in->rows->row[index];
        memcpy(w->target + i * D, t2i_shared_features_feature(in->features, in->rows->image[index]),
               D * sizeof(float));
        if (room == NULL) continue;
        row->length =
            t2i_augment(&s->augment, (uint64_t)s->number, first + i, row->ids, row->length, room);
        row->ids = room;
        room += row->length;
    }
    return (batch){w->batch, rows, w->target, in->rights, w->index};
}

/* The forward pass of a shard up to the first layer. */
static void begin_shard(const t2i_step *s, worker *w, size_t pass, size_t shard, const batch *b)
{
    const t2i_step_input *in = &s->in;
    const t2i_dropout dropout = {.rate = in->options->dropout,
                                 .seed = (uint64_t)in->options->seed,
                                 .step = (uint64_t)s->number,
                                 .shard = shard};
    t2i_transformer_begin(&s->packed, w->work, pass, b->row, b->rows, &in->state->vocab,
                          dropout.rate > 0 ? &dropout : NULL);
    w->leaf[pass] = (t2i_leaf){.rows = (double)b->rows,
                               .tokens = (double)t2i_transformer_work_tokens(w->work),
                               .prefixes = (double)t2i_transformer_work_prefixes(w->work)};
}

/* The end of the forward pass of a shard: its loss, into w->leaf, and the gradients of the outputs,
 * into w->doutputs. */
static void compute_loss(const t2i_step *s, int thread, size_t pass, const batch *b,
                         float *gradient)
{
    worker *w = &s->worker[thread];
    const t2i_step_input *in = &s->in;
    const t2i_model *model = &in->state->model;
    size_t D = model->config.vision_feature_dim, E = model->config.embed_dim;
    double weight = in->options->contrastive_weight, all = (double)in->sampler->batch;
    const t2i_outputs outputs = t2i_transformer_heads(&s->packed, w->work, pass);
    const t2i_contrastive_batch pictures = {b->rights, b->index, b->rows, b->target};
    t2i_leaf *leaf = &w->leaf[pass];
    leaf->loss = t2i_ops_squared_error(w->doutputs.features, outputs.features, b->target,
                                       (float)(2.0 / (all * (double)D)), b->rows * D);
    /* in units of the squared error, which is divided by D at the end */
    if (E > 0) memset(w->doutputs.query, 0, b->rows * E * sizeof(float));
    if (in->contrastive != NULL)
        leaf->loss += weight * (double)D *
                      t2i_contrastive_loss_add(
                          in->contrastive, thread, &pictures, t2i_search_space_output(&outputs),
                          (float)(weight / all), t2i_search_space_output(&w->doutputs),
                          gradient + model->picture_weight);
    else if (E > 0)
        memset(gradient + model->picture_weight, 0, E * D * sizeof *gradient);
}

/* Computes losses and gradients of `count` shards from `first` and adds them to the tree. given
 * (NULL: the rows that they draw): the rows of a single shard, whose gradient is stored in the
 * thread's next leaf and not added. hash (NULL: not wanted) receives the hash of one of the
 * shards. */
static void compute_bundle(t2i_step *s, int thread, size_t first, size_t count, const batch *given,
                           size_t hashed, uint64_t *hash)
{
    worker *w = &s->worker[thread];
    const t2i_model *model = &s->in.state->model;
    size_t layers = model->config.n_layers, sections = t2i_model_sections(&model->config),
           floats = model->layout.floats;
    int whole = s->in.plan.section == floats, timed = thread == 0 && given == NULL;
    batch b = {0};
    float *gradient = NULL;
    uint8_t *used = NULL;
    uint64_t so_far = 0;
    for (size_t k = 0; k < count; k++) {
        b = given != NULL ? *given : fetch_rows(s, w, first + k);
        if (timed) clock_into(s, &s->spent->data);
        begin_shard(s, w, k, first + k, &b);
        if (timed) clock_into(s, &s->spent->compute);
    }
    for (size_t i = 0; i < layers; i++) {
        for (size_t k = 0; k < count; k++) t2i_transformer_layer(&s->packed, w->work, k, i);
        if (!whole) t2i_heartbeat_beat();
    }
    for (size_t i = 0; i < sections; i++) {
        int last = i + 1 == sections, complete = last || !whole;
        t2i_section part = whole ? (t2i_section){0, floats} : t2i_model_section(model, i);
        for (size_t k = 0; k < count; k++) {
            if (i == 0 || !whole)
                gradient = t2i_reduce_section(s->reduce, thread, part.begin, part.end, &used);
            if (i == 0 && count > 1) b = fetch_rows(s, w, first + k);
            if (i == 0) compute_loss(s, thread, k, &b, gradient);
            t2i_transformer_section_back(&s->packed, w->work, k, i, &w->doutputs, gradient, used);
            if (!complete) continue;
            if (hash != NULL && first + k == hashed)
                so_far =
                    t2i_audit_hash(so_far, w->leaf[k].loss, gradient, used, part.begin, part.end);
            if (given == NULL) t2i_reduce_add(s->reduce, thread, last ? &w->leaf[k] : NULL);
        }
        if (complete) t2i_heartbeat_beat();
    }
    if (hash != NULL && so_far != 0) *hash = so_far;
    if (timed) clock_into(s, &s->spent->compute);
}

/* ---- audits ---- */

/* Sends this rank's batch to rank `to` (-1: none) and receives one from rank `from` (-1: none). */
static void trade_batches(t2i_step *s, t2i_comm *comm, int to, int from)
{
    if (to == from && to == t2i_comm_rank(comm))
        memcpy(s->theirs.bytes, s->mine.bytes, s->mine.size);
    else {
        if (to >= 0) t2i_comm_send(comm, to, s->mine.bytes, s->mine.size, 1);
        if (from >= 0) t2i_comm_receive(comm, from, s->theirs.bytes, s->theirs.size, 1);
    }
    t2i_comm_wait(comm);
    if (from >= 0) t2i_audit_batch_open(&s->theirs);
}

/* Collective. If this step is audited, the ranks exchange the batches of the audited shards. */
static void begin_audit(t2i_step *s, t2i_comm *comm)
{
    long every = s->in.options->audit_every;
    s->turn = (t2i_audit_turn){0};
    s->shard = s->again = 0;
    if (every == 0 || s->number % every != 0) return;
    s->turn = t2i_audit_plan(s->in.sampler->shards, (uint64_t)(s->number / every) - 1,
                             t2i_comm_rank(comm), t2i_comm_size(comm));
    if (s->turn.takes_part) {
        batch b = fetch_rows(s, &s->worker[s->auditor], s->turn.own);
        t2i_audit_batch_pack(&s->mine, b.row, b.rows, b.target, b.rights, b.index);
    }
    trade_batches(s, comm, s->turn.takes_part ? s->turn.by : -1,
                  s->turn.takes_part ? s->turn.of : -1);
}

/* Recomputes the shard of another rank in the auditor's next leaf, which is not added to the
 * sum. */
static uint64_t compute_theirs(t2i_step *s, size_t shard)
{
    const t2i_audit_batch *p = &s->theirs;
    const batch b = {p->row, *p->count, p->target, &p->right, p->index};
    uint64_t hash = 0;
    compute_bundle(s, s->auditor, shard, 1, &b, shard, &hash);
    return hash;
}

int t2i_step_settle(t2i_step *s, t2i_comm *comm, const t2i_step_status *step_status)
{
    int rank = t2i_comm_rank(comm), one = (int)step_status->disputed, two = (int)step_status->by;
    int third = t2i_audit_third(s->in.sampler->shards, t2i_comm_size(comm), one, two);
    uint64_t hash = 0, audit = (uint64_t)(s->number / s->in.options->audit_every) - 1;
    size_t shard = t2i_audit_plan(s->in.sampler->shards, audit, one, t2i_comm_size(comm)).own;
    if (third < 0) return one == two ? one : T2I_UNKNOWN;
    trade_batches(s, comm, rank == one ? third : -1, rank == third ? one : -1);
    if (rank == third) hash = compute_theirs(s, shard);
    t2i_comm_bcast(comm, third, &hash, sizeof hash);
    return hash == step_status->shard ? two : hash == step_status->again ? one : T2I_UNKNOWN;
}

/* ---- memory errors ---- */

/* Sum of the bit patterns of a chunk: any flipped bit changes it. */
T2I_STATIC_KERNEL(uint32_t, sum_of_bits, (const float *x), (x))
{
    enum { LANES = 16 };
    uint32_t lane[LANES] = {0}, bits, sum = 0;
    for (size_t i = 0; i < T2I_CHUNK; i += LANES)
        for (size_t l = 0; l < LANES; l++) {
            memcpy(&bits, &x[i + l], sizeof bits);
            lane[l] += bits;
        }
    for (size_t l = 0; l < LANES; l++) sum += lane[l];
    return sum;
}

/* Checksum of weights, moments and averages of a chunk of this rank's slice: as t2i_bit_sums, plus
 * 7 times the sum of the averages. */
static uint32_t sum_of_chunk(const t2i_step *s, const float *weights, size_t at)
{
    uint32_t sum = sum_of_bits(weights) + 3 * sum_of_bits(s->m + at) + 5 * sum_of_bits(s->v + at);
    return s->ema == NULL ? sum : sum + 7 * sum_of_bits(s->ema + at);
}

int t2i_step_damaged(const t2i_step *s)
{
    if (atomic_load(&s->damaged)) return 1;
    const float *weights = s->in.state->weights + s->first_chunk * T2I_CHUNK;
    for (size_t at = 0; s->summed && at < s->slice_floats; at += T2I_CHUNK)
        if (sum_of_chunk(s, weights + at, at) != s->sums[at / T2I_CHUNK]) return 1;
    return 0;
}

/* Does this rank compare its copy of the weights in this step? */
static int compares(const t2i_step *s)
{
    return s->replica != NULL && s->number % s->in.options->verify_every == 0 &&
           t2i_reduce_compares(s->reduce);
}

static void hash_replica(void *context, int thread)
{
    t2i_step *s = context;
    size_t end = t2i_comm_share(s->chunks, thread + 1, s->threads);
    for (size_t c = t2i_comm_share(s->chunks, thread, s->threads); c < end; c++)
        s->replica[c] =
            t2i_hash_64(s->in.state->weights + c * T2I_CHUNK, T2I_CHUNK * sizeof(float));
}

/* ---- the parts of a step ---- */

/* Collective with negatives = batch: sends the pictures of all shards around. */
static void choose_negatives(t2i_step *s, t2i_comm *comm)
{
    const t2i_step_input *in = &s->in;
    size_t D = in->state->model.config.vision_feature_dim, rows = 0;
    if (s->batch_feature == NULL) {
        t2i_contrastive_loss_begin(in->contrastive, &s->packed, (uint64_t)s->number);
        return;
    }
    size_t shards = in->sampler->shards, most = s->batch_most;
    int rank = t2i_comm_rank(comm), size = t2i_comm_size(comm);
    worker *w = &s->worker[0];
    for (size_t v = t2i_comm_share(shards, rank, size); v < t2i_comm_share(shards, rank + 1, size);
         v++) {
        t2i_sampler_sample(in->sampler, (uint64_t)s->number, v, w->draw);
        for (size_t i = 0; i < t2i_sampler_draws(in->sampler, v); i++) {
            uint32_t image = in->rows->image[w->draw[i] - in->first_row];
            s->batch_image[v * most + i] = image;
            memcpy(s->batch_feature + (v * most + i) * D,
                   t2i_shared_features_feature(in->features, image), D * sizeof(float));
        }
    }
    t2i_comm_allgather(comm, s->batch_image, most * sizeof *s->batch_image, shards);
    t2i_comm_allgather(comm, s->batch_feature, most * D * sizeof *s->batch_feature, shards);
    for (size_t v = 0; v < shards; v++) /* closes the gaps between the shards */
        for (size_t i = 0; i < t2i_sampler_draws(in->sampler, v); i++, rows++) {
            s->batch_image[rows] = s->batch_image[v * most + i];
            memmove(s->batch_feature + rows * D, s->batch_feature + (v * most + i) * D,
                    D * sizeof(float));
        }
    t2i_contrastive_loss_begin_batch(in->contrastive, &s->packed, s->batch_image, s->batch_feature,
                                     rows);
}

static void compute_shards(void *context, int thread)
{
    t2i_step *s = context;
    size_t first, end;
    t2i_reduce_shards(s->reduce, thread, &first, &end);
    if (thread == s->auditor && s->turn.takes_part) s->again = compute_theirs(s, s->turn.other);
    for (size_t v = first, count; v < end; v += count) {
        count = t2i_reduce_bundle(s->reduce, thread);
        compute_bundle(s, thread, v, count, NULL, s->turn.own,
                       s->turn.takes_part ? &s->shard : NULL);
    }
}

static void update_chunk(void *context, size_t chunk, float *weights, const float *gradient)
{
    t2i_step *s = context;
    size_t at = chunk * T2I_CHUNK;
    t2i_bit_sums sums =
        t2i_optim_adamw_update(weights, s->m + at, s->v + at, gradient, T2I_CHUNK, &s->factors);
    if (s->ema != NULL) {
        sums.before += 7 * (s->sums == NULL ? 0 : sum_of_bits(s->ema + at));
        t2i_optim_ema_update(s->ema + at, weights, T2I_CHUNK, s->in.options->ema,
                             (unsigned long)s->in.state->run.updates);
        sums.after += 7 * (s->sums == NULL ? 0 : sum_of_bits(s->ema + at));
    }
    if (s->sums == NULL) return;
    if (s->summed && sums.before != s->sums[chunk]) atomic_store(&s->damaged, 1);
    s->sums[chunk] = sums.after;
}

/* Nothing may change while the checkpoint is written from it. */
static void wait_for_writer(t2i_step *s)
{
    if (s->writer == NULL || !t2i_checkpoint_writer_busy(s->writer)) return;
    clock_into(s, &s->spent->sync);
    t2i_heartbeat_phase(T2I_AT_SAVE, s->number,
                        4 * s->in.state->model.layout.floats * sizeof(float));
    t2i_checkpoint_writer_wait(s->writer);
    t2i_heartbeat_phase(T2I_AT_SYNC, s->number, 0);
    clock_into(s, &s->spent->checkpoint);
}

void t2i_step_take(t2i_step *s, t2i_comm *comm, t2i_step_result *result, t2i_seconds *seconds)
{
    t2i_train_state *state = s->in.state;
    double squares;
    s->number = state->run.step + 1;
    s->clock = t2i_cpu_seconds();
    s->spent = seconds;
    t2i_heartbeat_phase(T2I_AT_COMPUTE, s->number, 0);
    begin_audit(s, comm);
    if (s->packed.weights != state->weights) pack(s, comm, state->weights);
    if (compares(s)) t2i_thread_pool_run(s->pool, hash_replica, s);
    if (s->in.contrastive != NULL) choose_negatives(s, comm);
    clock_into(s, &seconds->compute);
    t2i_thread_pool_run(s->pool, compute_shards, s);
    result->step_status.damaged = atomic_load(&s->damaged);
    result->step_status.replica =
        compares(s) ? t2i_hash_64(s->replica, s->chunks * sizeof *s->replica) : 0;
    result->step_status.shard = s->shard;
    result->step_status.again = s->again;
    result->step_status.by = s->turn.by;
    t2i_heartbeat_phase(T2I_AT_SYNC, s->number, 0);
    t2i_reduce_exchange(s->reduce, comm, &result->total, &result->step_status, &squares);
    if (result->step_status.culprit != T2I_NOBODY) return;
    T2I_ASSERT(result->total.rows == (double)s->in.sampler->batch);
    result->loss = result->total.loss /
                   ((double)s->in.sampler->batch * (double)state->model.config.vision_feature_dim);
    result->norm = sqrt(squares);
    result->lr = t2i_optim_schedule_lr(&s->schedule, s->number);
    /* as a float: AdamW squares in float, and a checkpoint with a non-finite moment cannot be
     * loaded */
    result->skipped = !isfinite(result->total.loss) || !isfinite((float)squares);
    t2i_loss_spike *usual = s->in.options->skip_spikes > 0 ? &state->run.usual : &s->usual;
    result->spike = result->skipped ? 0.0 : t2i_loss_spike_score(usual, result->loss);
    if (result->skipped)
        result->step_status.disputed = T2I_NOBODY; /* NaNs may differ in their bits */
    if (result->step_status.disputed != T2I_NOBODY) return;
    if (s->in.options->skip_spikes > 0 && result->spike > s->in.options->skip_spikes)
        result->skipped = 1;
    if (result->skipped)
        state->run.skipped++;
    else {
        t2i_loss_spike_add(usual, result->loss);
        state->run.updates++;
        s->adamw.lr = result->lr;
        s->factors = t2i_optim_adamw_begin(&s->adamw,
                                           t2i_optim_clip_factor(result->norm, s->in.options->clip),
                                           (unsigned long)state->run.updates);
        wait_for_writer(s);
        t2i_reduce_update(s->reduce, comm, update_chunk, s);
        s->packed.weights = NULL;
        s->summed = s->sums != NULL;
    }
    state->run.step = s->number;
    clock_into(s, &seconds->sync);
}
