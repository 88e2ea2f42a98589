#include <math.h>

#include "retrieval/eval_internal.h"
#include "base/mem.h"

/* Weighted sums of features: set 0 over the training rows, then the right pictures of each split.
 */
enum { SPANS = 1024, SUMS = 1 << 23 /* about the number of floats in all spans */ };

static const uint32_t *weight_of(const t2i_evaluation *e, size_t set)
{
    return set == 0 ? e->base.pairs_of : e->weight + (set - 1) * e->images;
}

/* Adds a block to sum (sets, D + 1): features, then squared lengths. */
static void add_block(const t2i_evaluation *e, size_t block, const float *feature, double *sum)
{
    size_t D = e->D, first = block * e->features.rows,
           count = t2i_feature_cache_count(&e->features, block);
    for (size_t set = 0; set <= e->splits; set++, sum += D + 1) {
        const uint32_t *weight = weight_of(e, set) + first;
        for (size_t m = 0; m < count; m++) {
            const float *x = feature + m * D;
            double w = (double)weight[m];
            if (weight[m] == 0) continue;
            for (size_t d = 0; d < D; d++) sum[d] += w * (double)x[d];
            double length = set == 0 ? 0.0 : t2i_gallery_length(x, D);
            sum[D] += w * length * length;
        }
    }
}

/* Sums each span of blocks into all (spans, row). The division into spans depends on the data
 * alone. */
static t2i_status sum_spans(t2i_evaluation *e, size_t spans, size_t row, double *all,
                            t2i_error *err)
{
    size_t first = t2i_comm_share(spans, e->rank, e->size),
           end = t2i_comm_share(spans, e->rank + 1, e->size);
    for (size_t i = first; i < end; i++) {
        size_t last = t2i_comm_share(e->features.blocks, (int)i + 1, (int)spans);
        for (size_t b = t2i_comm_share(e->features.blocks, (int)i, (int)spans); b < last; b++) {
            const float *feature;
            T2I_TRY(t2i_feature_cache_block(&e->features, b, &feature, err));
            add_block(e, b, feature, all + i * row);
            t2i_progress_at(&e->progress, (double)(b + 1) / (double)e->features.blocks);
        }
    }
    return T2I_OK;
}

/* Adds the sums of all spans in order, on every rank. */
static void use_sums(t2i_evaluation *e, size_t spans, size_t row, double *all)
{
    size_t D = e->D;
    for (size_t i = 1; i < spans; i++)
        for (size_t k = 0; k < row; k++) all[k] += all[i * row + k];
    for (size_t d = 0; d < D && e->base.rows > 0; d++)
        e->mean[d] = (float)(all[d] / (double)e->base.rows);
    for (size_t s = 0; s < e->splits; s++) {
        const double *sum = all + (s + 1) * (D + 1);
        double weight = 0.0, square = 0.0;
        for (size_t m = 0; m < e->images; m++) weight += (double)e->weight[s * e->images + m];
        for (size_t d = 0; d < D; d++) square += sum[d] / weight * (sum[d] / weight);
        e->target[s] = fmax(sum[D] / weight - square, 0.0);
    }
}

t2i_status t2i_eval_measure(t2i_comm *comm, t2i_evaluation *e, t2i_error *err)
{
    /* the number of spans does not depend on the splits, nor does the mean */
    size_t most = SUMS / ((T2I_SPLITS + 1) * (e->D + 1)), row = (e->splits + 1) * (e->D + 1);
    most = most < 1 ? 1 : most > SPANS ? SPANS : most;
    size_t spans = e->features.blocks < most ? e->features.blocks : most;
    double *all = t2i_alloc(spans, row * sizeof *all);
    e->mean = t2i_alloc(e->D, sizeof *e->mean);
    t2i_progress_begin(&e->progress, "reading features");
    t2i_status status = all == NULL || e->mean == NULL
                            ? t2i_fail_memory(err, spans * row * sizeof *all, "the mean feature")
                            : sum_spans(e, spans, row, all, err);
    t2i_progress_end(&e->progress);
    status = t2i_comm_agree(comm, status, err);
    if (status == T2I_OK) {
        t2i_comm_allgather(comm, all, row * sizeof *all, spans);
        use_sums(e, spans, row, all);
    }
    t2i_free(all);
    return status;
}
