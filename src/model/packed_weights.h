/* packed_weights.h - a model's weights, made ready for the matrix products of a step.
 *
 * Products want their second operand in panels (gemm.h), and the weights are that operand in the
 * forward and the backward pass of every shard. So they are packed once after each update.
 */
#ifndef T2I_PACKED_WEIGHTS_H
#define T2I_PACKED_WEIGHTS_H

#include <stddef.h>
#include "base/error.h"
#include "model/model.h"

/* A weight (out, in), packed both ways. */
typedef struct {
    float *forward; /* of x W^T */
    float *back;    /* of dy W; NULL unless training */
} t2i_operand;

typedef struct {
    t2i_operand qkv, out, ffn1, ffn2;
    t2i_operand query; /* the last layer has these three in place of qkv: all heads' queries, */
    t2i_operand *key, *value; /* and keys and values of each head */
} t2i_layer_operands;

typedef struct {
    const t2i_model *model;    /* borrowed */
    const float *weights;      /* borrowed: of the last fill */
    t2i_layer_operands *layer; /* owned: n_layers */
    t2i_operand head;
    t2i_operand *heads; /* owned: the last layer's keys and values */
    float *queries; /* owned: (d, d) the last layer's query rows of all heads, one after another */
    float *floats;  /* all of the above */
    int training, owns; /* owns: floats */
} t2i_packed_weights;

/* training 0: only what t2i_transformer_forward reads. memory (borrowed): t2i_packed_weights_bytes
 * of it, 64-byte aligned; NULL: its own. Empty on failure. */
T2I_CHECKED t2i_status t2i_packed_weights_new(t2i_packed_weights *out, const t2i_model *model,
                                              int training, void *memory, t2i_error *err);
void t2i_packed_weights_free(t2i_packed_weights *packed);
size_t t2i_packed_weights_bytes(const t2i_model *model, int training);

/* Packs these weights (a whole block, borrowed until the next fill). Threads share the work, and
 * ranks that have it in the same memory: each calls this with its number and their count, and all
 * must be done before any goes on. */
void t2i_packed_weights_fill(t2i_packed_weights *packed, const float *weights, size_t part,
                             size_t parts);

#endif
