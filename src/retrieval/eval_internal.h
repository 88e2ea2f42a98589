/* eval_internal.h - declarations shared by the eval_*.c files. */
#ifndef T2I_EVAL_INTERNAL_H
#define T2I_EVAL_INTERNAL_H

#include "retrieval/baseline.h"
#include "retrieval/eval.h"
#include "model/predict.h"
#include "base/progress.h"
#include "dataset/prompts.h"
#include "retrieval/hybrid_search.h"
#include "retrieval/search.h"
#include "retrieval/text_index.h"
#include "retrieval/feature_cache.h"

#define T2I_NO_PROMPT UINT32_MAX
enum {
    QUERIES = 8 * T2I_PREDICT_BLOCK,        /* predictions compared in one call */
    GROUP_FLOATS = 1 << 22,                 /* limit of the floats of predictions in memory */
    GROUP_BLOCKS = 8192 / T2I_PREDICT_BLOCK /* limit of the blocks of predictions in memory */
};

/* A query: one evaluated prompt, and its results. */
typedef struct {
    uint32_t prompt;           /* T2I_NO_PROMPT: padding of a block */
    uint32_t right, left_out;  /* number of pictures that fit: by this split, by others only */
    uint32_t truth;            /* right picture nearest to the prediction */
    uint32_t nearest_training; /* training picture nearest to the prediction */
    uint32_t first[T2I_METRICS];
    uint8_t wrong[T2I_METRICS]; /* 1 if the first picture does not fit */
    uint8_t tied[T2I_METRICS];  /* 1 if a wrong picture is as close as the closest right one */
    uint32_t rank[T2I_METHODS];
    double decoded, compared, ceiling; /* PSNR of the decoded prediction, of the training picture,
                                          of the true picture's decoded features */
} t2i_eval_query;

typedef struct {
    t2i_loaded_model *model;
    const t2i_eval_options *options;
    int rank, size;
    size_t images, D;
    t2i_packed_weights packed; /* of the model */
    size_t dim;                /* numbers of the search space (search_space.h) */
    t2i_prompts prompts;
    t2i_baseline base;
    t2i_text_index text_index;
    double *text_score;       /* images: scores of the text index for one prompt */
    double index_weight;      /* as in t2i_eval_result */
    t2i_gallery gallery;      /* loaded, for hybrid; empty without index_weight */
    t2i_hybrid_search hybrid; /* likewise */
    uint8_t *in_training;     /* images: 1 if a training row uses it */
    /* queries: those of split[s] are begin[s] .. begin[s + 1] - 1, whole blocks */
    size_t splits, begin[T2I_SPLITS + 1];
    int split[T2I_SPLITS];
    size_t all[T2I_SPLITS], sampled[T2I_SPLITS]; /* distinct prompts: in the split, evaluated */
    t2i_eval_query *query;
    size_t group;     /* queries per group, whole blocks */
    uint32_t *weight; /* (splits, images): number of queries that each picture is right for */
    /* pictures */
    t2i_feature_cache features;
    t2i_feature_cache mapped; /* the pictures in the search space; empty without embed_dim */
    t2i_feature_cache *cache; /* pictures as they are searched: mapped, or features */
    t2i_thread_pool *pool;    /* owned: threads of the search */
    t2i_search *search;
    float *mean;               /* D: mean feature of the training rows */
    double *mean_distance;     /* images */
    uint32_t *mean_place;      /* images */
    double target[T2I_SPLITS]; /* mean squared distance of the right pictures from their mean */
    /* predictions */
    double *sum, square[T2I_SPLITS]; /* (splits, D): sums of predictions; sums of squared lengths */
    size_t drawn[T2I_SPLITS];        /* prompts drawn in all ways; sums of their PSNR */
    double drawn_psnr[T2I_SPLITS][T2I_EVAL_WAYS];
    int64_t unknown[T2I_SPLITS], cut[T2I_SPLITS];
    t2i_progress progress;
} t2i_evaluation;

/* Chooses the queries, the same on all ranks. */
t2i_status t2i_eval_plan(t2i_evaluation *e, t2i_error *err);
/* Index of the evaluated split of a query. */
size_t t2i_eval_split_of(const t2i_evaluation *e, size_t query);
/* Collective. One pass over the features: their mean, and the spread of the right pictures. */
t2i_status t2i_eval_measure(t2i_comm *comm, t2i_evaluation *e, t2i_error *err);
/* Collective. Predictions, ranks and PSNR of all queries. */
t2i_status t2i_eval_rank(t2i_comm *comm, t2i_evaluation *e, t2i_error *err);

/* Collective. Draws T2I_EVAL_DRAWN queries of each split in all ways; here those of a group of
 * `count` queries, with predictions (count, D) and places (count, dim). Needs training rows and a
 * decoder. */
t2i_status t2i_eval_draw(t2i_comm *comm, t2i_evaluation *e, size_t first, size_t count,
                         const float *prediction, const float *place, t2i_error *err);

/* Appends the table of t2i_eval_report.ranks. */
t2i_status t2i_eval_ranks(const t2i_evaluation *e, t2i_text *out, t2i_error *err);

/* Number n of blocks of queries. Task t compares block t / n of the pictures with block t % n. */
size_t t2i_eval_query_blocks(size_t queries);

#endif
