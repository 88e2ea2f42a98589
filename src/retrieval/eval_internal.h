/* eval_internal.h - what the files of eval share. Collective is what takes a t2i_comm *. */
#ifndef T2I_EVAL_INTERNAL_H
#define T2I_EVAL_INTERNAL_H

#include "retrieval/baseline.h"
#include "retrieval/eval.h"
#include "model/predict.h"
#include "base/progress.h"
#include "dataset/prompts.h"
#include "retrieval/search.h"
#include "retrieval/feature_cache.h"

#define T2I_NO_PROMPT UINT32_MAX
enum {
    QUERIES = 8 * T2I_PREDICT_BLOCK,        /* predictions that are compared in one call */
    GROUP_FLOATS = 1 << 22,                 /* of the predictions that are held at a time */
    GROUP_BLOCKS = 8192 / T2I_PREDICT_BLOCK /* at most so many blocks of them */
};

/* A prompt that is asked about, and what came of it. */
typedef struct {
    uint32_t prompt;          /* T2I_NO_PROMPT: nothing is asked here, it only fills a block */
    uint32_t right, left_out; /* pictures that fit it */
    uint32_t truth;           /* the right picture that is nearest to the prediction */
    uint32_t trained;         /* the training picture that is */
    uint32_t first[T2I_METRICS];
    uint8_t wrong[T2I_METRICS]; /* does the first picture not fit it? */
    uint8_t tied[T2I_METRICS];
    uint32_t rank[T2I_WAYS];
    double decoded, compared; /* PSNR */
} t2i_question;

typedef struct {
    t2i_loaded_model *trained;
    const t2i_eval_options *options;
    int rank, size;
    size_t images, D;
    t2i_prompts prompts;
    t2i_baseline base;
    uint8_t *trains; /* images: does a training row use it? */
    /* the questions: those of split[s] are begin[s] .. begin[s + 1] - 1, whole blocks */
    size_t splits, begin[T2I_SPLITS + 1];
    int split[T2I_SPLITS];
    size_t all[T2I_SPLITS], asked[T2I_SPLITS]; /* distinct prompts */
    t2i_question *question;
    size_t group;     /* questions that are asked together, whole blocks */
    uint32_t *weight; /* (splits, images): questions that each picture is right for */
    /* pictures */
    t2i_feature_cache cache;
    t2i_thread_pool *pool; /* owned: who searches */
    t2i_search *search;
    float *mean;               /* D: of the training rows' features */
    double *mean_distance;     /* images */
    uint32_t *mean_place;      /* images */
    double target[T2I_SPLITS]; /* mean squared distance of right pictures from their mean */
    /* predictions */
    double *sum, square[T2I_SPLITS]; /* (splits, D), and of squared lengths */
    int64_t unknown[T2I_SPLITS], cut[T2I_SPLITS];
    t2i_progress progress;
} t2i_eval_job;

/* Chooses the questions. The same on all ranks. */
t2i_status t2i_eval_plan(t2i_eval_job *j, t2i_error *err);
/* One pass over the features: the mean, and how far apart the right pictures are. */
t2i_status t2i_eval_measure(t2i_comm *comm, t2i_eval_job *j, t2i_error *err);
/* Predictions, ranks, PSNR of all questions. */
t2i_status t2i_eval_rank(t2i_comm *comm, t2i_eval_job *j, t2i_error *err);

/* Blocks of pictures and of queries make tasks, in that order: task t is pictures t / queries. */
size_t t2i_eval_query_blocks(size_t questions);

#endif
