/* bidi.h - the order of characters in lines that mix directions, as of Arabic and Latin.
 *
 * The implicit part of Unicode's algorithm (UAX 9), without its pairs of brackets. There are no
 * explicit embeddings and overrides: text from strangers cannot change the order of what is around
 * it.
 */
#ifndef T2I_BIDI_H
#define T2I_BIDI_H

#include <stddef.h>
#include <stdint.h>

/* Sets the level of each character of a paragraph: odd ones are written to the left. Returns the
 * level of the paragraph, 0 or 1: that of its first letter. */
int t2i_bidi_levels(const uint32_t *code, size_t count, uint8_t *level);

/* The order in which things of these levels stand in a line, from left to right. */
void t2i_bidi_order(const uint8_t *level, size_t count, size_t *order);

#endif
