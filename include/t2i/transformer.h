/* transformer.h - the character transformer: forward and backward of one shard on packed tokens.
 *
 * The model is that of facts.md (HACKING.md, "The model"): pre-LN blocks, causal attention, ReLU,
 * the state of the last character through a final layer norm and a linear head. A shard's prompts
 * lie end to end as one matrix (tokens x d_model), so nothing is ever padded; in the last layer
 * only the last characters' rows go on after the keys and values. Results are a pure function of
 * (weights, rows): no allocation, no state, no MPI.
 */
#ifndef T2I_TRANSFORMER_H
#define T2I_TRANSFORMER_H

#include <stddef.h>
#include <stdint.h>
#include "t2i/block.h"
#include "t2i/error.h"

typedef struct {
    size_t vocab_size, d_model, n_heads, n_layers, d_ff, block_size;
    size_t vision_feature_dim; /* D: width of the head */
    int qkv_bias, out_bias, ffn1_bias, ffn2_bias, head_bias;
} t2i_config;

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
 * name, element) alone. */
void t2i_model_init_tensor(const t2i_model *model, const t2i_tensor *tensor, uint64_t seed,
                           float *weights);

/* Prompts of one shard, borrowed. A prompt of length 0 stands for one <PAD> that attends to
 * nothing. */
typedef struct {
    const uint16_t *ids;
    size_t length; /* at most block_size */
} t2i_row;

/* Buffers for one shard at a time; made once, for the largest shard. */
typedef struct t2i_work t2i_work;
/* Room for `rows` prompts of `longest` characters each. */
T2I_CHECKED t2i_status t2i_work_new(t2i_work **out, const t2i_model *model, size_t rows,
                                    size_t longest, t2i_error *err);
void t2i_work_free(t2i_work *work);
size_t t2i_work_bytes(const t2i_model *model, size_t rows, size_t longest);

/* Predictions (rows, D); the result lies in the work until the next call. rows >= 1; pad: the id
 * that stands in an empty prompt. */
const float *t2i_forward(const t2i_model *model, const float *weights, t2i_work *work,
                         const t2i_row *row, size_t rows, uint16_t pad);
/* After t2i_forward of the same rows: gradient (a whole block, every float set) for dprediction
 * (rows, D). */
void t2i_backward(const t2i_model *model, const float *weights, t2i_work *work,
                  const float *dprediction, float *gradient);
/* Tokens of the last forward: characters, and one for each empty prompt. */
size_t t2i_work_tokens(const t2i_work *work);

#endif
