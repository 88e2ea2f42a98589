/* eval.h - what t2i-eval does: how well a model finds and draws the pictures of a split.
 *
 * Every distinct prompt of the split is asked about once; the gallery is all pictures of the
 * dataset. A picture is right for a prompt when a pair of the split that is asked about says so.
 * Pictures that fit the prompt by another split only count neither as right nor as wrong: they are
 * left out of its ranking. Rank: 1 + pictures closer than the closest right one (of equally close
 * pictures the lower number comes first).
 *
 * PSNR (psnr.h) is taken against the right picture that is nearest to the prediction.
 *
 * Ranks and threads share the work in fixed blocks, and every figure is a count or a sum in the
 * prompts' order: the same at any number of them. Comparisons are exact (search.h). Predictions go
 * through the model in blocks of T2I_PREDICT_BLOCK prompts of one split, so they do not depend on
 * which other splits are asked about.
 */
#ifndef T2I_EVAL_H
#define T2I_EVAL_H

#include <stddef.h>
#include <stdint.h>
#include "comm/comm.h"
#include "base/error.h"
#include "retrieval/scores.h"
#include "base/text.h"
#include "retrieval/loaded_model.h"

/* Ways to rank the pictures. */
enum {
    T2I_BY_EUCLIDEAN, /* by distance to the prediction: as t2i_metric */
    T2I_BY_COSINE,
    T2I_BY_MEAN,     /* baselines: by distance to the mean feature of the training pairs */
    T2I_BY_CONSTANT, /* the best constant order (baseline.h) */
    T2I_BY_TRIGRAMS, /* nearest training prompts (baseline.h) */
    T2I_WAYS
};

enum { T2I_EVERY_SPLIT = -2, T2I_USUAL_SPLIT = -1 };

typedef struct {
    int split;     /* T2I_TRAIN ...; T2I_USUAL_SPLIT: validation where it has rows, else train;
                      T2I_EVERY_SPLIT: all that have rows */
    size_t sample; /* prompts of a split that are asked about, drawn by seed; 0: all */
    uint64_t seed; /* of the sample and the intervals */
    size_t keep;   /* bytes of features that a rank may keep; changes no figure */
    int threads;   /* of each rank, 0: what suits it (comm.h); changes no figure */
} t2i_eval_options;

typedef struct {
    t2i_scores score, low, high; /* low .. high: 95 % interval */
} t2i_way;

/* The picture that is first for most prompts that it does not fit. */
typedef struct {
    char *image;    /* owned: its name; NULL when no prompt has a wrong picture first */
    size_t prompts; /* that it is wrongly first for */
} t2i_hub;

typedef struct {
    int split;
    size_t prompts, all_prompts, gallery; /* asked about; in the split; pictures */
    int has_training;                     /* 0: no training rows, so no baselines but random */
    t2i_way way[T2I_WAYS];
    t2i_scores
        random; /* what a random order of the gallery scores on average: computed, not drawn */
    /* Mean PSNR against the true picture, dB; NaN where it cannot be had: of the decoded
     * prediction, and of the training picture (one that a training row uses) that is nearest to the
     * prediction. */
    double decoded_psnr, nearest_psnr;
    /* Distance between predictions, divided by distance between right pictures (root mean squares
     * over all pairs): 0 when all predictions are alike. NaN where the pictures are alike. */
    double spread;
    t2i_hub hub[2];      /* T2I_BY_EUCLIDEAN, T2I_BY_COSINE */
    size_t tied[2];      /* prompts that have a wrong picture as close as the first right one */
    size_t unknown, cut; /* prompts with unknown characters, prompts that were cut */
} t2i_eval_result;

typedef struct {
    size_t results;
    t2i_eval_result result[T2I_SPLITS];
} t2i_eval_report;

/* Collective; every rank has opened the same model and dataset. T2I_DATA when the split has no row
 * or the gallery is one picture. The same report on all ranks; empty on failure. */
T2I_CHECKED t2i_status t2i_eval(t2i_comm *comm, t2i_loaded_model *trained,
                                const t2i_eval_options *options, t2i_eval_report *out,
                                t2i_error *err);
void t2i_eval_report_free(t2i_eval_report *report);

/* What of a result is a cause for worry: a model that collapsed, hubs, ties, unknown characters,
 * prompts that were cut. Appends lines, each with its end; none when all is well. */
T2I_CHECKED t2i_status t2i_eval_warnings(const t2i_eval_result *result, t2i_text *out,
                                         t2i_error *err);

/* Appends the results as design.md's JSON object (as_array: as an array of them), or as tables for
 * people. */
T2I_CHECKED t2i_status t2i_eval_json(const t2i_eval_report *report, int as_array, t2i_text *out,
                                     t2i_error *err);
T2I_CHECKED t2i_status t2i_eval_table(const t2i_eval_report *report, t2i_text *out, t2i_error *err);

#endif
