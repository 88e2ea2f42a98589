/* resource_estimate.h - estimates of the memory and disk space that a run needs.
 *
 * What the run itself takes is counted from above, since prompts and pictures are not counted one
 * by one; launcher and MPI library take up to 50 MB more, so that a run which needs more than there
 * is does not fit. The actual memory use is in the log (`memory`) and printed by --dry-run.
 */
#ifndef T2I_RESOURCE_ESTIMATE_H
#define T2I_RESOURCE_ESTIMATE_H

#include <stddef.h>
#include "train/train_options.h"
#include "model/model.h"
#include "train/sampler.h"
#include "train/step_plan.h"

typedef struct {
    const t2i_train_options *options; /* all borrowed */
    const t2i_model *model;
    const t2i_sampler *sampler;
    int size, threads;
    size_t longest;      /* maximum prompt length in characters */
    double prompt_bytes; /* of all training prompts */
    double pictures;     /* of the dataset */
    double validation;   /* rows of the validation split */
} t2i_run_sizes;

/* How the run's steps are computed. */
t2i_step_plan t2i_resource_estimate_plan(const t2i_run_sizes *run);

/* Peak bytes of a rank: private memory, and its part of the shared memory of its node, which has
 * node_ranks ranks of the job. */
typedef struct {
    double own, shared;
    double rows; /* training rows of the rank */
} t2i_rank_estimate;
t2i_rank_estimate t2i_resource_estimate_rank(const t2i_run_sizes *run, int rank, int node_ranks);

/* Bytes of a rank's rows and their prompts (rows.h), a part of `own`. */
double t2i_resource_estimate_rows(const t2i_run_sizes *run, int rank);

/* Further shared memory of a node whose ranks have `rows` training rows: weights, packed weights
 * and features. */
double t2i_resource_estimate_node(const t2i_run_sizes *run, double rows);

/* Bytes of one checkpoint; and the maximum size of the run folder. */
double t2i_resource_estimate_checkpoint(const t2i_run_sizes *run);
double t2i_resource_estimate_disk(const t2i_run_sizes *run);

#endif
