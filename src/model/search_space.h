/* search_space.h - the space in which prompts and pictures are compared.
 *
 * With embed_dim, a prompt is the output of the query head and a picture is picture.weight x its
 * features, both of length 1 and of E numbers. Without it a prompt is its predicted features and a
 * picture is its features, D numbers each.
 */
#ifndef T2I_SEARCH_SPACE_H
#define T2I_SEARCH_SPACE_H

#include "model/transformer.h"

/* E, or D without embed_dim. */
size_t t2i_search_space_dim(const t2i_config *config);
/* The outputs that are compared with pictures (rows, dim), not yet of length 1. */
float *t2i_search_space_output(const t2i_outputs *outputs);
/* out (count, dim) of features (count, D). A picture's bits do not depend on the others. out and
 * feature must not overlap. */
void t2i_search_space_pictures(const t2i_packed_weights *packed, float *out, const float *feature,
                               size_t count);
/* out (count, dim) of the outputs for `count` prompts. */
void t2i_search_space_prompts(const t2i_config *config, float *out, const t2i_outputs *outputs,
                              size_t count);

#endif
