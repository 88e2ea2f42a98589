/* prompts.h - the distinct prompts of a dataset and the pairs of each.
 *
 * An evaluation has one query per distinct prompt, not one per pair. Pairs are sorted by prompt, so
 * the pairs of a prompt are consecutive. It takes at most 9 bytes per pair; texts stay in the file
 * and are read on demand.
 */
#ifndef T2I_PROMPTS_H
#define T2I_PROMPTS_H

#include <stddef.h>
#include <stdint.h>
#include "dataset/dataset.h"
#include "base/error.h"
#include "base/text.h"

typedef struct {
    size_t pairs, count; /* number of pairs, and of distinct prompts in the order of their bytes */
    uint32_t *first;     /* owned: (count + 1); pairs first[p] .. first[p + 1] - 1 have prompt p */
    uint32_t *image;     /* owned: (pairs) */
    uint8_t *split;      /* owned: (pairs) */
} t2i_prompts;

/* T2I_SYSTEM, and the failures of reading. *out is empty on failure. */
T2I_CHECKED t2i_status t2i_prompts_new(t2i_prompts *out, t2i_dataset *dataset, t2i_error *err);
void t2i_prompts_free(t2i_prompts *prompts);

/* Is item i of n among `most` evenly spread ones, or all if there are no more? */
static inline int t2i_prompts_spread(size_t i, size_t n, size_t most)
{
    return n <= most || i * most / n != (i + 1) * most / n;
}

/* True if prompt p has a pair of that split. */
int t2i_prompts_has(const t2i_prompts *prompts, size_t p, int split);

/* A picture that fits a prompt. It is right if a pair of the evaluated split has both; otherwise it
 * fits by another split only and counts neither as right nor as wrong. */
typedef struct {
    uint32_t image;
    uint8_t right;
} t2i_fitting;

/* Distinct pictures that fit prompt p, ascending. `out` has room for one per pair of the prompt.
 * Returns their number. */
size_t t2i_prompts_fitting(const t2i_prompts *prompts, size_t p, int split, t2i_fitting *out);

/* Replaces *out by the prompt of a pair. Ascending pairs are read fastest. */
T2I_CHECKED t2i_status t2i_prompts_text(t2i_dataset *dataset, uint64_t pair, t2i_text *out,
                                        t2i_error *err);

#endif
