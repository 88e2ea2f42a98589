/* text_index: by hand, and against sets of strings that are compared one by one. */
#include "retrieval/text_index.h"

#include <math.h>
#include <stdlib.h>

#include "base/portable_math.h"
#include "base/rng.h"
#include "dataset/dataset_writer.h"
#include "scratch.h"
#include "test.h"

static t2i_error err;

enum { PAIRS = 600, PICTURES = 40, D = 2, LONGEST = 1000 };

/* The pairs of the next dataset. */
typedef struct {
    size_t pairs, size;
    char bytes[PAIRS * LONGEST];
    uint64_t offset[PAIRS + 1];
    uint32_t image[PAIRS], row[PAIRS];
    uint8_t split[PAIRS];
} pair_list;
static pair_list made;

static void add_bytes(uint32_t image, uint8_t split, const char *bytes, size_t size)
{
    memcpy(made.bytes + made.size, bytes, size);
    made.size += size;
    made.image[made.pairs] = image;
    made.split[made.pairs] = split;
    made.row[made.pairs] = (uint32_t)made.pairs;
    made.offset[++made.pairs] = made.size;
}

static void add(uint32_t image, uint8_t split, const char *text)
{
    add_bytes(image, split, text, strlen(text));
}

static void clear(void)
{
    made.pairs = made.size = 0;
}

/* A dataset of the pairs, and its index. Closed with `end_index`. */
typedef struct {
    t2i_dataset *dataset;
    t2i_prompts prompts;
    t2i_text_index index;
} indexed;

static void begin_index(indexed *out, size_t pictures)
{
    static char text[PICTURES][8];
    static const char *name[PICTURES];
    static uint32_t group[PICTURES];
    float feature[PICTURES * D] = {0};
    const t2i_encoder_info encoder = {.encoder = "features", .scale = 1};
    t2i_dataset_writer *writer = NULL;
    *out = (indexed){.dataset = NULL};
    for (size_t m = 0; m < pictures; m++) {
        snprintf(text[m], sizeof text[m], "%zu", m);
        name[m] = text[m];
        group[m] = (uint32_t)m;
    }
    const t2i_pairs all = {made.pairs, pictures,   made.bytes, made.offset, made.image,
                           made.row,   made.split, name,       group};
    OK(t2i_dataset_writer_create(&writer, in_scratch("set.h5"), "test", &all, D, &encoder, &err));
    if (writer == NULL) return;
    OK(t2i_dataset_writer_put_features(writer, pictures, feature, &err));
    OK(t2i_dataset_writer_commit(writer, &err));
    OK(t2i_dataset_open(&out->dataset, in_scratch("set.h5"), &err));
    if (out->dataset == NULL) return;
    OK(t2i_prompts_new(&out->prompts, out->dataset, &err));
    OK(t2i_text_index_new(&out->index, out->dataset, &out->prompts, &err));
}

static void end_index(indexed *set)
{
    t2i_text_index_free(&set->index);
    t2i_prompts_free(&set->prompts);
    t2i_dataset_close(set->dataset);
}

static void ask_bytes(indexed *set, const char *bytes, size_t size, double *score)
{
    OK(t2i_text_index_score(&set->index, bytes, size, score, &err));
}

static void ask(indexed *set, const char *text, double *score)
{
    ask_bytes(set, text, strlen(text), score);
}

/* ---- by hand ---- */

#define NEAR(a, b) CU_ASSERT(fabs((a) - (b)) < 5e-4)

/* Of two documents both have "red" and its trigrams ^re red ed$, of weight ln(3/3) + 1 = 1; one has
 * "car" and ^ca car ar$, of weight ln(3/2) + 1 = 1.40547. A word counts 3^2, so the squared lengths
 * are 9 + 3 = 12 and 12 + 12 x 1.97533 = 35.7040. */
static void by_hand(void)
{
    indexed set;
    double score[4], same[4];
    clear();
    add(0, T2I_TRAIN, "red car");
    add(1, T2I_TRAIN, "red");
    add(2, T2I_VALIDATION, "red car");
    add(3, T2I_TRAIN, ""); /* no document */
    begin_index(&set, 4);
    if (set.dataset == NULL) return;
    ask(&set, "red", score);
    NEAR(score[0], 1.41713); /* 12 / (sqrt(12) x 35.7040^(1/4)) */
    NEAR(score[1], 1.86121); /* 12 / (sqrt(12) x 12^(1/4)) */
    CU_ASSERT(score[2] == 0.0 && score[3] == 0.0);
    ask(&set, "\"RED!\"  unknown", same);
    CU_ASSERT(memcmp(score, same, sizeof same) == 0);
    ask(&set, "red red, red", same);
    CU_ASSERT(memcmp(score, same, sizeof same) == 0);
    ask(&set, "tar", score); /* ar$ alone: 1.97533 / (1.40547 x 35.7040^(1/4)) */
    NEAR(score[0], 0.57496);
    CU_ASSERT(score[1] == 0.0);
    ask(&set, "car red", score); /* sqrt(35.7040) / 35.7040^(1/4); 12 / (5.97528 x 12^(1/4)) */
    NEAR(score[0], 2.44444);
    NEAR(score[1], 1.07902);
    for (size_t i = 0; i < 3; i++) {
        ask(&set, (const char *const[]){"", " \t ", "zzz"}[i], score);
        for (size_t m = 0; m < 4; m++) CU_ASSERT(score[m] == 0.0);
    }
    end_index(&set);
}

/* Characters, not bytes; no case but ASCII's; separators and marks that are not ASCII. */
static void characters(void)
{
    indexed set;
    double score[4];
    clear();
    add(0, T2I_TRAIN, "\xc3\x84\xc3\xa9\xc3\xb6"); /* a word of three characters */
    add(1, T2I_TRAIN, "\xe2\x80\x9cgo\xe2\x80\x9d\xe3\x80\x80home"); /* in quotes; U+3000 */
    add_bytes(2, T2I_TRAIN, "a\0b", 3);
    add(3, T2I_TRAIN, "!?");
    begin_index(&set, 4);
    if (set.dataset == NULL) return;
    CU_ASSERT(set.index.word.count == 6);
    CU_ASSERT(set.index.trigram.count == 3 + 2 + 4 + 1 + 1 + 2);
    ask(&set, "x\xc3\xa9\xc3\xb6", score); /* the end is common */
    CU_ASSERT(score[0] > 0.0 && score[1] == 0.0);
    ask(&set, "\xc3\xa4x\xc3\xb6", score); /* a small letter is another one */
    CU_ASSERT(score[0] == 0.0);
    ask(&set, "GO", score);
    CU_ASSERT(score[1] > 0.0);
    ask(&set, "b", score);
    CU_ASSERT(score[2] > 0.0 && score[0] == 0.0);
    ask(&set, "!?", score);
    CU_ASSERT(score[3] > 0.0);
    ask(&set, "\xff\xe3\x80hom\xc3", score); /* not UTF-8: hom is common */
    CU_ASSERT(score[1] > 0.0 && score[0] == 0.0);
    end_index(&set);
}

/* ---- against sets of strings ---- */

/* Terms: a word, or three symbols with '\n' before them. */
typedef struct {
    char term[2000][16];
    size_t count;
} term_set;

static size_t find(const term_set *set, const char *term)
{
    size_t i = 0;
    while (i < set->count && strcmp(set->term[i], term) != 0) i++;
    return i;
}

static void put(term_set *set, const char *term)
{
    if (find(set, term) == set->count) strcpy(set->term[set->count++], term);
}

/* Adds the terms of words of "ab", "e" with an accent, commas and blanks. */
static void put_terms(term_set *set, const char *text, size_t size)
{
    for (size_t i = 0; i < size;) {
        size_t end = i, symbols;
        char symbol[16][3] = {"^"}, word[16] = "", term[16];
        while (end < size && text[end] != ' ') end++;
        size_t next = end + 1;
        while (i < end && text[i] == ',') i++;
        while (i < end && text[end - 1] == ',') end--;
        for (symbols = 1; i < end; symbols++) {
            size_t bytes = text[i] == '\xc3' ? 2 : 1;
            memcpy(symbol[symbols], text + i, bytes);
            if (text[i] >= 'A' && text[i] <= 'Z') symbol[symbols][0] = (char)(text[i] + 'a' - 'A');
            strcat(word, symbol[symbols]);
            i += bytes;
        }
        strcpy(symbol[symbols], "$");
        if (symbols > 1) put(set, word);
        for (size_t k = 0; symbols > 1 && k + 2 <= symbols; k++) {
            strcpy(term, "\n");
            for (size_t part = k; part < k + 3; part++) strcat(term, symbol[part]);
            put(set, term);
        }
        i = next;
    }
}

/* A prompt of words of one to six characters, none of commas alone. */
static size_t random_prompt(char *out, uint64_t number, size_t words)
{
    size_t size = 0;
    for (size_t w = 0; w < words; w++) {
        size_t length = 1 + (size_t)t2i_rng_below(7, number, 20 * w, 6);
        if (w > 0) out[size++] = ' ';
        if (length == 3) out[size++] = ',';
        for (size_t i = 0; i < length; i++) {
            static const char *const symbol[] = {"a", "b", "A", "\xc3\xa9"};
            const char *now = symbol[t2i_rng_below(7, number, 20 * w + 1 + i, 4)];
            memcpy(out + size, now, strlen(now));
            size += strlen(now);
        }
        if (length == 2) out[size++] = ',';
    }
    return size;
}

static double weight_of(const char *term, const term_set *document, size_t pictures)
{
    size_t documents = 0, having = 0;
    for (size_t m = 0; m < pictures; m++) {
        documents += document[m].count > 0;
        having += find(&document[m], term) < document[m].count;
    }
    if (having == 0) return 0.0;
    double idf = t2i_log64((double)(1 + documents) / (double)(1 + having)) + 1.0;
    return floor(idf * 4096.0 + 0.5) * (term[0] == '\n' ? 1.0 : 3.0);
}

/* Squared length of a document, or of the terms of a query that some document has: whole numbers
 * are added, so the order of the sums is free. */
static double square_of(const term_set *set, const term_set *document, size_t *known)
{
    double square = 0;
    *known = 0;
    for (size_t i = 0; i < set->count; i++) {
        double w = weight_of(set->term[i], document, PICTURES);
        square += w * w;
        *known += w > 0;
    }
    return square;
}

/* Queries of one to 60 words: some have more than 64 terms that documents have. */
static void against_strings(void)
{
    static term_set document[PICTURES], query;
    static char text[LONGEST];
    indexed set;
    double score[PICTURES], own[PICTURES];
    size_t most = 0, found = 0, known;
    clear();
    memset(document, 0, sizeof document);
    for (uint64_t i = 0; i < 150; i++) {
        size_t size = random_prompt(text, i, 1 + i % 4);
        uint32_t image = (uint32_t)(i < PICTURES ? i : t2i_rng_below(8, i, 0, PICTURES));
        int trains = image % 8 != 7;
        add_bytes(image, trains ? T2I_TRAIN : T2I_UNSEEN_PICTURES, text, size);
        if (trains) put_terms(&document[image], text, size);
    }
    begin_index(&set, PICTURES);
    if (set.dataset == NULL) return;
    for (size_t m = 0; m < PICTURES; m++) own[m] = square_of(&document[m], document, &known);
    for (uint64_t i = 0; i < 40; i++) {
        size_t size = random_prompt(text, 1000 + i, i < 36 ? 1 + i % 4 : 60);
        query.count = 0;
        put_terms(&query, text, size);
        ask_bytes(&set, text, size, score);
        double length = sqrt(square_of(&query, document, &known));
        for (size_t m = 0; m < PICTURES; m++) {
            double dot = 0, right = 0;
            for (size_t k = 0; k < query.count; k++) {
                double w = weight_of(query.term[k], document, PICTURES);
                if (find(&document[m], query.term[k]) < document[m].count) dot += w * w;
            }
            if (dot > 0) right = dot / (length * sqrt(sqrt(own[m]) / 4096.0)) / 4096.0;
            CU_ASSERT(score[m] == right);
            found += score[m] > 0;
        }
        if (known > most) most = known;
    }
    CU_ASSERT(most > 64 && found > 500);
    end_index(&set);
}

/* ---- prompts that say the same ---- */

/* Prompts that repeat or combine those of their picture change no bit of any score. */
static void combined_prompts(void)
{
    static char text[3][LONGEST], joined[3 * LONGEST];
    indexed set;
    double before[12][PICTURES], after[PICTURES];
    for (int combined = 0; combined < 2; combined++) {
        clear();
        for (uint32_t m = 0; m < PICTURES; m++) {
            size_t size = 0;
            for (size_t k = 0; k < 3; k++) {
                size_t some = random_prompt(text[k], 3 * m + k, 1 + k % 2);
                add_bytes(m, T2I_TRAIN, text[k], some);
                if (k > 0) joined[size++] = ' ';
                memcpy(joined + size, text[k], some);
                size += some;
                if (combined && m % 3 > 0) add_bytes(m, T2I_TRAIN, joined, size);
            }
        }
        begin_index(&set, PICTURES);
        if (set.dataset == NULL) return;
        for (size_t i = 0; i < 12; i++) {
            size_t size = random_prompt(text[0], 1000 + i, 1 + i % 3);
            ask_bytes(&set, text[0], size, after);
            if (combined) CU_ASSERT(memcmp(before[i], after, sizeof after) == 0);
            memcpy(before[i], after, sizeof after);
        }
        end_index(&set);
    }
}

static void no_training_pairs(void)
{
    indexed set;
    double score[2] = {1, 1};
    clear();
    add(0, T2I_VALIDATION, "red");
    add(1, T2I_UNSEEN_PROMPTS, "blue");
    begin_index(&set, 2);
    if (set.dataset == NULL) return;
    ask(&set, "red", score);
    CU_ASSERT(score[0] == 0.0 && score[1] == 0.0);
    end_index(&set);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"scores by hand", by_hand},
        {"characters, case, separators", characters},
        {"against sets of strings", against_strings},
        {"combined prompts", combined_prompts},
        {"no training pairs", no_training_pairs},
    };
    if (scratch_begin("text_index") != 0) return 1;
    int failed = t2i_test_main("text_index", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return failed;
}
