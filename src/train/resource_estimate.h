/* resource_estimate.h - what a run will take, before it takes it: memory of its ranks and nodes,
 * and the disk.
 *
 * Estimates from above, as prompts and pictures are not counted one by one; what a run really has
 * is in its log (`memory`), and printed by --dry-run.
 */
#ifndef T2I_RESOURCE_ESTIMATE_H
#define T2I_RESOURCE_ESTIMATE_H

#include <stddef.h>
#include "train/train_options.h"
#include "model/model.h"
#include "train/sampler.h"

typedef struct {
    const t2i_train_options *options; /* all borrowed */
    const t2i_model *model;
    const t2i_sampler *sampler;
    int size, threads;
    size_t longest;      /* characters of a prompt */
    double prompt_bytes; /* of all training prompts */
    double pictures;     /* of the dataset */
} t2i_run_sizes;

/* Bytes of a rank at its peak: its own, and what it puts into the shared memory of its node, which
 * has node_ranks of the job. */
typedef struct {
    double own, shared;
} t2i_rank_estimate;
t2i_rank_estimate t2i_resource_estimate_rank(const t2i_run_sizes *run, int rank, int node_ranks);

/* What a node's ranks share besides: weights, packed ones, and features. */
double t2i_resource_estimate_node(const t2i_run_sizes *run);

/* Bytes of a checkpoint; of all that the run folder holds at once. */
double t2i_resource_estimate_checkpoint(const t2i_run_sizes *run);
double t2i_resource_estimate_disk(const t2i_run_sizes *run);

#endif
