/* train_internal.h - the state of a run, shared by train.c, which trains, and train_setup.c, which
 * makes ready what it needs. */
#ifndef T2I_TRAIN_INTERNAL_H
#define T2I_TRAIN_INTERNAL_H

#include "train/checkpoint_writer.h"
#include "train/contrastive_loss.h"
#include "record/events.h"
#include "train/initial_state.h"
#include "record/report.h"
#include "train/rows.h"
#include "record/runlog.h"
#include "train/sampler.h"
#include "train/sampler_file.h"
#include "train/shared_features.h"
#include "train/step.h"
#include "train/train.h"
#include "train/validation.h"

struct t2i_train {
    const t2i_train_options *options;
    t2i_comm *comm;
    int rank, size;
    t2i_dataset *dataset;
    char *result_options;      /* owned: the options that change the result, as JSON */
    t2i_initial_state initial; /* whose checkpoint became the state */
    t2i_train_state state;
    t2i_run_sizes sizes;             /* once the run is prepared */
    uint64_t split_rows[T2I_SPLITS]; /* of the dataset */
    t2i_sampler sampler;
    t2i_sampler_file sampler_file;
    t2i_rows rows;       /* T2I_SHARDED: of this rank's shards; other samplers: all rows */
    t2i_row_range range; /* the range of rows; range.first is the number (of N) of rows.row[0] */
    t2i_validation validation;
    int threads;
    t2i_step *step;
    size_t most_rows;                  /* maximum rows per call of the model */
    t2i_shared_features features;      /* of the pictures that the ranks of the node need */
    t2i_contrastive_loss *contrastive; /* owned; NULL: squared error only */
    uint8_t *trains;                   /* owned: one bit per picture: those of training pairs */
    t2i_rights rights;
    t2i_runlog *log; /* rank 0 */
    t2i_events events;
    t2i_report *report;   /* rank 0; NULL: not opened yet */
    int mute;             /* a failure to write it was reported */
    t2i_seconds seconds;  /* since the last logged line */
    t2i_seconds seconds0; /* earlier in this session */
    double began, line_began, shown;
    long line_step, first_step; /* of the last logged line; of this session */
    t2i_traffic line_sent;
    int skips;       /* consecutive skipped steps */
    int lost;        /* another process has taken over the folder: nothing more is written */
    long sound_step; /* step of the newest checkpoint to resume from, -1: none */
    long saved_step; /* step of the newest checkpoint of this session, -1: none */
    t2i_checkpoint_writer *checkpoint_writer; /* rank 0 */
    int aside;                                /* are checkpoints written in the background? */
    long saving;                              /* step of the checkpoint being written, -1: none */
    int running;                              /* has this run written status.json? */
};

/* Collective. The lease of the run folder, the initial state and this rank's rows, which determine
 * the sizes of the run. A finished run has no rows and no sizes. */
T2I_CHECKED t2i_status t2i_train_setup_run(t2i_train *t, t2i_error *err);
/* Collective, afterwards. The features of pictures and all memory of the step loop. */
T2I_CHECKED t2i_status t2i_train_setup_step(t2i_train *t, t2i_error *err);

#endif
