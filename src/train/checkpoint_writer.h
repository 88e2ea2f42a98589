/* checkpoint_writer.h - rank 0 writes checkpoints, large ones while training goes on.
 *
 * Why: a gigabyte takes a disk seconds. So the weights of a large checkpoint are copied (the
 * moments lie on rank 0 for a checkpoint only), and a thread writes it; nobody counts on that file
 * before t2i_checkpoint_writer_end has said that it is durable. A small one is written at once, so
 * that a run that is killed repeats no more than an interval. Nothing here is collective.
 */
#ifndef T2I_CHECKPOINT_WRITER_H
#define T2I_CHECKPOINT_WRITER_H

#include <stddef.h>
#include "base/error.h"
#include "train/train_state.h"

/* Is a checkpoint of so many bytes large? From 64 MB on; T2I_ASIDE_MB in the environment says
 * otherwise, for tests. */
int t2i_checkpoint_writer_aside(size_t bytes);

typedef struct t2i_checkpoint_writer t2i_checkpoint_writer;

/* run: the folder; keep: how many checkpoints stay when one was written. Both are borrowed, and so
 * is the state, whose moments and averages must not change between begin and end. T2I_SYSTEM.
 * NULL on failure. */
T2I_CHECKED t2i_status t2i_checkpoint_writer_new(t2i_checkpoint_writer **out,
                                                 const t2i_train_state *state, const char *run,
                                                 long keep, int aside, t2i_error *err);
/* Waits for what is under way. NULL is legal. */
void t2i_checkpoint_writer_free(t2i_checkpoint_writer *checkpoint_writer);

/* Begins to write the state as it is now; then end, before the next begin. */
void t2i_checkpoint_writer_begin(t2i_checkpoint_writer *checkpoint_writer);
/* Would end not wait? 0 when nothing was begun. */
int t2i_checkpoint_writer_done(const t2i_checkpoint_writer *checkpoint_writer);
/* Waits, with signs of life as long as there are some. T2I_OK: it is there and durable, and older
 * ones are removed. Else as t2i_checkpoint_save. */
T2I_CHECKED t2i_status t2i_checkpoint_writer_end(t2i_checkpoint_writer *checkpoint_writer,
                                                 t2i_error *err);

#endif
