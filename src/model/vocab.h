/* vocab.h - the vocabulary: characters <-> token ids. */
#ifndef T2I_VOCAB_H
#define T2I_VOCAB_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

#define T2I_VOCAB_MAX 65535u /* ids fit 16 bits */
#define T2I_NO_CODE   UINT32_MAX

typedef struct {
    size_t size;
    char **name;     /* owned, by id: a character in UTF-8, or a special token such as "<PAD>" */
    uint32_t *code;  /* owned, by id: code point, or T2I_NO_CODE for a special token */
    uint16_t *order; /* owned: ids of characters by ascending code point */
    size_t characters;
    uint16_t pad;     /* "<PAD>": represents an empty prompt */
    uint16_t unknown; /* "<UNK>" if it exists, else "<PAD>" */
} t2i_vocab;

/* From names in the order of ids (copied). T2I_DATA: no names or too many, a duplicate, no <PAD>,
 * or a name that is neither one character nor a special token in <>. *out is empty on failure. */
T2I_CHECKED t2i_status t2i_vocab_new(t2i_vocab *out, const char *const *names, size_t count,
                                     t2i_error *err);
/* Builds a new vocabulary: add texts of valid UTF-8, then _end returns their distinct characters
 * with at least min_count occurrences, by code point, followed by <PAD> and <UNK>. T2I_DATA if
 * there are too many. The builder must be freed in every case. */
typedef struct t2i_vocab_builder t2i_vocab_builder;
T2I_CHECKED t2i_status t2i_vocab_builder_new(t2i_vocab_builder **out, t2i_error *err);
void t2i_vocab_builder_add(t2i_vocab_builder *builder, const char *bytes, size_t size);
T2I_CHECKED t2i_status t2i_vocab_builder_end(t2i_vocab_builder *builder, size_t min_count,
                                             t2i_vocab *out, t2i_error *err);
void t2i_vocab_builder_free(t2i_vocab_builder *builder);

void t2i_vocab_free(t2i_vocab *vocab);

/* The id of a character, or -1. */
long t2i_vocab_id(const t2i_vocab *vocab, uint32_t code);

typedef struct {
    size_t length;  /* ids written: characters of the prompt, up to the limit */
    size_t cut;     /* characters beyond the limit */
    size_t unknown; /* characters among those written that are not in the vocabulary */
    uint32_t first_unknown;
} t2i_encoded;

/* Converts valid UTF-8 to ids (space for `limit`). Unknown characters become vocab->unknown. */
t2i_encoded t2i_vocab_encode(const t2i_vocab *vocab, const char *bytes, size_t size, size_t limit,
                             uint16_t *ids);

#endif
