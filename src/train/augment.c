#include "train/augment.h"

#include <string.h>

#include "base/rng.h"

enum { WORDS_MAX = 64, SHORTEST = 4, STAY = 3, ENDING = 3 };

typedef struct {
    size_t begin, length;
} word;

/* The random numbers of one prompt. */
typedef struct {
    uint64_t seed, stream, next;
} dice;

static double uniform(dice *d)
{
    return t2i_rng_uniform(d->seed, d->stream, d->next++);
}

static size_t below(dice *d, size_t n)
{
    return (size_t)t2i_rng_below(d->seed, d->stream, d->next++, n);
}

/* Returns 0 if there are more than WORDS_MAX. */
static size_t find_words(const uint16_t *ids, size_t length, long space, word words[WORDS_MAX])
{
    size_t count = 0;
    for (size_t at = 0; at < length;) {
        size_t begin = at;
        while (at < length && (long)ids[at] != space) at++;
        if (at > begin && count == WORDS_MAX) return 0;
        if (at > begin) words[count++] = (word){begin, at - begin};
        while (at < length && (long)ids[at] == space) at++;
    }
    return count;
}

static size_t join(const word *words, size_t count, const uint16_t *ids, long space, uint16_t *out)
{
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (i > 0) out[used++] = (uint16_t)space;
        memcpy(out + used, ids + words[i].begin, words[i].length * sizeof *ids);
        used += words[i].length;
    }
    return used;
}

static size_t drop_words(dice *d, word *words, size_t count)
{
    word stays = words[below(d, count)];
    size_t kept = 0;
    double loses = 0.2 + 0.5 * uniform(d);
    for (size_t i = 0; i < count; i++)
        if (uniform(d) >= loses) words[kept++] = words[i];
    if (kept > 0) return kept;
    words[0] = stays;
    return 1;
}

static void cut_end(dice *d, word *words, size_t count)
{
    word *w = &words[below(d, count)];
    size_t most = w->length > STAY ? w->length - STAY : 0, cut = 1 + below(d, ENDING);
    w->length -= cut < most ? cut : most;
}

static size_t change_character(dice *d, const uint16_t *ids, size_t length, uint16_t unknown,
                               uint16_t *out)
{
    memcpy(out, ids, length * sizeof *ids);
    if (length < SHORTEST) return length;
    size_t at = below(d, length);
    if (uniform(d) < 0.5) {
        out[at] = unknown;
        return length;
    }
    memmove(out + at, out + at + 1, (length - at - 1) * sizeof *out);
    return length - 1;
}

size_t t2i_augment(const t2i_augment_options *options, uint64_t step, uint64_t position,
                   const uint16_t *ids, size_t length, uint16_t *out)
{
    word words[WORDS_MAX];
    /* positions are far enough apart that random numbers of two prompts do not overlap */
    dice d = {options->seed, T2I_STREAM_AUGMENT + step, position * 4 * WORDS_MAX};
    if (uniform(&d) >= options->fraction) {
        memcpy(out, ids, length * sizeof *ids);
        return length;
    }
    size_t count = find_words(ids, length, options->space, words);
    double kind = count < 2 ? 1 : uniform(&d);
    if (kind < 0.4) {
        count = drop_words(&d, words, count);
    } else if (kind < 0.55) {
        size_t i = below(&d, count - 1);
        word swap = words[i];
        words[i] = words[i + 1];
        words[i + 1] = swap;
    } else if (count > 0 && uniform(&d) < 0.5) {
        cut_end(&d, words, count);
    } else {
        return change_character(&d, ids, length, options->unknown, out);
    }
    return join(words, count, ids, options->space, out);
}
