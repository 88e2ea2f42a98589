/* shapes: every picture and caption is its own, what is held out is what should be, and the
 * tutorial's pictures are the tutorial's. */
#include "dataset/dataset_writer.h"
#include "picture.h"
#include "prepare/shapes.h"

#include <math.h>
#include <unistd.h>

#include "test.h"
#include "dataset/dataset.h"
#include "prepare/encode_dataset.h"
#include "base/hash.h"
#include "image/image.h"
#include "base/string_table.h"
#include "lists/pairs.h"

static t2i_error err;
static char folder[512], path[600];

static void names_and_captions(void)
{
    t2i_string_table names = {0}, captions = {0};
    char name[T2I_SHAPES_TEXT], caption[T2I_SHAPES_TEXT], word[T2I_SHAPES_TEXT];
    size_t number;
    for (size_t i = 0; i < T2I_SHAPES_IMAGES; i++) {
        t2i_shapes_name(i, name);
        OK(t2i_string_table_add(&names, name, &number, &err));
        for (size_t k = 0; k < T2I_SHAPES_CAPTIONS; k++) {
            t2i_shapes_caption(i, k, caption);
            OK(t2i_string_table_add(&captions, caption, &number, &err));
            CU_ASSERT(strlen(caption) <= 64); /* the default block-size */
            /* every word of the name, "large_red_circle_top_left.png", is said */
            for (const char *at = name; at[0] != '\0'; at += strcspn(at, "_.") + 1) {
                snprintf(word, sizeof word, "%.*s", (int)strcspn(at, "_."), at);
                if (strcmp(word, "png") == 0) break;
                CU_ASSERT_PTR_NOT_NULL(strstr(caption, word));
            }
            CU_ASSERT_PTR_NULL(strstr(caption, " a orange"));
        }
    }
    CU_ASSERT_EQUAL(names.count, T2I_SHAPES_IMAGES);
    CU_ASSERT_EQUAL(captions.count, T2I_SHAPES_PAIRS);
    CU_ASSERT(t2i_string_table_find(&names, "large_red_circle_top_left.png") != SIZE_MAX);
    CU_ASSERT(t2i_string_table_find(&captions, "a large red circle in the top left corner") !=
              SIZE_MAX);
    CU_ASSERT(t2i_string_table_find(&captions, "draw an orange star, small, on the left") !=
              SIZE_MAX);
    t2i_string_table_free(&names);
    t2i_string_table_free(&captions);
}

/* Mean difference of two pictures, in bytes. */
static double difference(const uint8_t *a, const uint8_t *b)
{
    double sum = 0;
    for (size_t i = 0; i < T2I_PICTURE; i++) sum += abs(a[i] - b[i]);
    return sum / (double)T2I_PICTURE;
}

static void pictures(void)
{
    t2i_string_table all = {0};
    uint8_t *p = t2i_alloc(1, T2I_PICTURE);
    size_t number, row = T2I_SIDE * 3;
    for (size_t i = 0; i < T2I_SHAPES_IMAGES; i++) {
        char digest[T2I_HEX];
        size_t ink = 0, shades = 0;
        uint8_t seen[256] = {0};
        t2i_shapes_draw(i, p);
        t2i_hash_hex(p, T2I_PICTURE, digest);
        OK(t2i_string_table_add(&all, digest, &number, &err));
        for (size_t j = 0; j < row; j++) /* nothing is cut off */
            CU_ASSERT(p[j] == 255 && p[T2I_PICTURE - row + j] == 255);
        for (size_t y = 0; y < T2I_SIDE; y++)
            CU_ASSERT(p[y * row] == 255 && p[y * row + row - 1] == 255);
        for (size_t j = 0; j < T2I_PICTURE; j += 3) {
            ink += p[j + 1] != 255;
            shades += !seen[p[j + 1]];
            seen[p[j + 1]] = 1;
        }
        /* a red circle (the first ones) has many shades between red and white */
        if (i < T2I_SHAPES_SIZES * T2I_SHAPES_PLACES) CU_ASSERT(shades > 4);
        CU_ASSERT(ink > 40 && ink < 1100);
    }
    CU_ASSERT_EQUAL(all.count, T2I_SHAPES_IMAGES);
    t2i_string_table_free(&all);
    t2i_free(p);
}

/* The smallest shapes of one colour and place differ well from each other, as do the colours. */
static void differences(void)
{
    enum { ALL = T2I_SHAPES_KINDS * T2I_SHAPES_SIZES * T2I_SHAPES_PLACES };
    uint8_t *p = t2i_alloc(2, T2I_PICTURE), *q = p + T2I_PICTURE;
    size_t each = T2I_SHAPES_SIZES * T2I_SHAPES_PLACES;
    for (size_t a = 0; a < T2I_SHAPES_KINDS; a++)
        for (size_t b = 0; b < a; b++) {
            t2i_shapes_draw(a * each, p); /* red, small, top left */
            t2i_shapes_draw(b * each, q);
            CU_ASSERT(difference(p, q) > 0.35);
        }
    for (size_t a = 0; a < T2I_SHAPES_COLOURS; a++)
        for (size_t b = 0; b < a; b++) {
            t2i_shapes_draw(a * ALL, p);
            t2i_shapes_draw(b * ALL, q);
            CU_ASSERT(difference(p, q) > 0.6);
        }
    t2i_free(p);
}

static void check_split(const uint8_t *split)
{
    size_t of[T2I_SPLITS] = {0}, held = 0, alone = 0;
    /* training pictures with each colour, shape, size, place; and each (shape, size, place) */
    size_t c[T2I_SHAPES_COLOURS] = {0}, k[T2I_SHAPES_KINDS][T2I_SHAPES_SIZES][T2I_SHAPES_PLACES];
    memset(k, 0, sizeof k);
    for (size_t i = 0; i < T2I_SHAPES_IMAGES; i++) {
        size_t here[T2I_SPLITS] = {0};
        for (size_t n = 0; n < T2I_SHAPES_CAPTIONS; n++) here[split[i * T2I_SHAPES_CAPTIONS + n]]++;
        for (int s = 0; s < T2I_SPLITS; s++) of[s] += here[s];
        /* whole or not at all */
        CU_ASSERT(here[T2I_UNSEEN_PICTURES] == 0 ||
                  here[T2I_UNSEEN_PICTURES] == T2I_SHAPES_CAPTIONS);
        held += here[T2I_UNSEEN_PICTURES] > 0;
        alone += here[T2I_UNSEEN_PICTURES] == 0 && here[T2I_TRAIN] == 0;
        if (here[T2I_TRAIN] == 0) continue;
        size_t place = i % T2I_SHAPES_PLACES, size = i / T2I_SHAPES_PLACES % T2I_SHAPES_SIZES;
        size_t kind = i / (T2I_SHAPES_PLACES * T2I_SHAPES_SIZES) % T2I_SHAPES_KINDS;
        c[i / (T2I_SHAPES_IMAGES / T2I_SHAPES_COLOURS)]++;
        k[kind][size][place]++;
    }
    CU_ASSERT(held == T2I_SHAPES_IMAGES / 5 && of[T2I_UNSEEN_PROMPTS] == 0 && alone == 0);
    CU_ASSERT_EQUAL(of[T2I_VALIDATION], (T2I_SHAPES_PAIRS - of[T2I_UNSEEN_PICTURES]) / 20);
    for (size_t i = 0; i < T2I_SHAPES_COLOURS; i++) CU_ASSERT(c[i] > 0);
    for (size_t i = 0; i < sizeof k / sizeof ***k; i++) CU_ASSERT((&k[0][0][0])[i] > 1);
}

static void splits(void)
{
    uint8_t *split = t2i_alloc(2, T2I_SHAPES_PAIRS), *other = split + T2I_SHAPES_PAIRS;
    for (uint64_t seed = 0; seed < 300; seed++) {
        t2i_shapes_split(seed, split);
        check_split(split);
        t2i_shapes_split(seed, other);
        CU_ASSERT(memcmp(split, other, T2I_SHAPES_PAIRS) == 0);
        t2i_shapes_split(seed + 1, other);
        CU_ASSERT(memcmp(split, other, T2I_SHAPES_PAIRS) != 0);
    }
    t2i_free(split);
}

/* Pictures 0, 2, 3 are for training; 1 is unseen, and 4 has validation captions only. */
static void encoder_sees_training_only(void)
{
    static const uint8_t split[] = {0, 3, 0, 0, 1, 1};
    static const uint32_t image[] = {0, 1, 2, 3, 4, 0};
    t2i_pair_set set = {.pairs = 0};
    uint8_t *pixels = t2i_alloc(5, T2I_PICTURE);
    for (uint32_t i = 0; i < 5; i++) {
        t2i_shapes_draw(i * 200, pixels + i * T2I_PICTURE);
        OK(t2i_pairs_set_image(&set, "x.png", i, &err));
    }
    for (uint32_t i = 0; i < 6; i++)
        OK(t2i_pairs_set_pair(&set, "x", 1, image[i], i, split[i], &err));
    const t2i_pairs pairs = t2i_pairs_set_view(&set);
    const t2i_pictures pictures = {t2i_encode_dataset_in_memory, pixels, T2I_SIDE};
    t2i_dataset *dataset = NULL;
    OK(t2i_encode_dataset_pca(NULL, path, &pairs, &pictures, 512, &err));
    OK(t2i_dataset_open(&dataset, path, &err));
    if (dataset == NULL) return;
    CU_ASSERT_EQUAL_FATAL(t2i_dataset_get_info(dataset)->features, 2);
    float *mean = t2i_alloc(T2I_PICTURE, sizeof *mean), feature[10];
    uint8_t *stored = t2i_alloc(5, T2I_PICTURE);
    OK(t2i_dataset_mean(dataset, mean, &err));
    for (size_t j = 0; j < T2I_PICTURE; j++) {
        int sum = pixels[j] + pixels[2 * T2I_PICTURE + j] + pixels[3 * T2I_PICTURE + j];
        CU_ASSERT(fabs(mean[j] - sum / 765.0) < 1e-6);
    }
    OK(t2i_dataset_features(dataset, 0, 5, feature, &err));
    for (int d = 0; d < 2; d++)
        CU_ASSERT(fabsf(feature[d] + feature[4 + d] + feature[6 + d]) < 1e-4f);
    OK(t2i_dataset_pixels(dataset, 0, 5, stored, &err));
    CU_ASSERT(memcmp(stored, pixels, 5 * T2I_PICTURE) == 0);
    t2i_dataset_close(dataset);
    unlink(path);
    for (size_t i = 0; i < 4; i++)
        if (set.split[i] == T2I_TRAIN) set.split[i] = T2I_UNSEEN_PROMPTS;
    FAILS(t2i_encode_dataset_pca(NULL, path, &pairs, &pictures, 512, &err), T2I_DATA,
          "split train");
    CU_ASSERT(access(path, F_OK) != 0);
    t2i_pairs_set_free(&set);
    t2i_free(pixels);
    t2i_free(stored);
    t2i_free(mean);
}

static void seed_pictures(void)
{
    static const char *const names[3] = {"red_square", "blue_square", "green_circle"};
    t2i_dataset *dataset = NULL;
    OK(t2i_shapes_seed(path, 512, &err));
    OK(t2i_dataset_open(&dataset, path, &err));
    if (dataset == NULL) return;
    const t2i_dataset_info *info = t2i_dataset_get_info(dataset);
    CU_ASSERT(info->pairs == 7 && info->images == 3 && info->features == 2 && info->has_decoder);
    uint8_t *pixels = t2i_alloc(1, T2I_PICTURE);
    for (uint32_t i = 0; i < 3; i++) {
        char file[128], *name = NULL;
        t2i_image truth = {0};
        snprintf(file, sizeof file, "tests/golden/resnet18/images/%s.png", names[i]);
        OK(read_picture(&truth, file, &err));
        OK(t2i_dataset_pixels(dataset, i, 1, pixels, &err));
        CU_ASSERT(truth.rgb != NULL && memcmp(truth.rgb, pixels, T2I_PICTURE) == 0);
        OK(t2i_dataset_image_name(dataset, i, &name, &err));
        CU_ASSERT(name != NULL && strncmp(name, names[i], strlen(names[i])) == 0);
        t2i_free(name);
        t2i_image_free(&truth);
    }
    t2i_free(pixels);
    t2i_dataset_close(dataset);
    unlink(path);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"names and captions", names_and_captions},
        {"pictures", pictures},
        {"shapes and colours differ", differences},
        {"splits", splits},
        {"the encoder sees training pictures only", encoder_sees_training_only},
        {"the tutorial's pictures", seed_pictures}};
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/t2i-shapes-XXXXXX", base == NULL ? "/tmp" : base);
    if (mkdtemp(folder) == NULL) return 1;
    snprintf(path, sizeof path, "%s/seed.h5", folder);
    int failed = t2i_test_main("shapes", tests, sizeof tests / sizeof *tests);
    return rmdir(folder) != 0 || failed;
}
