/* emoji_split.h - groups of emoji, and which pairs are held out of training. Pure functions.
 *
 * Skin tones and genders of one emoji are one group. The split "unseen pictures" takes whole
 * groups, so that no variant of a held-out emoji is in training. "Unseen prompts" and "validation"
 * take whole prompts; each of their pictures stays in training through other prompts. A held-out
 * prompt does not occur in training, for any picture. Reasons: docs/decisions/031-emoji-dataset.md.
 */
#ifndef T2I_EMOJI_SPLIT_H
#define T2I_EMOJI_SPLIT_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

#define T2I_EMOJI_LEFT_OUT 255 /* in place of a split: the pair is not written to the dataset */
/* A prompt of more pictures ("man" has 570) is never held out: that would remove hundreds of pairs
 * from training, and any of its pictures would be a correct answer. */
#define T2I_EMOJI_HELD_MAX 8

/* Replaces a sequence of code points by that of its group and returns the new length, which is at
 * most `count`. U+FE0F, skin tones and gender signs are removed. Man, woman and person are equal,
 * as are boy, girl and child, all families, and all couples of one kind. */
size_t t2i_emoji_split_group(uint32_t *code, size_t count);

/* Distinct pairs. Prompts, pictures and groups are numbered from 0 without gaps. Borrowed arrays.
 */
typedef struct {
    size_t pairs, prompts, images, groups;
    const uint32_t *prompt, *image; /* of each pair */
    const uint32_t *group;          /* of each picture */
} t2i_emoji_pairs;

/* Sets split[pairs] to the split of each pair (dataset.h) or to T2I_EMOJI_LEFT_OUT: a pair of an
 * unseen picture whose prompt ("face") has training pictures too can be used neither for training
 * nor for evaluation. 3 % of the groups become unseen; of the other prompts, 10 % become unseen
 * prompts and 2 % validation. There may be fewer, as a held-out picture keeps a prompt that only
 * its group has, and a training picture keeps a training prompt. The result depends on the pairs
 * and the seed alone. T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_emoji_split(const t2i_emoji_pairs *pairs, uint64_t seed, uint8_t *split,
                                       t2i_error *err);

#endif
