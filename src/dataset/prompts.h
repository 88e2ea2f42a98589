/* prompts.h - the distinct prompts of a dataset, each with its pairs.
 *
 * Why: a prompt that several pictures fit is one question, not several. Pairs are sorted by prompt,
 * so the pairs of a prompt lie together. What is held is 9 bytes a pair or less; texts stay in the
 * file and are read when asked for.
 */
#ifndef T2I_PROMPTS_H
#define T2I_PROMPTS_H

#include <stddef.h>
#include <stdint.h>
#include "dataset/dataset.h"
#include "base/error.h"
#include "base/text.h"

typedef struct {
    size_t pairs, count; /* distinct prompts, in order of their bytes */
    uint32_t *first;     /* owned: count + 1; pairs first[p] .. first[p + 1] - 1 have prompt p */
    uint32_t *image;     /* owned: of each pair */
    uint8_t *split;      /* owned: of each pair */
} t2i_prompts;

/* Empty on failure. */
T2I_CHECKED t2i_status t2i_prompts_new(t2i_prompts *out, t2i_dataset *dataset, t2i_error *err);
void t2i_prompts_free(t2i_prompts *prompts);

/* Has prompt p a pair of that split? */
int t2i_prompts_has(const t2i_prompts *prompts, size_t p, int split);

/* A picture that fits a prompt: right when a pair of the split that is asked about says so; else it
 * is known from another split, and counts neither as right nor as wrong. */
typedef struct {
    uint32_t image;
    uint8_t right;
} t2i_fitting;

/* The distinct pictures that fit prompt p, ascending; out has room for one a pair of it. Returns
 * their number. */
size_t t2i_prompts_fitting(const t2i_prompts *prompts, size_t p, int split, t2i_fitting *out);

/* Replaces *out by the prompt of that pair. Ascending pairs are read fastest. */
T2I_CHECKED t2i_status t2i_prompts_text(t2i_dataset *dataset, uint64_t pair, t2i_text *out,
                                        t2i_error *err);

#endif
