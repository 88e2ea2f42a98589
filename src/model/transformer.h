/* transformer.h - the character-level transformer: forward and backward pass of one shard.
 *
 * Model: pre-LN blocks with causal attention and ReLU; sinusoidal positions in float32; the rows of
 * `qkv` are q, k, v per head, without bias in a new model; the state of the last character passes
 * through a final layer norm and a linear head. An empty prompt is one <PAD> that attends to
 * nothing. Optional parts: embeddings of pieces of words (ngrams.h), and a second head, the query,
 * for the space in which prompts are compared with pictures.
 *
 * The tokens of a shard are stored without padding, and nothing is computed twice: matrices have
 * one row per distinct prefix of the shard's prompts (trie.h). In the last layer only the last
 * characters have queries, and keys and values are not formed. Results are a pure function of
 * (weights, rows): no allocation, no MPI, no state except the work.
 *
 * Tests: tests/golden/seed.c compares with PyTorch; the unit test compares gradients with central
 * differences in double, for every bias present and absent.
 */
#ifndef T2I_TRANSFORMER_H
#define T2I_TRANSFORMER_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "model/dropout.h"
#include "model/model.h"
#include "model/packed_weights.h"
#include "model/trie.h"
#include "model/vocab.h"

/* Buffers for the passes of one thread, allocated once for the largest: activations from the
 * forward to the backward pass, and what one layer of one pass needs. */
typedef struct t2i_work t2i_work;
/* Buffers for several passes, whose activations are kept side by side: `passes` of `rows` prompts
 * each, or pass 0 alone with most_rows (then rows may be 0), of `longest` characters each (at most
 * block_size). */
typedef struct {
    size_t passes, rows, most_rows, longest;
    int share;    /* 0: common prefixes are computed per prompt, for comparison */
    int drops;    /* passes may have dropout */
    int by_layer; /* weights are packed T2I_TO_TRAIN_BY_LAYER */
} t2i_work_sizes;
/* T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_transformer_work_new(t2i_work **out, const t2i_model *model,
                                                const t2i_work_sizes *sizes, t2i_error *err);
void t2i_transformer_work_free(t2i_work *work);
/* Bytes allocated, all of which are used only if all prompts are of the longest. */
size_t t2i_transformer_work_bytes(const t2i_model *model, const t2i_work_sizes *sizes);

/* What the heads predict for a number of prompts, or the gradient of it. */
typedef struct {
    float *features; /* (rows, D) */
    float *query;    /* (rows, E): vectors to compare with pictures; NULL if embed_dim is 0 */
} t2i_outputs;

/* Forward pass. Returns the predictions, which are valid until the next call with this work.
 * rows >= 1. dropout: of attention weights, of what attention and feed-forward layers add, and of
 * n-gram rows; NULL: none. */
t2i_outputs t2i_transformer_forward(const t2i_packed_weights *packed, t2i_work *work,
                                    const t2i_row *row, size_t rows, const t2i_vocab *vocab,
                                    const t2i_dropout *dropout);
/* Backward pass, after t2i_transformer_forward of the same rows with weights packed for training.
 * gradient: a whole block; all of it is set, except picture.weight. used: one byte per chunk of
 * T2I_CHUNK floats; 0 for chunks of the embedding and the n-gram table whose rows do not occur.
 * These are not written, and their gradient is zero. */
void t2i_transformer_backward(const t2i_packed_weights *packed, t2i_work *work,
                              const t2i_outputs *doutputs, float *gradient, uint8_t *used);

/* The same in stages, for several passes (0, 1, ...) at a time: all are begun in order, then their
 * layers computed in order, then for each the heads and section 0 of the backward pass
 * (t2i_model_section; the outputs are valid until the heads of another pass), then the other
 * sections in order. A section's part of the gradient is set, as above, with what lies between its
 * tensors; the rest is not touched. */
void t2i_transformer_begin(const t2i_packed_weights *packed, t2i_work *work, size_t pass,
                           const t2i_row *row, size_t rows, const t2i_vocab *vocab,
                           const t2i_dropout *dropout);
void t2i_transformer_layer(const t2i_packed_weights *packed, t2i_work *work, size_t pass,
                           size_t layer);
t2i_outputs t2i_transformer_heads(const t2i_packed_weights *packed, t2i_work *work, size_t pass);
void t2i_transformer_section_back(const t2i_packed_weights *packed, t2i_work *work, size_t pass,
                                  size_t section, const t2i_outputs *doutputs, float *gradient,
                                  uint8_t *used);

/* Of the pass begun last. tokens: characters, and one per empty prompt; prefixes: the number of
 * tokens that were computed. */
size_t t2i_transformer_work_tokens(const t2i_work *work);
size_t t2i_transformer_work_prefixes(const t2i_work *work);

#endif
