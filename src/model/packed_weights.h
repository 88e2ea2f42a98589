/* packed_weights.h - the weights of a model, packed for the matrix products of a step.
 *
 * Why: products need their second operand in panels (gemm.h). The weights are that operand in the
 * forward and backward pass of every shard, so they are packed once after each update. For a large
 * model that is two more copies of the weights; its layers can be packed one at a time instead,
 * each for one direction, in memory of the thread that is about to use it.
 */
#ifndef T2I_PACKED_WEIGHTS_H
#define T2I_PACKED_WEIGHTS_H

#include <stddef.h>
#include "base/error.h"
#include "model/model.h"

/* What the weights are packed for: forward passes; backward passes, too; the same, but the layers
 * are packed by t2i_packed_weights_layer when they are used. */
enum { T2I_TO_PREDICT, T2I_TO_TRAIN, T2I_TO_TRAIN_BY_LAYER };

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
    unsigned long fills;       /* how often weights were set */
    t2i_layer_operands *layer; /* owned: n_layers */
    t2i_operand head;
    t2i_operand query_head, picture; /* with embed_dim; picture: for pictures F W^T */
    t2i_operand ngram_ffn1, ngram_head, ngram_query; /* with n-grams */
    t2i_operand *heads;                              /* owned: the last layer's keys and values */
    float *queries;    /* owned: (d, d) query rows of the last layer, head by head */
    float *floats;     /* memory of all of the above */
    int purpose, owns; /* owns: floats is owned */
} t2i_packed_weights;

/* One layer, packed for one direction. */
typedef struct {
    t2i_layer_operands operands;
    t2i_operand *heads; /* owned: 2 n_heads */
    float *queries;     /* (d, d): query rows of the last layer, head by head */
    float *floats;      /* owned: memory of all of the above */
    size_t number;      /* what is packed: layer, */
    int back;           /* direction, */
    unsigned long fill; /* and t2i_packed_weights.fills; 0: nothing */
} t2i_packed_layer;

/* purpose: as above. memory (borrowed): t2i_packed_weights_bytes,
 * 64-byte aligned; NULL: allocated here. *out is empty on failure. T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_packed_weights_new(t2i_packed_weights *out, const t2i_model *model,
                                              int purpose, void *memory, t2i_error *err);
/* Packs these weights for predictions: t2i_packed_weights_new and t2i_packed_weights_fill.
 * T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_packed_weights_of(t2i_packed_weights *out, const t2i_model *model,
                                             const float *weights, t2i_error *err);
void t2i_packed_weights_free(t2i_packed_weights *packed);
size_t t2i_packed_weights_bytes(const t2i_model *model, int purpose);

/* Packs the weights (a whole block, borrowed until the next fill). The work is divided among
 * threads, and among ranks that share the memory: each calls this with its number and their count.
 * All must return before the result is used. */
void t2i_packed_weights_fill(t2i_packed_weights *packed, const float *weights, size_t part,
                             size_t parts);

/* Memory for one layer; the bytes of it. T2I_SYSTEM. *out is empty on failure. */
T2I_CHECKED t2i_status t2i_packed_layer_new(t2i_packed_layer *out, const t2i_model *model,
                                            t2i_error *err);
void t2i_packed_layer_free(t2i_packed_layer *layer); /* an empty one is legal */
size_t t2i_packed_layer_bytes(const t2i_model *model);

/* The operands of a layer: for the forward pass, or the backward pass. With T2I_TO_TRAIN_BY_LAYER
 * they are packed in *room, unless they are there, and valid until its next use. */
const t2i_layer_operands *t2i_packed_weights_layer(const t2i_packed_weights *packed, size_t number,
                                                   int back, t2i_packed_layer *room);

#endif
