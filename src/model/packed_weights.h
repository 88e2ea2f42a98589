/* packed_weights.h - the weights of a model, packed for the matrix products of a step.
 *
 * Why: products need their second operand in panels (gemm.h). The weights are that operand in the
 * forward and backward pass of every shard, so they are packed once after each update.
 */
#ifndef T2I_PACKED_WEIGHTS_H
#define T2I_PACKED_WEIGHTS_H

#include <stddef.h>
#include "base/error.h"
#include "model/model.h"

/* A weight (out, in), packed for both passes. */
typedef struct {
    float *forward; /* for x W^T */
    float *back;    /* for dy W; NULL unless training */
} t2i_operand;

typedef struct {
    t2i_operand qkv, out, ffn1, ffn2;
    t2i_operand query;        /* the last layer has these instead of qkv: queries of all heads, */
    t2i_operand *key, *value; /* keys and values per head */
} t2i_layer_operands;

typedef struct {
    const t2i_model *model;    /* borrowed */
    const float *weights;      /* borrowed: from the last fill */
    t2i_layer_operands *layer; /* owned: n_layers */
    t2i_operand head;
    t2i_operand query_head, picture; /* with embed_dim; picture: for pictures F W^T */
    t2i_operand ngram_ffn1, ngram_head, ngram_query; /* with n-grams */
    t2i_operand *heads;                              /* owned: the last layer's keys and values */
    float *queries;     /* owned: (d, d) query rows of the last layer, head by head */
    float *floats;      /* memory of all of the above */
    int training, owns; /* owns: floats is owned */
} t2i_packed_weights;

/* training 0: only what t2i_transformer_forward needs. memory (borrowed): t2i_packed_weights_bytes,
 * 64-byte aligned; NULL: allocated here. *out is empty on failure. T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_packed_weights_new(t2i_packed_weights *out, const t2i_model *model,
                                              int training, void *memory, t2i_error *err);
/* Packs these weights for predictions: as t2i_packed_weights_new without training, and
 * t2i_packed_weights_fill. T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_packed_weights_of(t2i_packed_weights *out, const t2i_model *model,
                                             const float *weights, t2i_error *err);
void t2i_packed_weights_free(t2i_packed_weights *packed);
size_t t2i_packed_weights_bytes(const t2i_model *model, int training);

/* Packs the weights (a whole block, borrowed until the next fill). The work is divided among
 * threads, and among ranks that share the memory: each calls this with its number and their count.
 * All must return before the result is used. */
void t2i_packed_weights_fill(t2i_packed_weights *packed, const float *weights, size_t part,
                             size_t parts);

#endif
