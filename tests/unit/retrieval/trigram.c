/* trigram, baseline, prompts: against counting and sorting everything by hand. */
#include "dataset/dataset_writer.h"
#include "retrieval/baseline.h"

#include "scratch.h"
#include "test.h"
#include "base/rng.h"

static t2i_error err;

/* ---- trigrams ---- */

static size_t count_of(const char *text)
{
    t2i_trigrams set = {0};
    OK(t2i_trigram_of(&set, text, strlen(text), &err));
    size_t count = set.count;
    t2i_trigram_free(&set);
    return count;
}

static void trigrams(void)
{
    t2i_trigrams a = {0}, b = {0};
    CU_ASSERT(count_of("") == 1 && count_of("a") == 1 && count_of("ab") == 2);
    CU_ASSERT(count_of("abc") == 3 && count_of("aaaaaa") == 3); /* ^aa aaa aa$ */
    CU_ASSERT(count_of("\xc3\xa4\xe2\x82\xac") == 2);           /* characters, not bytes */
    CU_ASSERT(count_of("\xff\xfe") == 2);                       /* nor must they be UTF-8 */
    OK(t2i_trigram_of(&a, "\0\0\0", 3, &err));
    CU_ASSERT(a.count == 3 && a.key[0] != 0);
    OK(t2i_trigram_of(&a, "abcabcabcd", 10, &err));
    OK(t2i_trigram_of(&b, "xyz", 3, &err));
    for (size_t i = 1; i < a.count; i++) CU_ASSERT(a.key[i - 1] < a.key[i]);
    for (size_t i = 0; i < a.count; i++)
        for (size_t k = 0; k < b.count; k++) CU_ASSERT(a.key[i] != b.key[k]);
    t2i_trigram_free(&a);
    t2i_trigram_free(&b);
}

/* ---- a made-up dataset ---- */

enum { PROMPTS = 400, PICTURES = 90, D = 4, LONGEST = 60 };

static char text[PROMPTS][LONGEST];
static char bytes[PROMPTS * LONGEST * 3];
static uint64_t offset[3 * PROMPTS + 1];
static uint32_t image[3 * PROMPTS], row[3 * PROMPTS], group[PICTURES];
static uint8_t split[3 * PROMPTS];
static size_t pairs;
static char name_of[PICTURES][8];
static const char *name[PICTURES];

/* Few letters, so that prompts share trigrams and some are the same; one to three pairs each, some
 * of them in other splits, some given twice. The first pairs use all pictures in order. */
static void make_pairs(void)
{
    size_t size = 0;
    pairs = 0;
    for (size_t p = 0; p < PROMPTS; p++) {
        size_t length = (size_t)t2i_rng_below(1, p, 0, 12),
               more = (size_t)t2i_rng_below(1, p, 1, 3);
        for (size_t i = 0; i < length; i++) text[p][i] = "abc"[t2i_rng_below(1, p, 2 + i, 3)];
        for (size_t k = 0; k <= more; k++) {
            memcpy(bytes + size, text[p], length);
            size += length;
            image[pairs] = (uint32_t)(pairs < PICTURES ? pairs : t2i_rng_below(2, p, k, PICTURES));
            split[pairs] = image[pairs] % 9 == 8 ? T2I_UNSEEN_PICTURES
                                                 : (uint8_t)(t2i_rng_below(3, p, k, 4) / 3);
            row[pairs] = (uint32_t)pairs;
            offset[++pairs] = size;
        }
    }
    for (size_t m = 0; m < PICTURES; m++) {
        group[m] = (uint32_t)m;
        snprintf(name_of[m], sizeof name_of[m], "%zu", m);
        name[m] = name_of[m];
    }
}

static t2i_dataset *make_dataset(void)
{
    make_pairs();
    const t2i_pairs all = {pairs, PICTURES, bytes, offset, image, row, split, name, group};
    const t2i_encoder_info encoder = {.encoder = "features", .scale = 1};
    float feature[PICTURES * D] = {0};
    t2i_dataset_writer *out = NULL;
    t2i_dataset *dataset = NULL;
    OK(t2i_dataset_writer_create(&out, in_scratch("set.h5"), "test", &all, D, &encoder, &err));
    if (out == NULL) return NULL;
    OK(t2i_dataset_writer_put_features(out, PICTURES, feature, &err));
    OK(t2i_dataset_writer_commit(out, &err));
    OK(t2i_dataset_open(&dataset, in_scratch("set.h5"), &err));
    return dataset;
}

static void prompts(void)
{
    t2i_prompts p;
    t2i_text now = {0}, before = {0};
    t2i_fitting fit[3 * PROMPTS];
    size_t seen = 0, shared = 0;
    t2i_dataset *dataset = make_dataset();
    if (dataset == NULL) return;
    OK(t2i_prompts_new(&p, dataset, &err));
    CU_ASSERT(p.pairs == pairs && p.count < PROMPTS && p.first[0] == 0);
    for (size_t i = 0; i < p.count; i++) {
        size_t distinct = 0, right = 0;
        for (size_t k = p.first[i]; k < p.first[i + 1]; k++, seen++) {
            OK(t2i_prompts_text(dataset, k, &now, &err));
            if (k > p.first[i]) CU_ASSERT(strcmp(now.data, before.data) == 0);
            if (i > 0 && k == p.first[i]) CU_ASSERT(strcmp(now.data, before.data) > 0);
            const t2i_text swap = before;
            before = now;
            now = swap;
        }
        size_t count = t2i_prompts_fitting(&p, i, T2I_VALIDATION, fit);
        for (size_t k = 0; k < count; k++) {
            int fits = 0;
            for (size_t at = p.first[i]; at < p.first[i + 1]; at++)
                fits |= p.image[at] == fit[k].image && p.split[at] == T2I_VALIDATION;
            CU_ASSERT(fit[k].right == fits && (k == 0 || fit[k - 1].image < fit[k].image));
            right += fit[k].right;
        }
        for (uint32_t m = 0; m < PICTURES; m++) {
            int fits = 0;
            for (size_t at = p.first[i]; at < p.first[i + 1]; at++) fits |= p.image[at] == m;
            distinct += (size_t)fits;
        }
        CU_ASSERT(count == distinct && (right > 0) == t2i_prompts_has(&p, i, T2I_VALIDATION));
        shared += right > 0 && right < count;
    }
    CU_ASSERT(seen == pairs && shared > 10);
    t2i_prompts_free(&p);
    t2i_text_free(&now);
    t2i_text_free(&before);
    t2i_dataset_close(dataset);
}

/* ---- the nearest training prompt, by trying all ---- */

static size_t common(const t2i_trigrams *a, const t2i_trigrams *b)
{
    size_t count = 0;
    for (size_t i = 0; i < a->count; i++)
        for (size_t k = 0; k < b->count; k++) count += a->key[i] == b->key[k];
    return count;
}

typedef struct {
    size_t shared, either, prompt;
} rival;

static int by_likeness(const void *a, const void *b)
{
    const rival *x = a, *y = b;
    size_t p = x->shared * y->either, q = y->shared * x->either;
    if (p != q) return p > q ? -1 : 1;
    return (x->prompt > y->prompt) - (x->prompt < y->prompt);
}

/* Writes down the whole order of the pictures and looks for the first right one in it. */
static size_t plain_rank(const t2i_prompts *p, const t2i_trigrams *set, size_t asked,
                         const t2i_fitting *fit, size_t fits)
{
    static rival all[PROMPTS];
    uint8_t out[PICTURES] = {0}, right[PICTURES] = {0};
    size_t count = 0, rank = 1;
    for (size_t i = 0; i < p->count; i++) {
        size_t both = common(&set[asked], &set[i]);
        if (t2i_prompts_has(p, i, T2I_TRAIN))
            all[count++] = (rival){both, set[asked].count + set[i].count - both, i};
    }
    qsort(all, count, sizeof *all, by_likeness);
    for (size_t k = 0; k < fits; k++) {
        out[fit[k].image] = !fit[k].right; /* as if it had been listed */
        right[fit[k].image] = fit[k].right;
    }
    for (size_t i = 0; i <= count; i++)
        for (uint32_t m = 0; m < PICTURES; m++) {
            int listed = i == count; /* at the end, all others */
            for (size_t k = p->first[all[i % count].prompt];
                 k < p->first[all[i % count].prompt + 1]; k++)
                listed |= i < count && p->image[k] == m && p->split[k] == T2I_TRAIN;
            if (!listed || out[m]) continue;
            if (right[m]) return rank;
            out[m] = 1;
            rank++;
        }
    return 0;
}

static void nearest_prompts(void)
{
    static t2i_trigrams set[PROMPTS];
    static t2i_fitting fit[3 * PROMPTS];
    t2i_prompts p;
    t2i_baseline b;
    t2i_text one = {0};
    size_t asked = 0, late = 0, untrained = 0, rank;
    t2i_dataset *dataset = make_dataset();
    if (dataset == NULL) return;
    OK(t2i_prompts_new(&p, dataset, &err));
    OK(t2i_baseline_new(&b, &p, PICTURES, &err));
    OK(t2i_baseline_index(&b, dataset, &err));
    for (size_t i = 0; i < p.count; i++) {
        OK(t2i_prompts_text(dataset, p.first[i], &one, &err));
        OK(t2i_trigram_of(&set[i], one.data, one.size, &err));
    }
    for (int s = 0; s < 2 * T2I_SPLITS; s++)
        for (size_t i = 0; i < p.count; i++) {
            int of = s % T2I_SPLITS;
            if (!t2i_prompts_has(&p, i, of)) continue;
            size_t fits = t2i_prompts_fitting(&p, i, of, fit);
            OK(t2i_prompts_text(dataset, p.first[i], &one, &err));
            OK(t2i_baseline_nearest(&b, &one, fit, fits, &rank, &err));
            size_t right = plain_rank(&p, set, i, fit, fits);
            if (rank != right) {
                fprintf(stderr, "'%s' of split %d: rank %zu, not %zu\n", one.data, of, rank, right);
                CU_FAIL("another rank");
            }
            asked++;
            late += rank > 5 && of != T2I_UNSEEN_PICTURES;
            untrained += of == T2I_UNSEEN_PICTURES;
        }
    CU_ASSERT(asked - untrained > 300 && late > 50 && untrained > 20);
    for (size_t i = 0; i < p.count; i++) t2i_trigram_free(&set[i]);
    t2i_baseline_free(&b);
    t2i_prompts_free(&p);
    t2i_text_free(&one);
    t2i_dataset_close(dataset);
}

/* ---- the same order for all ---- */

static void constant_order(void)
{
    t2i_prompts p;
    t2i_baseline b;
    size_t times[PICTURES] = {0};
    t2i_fitting fit[3 * PROMPTS];
    t2i_dataset *dataset = make_dataset();
    if (dataset == NULL) return;
    OK(t2i_prompts_new(&p, dataset, &err));
    OK(t2i_baseline_new(&b, &p, PICTURES, &err));
    for (size_t i = 0; i < p.count; i++) {
        size_t count = t2i_prompts_fitting(&p, i, T2I_TRAIN, fit);
        for (size_t k = 0; k < count; k++) times[fit[k].image] += fit[k].right;
    }
    for (uint32_t m = 0; m < PICTURES; m++) {
        size_t before = 0;
        for (uint32_t k = 0; k < PICTURES; k++)
            before += times[k] > times[m] || (times[k] == times[m] && k < m);
        CU_ASSERT(b.constant[m] == before);
        CU_ASSERT((b.pairs_of[m] > 0) == (times[m] > 0));
    }
    t2i_baseline_free(&b);
    t2i_prompts_free(&p);
    t2i_dataset_close(dataset);
    const double value[5] = {3, 1, 3, 0, 1};
    uint32_t place[5];
    OK(t2i_baseline_order(value, 5, place, &err));
    CU_ASSERT(place[3] == 0 && place[1] == 1 && place[4] == 2 && place[0] == 3 && place[2] == 4);
    const t2i_fitting some[] = {{0, 1}, {1, 0}, {2, 1}, {3, 0}};
    CU_ASSERT(t2i_baseline_rank(place, some, 4) == 2); /* 3 and 1 do not count: 4, then 0 */
    CU_ASSERT(t2i_baseline_rank(place, some, 1) == 4);
    /* descending: 0, 2, 1, 4, 3 */
    CU_ASSERT(t2i_baseline_rank_scores(value, 5, some, 1) == 1);
    CU_ASSERT(t2i_baseline_rank_scores(value, 5, some + 1, 2) == 2);
    CU_ASSERT(t2i_baseline_rank_scores(value, 5, (t2i_fitting[]){{4, 1}}, 1) == 4);
    CU_ASSERT(t2i_baseline_rank_scores(value, 5, (t2i_fitting[]){{1, 0}, {2, 0}, {4, 1}}, 3) == 2);
    CU_ASSERT(t2i_baseline_rank_scores(value, 5, (t2i_fitting[]){{3, 1}, {4, 1}}, 2) == 4);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"trigrams of a text", trigrams},
        {"distinct prompts and their pictures", prompts},
        {"nearest training prompts", nearest_prompts},
        {"the best constant order", constant_order},
    };
    if (scratch_begin("trigram") != 0) return 1;
    int failed = t2i_test_main("trigram", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return failed;
}
