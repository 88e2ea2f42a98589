/* shelf: the same features whatever is kept, in any order; blocks by size. */
#include "dataset/dataset_writer.h"
#include "retrieval/feature_cache.h"

#include "scratch.h"
#include "test.h"
#include "unit/model/space_model.h"

/* Three blocks, the last of them not full. */
enum { D = 4096, PICTURES = 300, BLOCKS = 3 };

static t2i_error err;

static float value(size_t picture, size_t d)
{
    return (float)(picture * 10000 + d % 977);
}

static t2i_dataset *make_dataset(void)
{
    static uint64_t offset[PICTURES + 1];
    static uint32_t number[PICTURES];
    static uint8_t split[PICTURES];
    static char text[PICTURES][12];
    static const char *name[PICTURES];
    static float feature[D];
    const t2i_encoder_info encoder = {.encoder = "features", .scale = 1};
    t2i_dataset_writer *out = NULL;
    t2i_dataset *dataset = NULL;
    for (size_t i = 0; i < PICTURES; i++) {
        number[i] = (uint32_t)i;
        snprintf(text[i], sizeof text[i], "%zu", i);
        name[i] = text[i];
    }
    const t2i_pairs pairs = {PICTURES, PICTURES, "", offset, number, number, split, name, number};
    OK(t2i_dataset_writer_create(&out, in_scratch("set.h5"), "test", &pairs, D, &encoder, &err));
    if (out == NULL) return NULL;
    for (size_t m = 0; m < PICTURES; m++) {
        for (size_t d = 0; d < D; d++) feature[d] = value(m, d);
        OK(t2i_dataset_writer_put_features(out, 1, feature, &err));
    }
    OK(t2i_dataset_writer_commit(out, &err));
    OK(t2i_dataset_open(&dataset, in_scratch("set.h5"), &err));
    return dataset;
}

static int is_picture(const float *feature, size_t picture)
{
    for (size_t d = 0; d < D; d++)
        if (feature[d] != value(picture, d)) return 0;
    return 1;
}

static void walk(t2i_feature_cache *s)
{
    static const size_t blocks[] = {0, 1, 2, 2, 0, 1}, pictures[] = {299, 0, 130, 131, 255, 256};
    const float *feature = NULL;
    CU_ASSERT(s->blocks == BLOCKS && s->rows == 128);
    for (size_t i = 0; i < 6; i++) {
        OK(t2i_feature_cache_picture(s, pictures[i], &feature, &err));
        CU_ASSERT(is_picture(feature, pictures[i]));
        OK(t2i_feature_cache_block(s, blocks[i], &feature, &err));
        CU_ASSERT(t2i_feature_cache_count(s, blocks[i]) == (blocks[i] < 2 ? 128 : 44));
        for (size_t m = 0; m < t2i_feature_cache_count(s, blocks[i]); m++)
            CU_ASSERT(is_picture(feature + m * D, blocks[i] * 128 + m));
        OK(t2i_feature_cache_picture(s, pictures[5 - i], &feature, &err));
        CU_ASSERT(is_picture(feature, pictures[5 - i]));
    }
}

static void keeps(void)
{
    static const size_t first[] = {0, 1, 2}, block = (size_t)128 * D * sizeof(float);
    t2i_dataset *dataset = make_dataset();
    if (dataset == NULL) return;
    for (size_t i = 0; i < 3; i++)
        for (size_t room = 0; room <= 3; room++) {
            t2i_feature_cache s;
            OK(t2i_feature_cache_new(&s, dataset, first[i], BLOCKS, room * block + 5, &err));
            CU_ASSERT(s.cached == (room < BLOCKS - first[i] ? room : BLOCKS - first[i]));
            walk(&s);
            t2i_feature_cache_free(&s);
        }
    t2i_dataset_close(dataset);
}

/* Pictures in the search space: those of the features, mapped once where they are kept. */
static void maps(void)
{
    enum { E = 3 };
    static float feature[128 * D], mapped[128 * E];
    space_model own;
    t2i_dataset *dataset = make_dataset();
    if (dataset == NULL) return;
    space_model_begin(&own, D, E, &err);
    space_model_init(&own);
    float *changed = &own.weights[own.model.picture_weight];
    for (size_t m = 0; m < 128; m++)
        for (size_t d = 0; d < D; d++) feature[m * D + d] = value(m, d);
    t2i_search_space_pictures(&own.packed, mapped, feature, 128);
    for (size_t kept = 0; kept < 2; kept++) {
        t2i_feature_cache s, places;
        const float *got = NULL;
        OK(t2i_feature_cache_new(&s, dataset, 0, BLOCKS, 0, &err));
        OK(t2i_feature_cache_map(&places, &s, &own.packed, 0, BLOCKS,
                                 kept * 128 * E * sizeof(float), &err));
        CU_ASSERT(places.width == E && places.blocks == BLOCKS && places.cached == kept);
        OK(t2i_feature_cache_picture(&places, 9, &got, &err));
        CU_ASSERT(memcmp(got, mapped + 9 * E, E * sizeof *got) == 0);
        OK(t2i_feature_cache_block(&places, 0, &got, &err));
        CU_ASSERT(memcmp(got, mapped, sizeof mapped) == 0);
        OK(t2i_feature_cache_block(&places, 1, &got, &err));
        float before = *changed;
        *changed = before + 1.0f;
        space_model_pack(&own);
        OK(t2i_feature_cache_block(&places, 0, &got, &err));
        CU_ASSERT((memcmp(got, mapped, sizeof mapped) == 0) == (kept == 1));
        *changed = before;
        space_model_pack(&own);
        t2i_feature_cache_free(&places);
        t2i_feature_cache_free(&s);
    }
    space_model_end(&own);
    t2i_dataset_close(dataset);
}

/* What is kept is not read again. */
static void reads_once(void)
{
    t2i_feature_cache s;
    const float *one = NULL, *two = NULL;
    t2i_dataset *dataset = make_dataset();
    if (dataset == NULL) return;
    OK(t2i_feature_cache_new(&s, dataset, 0, BLOCKS, (size_t)1 << 30, &err));
    OK(t2i_feature_cache_block(&s, 1, &one, &err));
    s.data[(size_t)128 * D] = -1.0f;
    OK(t2i_feature_cache_block(&s, 0, &two, &err));
    OK(t2i_feature_cache_block(&s, 1, &two, &err));
    CU_ASSERT(one == two && one[0] == -1.0f);
    t2i_feature_cache_free(&s);
    t2i_dataset_close(dataset);
}

static void sizes(void)
{
    CU_ASSERT(t2i_feature_cache_rows(1) == 4096 && t2i_feature_cache_rows(512) == 1024);
    CU_ASSERT(t2i_feature_cache_rows(65536) == 8);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"the same features whatever is kept", keeps},
        {"what is kept is read once", reads_once},
        {"pictures in the search space", maps},
        {"pictures of a block", sizes},
    };
    if (scratch_begin("shelf") != 0) return 1;
    int failed = t2i_test_main("shelf", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return failed;
}
