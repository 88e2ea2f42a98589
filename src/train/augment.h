/* augment.h - prompts changed a little before a step, so that a model does not learn them by heart.
 *
 * Of prompts of several words two in five lose some of their words (at least one stays), three in
 * twenty have two neighbours swapped. Of the others, and of single words, half lose up to three
 * characters at the end of a word ("squinting" and "squint" mean much the same), of which three
 * stay; half lose a character, or have one that is unknown, unless they have fewer than four. A
 * pure function of (seed, step, position in the batch): no rank count shows.
 */
#ifndef T2I_AUGMENT_H
#define T2I_AUGMENT_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    double fraction; /* of the prompts that are changed, 0..1 */
    uint64_t seed;
    long space;       /* id of the blank, -1: the vocabulary has none */
    uint16_t unknown; /* stands for a character that is not known */
} t2i_augment_options;

/* ids (length) changed into out (room for length); returns the new length, at most length. */
size_t t2i_augment(const t2i_augment_options *options, uint64_t step, uint64_t position,
                   const uint16_t *ids, size_t length, uint16_t *out);

#endif
