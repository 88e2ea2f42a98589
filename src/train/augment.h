/* augment.h - random changes of training prompts, against overfitting.
 *
 * A prompt of several words loses some of its words with probability 0.4 (at least one stays) and
 * has two neighbouring words swapped with probability 0.15. In all other cases, and in prompts of
 * one word, one of two changes is made with equal probability: a word loses up to three characters
 * at its end ("squinting" becomes "squint"; at least three stay), or one character is removed or
 * replaced by the unknown one (not in prompts of fewer than four characters). The result is a pure
 * function of (seed, step, position in the batch) and does not depend on the number of ranks.
 */
#ifndef T2I_AUGMENT_H
#define T2I_AUGMENT_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    double fraction; /* fraction of the prompts that are changed, 0..1 */
    uint64_t seed;
    long space;       /* id of the space character; -1: not in the vocabulary */
    uint16_t unknown; /* id of the unknown character */
} t2i_augment_options;

/* Writes the augmented ids (length) to out (room for length). Returns the new length, at most
 * length. */
size_t t2i_augment(const t2i_augment_options *options, uint64_t step, uint64_t position,
                   const uint16_t *ids, size_t length, uint16_t *out);

#endif
