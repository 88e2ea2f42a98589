/* dropout.h - masks of dropout (Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov, JMLR
 * 2014), as a function of (seed, step, shard, prefix, place, element).
 *
 * A prefix has one mask for all prompts that share it, so a state is still computed once for all of
 * them (trie.h). The bits depend neither on ranks nor on the order of the rows.
 */
#ifndef T2I_DROPOUT_H
#define T2I_DROPOUT_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    double rate; /* share of the elements that are set to 0: 0 <= rate < 1 */
    uint64_t seed, step, shard;
} t2i_dropout;

/* Where a mask applies: T2I_DROP_PLACES per layer, counted from 0, then the two of the n-grams. */
enum { T2I_DROP_ATTENTION, T2I_DROP_AFTER_ATTENTION, T2I_DROP_AFTER_FFN, T2I_DROP_PLACES };

/* Hash of a prefix: T2I_NO_PREFIX, then for each id. */
#define T2I_NO_PREFIX ((uint64_t)0)
uint64_t t2i_dropout_prefix(uint64_t prefix, uint16_t id);

/* mask (count): 0 with probability `rate`, else 1 / (1 - rate). From element i on, a multiple of
 * T2I_DROP_EACH, it is the mask of prefix + i / T2I_DROP_EACH. */
enum { T2I_DROP_EACH = 8 };
void t2i_dropout_mask(const t2i_dropout *dropout, size_t place, uint64_t prefix, float *mask,
                      size_t count);

#endif
