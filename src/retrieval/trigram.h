/* trigram.h - how alike prompts are, by the trigrams of characters that they share.
 *
 * The trigrams of a prompt are the distinct windows of three among: a mark, its characters, another
 * mark; an empty prompt has one of its own. Two prompts are alike by Jaccard's index: trigrams that
 * both have, divided by trigrams that either has. Compared as fractions of whole numbers, so ties
 * are ties.
 *
 * The index lists for each trigram the prompts that have it: a query looks at prompts that share
 * something with it only. It takes 4 bytes a trigram of a prompt.
 */
#ifndef T2I_TRIGRAM_H
#define T2I_TRIGRAM_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/text.h"

/* Replaces *out by text number i (0..count - 1). */
typedef t2i_status (*t2i_nth_text)(void *context, size_t i, t2i_text *out, t2i_error *err);

/* A set of trigrams; {0} is empty. */
typedef struct {
    uint64_t *key; /* owned: ascending, distinct */
    size_t count, room;
} t2i_trigrams;

T2I_CHECKED t2i_status t2i_trigrams_of(t2i_trigrams *set, const char *bytes, size_t size,
                                       t2i_error *err);
void t2i_trigrams_free(t2i_trigrams *set);

typedef struct {
    size_t texts;
    uint32_t *size;   /* owned: trigrams of each text */
    uint64_t *key;    /* owned: hash table of trigrams; 0 is free */
    uint32_t *number; /* owned: of each slot's trigram */
    size_t slots, keys;
    uint64_t *first;    /* owned: keys + 1; where each trigram's texts begin */
    uint32_t *has;      /* owned: texts that have it, ascending */
    t2i_trigrams query; /* of the text that is asked about */
} t2i_trigram_index;

/* Asks for all texts twice. Empty on failure. */
T2I_CHECKED t2i_status t2i_trigram_index_new(t2i_trigram_index *out, size_t texts,
                                             t2i_nth_text text, void *context, t2i_error *err);
void t2i_trigram_index_free(t2i_trigram_index *index);

/* shared (texts): trigrams that each text has in common with this one, which has *own. */
T2I_CHECKED t2i_status t2i_trigram_shared(t2i_trigram_index *index, const char *bytes, size_t size,
                                          uint32_t *shared, size_t *own, t2i_error *err);

#endif
