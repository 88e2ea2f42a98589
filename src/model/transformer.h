/* transformer.h - the character transformer: forward and backward of one shard.
 *
 * The model is that of facts.md (HACKING.md, "The model"): pre-LN blocks, causal attention, ReLU,
 * the state of the last character through a final layer norm and a linear head. Nothing is computed
 * twice or for nothing: matrices have a row for each distinct prefix of a shard's prompts (trie.h),
 * so there is no padding; in the last layer only the last characters ask, and its keys and values
 * are never formed. Results are a pure function of (weights, rows): no allocation, no MPI, no state
 * but the work.
 */
#ifndef T2I_TRANSFORMER_H
#define T2I_TRANSFORMER_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "model/model.h"
#include "model/packed_weights.h"
#include "model/trie.h"

/* Buffers for one shard at a time; made once, for the largest shard. A thread needs its own. */
typedef struct t2i_work t2i_work;
/* Room for `rows` prompts of `longest` characters each (at most block_size). share 0: prefixes that
 * prompts have in common are computed for each prompt, for comparison. */
T2I_CHECKED t2i_status t2i_transformer_work_new(t2i_work **out, const t2i_model *model, size_t rows,
                                                size_t longest, int share, t2i_error *err);
void t2i_transformer_work_free(t2i_work *work);
size_t t2i_transformer_work_bytes(const t2i_model *model, size_t rows, size_t longest);

/* Predictions (rows, D); the result lies in the work until the next call. rows >= 1; pad: the id
 * that stands in an empty prompt. */
const float *t2i_transformer_forward(const t2i_packed_weights *packed, t2i_work *work,
                                     const t2i_row *row, size_t rows, uint16_t pad);
/* After t2i_transformer_forward of the same rows with weights packed for training: the gradient (a
 * whole block) for dprediction (rows, D). used: a byte for each chunk of T2I_CHUNK floats; 0 for
 * chunks of the embedding of which no character occurs: these are not written, their gradient is
 * zero. */
void t2i_transformer_backward(const t2i_packed_weights *packed, t2i_work *work,
                              const float *dprediction, float *gradient, uint8_t *used);

/* Of the last forward. Tokens: characters, and one for each empty prompt; prefixes: those of them
 * that were computed. */
size_t t2i_transformer_work_tokens(const t2i_work *work);
size_t t2i_transformer_work_prefixes(const t2i_work *work);

#endif
