/* model.h - the transformer's sizes, its table of tensors, and fresh weights.
 *
 * All parameters are one block (block.h); here are their names, shapes and places in it.
 */
#ifndef T2I_MODEL_H
#define T2I_MODEL_H

#include <stddef.h>
#include <stdint.h>
#include "base/block.h"
#include "base/error.h"

typedef struct {
    size_t vocab_size, d_model, n_heads, n_layers, d_ff, block_size;
    size_t vision_feature_dim; /* D: width of the head */
    int qkv_bias, out_bias, ffn1_bias, ffn2_bias, head_bias;
} t2i_config;

/* The sizes of a configuration under the tutorial's names, in its order. */
enum { T2I_MODEL_SIZES = 7 };
const char *t2i_model_size_name(size_t index);
size_t t2i_model_size(const t2i_config *config, size_t index);
/* 0 when value is below 1 or beyond what any model may have. */
int t2i_model_set_size(t2i_config *config, size_t index, int64_t value);

/* Offsets of tensors in a block; T2I_ABSENT for a bias that the model does not have. */
#define T2I_ABSENT SIZE_MAX
typedef struct {
    size_t ln1_weight, ln1_bias, qkv_weight, qkv_bias, out_weight, out_bias;
    size_t ln2_weight, ln2_bias, ffn1_weight, ffn1_bias, ffn2_weight, ffn2_bias;
} t2i_layer_at;

typedef struct {
    t2i_config config;
    t2i_layout layout; /* owned: names and shapes of all parameters, in file order */
    size_t embedding, final_weight, final_bias, head_weight, head_bias;
    t2i_layer_at *layer; /* owned: n_layers */
    float *position; /* owned: (block_size, d_model) sinusoids, computed in float as torch does */
} t2i_model;

/* T2I_USAGE when the sizes do not go together (d_model not a multiple of heads, ...). Empty on
 * failure. */
T2I_CHECKED t2i_status t2i_model_new(t2i_model *out, const t2i_config *config, t2i_error *err);
void t2i_model_free(t2i_model *model);

/* Fresh values for the tensor of that name, as torch initialises its layers: embedding N(0, 1);
 * linear weights and biases uniform(-1/sqrt(fan_in), +); layer norms 1 and 0. A function of (seed,
 * name, element) alone. weights is the block; only the tensor's place in it is written. */
void t2i_model_init_tensor(const t2i_model *model, const t2i_tensor *tensor, uint64_t seed,
                           float *weights);

#endif
