/* trigram.h - similarity of prompts by character trigrams.
 *
 * The trigrams of a prompt are the distinct sequences of three symbols in: begin mark, characters,
 * end mark. An empty prompt has one trigram. The similarity of two prompts is the Jaccard index:
 * trigrams in both, divided by trigrams in either. Similarities are compared as fractions of
 * integers, so that ties are exact.
 *
 * The index lists the prompts of each trigram, so that a query visits only prompts that share a
 * trigram with it. It takes 4 bytes per trigram and prompt.
 */
#ifndef T2I_TRIGRAM_H
#define T2I_TRIGRAM_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/text.h"

/* Replaces *out by text i, from 0. */
typedef t2i_status (*t2i_nth_text)(void *context, size_t i, t2i_text *out, t2i_error *err);

/* A set of trigrams; {0} is the empty set. */
typedef struct {
    uint64_t *key; /* owned: ascending, distinct */
    size_t count, room;
} t2i_trigrams;

/* Replaces the set by the trigrams of a text. T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_trigram_of(t2i_trigrams *set, const char *bytes, size_t size,
                                      t2i_error *err);
void t2i_trigram_free(t2i_trigrams *set);

typedef struct {
    size_t texts;
    uint32_t *size;   /* owned: (texts) number of trigrams of each text */
    uint64_t *key;    /* owned: (slots) hash table of trigrams; 0: free slot */
    uint32_t *number; /* owned: (slots) number of the trigram */
    size_t slots, keys;
    uint64_t factor;    /* of the hashes: odd, random (hash.h) */
    uint64_t *first;    /* owned: (keys + 1) where the texts of each trigram begin in `has` */
    uint32_t *has;      /* owned: texts of each trigram, ascending */
    t2i_trigrams query; /* trigrams of the current query */
} t2i_trigram_index;

/* Reads every text twice. T2I_SYSTEM; T2I_DATA when there are too many trigrams; the failures of
 * `text`. *out is empty on failure. */
T2I_CHECKED t2i_status t2i_trigram_index_new(t2i_trigram_index *out, size_t texts,
                                             t2i_nth_text text, void *context, t2i_error *err);
void t2i_trigram_index_free(t2i_trigram_index *index);

/* shared (texts): number of trigrams that each text has in common with the query. *own: number of
 * trigrams of the query. T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_trigram_shared(t2i_trigram_index *index, const char *bytes, size_t size,
                                          uint32_t *shared, size_t *own, t2i_error *err);

#endif
