/* emoji_split.h - which emoji belong together, and which are held out of training. Pure functions.
 *
 * Unseen pictures: whole groups, so that no skin tone or gender of a held-out emoji is known.
 * Unseen prompts and validation: whole prompts, whose pictures all stay in training through other
 * prompts. No prompt of any held-out split occurs in training: not for another picture either.
 */
#ifndef T2I_EMOJI_SPLIT_H
#define T2I_EMOJI_SPLIT_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

#define T2I_EMOJI_LEFT_OUT 255 /* a split: the pair is not to be written */
/* A prompt of more pictures ("man" has 570) is never held out: it would take hundreds of pairs out
 * of training, and a guess would do for it. */
#define T2I_EMOJI_MANY 8

/* Rewrites a sequence to that of its group, which may be shorter (never longer); returns its
 * length. Without U+FE0F, skin tones and gender signs; man, woman and person are one, as are boy,
 * girl and child, all families, and the couples of each kind. */
size_t t2i_emoji_group(uint32_t *code, size_t count);

/* Distinct pairs. Prompts, pictures and groups are numbered from 0 without gaps. */
typedef struct {
    size_t pairs, prompts, images, groups;
    const uint32_t *prompt, *image; /* of each pair */
    const uint32_t *group;          /* of each picture */
} t2i_emoji_pairs;

/* The split of each pair (dataset.h), or T2I_EMOJI_LEFT_OUT: a pair of an unseen picture whose
 * prompt has a picture that is seen ("face") can neither train nor be asked for. 3 % of the groups
 * are unseen, 10 % of the other prompts are unseen prompts and 2 % validation, or as many as may
 * be: a held-out picture keeps a prompt of its group's own, a picture in training a prompt that
 * trains. A function of the pairs and the seed. T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_emoji_split(const t2i_emoji_pairs *pairs, uint64_t seed, uint8_t *split,
                                       t2i_error *err);

#endif
