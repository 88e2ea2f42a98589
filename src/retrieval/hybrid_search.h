/* hybrid_search.h - pictures ranked by the model and by the text index together.
 *
 * The score of a picture is its cosine similarity to the prompt in the search space
 * (search_space.h) plus a weight times its score in the text index (text_index.h). Of equal scores
 * the lower number comes first. A picture without training prompts has no document in the index, so
 * that nothing is known of its text: it keeps its rank by cosine similarity, and the pictures with
 * a document share the other ranks by their scores (docs/decisions/035-hybrid-search.md).
 *
 * The weight is chosen on the validation prompts and is part of a model file (t2i.run). Results
 * have the same bits on every processor.
 */
#ifndef T2I_HYBRID_SEARCH_H
#define T2I_HYBRID_SEARCH_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "dataset/dataset.h"
#include "dataset/prompts.h"
#include "model/packed_weights.h"
#include "model/vocab.h"
#include "retrieval/gallery.h"
#include "retrieval/text_index.h"

/* Limits of the time: pictures of a dataset that is searched so in an evaluation or to choose a
 * weight; validation prompts that choose it. */
enum { T2I_HYBRID_SEARCH_PICTURES = 1 << 16, T2I_HYBRID_SEARCH_PROMPTS = 1000 };

typedef struct {
    const t2i_gallery *gallery; /* borrowed: loaded */
    t2i_text_index *index;      /* borrowed: of the same dataset */
    /* of the current prompt, all owned */
    double *distance; /* (images) cosine distances */
    double *text;     /* (images) scores of the index */
    uint32_t *place;  /* (images) places by cosine distance, from 0 */
    uint32_t *slot;   /* places for the pictures with a document, ascending */
} t2i_hybrid_search;

/* T2I_SYSTEM. *out is empty on failure. */
T2I_CHECKED t2i_status t2i_hybrid_search_new(t2i_hybrid_search *out, const t2i_gallery *gallery,
                                             t2i_text_index *index, t2i_error *err);
void t2i_hybrid_search_free(t2i_hybrid_search *hybrid);

/* Sets the current prompt: its text, and its place (dim) in the search space. T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_hybrid_search_ask(t2i_hybrid_search *hybrid, const char *bytes,
                                             size_t size, const float *prompt, t2i_error *err);
/* Rank of the first right picture, from 1. Pictures of `fitting` (count) that are not right are
 * left out; one is right. */
size_t t2i_hybrid_search_rank(const t2i_hybrid_search *hybrid, double weight,
                              const t2i_fitting *fitting, size_t count);
/* out (top): the first `top` (1..images) pictures, with their cosine distances. T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_hybrid_search_first(const t2i_hybrid_search *hybrid, double weight,
                                               size_t top, t2i_near *out, t2i_error *err);
/* Score of a picture: without a document, its cosine similarity alone. */
double t2i_hybrid_search_score(const t2i_hybrid_search *hybrid, double weight, size_t image);

/* The weight of 0, .05, .1, .15, .2, .3, .4, .5, .7, 1 that gives the highest mean reciprocal rank
 * over the validation prompts of `dataset`, or T2I_HYBRID_SEARCH_PROMPTS of them, evenly spread;
 * the smallest of equally good ones. 0 without training or validation prompts, or with more than
 * T2I_HYBRID_SEARCH_PICTURES pictures. Places all pictures in memory. T2I_SYSTEM, T2I_DATA if a
 * prediction is not finite, and the failures of reading. */
T2I_CHECKED t2i_status t2i_hybrid_search_choose_weight(const t2i_packed_weights *packed,
                                                       const t2i_vocab *vocab, t2i_dataset *dataset,
                                                       double *weight, t2i_error *err);

#endif
