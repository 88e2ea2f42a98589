#include "model/vocab.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

void t2i_vocab_free(t2i_vocab *vocab)
{
    for (size_t i = 0; vocab->name != NULL && i < vocab->size; i++) t2i_free(vocab->name[i]);
    t2i_free(vocab->name);
    t2i_free(vocab->code);
    t2i_free(vocab->order);
    *vocab = (t2i_vocab){0};
}

/* The code point if name is one character, T2I_NO_CODE for a special token, 0 (not a legal
 * character) for neither. */
static uint32_t code_of(const char *name)
{
    uint32_t code;
    size_t size = strlen(name), length = t2i_utf8_decode(name, size, &code);
    if (length > 0 && length == size) return code;
    return size > 2 && name[0] == '<' && name[size - 1] == '>' && t2i_utf8_valid(name, size) == size
               ? T2I_NO_CODE
               : 0;
}

typedef struct {
    const char *name;
    uint16_t id;
} entry;

static int by_name(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    return strcmp(x->name, y->name);
}

/* Sorts the ids of characters by code point, which is also the order of their UTF-8 bytes;
 * duplicates are then adjacent. */
static t2i_status sort(t2i_vocab *vocab, t2i_error *err)
{
    entry *sorted = t2i_alloc(vocab->size, sizeof *sorted);
    if (sorted == NULL) return t2i_fail_memory(err, vocab->size * sizeof *sorted, "a vocabulary");
    for (size_t i = 0; i < vocab->size; i++) sorted[i] = (entry){vocab->name[i], (uint16_t)i};
    qsort(sorted, vocab->size, sizeof *sorted, by_name);
    t2i_status status = T2I_OK;
    for (size_t i = 0; i < vocab->size; i++) {
        if (i > 0 && by_name(&sorted[i - 1], &sorted[i]) == 0)
            status = t2i_fail(err, T2I_DATA, "vocabulary entry '%s' occurs twice", sorted[i].name);
        if (vocab->code[sorted[i].id] != T2I_NO_CODE)
            vocab->order[vocab->characters++] = sorted[i].id;
    }
    t2i_free(sorted);
    return status;
}

static t2i_status fill(t2i_vocab *out, const char *const *names, size_t count, t2i_error *err)
{
    long pad = -1, unknown = -1;
    for (size_t i = 0; i < count; i++) {
        out->name[i] = t2i_strdup(names[i]);
        if (out->name[i] == NULL) return t2i_fail_memory(err, 8, "a vocabulary");
        out->code[i] = code_of(names[i]);
        if (out->code[i] == 0)
            return t2i_fail(err, T2I_DATA,
                            "vocabulary entry %zu ('%s') is neither one character nor a <SPECIAL>",
                            i, names[i]);
        if (strcmp(names[i], "<PAD>") == 0) pad = (long)i;
        if (strcmp(names[i], "<UNK>") == 0) unknown = (long)i;
    }
    if (pad < 0) return t2i_fail(err, T2I_DATA, "the vocabulary has no <PAD>");
    out->pad = (uint16_t)pad;
    out->unknown = (uint16_t)(unknown >= 0 ? unknown : pad);
    return sort(out, err);
}

t2i_status t2i_vocab_new(t2i_vocab *out, const char *const *names, size_t count, t2i_error *err)
{
    *out = (t2i_vocab){.size = count};
    if (count == 0 || count > T2I_VOCAB_MAX) {
        out->size = 0;
        return t2i_fail(err, T2I_DATA, "a vocabulary of %zu entries; it must have 1 to %u", count,
                        T2I_VOCAB_MAX);
    }
    out->name = t2i_alloc(count, sizeof *out->name);
    out->code = t2i_alloc(count, sizeof *out->code);
    out->order = t2i_alloc(count, sizeof *out->order);
    t2i_status status = out->name == NULL || out->code == NULL || out->order == NULL
                            ? t2i_fail_memory(err, count * 16, "a vocabulary")
                            : fill(out, names, count, err);
    if (status != T2I_OK) t2i_vocab_free(out);
    return status;
}

enum { CODES = 0x110000 };

struct t2i_vocab_builder {
    uint32_t count[CODES];
    char text[T2I_VOCAB_MAX + 1][8];
    const char *name[T2I_VOCAB_MAX + 1];
};

t2i_status t2i_vocab_builder_new(t2i_vocab_builder **out, t2i_error *err)
{
    *out = t2i_alloc(1, sizeof **out);
    return *out == NULL ? t2i_fail_memory(err, sizeof **out, "a vocabulary") : T2I_OK;
}

void t2i_vocab_builder_add(t2i_vocab_builder *builder, const char *bytes, size_t size)
{
    uint32_t code;
    size_t length;
    for (size_t at = 0; at < size && (length = t2i_utf8_decode(bytes + at, size - at, &code)) > 0;
         at += length)
        if (builder->count[code] < UINT32_MAX) builder->count[code]++;
}

t2i_status t2i_vocab_builder_end(t2i_vocab_builder *builder, size_t min_count, t2i_vocab *out,
                                 t2i_error *err)
{
    size_t count = 0;
    *out = (t2i_vocab){0};
    for (uint32_t code = 1; code < CODES; code++) {
        if (builder->count[code] == 0 || builder->count[code] < min_count) continue;
        if (count + 2 == T2I_VOCAB_MAX)
            return t2i_fail(
                err, T2I_DATA,
                "the training prompts have more than %u different characters; a larger min-count "
                "leaves the rare ones out",
                T2I_VOCAB_MAX - 2);
        builder->text[count][t2i_utf8_encode(code, builder->text[count])] = '\0';
        builder->name[count] = builder->text[count];
        count++;
    }
    builder->name[count] = "<PAD>";
    builder->name[count + 1] = "<UNK>";
    return t2i_vocab_new(out, builder->name, count + 2, err);
}

void t2i_vocab_builder_free(t2i_vocab_builder *builder)
{
    t2i_free(builder);
}

long t2i_vocab_id(const t2i_vocab *vocab, uint32_t code)
{
    size_t low = 0, high = vocab->characters;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (vocab->code[vocab->order[middle]] < code)
            low = middle + 1;
        else
            high = middle;
    }
    return low < vocab->characters && vocab->code[vocab->order[low]] == code
               ? (long)vocab->order[low]
               : -1;
}

t2i_encoded t2i_vocab_encode(const t2i_vocab *vocab, const char *bytes, size_t size, size_t limit,
                             uint16_t *ids)
{
    t2i_encoded done = {0};
    uint32_t code;
    size_t length;
    for (size_t at = 0; at < size && (length = t2i_utf8_decode(bytes + at, size - at, &code)) > 0;
         at += length) {
        if (done.length == limit) {
            done.cut++;
            continue;
        }
        long id = t2i_vocab_id(vocab, code);
        if (id < 0 && done.unknown++ == 0) done.first_unknown = code;
        ids[done.length++] = id < 0 ? vocab->unknown : (uint16_t)id;
    }
    return done;
}
