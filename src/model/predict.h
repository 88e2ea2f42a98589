/* predict.h - predicts the feature vectors of prompts, and their place in the search space. */
#ifndef T2I_PREDICT_H
#define T2I_PREDICT_H

#include <stddef.h>
#include "base/error.h"
#include "base/text.h"
#include "model/search_space.h"
#include "model/transformer.h"
#include "model/vocab.h"

#define T2I_PREDICT_BLOCK 32 /* prompts per forward pass */

/* Borrowed UTF-8; may be empty, may contain NUL bytes. */
typedef struct {
    const char *bytes;
    size_t size;
} t2i_prompt;

/* features (prompts, D): the predicted features; place (prompts, dim): the prompts in the search
 * space (search_space.h). All are finite; either may be NULL. encoded (prompts): what was truncated
 * or unknown; may be NULL. Prompts are processed in blocks of T2I_PREDICT_BLOCK from the first, so
 * the bits depend on the prompts and their order alone. T2I_DATA if a prompt is not UTF-8 or a
 * prediction is not finite. */
T2I_CHECKED t2i_status t2i_predict_packed(const t2i_packed_weights *packed, const t2i_vocab *vocab,
                                          const t2i_prompt *prompt, size_t prompts, float *features,
                                          float *place, t2i_encoded *encoded, t2i_error *err);

/* Appends the distinct characters of the prompt's first `limit` that are not in the vocabulary, in
 * order of appearance. */
T2I_CHECKED t2i_status t2i_predict_unknown_characters(const t2i_vocab *vocab, t2i_prompt prompt,
                                                      size_t limit, t2i_text *out, t2i_error *err);

#endif
