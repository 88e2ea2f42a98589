#include "train/resource_estimate.h"

#include "comm/comm.h"
#include "comm/reduce.h"
#include "model/packed_weights.h"
#include "model/search_space.h"
#include "train/contrastive_loss.h"
#include "train/step.h"
#include "model/transformer.h"
#include "train/validation.h"

static const double FLOAT = sizeof(float);

static double rows_of_rank(const t2i_run_sizes *run, int rank)
{
    const t2i_sampler *p = run->sampler;
    if (p->kind != T2I_SHARDED) return (double)p->rows;
    return (double)(t2i_sampler_first_row(p, t2i_comm_share(p->shards, rank + 1, run->size)) -
                    t2i_sampler_first_row(p, t2i_comm_share(p->shards, rank, run->size)));
}

double t2i_resource_estimate_rows(const t2i_run_sizes *run, int rank)
{
    double rows = rows_of_rank(run, rank);
    return rows * (sizeof(t2i_row) + 16.0) +
           run->prompt_bytes * sizeof(uint16_t) * rows / (double)run->sampler->rows;
}

/* Two batches (audit.h). */
static double bytes_of_audits(const t2i_run_sizes *run, size_t rows)
{
    double row = (double)run->model->config.vision_feature_dim * FLOAT +
                 (double)run->longest * sizeof(uint16_t) + sizeof(t2i_row);
    return run->options->audit_every > 0 ? 2.0 * (double)rows * row : 0.0;
}

/* Negatives and buffers of all threads (contrastive_loss.h), the matching pictures, and the
 * features of the pictures of a batch, which are sent round. */
static double bytes_of_contrastive(const t2i_run_sizes *run, int rank)
{
    const t2i_train_options *o = run->options;
    size_t D = run->model->config.vision_feature_dim, shards = run->sampler->shards,
           batch = run->sampler->batch, most = (batch + shards - 1) / shards; /* rows of a shard */
    size_t rows = most < T2I_VALIDATION_ROWS ? T2I_VALIDATION_ROWS : most;
    if (o->loss != T2I_LOSS_CONTRASTIVE) return 0.0;
    const t2i_contrastive_loss_options c = {
        .negatives = (size_t)o->negatives,
        .batch = batch < T2I_VALIDATION_ROWS ? T2I_VALIDATION_ROWS : batch,
        .embed_dim = run->model->config.embed_dim};
    double sent =
        o->negatives == T2I_NEGATIVES_BATCH ? (double)(shards * most * (D + 1)) * FLOAT : 0.0;
    return sent +
           (double)t2i_contrastive_loss_estimate(&c, (size_t)run->pictures, D, (size_t)run->threads,
                                                 rows * (size_t)run->threads) +
           run->pictures / 4.0 + rows_of_rank(run, rank) * 16.0;
}

/* The pictures that samples are compared with (validation.h). */
static double bytes_of_samples(const t2i_run_sizes *run)
{
    if (run->options->sample_every == 0) return 0.0;
    return run->pictures *
           ((double)t2i_search_space_dim(&run->model->config) * FLOAT + sizeof(double));
}

/* Subtrees received from other nodes, if all nodes have the same number of ranks. */
static double far_subtrees(const t2i_run_sizes *run, int node_ranks)
{
    int nodes = (run->size + node_ranks - 1) / node_ranks;
    double all = 0;
    for (int n = 0; n < nodes; n++) {
        all += (double)t2i_reduce_count(run->sampler->shards, n, nodes, 1).published;
    }
    return all * (nodes - 1) / nodes;
}

t2i_step_plan t2i_resource_estimate_plan(const t2i_run_sizes *run)
{
    return t2i_step_plan_make(run->model, run->sampler, run->size, run->threads, run->prompt_bytes);
}

t2i_rank_estimate t2i_resource_estimate_rank(const t2i_run_sizes *run, int rank, int node_ranks)
{
    static const double process = 25e6; /* the libraries and their allocations */
    const t2i_model *m = run->model;
    double block = (double)m->layout.floats * FLOAT,
           outputs = (double)(m->config.vision_feature_dim * 2 + m->config.embed_dim);
    size_t chunks = m->layout.floats / T2I_CHUNK,
           rows = t2i_step_rows(run->sampler, rank, run->size);
    double slice = (double)(t2i_comm_share(chunks, rank + 1, run->size) -
                            t2i_comm_share(chunks, rank, run->size)) *
                   T2I_CHUNK * FLOAT;
    int averages = run->options->ema > 0, workers = run->size * run->threads;
    const t2i_step_plan plan = t2i_resource_estimate_plan(run);
    t2i_rank_estimate estimate = {.own = process + t2i_resource_estimate_rows(run, rank) +
                                         bytes_of_audits(run, rows),
                                  .rows = rows_of_rank(run, rank)};
    estimate.own += slice * (2.0 + averages);
    if (!plan.in_place) {
        estimate.own += block * averages;
        estimate.own += block; /* the initial weights, until they are moved to the shared memory of
                                  the node; on rank 0 later the copy that is saved */
        if (rank == 0)         /* a checkpoint is gathered there */
            estimate.own += block * (2.0 + averages);
    }
    if (rank == 0) estimate.own += bytes_of_samples(run);
    const size_t most = rows < T2I_VALIDATION_ROWS ? T2I_VALIDATION_ROWS : rows;
    const t2i_work_sizes work = t2i_step_work_sizes(&plan, rows, most, run->longest, run->options);
    for (int w = 0; w < workers; w++) {
        if (w / run->threads != rank) continue;
        const t2i_reduce_buffers b =
            t2i_reduce_count(run->sampler->shards, w, workers, plan.bundle);
        estimate.own += (double)(b.blocks - b.published) * block +
                        (double)((b.all - b.blocks) * plan.section) * FLOAT;
        estimate.shared += (double)b.published * block;
        estimate.own +=
            (double)t2i_transformer_work_bytes(m, &work) + (double)most * outputs * FLOAT;
    }
    estimate.own += far_subtrees(run, node_ranks) * slice + bytes_of_contrastive(run, rank);
    return estimate;
}

/* Pictures whose features a node holds: those of its rows, of validation rows and of the validation
 * gallery; all if negatives are drawn from the training pictures. */
static double pictures_of_node(const t2i_run_sizes *run, double rows)
{
    const t2i_train_options *o = run->options;
    double pictures = rows;
    if (o->loss == T2I_LOSS_CONTRASTIVE && o->negatives != T2I_NEGATIVES_BATCH)
        return run->pictures;
    if (o->validate_every > 0 && run->validation > 0)
        pictures += run->validation + T2I_VALIDATION_RECALL_PICTURES;
    return pictures < run->pictures ? pictures : run->pictures;
}

double t2i_resource_estimate_node(const t2i_run_sizes *run, double rows)
{
    int by_layer = t2i_resource_estimate_plan(run).by_layer;
    return (double)run->model->layout.floats * FLOAT +
           (double)t2i_packed_weights_bytes(run->model,
                                            by_layer ? T2I_TO_TRAIN_BY_LAYER : T2I_TO_TRAIN) +
           pictures_of_node(run, rows) * (double)run->model->config.vision_feature_dim * FLOAT;
}

double t2i_resource_estimate_checkpoint(const t2i_run_sizes *run)
{
    return (double)run->model->layout.count * FLOAT * (run->options->ema > 0 ? 4.0 : 3.0);
}

double t2i_resource_estimate_disk(const t2i_run_sizes *run)
{
    static const double records = 4 << 20; /* log, pictures, status */
    double weights = (double)run->model->layout.count * FLOAT;
    /* one checkpoint more than `keep` while it is written; the model and the best model */
    return t2i_resource_estimate_checkpoint(run) * (double)(run->options->keep + 1) + 3 * weights +
           records;
}
