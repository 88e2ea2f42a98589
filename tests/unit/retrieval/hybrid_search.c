/* hybrid_search: orders and weights worked out by hand, and against all scores in order. */
#include "retrieval/hybrid_search.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/rng.h"
#include "dataset/dataset_writer.h"
#include "model/model.h"
#include "scratch.h"
#include "test.h"

static t2i_error err;

enum { D = 4, MOST = 60, LONGEST = 40, PAIRS = 200 };

#define NEAR(a, b) CU_ASSERT(fabs((a) - (b)) < 5e-4)

/* The pairs of the next dataset, and the directions of its pictures: (x, y, 0, 0). */
static struct {
    size_t pairs, pictures, size;
    char bytes[PAIRS * LONGEST];
    uint64_t offset[PAIRS + 1];
    uint32_t image[PAIRS], row[PAIRS];
    uint8_t split[PAIRS];
    float feature[MOST * D];
} made;

static void add(uint32_t image, uint8_t split, const char *text)
{
    memcpy(made.bytes + made.size, text, strlen(text));
    made.size += strlen(text);
    made.image[made.pairs] = image;
    made.split[made.pairs] = split;
    made.row[made.pairs] = (uint32_t)made.pairs;
    made.offset[++made.pairs] = made.size;
}

static void picture(double x, double y)
{
    made.feature[made.pictures * D] = (float)x;
    made.feature[made.pictures++ * D + 1] = (float)y;
}

static void clear(void)
{
    memset(&made, 0, sizeof made);
}

/* Closed with close_set. */
typedef struct {
    t2i_dataset *dataset;
    t2i_prompts prompts;
    t2i_text_index index;
    t2i_gallery gallery;
    t2i_hybrid_search hybrid;
} set;

static void write_set(void)
{
    static char text[MOST][8];
    static const char *name[MOST];
    static uint32_t group[MOST];
    const t2i_encoder_info encoder = {.encoder = "features", .scale = 1};
    t2i_dataset_writer *writer = NULL;
    for (size_t m = 0; m < made.pictures; m++) {
        snprintf(text[m], sizeof text[m], "%zu", m);
        name[m] = text[m];
        group[m] = (uint32_t)m;
    }
    const t2i_pairs all = {made.pairs, made.pictures, made.bytes, made.offset, made.image,
                           made.row,   made.split,    name,       group};
    OK(t2i_dataset_writer_create(&writer, in_scratch("set.h5"), "test", &all, D, &encoder, &err));
    if (writer == NULL) return;
    OK(t2i_dataset_writer_put_features(writer, made.pictures, made.feature, &err));
    OK(t2i_dataset_writer_commit(writer, &err));
}

static void open_set(set *out)
{
    *out = (set){.dataset = NULL};
    write_set();
    OK(t2i_dataset_open(&out->dataset, in_scratch("set.h5"), &err));
    if (out->dataset == NULL) return;
    OK(t2i_prompts_new(&out->prompts, out->dataset, &err));
    OK(t2i_text_index_new(&out->index, out->dataset, &out->prompts, &err));
    OK(t2i_gallery_new(&out->gallery, out->dataset, NULL, &err));
    OK(t2i_hybrid_search_new(&out->hybrid, &out->gallery, &out->index, &err));
}

static void close_set(set *s)
{
    t2i_hybrid_search_free(&s->hybrid);
    t2i_gallery_free(&s->gallery);
    t2i_text_index_free(&s->index);
    t2i_prompts_free(&s->prompts);
    t2i_dataset_close(s->dataset);
}

static void ask(set *s, const char *text, const float prompt[D])
{
    OK(t2i_hybrid_search_ask(&s->hybrid, text, strlen(text), prompt, &err));
}

/* Is this the order of the first `count` pictures? */
static void is_order(const set *s, double weight, const size_t *image, size_t count)
{
    t2i_near near[MOST];
    OK(t2i_hybrid_search_first(&s->hybrid, weight, count, near, &err));
    for (size_t k = 0; k < count; k++) {
        CU_ASSERT(near[k].image == image[k]);
        CU_ASSERT(near[k].distance == s->hybrid.distance[image[k]]);
    }
}

static const float east[D] = {1, 0, 0, 0};

/* ---- by hand ---- */

/* By cosine: 0 (distance 0), 2 (0.293, no document), 1 and 4 (1), 3 (2). "blue" finds 3: documents
 * have places 0, 2, 3 and 4, and 2 stays second. ln(5/2) + 1 = 1.916 for the word and the trigrams
 * ^bl blu lue ue$ gives sqrt(sqrt(13) x 1.916) = 2.629. */
static void by_hand(void)
{
    set s;
    clear();
    picture(1, 0);
    picture(0, 1);
    picture(1, 1);
    picture(-1, 0);
    picture(0, -1);
    add(0, T2I_TRAIN, "red");
    add(1, T2I_TRAIN, "green");
    add(2, T2I_VALIDATION, "blue");
    add(3, T2I_TRAIN, "blue");
    add(4, T2I_TRAIN, "green");
    open_set(&s);
    if (s.dataset == NULL) return;
    ask(&s, "blue", east);
    is_order(&s, 0.0, (const size_t[]){0, 2, 1, 4, 3}, 5);
    is_order(&s, 0.3, (const size_t[]){0, 2, 1, 4, 3}, 5); /* 3: -1 + 0.79, 1 and 4: 0 */
    is_order(&s, 0.7, (const size_t[]){0, 2, 3, 1, 4}, 5); /* 3: -1 + 1.84 */
    is_order(&s, 1.0, (const size_t[]){3, 2, 0, 1, 4}, 5); /* 3: -1 + 2.63 */
    is_order(&s, 1.0, (const size_t[]){3, 2}, 2);
    NEAR(t2i_hybrid_search_score(&s.hybrid, 1.0, 3), 1.629);
    NEAR(t2i_hybrid_search_score(&s.hybrid, 1.0, 2), 0.7071);
    NEAR(t2i_hybrid_search_score(&s.hybrid, 1.0, 0), 1.0);
    static const struct {
        t2i_fitting fit[2];
        size_t count, rank;
    } asked[] = {
        {{{3, 1}}, 1, 1},         {{{2, 1}}, 1, 2},         {{{0, 1}}, 1, 3},
        {{{4, 1}}, 1, 5},         {{{0, 1}, {3, 0}}, 2, 2}, {{{2, 0}, {4, 1}}, 2, 4},
        {{{2, 1}, {3, 0}}, 2, 1}, {{{0, 1}, {4, 0}}, 2, 3}, {{{1, 1}, {2, 1}}, 2, 2},
    };
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++)
        CU_ASSERT(t2i_hybrid_search_rank(&s.hybrid, 1.0, asked[i].fit, asked[i].count) ==
                  asked[i].rank);
    ask(&s, "nothing of that", east); /* no score: by cosine */
    is_order(&s, 1.0, (const size_t[]){0, 2, 1, 4, 3}, 5);
    close_set(&s);
}

/* ---- against all scores in order ---- */

static uint32_t below(uint64_t at, uint32_t limit)
{
    return (uint32_t)t2i_rng_below(7, at, 0, limit);
}

/* Pictures with a document in order of their scores, between the others at their places by cosine:
 * one by one. */
static void order_all(const set *s, double weight, size_t *order)
{
    size_t M = made.pictures;
    uint8_t used[MOST] = {0};
    for (size_t place = 0; place < M; place++) {
        size_t near = SIZE_MAX, best = SIZE_MAX;
        for (size_t m = 0; m < M; m++) { /* the picture at this place by cosine */
            size_t before = 0;
            for (size_t k = 0; k < M; k++)
                before += s->hybrid.distance[k] < s->hybrid.distance[m] ||
                          (s->hybrid.distance[k] == s->hybrid.distance[m] && k < m);
            if (before == place) near = m;
        }
        for (size_t m = 0; m < M; m++)
            if (!used[m] && t2i_text_index_has(&s->index, m) &&
                (best == SIZE_MAX || weight * s->hybrid.text[m] - s->hybrid.distance[m] >
                                         weight * s->hybrid.text[best] - s->hybrid.distance[best]))
                best = m;
        order[place] = t2i_text_index_has(&s->index, near) ? best : near;
        used[order[place]] = 1;
    }
}

static void against_orders(void)
{
    static const char *const word[] = {"red", "green", "blue", "car", "boat", "tar"};
    for (uint64_t seed = 0; seed < 20; seed++) {
        set s;
        uint64_t at = seed << 20;
        size_t order[MOST];
        clear();
        for (size_t m = 0; m < 40; m++) { /* of few directions, so that many are tied */
            double x = below(at++, 5), y = below(at++, 5);
            picture(x - 2.0, y - 2.0);
            add((uint32_t)m, below(at, 3) > 0 ? T2I_TRAIN : T2I_VALIDATION, word[below(at + 1, 6)]);
            at += 2;
        }
        open_set(&s);
        if (s.dataset == NULL) return;
        ask(&s, word[seed % 6], (const float[D]){1, 0.25f, 0, 0});
        for (size_t w = 0; w < 4; w++) {
            double weight = (double)w * 0.3;
            order_all(&s, weight, order);
            for (size_t top = 1; top <= 40; top += 13) is_order(&s, weight, order, top);
            for (size_t k = 0; k < 40; k++) { /* k is right, the three before it are left out */
                t2i_fitting fit[4];
                size_t count = 0;
                for (size_t i = k < 3 ? 0 : k - 3; i <= k; i++)
                    fit[count++] = (t2i_fitting){(uint32_t)order[i], i == k};
                CU_ASSERT(t2i_hybrid_search_rank(&s.hybrid, weight, fit, count) == k + 2 - count);
            }
        }
        close_set(&s);
    }
}

/* ---- the weight ---- */

/* A model that predicts (1, 0, 0, 0) whatever the prompt is. */
static double chosen(void)
{
    const t2i_config config = {.d_model = 4,
                               .n_heads = 2,
                               .n_layers = 1,
                               .d_ff = 4,
                               .block_size = 6,
                               .vision_feature_dim = D,
                               .vocab_size = 3,
                               .out_bias = 1,
                               .ffn1_bias = 1,
                               .ffn2_bias = 1,
                               .head_bias = 1};
    static const char *const names[] = {"a", "<PAD>", "<UNK>"};
    t2i_model model = {0};
    t2i_vocab vocab = {0};
    t2i_packed_weights packed = {0};
    t2i_dataset *dataset = NULL;
    double weight = -1.0;
    write_set();
    OK(t2i_vocab_new(&vocab, names, 3, &err));
    OK(t2i_model_new(&model, &config, &err));
    OK(t2i_dataset_open(&dataset, in_scratch("set.h5"), &err));
    float *weights = t2i_block_new(&model.layout);
    if (weights != NULL && dataset != NULL) {
        weights[model.head_bias] = 1.0f;
        OK(t2i_packed_weights_of(&packed, &model, weights, &err));
        OK(t2i_hybrid_search_choose_weight(&packed, &vocab, dataset, &weight, &err));
    }
    t2i_packed_weights_free(&packed);
    t2i_free(weights);
    t2i_model_free(&model);
    t2i_vocab_free(&vocab);
    t2i_dataset_close(dataset);
    return weight;
}

/* Two pictures, "cat" at distance 0 and "dog" at `distance`. "dog house" finds the second where the
 * weight is more than distance / 2.2065: 12 (ln(3/2) + 1)^2 = 23.704, to the fourth root. */
static void two_pictures(double distance)
{
    clear();
    picture(1, 0);
    picture(1 - distance, sqrt(1 - (1 - distance) * (1 - distance)));
    add(0, T2I_TRAIN, "cat");
    add(1, T2I_TRAIN, "dog");
}

static void weights(void)
{
    static const struct {
        double distance, weight;
    } least[] = {{0.05, 0.05}, {0.2, 0.1}, {0.3, 0.15}, {0.4, 0.2}, {0.6, 0.3},
                 {0.8, 0.4},   {1.0, 0.5}, {1.5, 0.7},  {2.0, 1.0}};
    for (size_t i = 0; i < sizeof least / sizeof *least; i++) {
        two_pictures(least[i].distance);
        add(1, T2I_VALIDATION, "dog house");
        CU_ASSERT(chosen() == least[i].weight);
    }
    two_pictures(0.4);
    CU_ASSERT(chosen() == 0.0); /* no validation prompts */
    /* "dogs" has ^do and dog in common with "dog": 0.9008, which misleads from 0.4 / 0.9008 on */
    add(0, T2I_VALIDATION, "dogs");
    CU_ASSERT(chosen() == 0.0);
    add(1, T2I_VALIDATION, "dog house");
    CU_ASSERT(chosen() == 0.2);
    made.split[0] = made.split[1] = T2I_UNSEEN_PROMPTS; /* nothing trains */
    CU_ASSERT(chosen() == 0.0);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"orders by hand", by_hand},
        {"against all scores in order", against_orders},
        {"the weight", weights},
    };
    if (scratch_begin("hybrid_search") != 0) return 1;
    int failed = t2i_test_main("hybrid_search", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return failed;
}
