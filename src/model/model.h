/* model.h - configuration of the transformer, its table of tensors, and initial weights.
 *
 * All parameters are in one block (block.h); this module defines their names, shapes and offsets.
 */
#ifndef T2I_MODEL_H
#define T2I_MODEL_H

#include <stddef.h>
#include <stdint.h>
#include "base/block.h"
#include "base/error.h"

typedef struct {
    size_t vocab_size, d_model, n_heads, n_layers, d_ff, block_size;
    size_t vision_feature_dim; /* D: output width of the head */
    size_t ngram_buckets;      /* rows of the n-gram table (ngrams.h); 0: no n-grams */
    size_t ngram_hidden;       /* units of the direct layer of the n-grams; 0: no n-grams */
    size_t embed_dim;          /* E: width of the space that prompts and pictures are compared in;
                                  0: they are compared by the D features */
    int qkv_bias, out_bias, ffn1_bias, ffn2_bias, head_bias;
} t2i_config;

/* The sizes of a configuration: first those of the tutorial, with its names, in its order. The
 * others may be 0, which is also their value where a file does not have them. */
enum { T2I_MODEL_TUTORIAL_SIZES = 7, T2I_MODEL_SIZES = 10 };
const char *t2i_model_size_name(size_t index);
size_t t2i_model_size(const t2i_config *config, size_t index);
/* Returns 0 if value is below 1 (the further sizes: below 0) or over the limit of any model. */
int t2i_model_set_size(t2i_config *config, size_t index, int64_t value);

/* Offsets of tensors in a block; T2I_ABSENT: the model does not have this bias. */
#define T2I_ABSENT SIZE_MAX
typedef struct {
    size_t ln1_weight, ln1_bias, qkv_weight, qkv_bias, out_weight, out_bias;
    size_t ln2_weight, ln2_bias, ffn1_weight, ffn1_bias, ffn2_weight, ffn2_bias;
} t2i_layer_at;

typedef struct {
    t2i_config config;
    t2i_layout layout; /* owned: names and shapes of all parameters, in file order */
    size_t embedding, final_weight, final_bias, head_weight, head_bias;
    size_t query_weight, query_bias, picture_weight; /* with embed_dim */
    size_t ngram_weight, ngram_ln_weight, ngram_ln_bias, ngram_ffn1_weight, ngram_ffn1_bias;
    size_t ngram_head_weight, ngram_query_weight; /* with n-grams; the latter with embed_dim */
    t2i_layer_at *layer;                          /* owned: n_layers */
    float *position; /* owned: (block_size, d_model) sinusoidal positions in float, as in torch */
} t2i_model;

/* T2I_USAGE if the sizes are inconsistent (d_model not a multiple of heads, ...); T2I_SYSTEM. *out
 * is empty on failure. */
T2I_CHECKED t2i_status t2i_model_new(t2i_model *out, const t2i_config *config, t2i_error *err);
void t2i_model_free(t2i_model *model);

/* A block in parts, in the order in which a backward pass computes their gradients: 0: what follows
 * the layers; 1 .. n_layers: the layers from the last to the first; n_layers + 1: the embedding.
 * With n-grams the last part is not all that is computed last. */
typedef struct {
    size_t begin, end; /* floats */
} t2i_section;
size_t t2i_model_sections(const t2i_config *config);
t2i_section t2i_model_section(const t2i_model *model, size_t number);

/* Does a tensor belong to what a model of the tutorial does not have? */
int t2i_model_is_addition(const t2i_tensor *tensor);

/* Initialises a tensor as torch does: embedding N(0, 1); linear weights and biases uniform in
 * (-1/sqrt(fan_in), 1/sqrt(fan_in)); layer norm weights 1, biases 0. n-gram rows are normal with a
 * standard deviation of 0.01: a row that never trained adds little. The values are a function of
 * (seed, name, element) alone. weights: the whole block, of which only
 * this tensor is written. */
void t2i_model_init_tensor(const t2i_model *model, const t2i_tensor *tensor, uint64_t seed,
                           float *weights);

#endif
