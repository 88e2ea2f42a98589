/* text_index.h - pictures by the words and letters of their training prompts (TF-IDF).
 *
 * The document of a picture is the set of distinct words of its training prompts. A word is what
 * lies between separators (blanks, control characters), without punctuation at its ends, ASCII
 * letters in lower case; other letters keep their case. The terms of a word are the word itself and
 * the sequences of three characters in: begin mark, word, end mark. A byte that is not UTF-8 is one
 * character. A term weighs ln((1 + N) / (1 + df)) + 1, a word three times that; N is the number of
 * pictures with a document, df the number of these documents that have the term. As terms count
 * once, a prompt that repeats or combines other prompts of its picture changes nothing.
 *
 * With q and d the vectors of the weights of the query's and of the document's terms, the score is
 * q d / (|q| sqrt(|d|)): cosine similarity times sqrt(|d|), so that pictures with many words are
 * penalised less (docs/decisions/033-text-index.md). Terms that no document has are left out of q.
 * A score is 0 if no term is common, and otherwise positive, with no upper limit.
 *
 * Weights are rounded to 1/4096 and sums are sums of integers, so that scores have the same bits on
 * every CPU.
 *
 * Memory: 4 bytes for each distinct word of each picture, up to 20 while the index is built; 24
 * bytes per picture; about 100 bytes per distinct word. A query takes time in proportion to the
 * words of all pictures, once for every 64 terms of the query.
 */
#ifndef T2I_TEXT_INDEX_H
#define T2I_TEXT_INDEX_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/string_table.h"
#include "base/text.h"
#include "dataset/dataset.h"
#include "dataset/prompts.h"

/* A growing list of numbers; {0} is empty. */
typedef struct {
    uint64_t *at; /* owned */
    size_t count, room;
} t2i_text_list;

typedef struct {
    size_t images;
    t2i_string_table word, trigram; /* terms: the words, then the trigrams */
    t2i_text_list begin,
        of;           /* trigrams of word w: of.at[begin.at[w]] .. of.at[begin.at[w+1] - 1] */
    uint64_t *first;  /* owned: (images + 1) where the words of each picture begin in `has` */
    uint32_t *has;    /* owned: distinct words of each picture, ascending */
    uint64_t *square; /* owned: (terms) squared weight of each term, in 1/4096^2 */
    double *divisor;  /* owned: (images) sqrt(|d|); 1 without a document */
    /* scratch of the current text */
    t2i_text lower, marked, part;
    t2i_text_list query; /* its distinct known terms */
    uint8_t *bit;        /* owned: (terms) 1 + bit of a term in the masks; 0: not in the query */
    uint64_t *mask;      /* owned: (words) terms of the query that each word has */
    uint64_t *sum;       /* owned: (images) q d */
} t2i_text_index;

/* Reads the training prompts of `dataset` once; `prompts` are its prompts, borrowed during the
 * call. T2I_SYSTEM; T2I_DATA when there are too many terms; the failures of reading. *out is empty
 * on failure. */
T2I_CHECKED t2i_status t2i_text_index_new(t2i_text_index *out, t2i_dataset *dataset,
                                          const t2i_prompts *prompts, t2i_error *err);
void t2i_text_index_free(t2i_text_index *index);

/* True if the picture has a document: a training prompt with a word. */
int t2i_text_index_has(const t2i_text_index *index, size_t image);

/* score (images): that of every picture. Not for several threads at a time. T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_text_index_score(t2i_text_index *index, const char *bytes, size_t size,
                                            double *score, t2i_error *err);

#endif
