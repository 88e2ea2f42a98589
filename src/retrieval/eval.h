/* eval.h - evaluation of a model on a split: recall, mean reciprocal rank, PSNR (t2i-eval).
 *
 * Each distinct prompt of the split is one query; the gallery is all pictures of the dataset. A
 * picture is right for a prompt if a pair of the evaluated split has both. Pictures that fit the
 * prompt by another split only are left out of its ranking (docs/decisions/030-exact-ranks.md). The
 * rank of a query is 1 + the number of pictures closer than the closest right one; of equally close
 * pictures the lower number comes first. PSNR (psnr.h) is measured against the right picture that
 * is nearest to the prediction.
 *
 * Pictures are ranked in the search space (search_space.h): by the predicted features, or with
 * embed_dim by the query and the mapped pictures. The mean feature is compared with features.
 *
 * Ranks and threads share the work in fixed blocks. Every figure is a count, or a sum in the order
 * of the prompts, so results are equal at any number of ranks and threads. Comparisons are exact
 * (search.h). Predictions are computed in blocks of T2I_PREDICT_BLOCK prompts of one split, so they
 * do not depend on which other splits are evaluated.
 */
#ifndef T2I_EVAL_H
#define T2I_EVAL_H

#include <stddef.h>
#include <stdint.h>
#include "comm/comm.h"
#include "base/error.h"
#include "retrieval/drawing.h"
#include "retrieval/scores.h"
#include "base/text.h"
#include "retrieval/loaded_model.h"

/* Methods to rank the pictures. */
enum {
    T2I_BY_EUCLIDEAN, /* by distance to the prediction; values as in t2i_metric */
    T2I_BY_COSINE,
    T2I_BY_MEAN,       /* baselines: by distance to the mean feature of the training pairs */
    T2I_BY_CONSTANT,   /* the best constant order (baseline.h) */
    T2I_BY_TRIGRAMS,   /* nearest training prompts (baseline.h) */
    T2I_BY_TEXT_INDEX, /* words and letters of the training prompts (text_index.h) */
    T2I_BY_HYBRID,     /* cosine and text index (hybrid_search.h): not a baseline */
    T2I_METHODS
};

enum { T2I_ALL_SPLITS = -2, T2I_DEFAULT_SPLIT = -1 };

typedef struct {
    int split;          /* T2I_TRAIN ...; T2I_DEFAULT_SPLIT: validation if it has rows, else train;
                           T2I_ALL_SPLITS: all splits that have rows */
    size_t sample;      /* upper limit of prompts per split, drawn by seed; 0: all prompts */
    uint64_t seed;      /* random seed of the sample and of the intervals */
    size_t cache_bytes; /* bytes of features to keep in memory per rank; changes no result */
    int threads;        /* threads per rank; 0: default (comm.h); changes no result */
    int list_ranks;     /* 1: fill t2i_eval_report.ranks */
} t2i_eval_options;

/* Ways to draw a prompt whose PSNR is measured: those of drawing.h, then the mean feature of the
 * training pairs. */
enum { T2I_EVAL_MEAN_PICTURE = T2I_DRAWINGS, T2I_EVAL_WAYS };
enum { T2I_EVAL_DRAWN = 1000 }; /* prompts per split that are drawn in all ways, evenly spread */

typedef struct {
    t2i_scores score, low, high; /* low .. high: 95 % confidence interval */
} t2i_eval_method;

/* The picture that is first for the most prompts that it does not fit. */
typedef struct {
    char *image;    /* owned: its name; NULL if no prompt has a wrong picture first */
    size_t prompts; /* number of prompts that it is wrongly first for */
} t2i_hub;

typedef struct {
    int split;
    size_t prompts, all_prompts, gallery; /* evaluated prompts; prompts of the split; pictures */
    size_t embed_dim;                     /* of the model: 0: pictures are ranked by features */
    t2i_metric metric;                    /* of the model's loss: that of the first sentence */
    int has_training;                     /* 0: no training rows, so only the random baseline */
    t2i_eval_method method[T2I_METHODS];
    /* By euclidean and by cosine: score less that of the text index. The interval is of the
     * differences in the same resamples. */
    t2i_eval_method minus_text_index[2];
    /* The model's weight of the text index; 0: T2I_BY_HYBRID is not measured, as the model has
     * none, there are no training rows, or more than T2I_HYBRID_SEARCH_PICTURES pictures. */
    double index_weight;
    /* Likewise: T2I_BY_HYBRID less T2I_BY_TEXT_INDEX, and less T2I_BY_COSINE. */
    t2i_eval_method hybrid_minus_text_index, hybrid_minus_cosine;
    t2i_scores random; /* expected scores of a random order, computed exactly */
    /* Mean PSNR in dB against the true picture, or NaN where it cannot be computed: of the decoded
     * prediction, and of the picture of a training row that is nearest to the prediction: of its
     * decoded features, or without a decoder of its pixels. */
    double decoded_psnr, nearest_psnr;
    double ceiling_psnr; /* of the true picture's decoded features: no prediction decodes better */
    size_t drawn;        /* prompts in drawn_psnr; 0 without decoder or training rows */
    double drawn_psnr[T2I_EVAL_WAYS]; /* mean PSNR of each way to draw; NaN if drawn is 0 */
    /* Root mean square distance between predictions, divided by that between right pictures: 0 if
     * all predictions are equal, NaN if all right pictures are. */
    double spread;
    t2i_hub hub[2];      /* T2I_BY_EUCLIDEAN, T2I_BY_COSINE */
    size_t tied[2];      /* prompts with a wrong picture as close as the closest right one */
    size_t unknown, cut; /* prompts with unknown characters, truncated prompts */
} t2i_eval_result;

typedef struct {
    size_t results;
    t2i_eval_result result[T2I_SPLITS];
    /* Owned; on rank 0, with list_ranks. One line per prompt, tab-separated, with a header: split,
     * prompt, its rank by each method (empty: not measured), the right picture nearest to the
     * prediction, the first picture by cosine. Control characters are replaced. */
    t2i_text ranks;
} t2i_eval_report;

/* How the table of ranks begins. */
#define T2I_EVAL_RANKS "split\tprompt\tcosine\teuclidean\t"

/* Collective. Every rank has opened the same model and dataset. All ranks get the same report.
 * T2I_DATA when the split has no rows, the gallery has one picture, or the ranks opened different
 * files; T2I_SYSTEM. *out is empty on failure. */
T2I_CHECKED t2i_status t2i_eval(t2i_comm *comm, t2i_loaded_model *model,
                                const t2i_eval_options *options, t2i_eval_report *out,
                                t2i_error *err);
void t2i_eval_report_free(t2i_eval_report *report);

/* Appends one line per problem of a result: a collapsed model, hubs, ties, unknown characters,
 * truncated prompts. Appends nothing if there is none. */
T2I_CHECKED t2i_status t2i_eval_warnings(const t2i_eval_result *result, t2i_text *out,
                                         t2i_error *err);

/* Append the results as a JSON object (as_array: an array of objects), or as a sentence per split,
 * held-out ones first, and tables. The keys of
 * the object are in eval_report.c. */
T2I_CHECKED t2i_status t2i_eval_json(const t2i_eval_report *report, int as_array, t2i_text *out,
                                     t2i_error *err);
T2I_CHECKED t2i_status t2i_eval_table(const t2i_eval_report *report, t2i_text *out, t2i_error *err);

#endif
