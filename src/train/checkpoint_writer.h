/* checkpoint_writer.h - writes checkpoints on rank 0, large ones in the background.
 *
 * Writing a gigabyte takes seconds. A thread therefore writes a large checkpoint; it counts as
 * saved only when t2i_checkpoint_writer_end has returned T2I_OK. The weights are copied for it (the
 * moments are gathered on rank 0 for checkpoints only). A large model at one rank has no second
 * copy of anything (step_plan.h): the thread writes the state itself while gradients are computed,
 * and the next update waits for it. A small checkpoint is written synchronously, so that a killed
 * run repeats at most one interval. Nothing here is collective.
 */
#ifndef T2I_CHECKPOINT_WRITER_H
#define T2I_CHECKPOINT_WRITER_H

#include <stddef.h>
#include "base/error.h"
#include "train/train_state.h"

/* Is a checkpoint of this size written in the background? True if it is large (t2i_fs_is_large). */
int t2i_checkpoint_writer_aside(size_t bytes);

typedef enum {
    T2I_WRITE_SYNC,     /* begin returns when the checkpoint is written */
    T2I_WRITE_COPY,     /* in the background, the weights from a copy */
    T2I_WRITE_IN_PLACE, /* in the background: the weights must not change until wait or end */
} t2i_write_mode;

typedef struct t2i_checkpoint_writer t2i_checkpoint_writer;

/* run: the run folder; keep: number of newest checkpoints to keep. run and state are borrowed; the
 * moments and averages of state must not change between begin and wait or end. T2I_SYSTEM: out of
 * memory. *out is NULL on failure. */
T2I_CHECKED t2i_status t2i_checkpoint_writer_new(t2i_checkpoint_writer **out,
                                                 const t2i_train_state *state, const char *run,
                                                 long keep, t2i_write_mode mode, t2i_error *err);
/* Waits for a write in progress. NULL is legal. */
void t2i_checkpoint_writer_free(t2i_checkpoint_writer *checkpoint_writer);

/* Starts to write the current state. Each begin must be followed by end before the next begin. */
void t2i_checkpoint_writer_begin(t2i_checkpoint_writer *checkpoint_writer);
/* Is a checkpoint being written? */
int t2i_checkpoint_writer_busy(const t2i_checkpoint_writer *checkpoint_writer);
/* Has the write completed, so that end does not wait? 0 if none was begun. */
int t2i_checkpoint_writer_done(const t2i_checkpoint_writer *checkpoint_writer);
/* Waits until nothing is being written, passing on the heartbeats of the writing thread. */
void t2i_checkpoint_writer_wait(const t2i_checkpoint_writer *checkpoint_writer);
/* Waits for the write. T2I_OK: the checkpoint is durable and older ones are removed. Otherwise a
 * status of t2i_checkpoint_save. */
T2I_CHECKED t2i_status t2i_checkpoint_writer_end(t2i_checkpoint_writer *checkpoint_writer,
                                                 t2i_error *err);

#endif
