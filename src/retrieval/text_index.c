#include "retrieval/text_index.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/portable_math.h"

enum { WORD_WEIGHT = 3, BLOCK = 64 /* terms of a query compared at a time */ };
#define SCALE 4096.0 /* weights are integers, in 1 / SCALE */

void t2i_text_index_free(t2i_text_index *x)
{
    void *all[] = {x->begin.at, x->of.at,    x->first, x->has,  x->square,
                   x->divisor,  x->query.at, x->bit,   x->mask, x->sum};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) t2i_free(all[i]);
    t2i_string_table_free(&x->word);
    t2i_string_table_free(&x->trigram);
    t2i_text_free(&x->lower);
    t2i_text_free(&x->marked);
    t2i_text_free(&x->part);
    *x = (t2i_text_index){0};
}

static t2i_status grow(t2i_text_list *list, t2i_error *err)
{
    size_t room = 2 * list->room + 64;
    if (t2i_grow(&list->at, list->room, room, sizeof *list->at) != 0)
        return t2i_fail_memory(err, room * sizeof *list->at, "the text index");
    list->room = room;
    return T2I_OK;
}

static t2i_status append(t2i_text_list *list, uint64_t number, t2i_error *err)
{
    if (list->count == list->room) T2I_TRY(grow(list, err));
    list->at[list->count++] = number;
    return T2I_OK;
}

/* ---- words and trigrams of a text ---- */

/* Length in bytes of the character at bytes[0..size); a byte that is not UTF-8 is a character. */
static size_t character(const char *bytes, size_t size, uint32_t *code)
{
    size_t step = t2i_utf8_decode(bytes, size, code);
    if (step == 0) *code = UINT32_MAX;
    return step > 0 ? step : 1;
}

static int is_separator(uint32_t code)
{
    return code <= ' ' || (code >= 0x7F && code <= 0xA0) || (code >= 0x2000 && code <= 0x200A) ||
           code == 0x2028 || code == 0x2029 || code == 0x202F || code == 0x3000;
}

static int is_punctuation(uint32_t code)
{
    static const uint32_t other[] = {0xA1,   0xAB,   0xBB,   0xBF,   0x2018, 0x2019, 0x201A,
                                     0x201C, 0x201D, 0x201E, 0x2026, 0x2039, 0x203A, 0x3001,
                                     0x3002, 0x300C, 0x300D, 0xFF01, 0xFF0C, 0xFF1F};
    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        if (code == other[i]) return 1;
    return code > 0 && code < 0x80 && strchr(",:;.!?()\"'", (int)code) != NULL;
}

/* Finds the next word of bytes[0..size) from *at on, and moves *at behind it: 0 if there is none.
 * What is punctuation alone is a word as it is. */
static int next_word(const char *bytes, size_t size, size_t *at, size_t *begin, size_t *end)
{
    size_t first = SIZE_MAX, last = 0, start = SIZE_MAX;
    uint32_t code;
    for (size_t step; *at < size; *at += step) {
        step = character(bytes + *at, size - *at, &code);
        if (is_separator(code) && start != SIZE_MAX) break;
        if (is_separator(code)) continue;
        if (start == SIZE_MAX) start = *at;
        if (is_punctuation(code)) continue;
        if (first == SIZE_MAX) first = *at;
        last = *at + step;
    }
    *begin = first == SIZE_MAX ? start : first;
    *end = first == SIZE_MAX ? *at : last;
    return start != SIZE_MAX;
}

/* Sets x->marked to the word in x->lower between its marks. Separators are no characters of a word,
 * so '\n' can be a mark, and no name in a table holds a NUL. */
static t2i_status mark(t2i_text_index *x, t2i_error *err)
{
    x->marked.size = 0;
    T2I_TRY(t2i_text_add(&x->marked, "\n", 1, err));
    T2I_TRY(t2i_text_add(&x->marked, x->lower.data, x->lower.size, err));
    return t2i_text_add(&x->marked, "\n", 1, err);
}

static size_t step_over(const t2i_text *text, size_t at)
{
    uint32_t code;
    return character(text->data + at, text->size - at, &code);
}

/* Sets x->part to the next trigram of x->marked. *first, *end: 0 before the first. 0: none left. */
static int next_trigram(t2i_text_index *x, size_t *first, size_t *end, t2i_status *status,
                        t2i_error *err)
{
    if (*end == 0) /* before the first: the begin mark and one character */
        *end = 1 + step_over(&x->marked, 1);
    else
        *first += step_over(&x->marked, *first);
    if (*end == x->marked.size) return 0;
    *end += step_over(&x->marked, *end);
    x->part.size = 0;
    *status = t2i_text_add(&x->part, x->marked.data + *first, *end - *first, err);
    return *status == T2I_OK;
}

/* ---- documents ---- */

/* Number of the word in x->lower. The trigrams of a new word are added. */
static t2i_status number_word(t2i_text_index *x, size_t *number, t2i_error *err)
{
    size_t known = x->word.count, first = 0, end = 0;
    t2i_status status = T2I_OK;
    T2I_TRY(t2i_string_table_add(&x->word, x->lower.data, number, err));
    if (*number < known) return T2I_OK;
    T2I_TRY(mark(x, err));
    while (next_trigram(x, &first, &end, &status, err)) {
        size_t trigram;
        T2I_TRY(t2i_string_table_add(&x->trigram, x->part.data, &trigram, err));
        T2I_TRY(append(&x->of, trigram, err));
    }
    T2I_TRY(status);
    return append(&x->begin, x->of.count, err);
}

static t2i_status number_words(t2i_text_index *x, const t2i_text *text, t2i_text_list *words,
                               t2i_error *err)
{
    size_t at = 0, begin, end, number;
    words->count = 0;
    while (next_word(text->data, text->size, &at, &begin, &end)) {
        T2I_TRY(t2i_text_lower(&x->lower, text->data + begin, end - begin, err));
        T2I_TRY(number_word(x, &number, err));
        T2I_TRY(append(words, number, err));
    }
    return T2I_OK;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Sorts the numbers and leaves one of each. */
static void sort_distinct(t2i_text_list *list)
{
    size_t count = 0;
    if (list->count > 1) qsort(list->at, list->count, sizeof *list->at, by_number);
    for (size_t i = 0; i < list->count; i++)
        if (i == 0 || list->at[i] != list->at[count - 1]) list->at[count++] = list->at[i];
    list->count = count;
}

/* Appends a picture's word to `pairs`. A full list loses its duplicates before it grows, so that
 * many prompts of the same words need no more memory than few. */
static t2i_status add_pair(t2i_text_list *pairs, uint32_t image, uint64_t word, t2i_error *err)
{
    if (pairs->count == pairs->room) {
        sort_distinct(pairs);
        if (2 * pairs->count >= pairs->room) T2I_TRY(grow(pairs, err));
    }
    return append(pairs, (uint64_t)image << 32 | word, err);
}

static t2i_status read_prompts(t2i_text_index *x, t2i_dataset *dataset, const t2i_prompts *p,
                               t2i_text *text, t2i_text_list *words, t2i_text_list *pairs,
                               t2i_error *err)
{
    T2I_TRY(append(&x->begin, 0, err));
    for (size_t i = 0; i < p->count; i++) {
        if (!t2i_prompts_has(p, i, T2I_TRAIN)) continue;
        T2I_TRY(t2i_prompts_text(dataset, p->first[i], text, err));
        T2I_TRY(number_words(x, text, words, err));
        for (uint32_t k = p->first[i]; k < p->first[i + 1]; k++)
            for (size_t w = 0; p->split[k] == T2I_TRAIN && w < words->count; w++)
                T2I_TRY(add_pair(pairs, p->image[k], words->at[w], err));
    }
    sort_distinct(pairs);
    return T2I_OK;
}

static t2i_status list_words(t2i_text_index *x, const t2i_text_list *pairs, t2i_error *err)
{
    x->first = t2i_alloc(x->images + 1, sizeof *x->first);
    x->has = t2i_alloc(pairs->count, sizeof *x->has);
    if (x->first == NULL || x->has == NULL)
        return t2i_fail_memory(err, 8 * x->images + 4 * pairs->count, "the text index");
    for (size_t i = 0; i < pairs->count; i++) {
        x->has[i] = (uint32_t)pairs->at[i];
        x->first[(pairs->at[i] >> 32) + 1]++;
    }
    for (size_t m = 0; m < x->images; m++) x->first[m + 1] += x->first[m];
    return T2I_OK;
}

/* ---- weights ---- */

/* Lists the distinct terms of a picture in x->query; x->bit marks them until clear_terms. */
static t2i_status list_term(t2i_text_index *x, size_t term, t2i_error *err)
{
    if (x->bit[term]) return T2I_OK;
    T2I_TRY(append(&x->query, term, err));
    x->bit[term] = 1;
    return T2I_OK;
}

static t2i_status list_terms(t2i_text_index *x, size_t image, t2i_error *err)
{
    for (uint64_t i = x->first[image]; i < x->first[image + 1]; i++) {
        T2I_TRY(list_term(x, x->has[i], err));
        for (uint64_t k = x->begin.at[x->has[i]]; k < x->begin.at[x->has[i] + 1]; k++)
            T2I_TRY(list_term(x, x->word.count + x->of.at[k], err));
    }
    return T2I_OK;
}

static void clear_terms(t2i_text_index *x)
{
    for (size_t i = 0; i < x->query.count; i++) x->bit[x->query.at[i]] = 0;
    x->query.count = 0;
}

/* |v| of the terms in x->query, in 1 / SCALE. */
static double length_of_terms(const t2i_text_index *x)
{
    uint64_t square = 0;
    for (size_t i = 0; i < x->query.count; i++) square += x->square[x->query.at[i]];
    return sqrt((double)square);
}

static uint64_t square_of(const t2i_text_index *x, size_t term, uint64_t documents)
{
    double idf = t2i_log64((double)(1 + documents) / (double)(1 + x->square[term])) + 1.0;
    uint64_t weight = (uint64_t)floor(idf * SCALE + 0.5) * (term < x->word.count ? WORD_WEIGHT : 1);
    return weight * weight;
}

/* Counts the documents of each term in x->square, and puts its squared weight in their place. */
static t2i_status weigh(t2i_text_index *x, t2i_error *err)
{
    size_t terms = x->word.count + x->trigram.count;
    uint64_t documents = 0;
    for (size_t m = 0; m < x->images; m++) {
        documents += x->first[m + 1] > x->first[m];
        T2I_TRY(list_terms(x, m, err));
        for (size_t i = 0; i < x->query.count; i++) x->square[x->query.at[i]]++;
        clear_terms(x);
    }
    for (size_t t = 0; t < terms; t++) x->square[t] = square_of(x, t, documents);
    for (size_t m = 0; m < x->images; m++) {
        T2I_TRY(list_terms(x, m, err));
        x->divisor[m] = x->query.count == 0 ? 1.0 : sqrt(length_of_terms(x) / SCALE);
        clear_terms(x);
    }
    return T2I_OK;
}

static t2i_status fill(t2i_text_index *x, const t2i_text_list *pairs, t2i_error *err)
{
    size_t terms = x->word.count + x->trigram.count;
    T2I_TRY(list_words(x, pairs, err));
    x->square = t2i_alloc(terms, sizeof *x->square);
    x->divisor = t2i_alloc(x->images, sizeof *x->divisor);
    x->bit = t2i_alloc(terms, 1);
    x->mask = t2i_alloc(x->word.count, sizeof *x->mask);
    x->sum = t2i_alloc(x->images, sizeof *x->sum);
    if (x->square == NULL || x->divisor == NULL || x->bit == NULL || x->mask == NULL ||
        x->sum == NULL)
        return t2i_fail_memory(err, 16 * x->images + 17 * terms, "the text index");
    return weigh(x, err);
}

t2i_status t2i_text_index_new(t2i_text_index *out, t2i_dataset *dataset, const t2i_prompts *prompts,
                              t2i_error *err)
{
    t2i_text text = {0};
    t2i_text_list words = {0}, pairs = {0};
    *out = (t2i_text_index){.images = (size_t)t2i_dataset_get_info(dataset)->images};
    t2i_status status = read_prompts(out, dataset, prompts, &text, &words, &pairs, err);
    if (status == T2I_OK) status = fill(out, &pairs, err);
    t2i_text_free(&text);
    t2i_free(words.at);
    t2i_free(pairs.at);
    if (status != T2I_OK) t2i_text_index_free(out);
    return status;
}

int t2i_text_index_has(const t2i_text_index *x, size_t image)
{
    return x->first[image + 1] > x->first[image];
}

/* ---- queries ---- */

/* Lists the distinct terms of a text that some document has. */
static t2i_status list_query(t2i_text_index *x, const char *bytes, size_t size, t2i_error *err)
{
    size_t at = 0, begin, end, known;
    while (next_word(bytes, size, &at, &begin, &end)) {
        size_t first = 0, last = 0;
        t2i_status status = T2I_OK;
        T2I_TRY(t2i_text_lower(&x->lower, bytes + begin, end - begin, err));
        known = t2i_string_table_find(&x->word, x->lower.data);
        if (known != SIZE_MAX) T2I_TRY(list_term(x, known, err));
        T2I_TRY(mark(x, err));
        while (next_trigram(x, &first, &last, &status, err)) {
            known = t2i_string_table_find(&x->trigram, x->part.data);
            if (known != SIZE_MAX) T2I_TRY(list_term(x, x->word.count + known, err));
        }
        T2I_TRY(status);
    }
    return T2I_OK;
}

static uint64_t bit_of(const t2i_text_index *x, size_t term)
{
    return x->bit[term] == 0 ? 0 : (uint64_t)1 << (x->bit[term] - 1);
}

/* sum[k][v]: sum of the squared weights of those of the terms 8 k .. 8 k + 7 whose bits are set in
 * v. Bits are added in any order, so tables replace a loop over them. */
typedef uint64_t byte_sums[BLOCK / 8][256];

static void fill_sums(const t2i_text_index *x, const uint64_t *query, size_t count, byte_sums sum)
{
    for (size_t k = 0; k < BLOCK / 8; k++)
        for (size_t v = 1; v < 256; v++) {
            size_t term = 8 * k + (size_t)__builtin_ctz((unsigned)v);
            sum[k][v] = sum[k][v & (v - 1)] + (term < count ? x->square[query[term]] : 0);
        }
}

/* Sum over the terms that a picture has: those that one of its words has. */
static uint64_t sum_of(const uint32_t *word, const uint32_t *end, const uint64_t *mask,
                       byte_sums sum, size_t bytes)
{
    uint64_t has = 0, all = 0;
    for (; word < end; word++) has |= mask[*word];
    for (size_t k = 0; k < bytes; k++) all += sum[k][has >> 8 * k & 255];
    return all;
}

/* Adds the terms query[0..count), at most BLOCK, to the sums of the pictures. */
static void add_terms(t2i_text_index *x, const uint64_t *query, size_t count)
{
    byte_sums sum = {{0}};
    fill_sums(x, query, count, sum);
    for (size_t i = 0; i < count; i++) x->bit[query[i]] = (uint8_t)(i + 1);
    for (size_t w = 0; w < x->word.count; w++) {
        x->mask[w] = bit_of(x, w);
        for (uint64_t k = x->begin.at[w]; k < x->begin.at[w + 1]; k++)
            x->mask[w] |= bit_of(x, x->word.count + x->of.at[k]);
    }
    for (size_t i = 0; i < count; i++) x->bit[query[i]] = 0;
    for (size_t m = 0; m < x->images; m++)
        x->sum[m] +=
            sum_of(x->has + x->first[m], x->has + x->first[m + 1], x->mask, sum, (count + 7) / 8);
}

t2i_status t2i_text_index_score(t2i_text_index *x, const char *bytes, size_t size, double *score,
                                t2i_error *err)
{
    t2i_status status = list_query(x, bytes, size, err);
    size_t count = x->query.count;
    double length = count == 0 ? 1.0 : length_of_terms(x);
    clear_terms(x); /* the numbers stay in x->query.at */
    if (status != T2I_OK) return status;
    memset(x->sum, 0, x->images * sizeof *x->sum);
    for (size_t at = 0; at < count; at += BLOCK)
        add_terms(x, x->query.at + at, count - at < BLOCK ? count - at : BLOCK);
    for (size_t m = 0; m < x->images; m++)
        score[m] = (double)x->sum[m] / (length * x->divisor[m]) / SCALE;
    return T2I_OK;
}
