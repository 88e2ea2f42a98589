/* dataset: what is written is read back, in order, in any pieces, and the same input gives the same
 * file. */
#include "dataset/dataset.h"

#include <glob.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "dataset/dataset_writer.h"
#include "unit/dataset/dataset_sample.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/rng.h"

static void round_trip(void)
{
    t2i_dataset *dataset = NULL;
    write_sample(path, 1);
    OK(t2i_dataset_open(&dataset, path, &err));
    if (dataset == NULL) return;
    CU_ASSERT(is_sample(dataset));
    CU_ASSERT(is_sample(dataset));
    CU_ASSERT_STRING_EQUAL(t2i_dataset_path(dataset), path);
    OK(t2i_dataset_verify(dataset, &err));
    uint32_t row[2];
    uint8_t split;
    OK(t2i_dataset_pairs(dataset, 3, 2, NULL, row, NULL, &err));
    CU_ASSERT(row[0] == 0 && row[1] == 6);
    OK(t2i_dataset_pairs(dataset, 6, 1, NULL, NULL, &split, &err));
    CU_ASSERT_EQUAL(split, 2);
    OK(t2i_dataset_pairs(dataset, PAIRS, 0, NULL, row, NULL, &err));
    t2i_dataset_close(dataset);
    t2i_dataset_close(NULL);
}

static void round_trip_without_pictures(void)
{
    t2i_dataset *dataset = NULL;
    float value[IMAGES * WIDE];
    uint8_t pixels[PIXEL];
    write_sample(path, 0);
    OK(t2i_dataset_open(&dataset, path, &err));
    if (dataset == NULL) return;
    const t2i_dataset_info *info = t2i_dataset_get_info(dataset);
    CU_ASSERT(!info->has_pixels && !info->has_decoder && info->encoder.height == 0);
    CU_ASSERT_STRING_EQUAL(info->encoder.encoder, "features");
    CU_ASSERT_STRING_EQUAL(info->encoder.weights, "");
    OK(t2i_dataset_features(dataset, 0, IMAGES, value, &err));
    CU_ASSERT(value[14] == sample_feature(14));
    FAILS(t2i_dataset_pixels(dataset, 0, 1, pixels, &err), T2I_BUG, "/images/pixels");
    FAILS(t2i_dataset_basis(dataset, 0, 1, value, &err), T2I_BUG, "/decoder/basis");
    FAILS(t2i_dataset_mean(dataset, value, &err), T2I_BUG, "/decoder/mean");
    OK(t2i_dataset_verify(dataset, &err));
    t2i_dataset_close(dataset);
}

static void bounds_ranges(void)
{
    t2i_dataset *dataset = NULL;
    uint64_t offset[PAIRS + 1];
    uint32_t group[IMAGES];
    char bytes[64], *name;
    write_sample(path, 1);
    OK(t2i_dataset_open(&dataset, path, &err));
    if (dataset == NULL) return;
    FAILS(t2i_dataset_prompt_offsets(dataset, 1, PAIRS, offset, &err), T2I_BUG, "beyond");
    FAILS(t2i_dataset_prompt_offsets(dataset, 0, UINT64_MAX, offset, &err), T2I_BUG, "too many");
    FAILS(t2i_dataset_prompt_bytes(dataset, 31, 1, bytes, &err), T2I_BUG, "beyond");
    FAILS(t2i_dataset_groups(dataset, UINT64_MAX, 2, group, &err), T2I_BUG, "beyond");
    FAILS(t2i_dataset_groups(dataset, 2, UINT64_MAX, group, &err), T2I_BUG, "beyond");
    FAILS(t2i_dataset_image_name(dataset, IMAGES, &name, &err), T2I_BUG, "beyond");
    CU_ASSERT_PTR_NULL(name);
    t2i_dataset_close(dataset);
}

/* ---- many blocks ---- */

enum { MANY = 70000, PICTURES = 50, MUCH = 3000, SIDE = 64, PICTURE = SIDE * SIDE * 3 };

typedef struct {
    char *bytes;
    uint64_t *offset;
    uint32_t *image, *row, *group;
    uint8_t *split;
    char (*text)[16];
    const char **name;
    float *feature;
    uint8_t *pixels;
    t2i_pairs pairs;
} many;

/* Prompts of 0 to 7 letters of an alphabet of three: plenty of equal ones and of prefixes. */
static void make_many(many *m)
{
    *m = (many){.bytes = t2i_alloc(MANY, 8),
                .offset = t2i_alloc(MANY + 1, 8),
                .image = t2i_alloc(MANY, 4),
                .row = t2i_alloc(MANY, 4),
                .group = t2i_alloc(PICTURES, 4),
                .split = t2i_alloc(MANY, 1),
                .text = t2i_alloc(PICTURES, 16),
                .name = t2i_alloc(PICTURES, sizeof(char *)),
                .feature = t2i_alloc((size_t)PICTURES * MUCH, sizeof(float)),
                .pixels = t2i_alloc((size_t)PICTURES * PICTURE, 1)};
    for (uint32_t i = 0; i < MANY; i++) {
        uint64_t end = m->offset[i], bits = t2i_rng_bits(1, 2, i);
        for (uint64_t left = bits & 7; left > 0; left--, bits /= 5)
            m->bytes[end++] = "ab\xff"[bits / 8 % 3] == '\xff' ? '~' : "ab~"[bits / 8 % 3];
        m->offset[i + 1] = end;
        m->image[i] = i < PICTURES ? i : (uint32_t)(bits % PICTURES);
        m->row[i] = 2 * i;
        m->split[i] = i % T2I_SPLITS;
    }
    for (uint32_t i = 0; i < PICTURES; i++) {
        snprintf(m->text[i], sizeof *m->text, "picture %u", i);
        m->name[i] = m->text[i];
        m->group[i] = i / 2;
    }
    for (size_t i = 0; i < (size_t)PICTURES * MUCH; i++)
        m->feature[i] = (float)t2i_rng_normal(3, 4, i);
    for (size_t i = 0; i < (size_t)PICTURES * PICTURE; i++)
        m->pixels[i] = (uint8_t)t2i_rng_bits(5, 6, i);
    m->pairs = (t2i_pairs){MANY,   PICTURES, m->bytes, m->offset, m->image,
                           m->row, m->split, m->name,  m->group};
}

static void free_many(many *m)
{
    void *owned[] = {m->bytes, m->offset, m->image, m->row,     m->group,
                     m->split, m->text,   m->name,  m->feature, m->pixels};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) t2i_free(owned[i]);
}

/* Writes it, the pictures in pieces of that many. */
static void write_many(const many *m, const char *to, size_t step)
{
    static const t2i_encoder_info encoder = {"resnet18", SIDE, SIDE, 1, ""};
    t2i_dataset_writer *out = NULL;
    OK(t2i_dataset_writer_create(&out, to, "test", &m->pairs, MUCH, &encoder, &err));
    if (out == NULL) return;
    for (size_t i = 0; i < PICTURES; i += step) {
        size_t count = PICTURES - i < step ? PICTURES - i : step;
        OK(t2i_dataset_writer_put_pixels(out, count, m->pixels + i * PICTURE, &err));
        OK(t2i_dataset_writer_put_features(out, count, m->feature + i * MUCH, &err));
    }
    OK(t2i_dataset_writer_commit(out, &err));
}

static void check_sorted(const many *m, t2i_dataset *dataset)
{
    uint64_t *offset = t2i_alloc(MANY + 1, 8);
    uint32_t *row = t2i_alloc(MANY, 4), *image = t2i_alloc(MANY, 4);
    uint8_t *split = t2i_alloc(MANY, 1), *seen = t2i_alloc(MANY, 1);
    char *bytes = t2i_alloc(MANY, 8);
    OK(t2i_dataset_prompt_offsets(dataset, 0, MANY, offset, &err));
    for (uint64_t i = 0; i < offset[MANY]; i += 1000) /* in pieces that cross blocks */
        OK(t2i_dataset_prompt_bytes(dataset, i, offset[MANY] - i < 1000 ? offset[MANY] - i : 1000,
                                    bytes + i, &err));
    OK(t2i_dataset_pairs(dataset, 0, MANY, image, row, split, &err));
    size_t wrong = 0;
    for (size_t i = 0; i < MANY; i++) {
        size_t from = row[i] / 2, size = (size_t)(m->offset[from + 1] - m->offset[from]);
        wrong += row[i] % 2 != 0 || seen[from] || offset[i + 1] - offset[i] != size ||
                 memcmp(bytes + offset[i], m->bytes + m->offset[from], size) != 0 ||
                 image[i] != m->image[from] || split[i] != m->split[from];
        seen[from] = 1;
        if (i == 0) continue;
        size_t before = (size_t)(offset[i] - offset[i - 1]);
        int order = memcmp(bytes + offset[i - 1], bytes + offset[i], before < size ? before : size);
        if (order == 0) order = before < size ? -1 : before > size;
        wrong += order > 0 || (order == 0 && row[i - 1] >= row[i]);
    }
    CU_ASSERT_EQUAL(wrong, 0);
    void *owned[] = {offset, row, image, split, seen, bytes};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) t2i_free(owned[i]);
}

static void sorts_and_cuts_into_blocks(void)
{
    many m;
    t2i_dataset *dataset = NULL;
    make_many(&m);
    write_many(&m, path, 7);
    OK(t2i_dataset_open(&dataset, path, &err));
    if (dataset != NULL) {
        check_sorted(&m, dataset);
        float *value = t2i_alloc((size_t)PICTURES * MUCH, sizeof *value);
        uint8_t *pixels = t2i_alloc(PICTURE, 25);
        OK(t2i_dataset_features(dataset, 0, PICTURES, value, &err));
        CU_ASSERT(memcmp(value, m.feature, (size_t)PICTURES * MUCH * sizeof *value) == 0);
        OK(t2i_dataset_features(dataset, 20, 2, value, &err)); /* across a block's end */
        CU_ASSERT(memcmp(value, m.feature + 20 * MUCH, 2 * MUCH * sizeof *value) == 0);
        OK(t2i_dataset_pixels(dataset, 20, 25, pixels, &err));
        CU_ASSERT(memcmp(pixels, m.pixels + 20 * PICTURE, 25 * PICTURE) == 0);
        OK(t2i_dataset_verify(dataset, &err));
        t2i_free(value);
        t2i_free(pixels);
    }
    t2i_dataset_close(dataset);
    free_many(&m);
}

static void same_bytes(void)
{
    t2i_text a = {0}, b = {0};
    OK(t2i_fs_read(path, 1 << 24, &a, &err));
    OK(t2i_fs_read(other_path, 1 << 24, &b, &err));
    CU_ASSERT(a.size > 1000 && a.size == b.size && memcmp(a.data, b.data, a.size) == 0);
    t2i_text_free(&a);
    t2i_text_free(&b);
}

static void same_input_same_file(void)
{
    many m;
    write_sample(path, 1);
    sleep(1); /* a time stamp, if there were one, would differ */
    write_sample(other_path, 1);
    same_bytes();
    make_many(&m);
    write_many(&m, path, 3);
    write_many(&m, other_path, 3);
    same_bytes();
    free_many(&m);
}

/* ---- the digest, made by hand as dataset.h says ---- */

static void add_dims(t2i_hash *hash, uint64_t rank, uint64_t a, uint64_t b)
{
    uint64_t dims[3] = {rank, a, b};
    t2i_hash_add(hash, dims, (1 + (size_t)rank) * 8);
}

#define ADD(text) t2i_hash_add(hash, text, sizeof(text))

static void digest_is_as_documented(void)
{
    static const float feature[2] = {1.5f, -2};
    static const uint64_t offset[3] = {0, 1, 3};
    static const uint32_t image[2] = {0, 0}, row[2] = {3, 8}, group[1] = {5};
    static const uint64_t name_offset[2] = {0, 5};
    static const uint8_t split[2] = {0, 1};
    static const char *const name[1] = {"a.png"};
    static const t2i_pairs pairs = {2, 1, "abc", offset, image, row, split, name, group};
    t2i_dataset_writer *out = NULL;
    OK(t2i_dataset_writer_create(&out, path, "tool", &pairs, 2, &bare_encoder, &err));
    if (out == NULL) return;
    OK(t2i_dataset_writer_put_features(out, 1, feature, &err));
    OK(t2i_dataset_writer_commit(out, &err));
    t2i_hash *hash = NULL;
    OK(t2i_hash_new(&hash, &err));
    ADD("/prompts/bytes\0u8"), add_dims(hash, 1, 3, 0), t2i_hash_add(hash, "abc", 3);
    ADD("/prompts/offsets\0u64"), add_dims(hash, 1, 3, 0), t2i_hash_add(hash, offset, 24);
    ADD("/pairs/image\0u32"), add_dims(hash, 1, 2, 0), t2i_hash_add(hash, image, 8);
    ADD("/pairs/row\0u32"), add_dims(hash, 1, 2, 0), t2i_hash_add(hash, row, 8);
    ADD("/pairs/split\0u8"), add_dims(hash, 1, 2, 0), t2i_hash_add(hash, split, 2);
    ADD("/images/features\0f32"), add_dims(hash, 2, 1, 2), t2i_hash_add(hash, feature, 8);
    ADD("/images/name_bytes\0u8"), add_dims(hash, 1, 5, 0), t2i_hash_add(hash, "a.png", 5);
    ADD("/images/name_offsets\0u64"), add_dims(hash, 1, 2, 0), t2i_hash_add(hash, name_offset, 16);
    ADD("/images/group\0u32"), add_dims(hash, 1, 1, 0), t2i_hash_add(hash, group, 4);
    ADD("format\0t2i-dataset");
    ADD("format_version\0\1\0\0\0");
    ADD("tool\0tool");
    ADD("encoder\0{\"name\":\"features\",\"dim\":2,\"height\":0,\"width\":0,\"scale\":1.0,"
        "\"weights_xxh3\":\"\"}");
    char digest[T2I_HEX];
    t2i_hash_end(hash, digest);
    t2i_hash_free(hash);
    t2i_dataset *dataset = NULL;
    OK(t2i_dataset_open(&dataset, path, &err));
    if (dataset == NULL) return;
    CU_ASSERT_STRING_EQUAL(t2i_dataset_get_info(dataset)->digest, digest);
    t2i_dataset_close(dataset);
}

/* ---- the content ---- */

static void content_of(const char *file, char stored[T2I_HEX], char answer[T2I_HEX])
{
    t2i_dataset *dataset = NULL;
    OK(t2i_dataset_open(&dataset, file, &err));
    if (dataset == NULL) return;
    strcpy(stored, t2i_dataset_get_info(dataset)->content);
    OK(t2i_dataset_content(dataset, answer, &err));
    OK(t2i_dataset_verify(dataset, &err));
    t2i_dataset_close(dataset);
}

/* The content is that of `entry`: length and bytes of a prompt, and a picture, per pair. */
static void check_content(const char *file, const char *const *prompt, const size_t *picture,
                          const void *pictures, size_t size)
{
    char stored[T2I_HEX] = "", answer[T2I_HEX] = "", expected[T2I_HEX];
    t2i_hash *hash = NULL;
    OK(t2i_hash_new(&hash, &err));
    for (size_t i = 0; i < PAIRS; i++) {
        uint64_t length = strlen(prompt[i]);
        char of[T2I_HEX];
        uint8_t bytes[T2I_HASH_BYTES];
        t2i_hash_hex((const char *)pictures + picture[i] * size, size, of);
        for (size_t k = 0; k < T2I_HASH_BYTES; k++)
            bytes[k] = (uint8_t)strtoul((char[]){of[2 * k], of[2 * k + 1], '\0'}, NULL, 16);
        t2i_hash_add(hash, &length, 8);
        t2i_hash_add(hash, prompt[i], (size_t)length);
        t2i_hash_add(hash, bytes, sizeof bytes);
    }
    t2i_hash_end(hash, expected);
    t2i_hash_free(hash);
    content_of(file, stored, answer);
    CU_ASSERT_STRING_EQUAL(stored, expected);
    CU_ASSERT_STRING_EQUAL(answer, expected);
}

static void content_is_as_documented(void)
{
    /* "red" has the pictures 0 and 2; their order is that of their digests */
    static const char *const prompt[PAIRS] = {"",    "blue",  "blue square",      "red",
                                              "red", "zebra", "\xc3\xa9t\xc3\xa9"};
    uint8_t pixels[IMAGES * PIXEL];
    float feature[IMAGES * WIDE];
    char of[2][T2I_HEX];
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = sample_pixel(i);
    for (size_t i = 0; i < IMAGES * WIDE; i++) feature[i] = sample_feature(i);
    for (int bare = 0; bare < 2; bare++) {
        const void *pictures = bare ? (const void *)feature : pixels;
        size_t size = bare ? WIDE * sizeof *feature : PIXEL;
        t2i_hash_hex(pictures, size, of[0]);
        t2i_hash_hex((const char *)pictures + 2 * size, size, of[1]);
        size_t first = strcmp(of[0], of[1]) < 0 ? 0 : 2;
        const size_t picture[PAIRS] = {0, 1, 1, first, 2 - first, 1, 2};
        write_sample(path, !bare);
        check_content(path, prompt, picture, pictures, size);
    }
}

/* The sample with its pictures in the opposite order, by another encoder, with other names, rows,
 * splits and groups. */
static void content_is_of_the_pairs_alone(void)
{
    static const char bytes[] = "zebra"
                                "red"
                                "\xc3\xa9t\xc3\xa9"
                                "blue"
                                "blue square"
                                "red";
    static const uint64_t offset[PAIRS + 1] = {0, 5, 8, 13, 17, 28, 31, 31};
    static const uint32_t image[PAIRS] = {0, 1, 1, 0, 0, 2, 2};
    static const uint32_t row[PAIRS] = {1, 3, 5, 6, 7, 8, 9}, group[IMAGES] = {0, 1, 2};
    static const uint8_t split[PAIRS] = {0};
    static const char *const name[IMAGES] = {"x", "y", "z"};
    static const t2i_pairs pairs = {PAIRS, IMAGES, bytes, offset, image, row, split, name, group};
    static const t2i_encoder_info encoder = {"resnet18", HIGH, ACROSS, 1, ""};
    static const size_t from[IMAGES] = {1, 2, 0}; /* pictures of the sample */
    char stored[2][T2I_HEX] = {"", ""}, answer[T2I_HEX] = "";
    float feature[IMAGES] = {0};
    t2i_dataset_writer *out = NULL;
    write_sample(path, 1);
    content_of(path, stored[0], answer);
    OK(t2i_dataset_writer_create(&out, other_path, "another", &pairs, 1, &encoder, &err));
    if (out == NULL) return;
    for (size_t i = 0; i < IMAGES; i++) {
        uint8_t pixels[PIXEL];
        for (size_t k = 0; k < PIXEL; k++) pixels[k] = sample_pixel(from[i] * PIXEL + k);
        OK(t2i_dataset_writer_put_pixels(out, 1, pixels, &err));
    }
    OK(t2i_dataset_writer_put_features(out, IMAGES, feature, &err));
    OK(t2i_dataset_writer_commit(out, &err));
    content_of(other_path, stored[1], answer);
    CU_ASSERT_STRING_EQUAL(stored[0], stored[1]);
    write_sample(other_path, 0);
    content_of(other_path, stored[1], answer);
    CU_ASSERT_STRING_NOT_EQUAL(stored[0], stored[1]);
}

static void only_empty_strings(void)
{
    static const uint64_t offset[2] = {0, 0};
    static const uint32_t zero[1] = {0};
    static const uint8_t split[1] = {0};
    static const char *const name[1] = {""};
    static const float feature[1] = {1};
    static const t2i_pairs pairs = {1, 1, "", offset, zero, zero, split, name, zero};
    t2i_dataset_writer *out = NULL;
    t2i_dataset *dataset = NULL;
    OK(t2i_dataset_writer_create(&out, path, "", &pairs, 1, &bare_encoder, &err));
    if (out == NULL) return;
    OK(t2i_dataset_writer_put_features(out, 1, feature, &err));
    OK(t2i_dataset_writer_commit(out, &err));
    OK(t2i_dataset_open(&dataset, path, &err));
    if (dataset == NULL) return;
    char *text = NULL;
    OK(t2i_dataset_prompt_bytes(dataset, 0, 0, NULL, &err));
    OK(t2i_dataset_image_name(dataset, 0, &text, &err));
    CU_ASSERT_STRING_EQUAL(text, "");
    t2i_free(text);
    OK(t2i_dataset_verify(dataset, &err));
    t2i_dataset_close(dataset);
}

static void names_splits(void)
{
    CU_ASSERT_EQUAL(t2i_dataset_split_find("train"), T2I_TRAIN);
    CU_ASSERT_EQUAL(t2i_dataset_split_find("val"), T2I_VALIDATION);
    CU_ASSERT_EQUAL(t2i_dataset_split_find("validation"), T2I_VALIDATION);
    CU_ASSERT_EQUAL(t2i_dataset_split_find("unseen-prompts"), T2I_UNSEEN_PROMPTS);
    CU_ASSERT_EQUAL(t2i_dataset_split_find("unseen_pictures"), T2I_UNSEEN_PICTURES);
    CU_ASSERT_EQUAL(t2i_dataset_split_find("unseen pictures"), T2I_UNSEEN_PICTURES);
    CU_ASSERT_EQUAL(t2i_dataset_split_find(""), -1);
    CU_ASSERT_EQUAL(t2i_dataset_split_find("trai"), -1);
    CU_ASSERT_EQUAL(t2i_dataset_split_find("trains"), -1);
    CU_ASSERT_EQUAL(t2i_dataset_split_find("tr-in"), -1);
    CU_ASSERT_EQUAL(t2i_dataset_split_find("unseen"), -1);
}

/* ---- what cannot be written ---- */

static void create_fails(const t2i_pairs *pairs, size_t features, const t2i_encoder_info *encoder,
                         t2i_status status, const char *why)
{
    t2i_dataset_writer *out;
    FAILS(t2i_dataset_writer_create(&out, path, "test", pairs, features, encoder, &err), status,
          why);
    CU_ASSERT_PTR_NULL(out);
}

static void refuses_bad_pairs(void)
{
    static const uint32_t gap[PAIRS] = {0, 2, 1, 2, 0, 2, 1}, few[PAIRS] = {0, 1, 1, 1, 0, 1, 1};
    static const uint32_t back[PAIRS] = {0, 1, 2, 2, 5, 6, 9};
    static const uint64_t fall[PAIRS + 1] = {0, 3, 2, 18, 23, 23, 26, 31};
    static const uint64_t cut[PAIRS + 1] = {0, 3, 14, 19, 23, 23, 26, 31};
    static const uint8_t split[PAIRS] = {0, 1, 4, 2, 0, 3, 0};
    t2i_pairs pairs = sample_pairs;
    unlink(path);
    pairs.image = gap;
    create_fails(&pairs, WIDE, &bare_encoder, T2I_BUG, "pair 1 ");
    pairs.image = few;
    create_fails(&pairs, WIDE, &bare_encoder, T2I_BUG, "belongs to no pair");
    pairs = sample_pairs, pairs.row = back;
    create_fails(&pairs, WIDE, &bare_encoder, T2I_BUG, "pair 3 ");
    pairs = sample_pairs, pairs.split = split;
    create_fails(&pairs, WIDE, &bare_encoder, T2I_BUG, "pair 2 ");
    pairs = sample_pairs, pairs.prompt_offset = fall;
    create_fails(&pairs, WIDE, &bare_encoder, T2I_BUG, "pair 1 ");
    pairs.prompt_offset = cut;
    create_fails(&pairs, WIDE, &bare_encoder, T2I_DATA, "the prompt of row 2 is not UTF-8");
    pairs = sample_pairs, pairs.pairs = 0;
    create_fails(&pairs, WIDE, &bare_encoder, T2I_DATA, "a dataset needs 1 to");
    create_fails(&sample_pairs, 0, &bare_encoder, T2I_DATA, "0 features");
    create_fails(&sample_pairs, 65537, &bare_encoder, T2I_DATA, "65537 features");
    t2i_encoder_info encoder = bare_encoder;
    encoder.height = 4;
    create_fails(&sample_pairs, WIDE, &encoder, T2I_DATA, "4 x 0 pixels");
    encoder.height = encoder.width = 4096;
    create_fails(&sample_pairs, WIDE, &encoder, T2I_DATA, "16 MiB");
    encoder.height = 4097;
    create_fails(&sample_pairs, WIDE, &encoder, T2I_DATA, "4097 x 4096");
    char *huge = t2i_alloc((1 << 20) + 2, 1);
    const char *const names[IMAGES] = {"a", huge, "b"};
    memset(huge, 'x', (1 << 20) + 1);
    pairs = sample_pairs, pairs.image_name = names;
    create_fails(&pairs, WIDE, &bare_encoder, T2I_DATA, "name of picture 1");
    t2i_free(huge);
    CU_ASSERT(!t2i_fs_exists(path));
}

/* Number of temporary files of the path. */
static int temporary(void)
{
    char pattern[620];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s.*.tmp", path);
    int count = glob(pattern, 0, NULL, &found) == 0 ? (int)found.gl_pathc : 0;
    globfree(&found);
    return count;
}

static void nothing_left(t2i_dataset_writer *out, t2i_status status, const char *why)
{
    CU_ASSERT_EQUAL(temporary(), 1);
    if (status == T2I_OK)
        t2i_dataset_writer_drop(out);
    else
        FAILS(t2i_dataset_writer_commit(out, &err), status, why);
    CU_ASSERT(temporary() == 0 && !t2i_fs_exists(path));
}

static t2i_dataset_writer *begin(const t2i_encoder_info *encoder)
{
    t2i_dataset_writer *out = NULL;
    OK(t2i_dataset_writer_create(&out, path, "test", &sample_pairs, WIDE, encoder, &err));
    return out;
}

static void refuses_bad_rows(void)
{
    float value[IMAGES * WIDE] = {0}, big[PIXEL * WIDE] = {0};
    uint8_t pixels[PIXEL] = {0};
    unlink(path);
    t2i_dataset_writer *out = begin(&bare_encoder);
    value[7] = (float)strtod("nan", NULL);
    FAILS(t2i_dataset_writer_put_features(out, 2, value, &err), T2I_DATA,
          "picture 1 is not finite");
    value[7] = (float)strtod("inf", NULL);
    FAILS(t2i_dataset_writer_put_features(out, 2, value, &err), T2I_DATA,
          "picture 1 is not finite");
    value[7] = 0;
    OK(t2i_dataset_writer_put_features(out, 2, value, &err));
    FAILS(t2i_dataset_writer_put_features(out, 2, value, &err), T2I_BUG, "too many rows");
    FAILS(t2i_dataset_writer_put_pixels(out, 1, pixels, &err), T2I_BUG, "/images/pixels");
    FAILS(t2i_dataset_writer_put_decoder(out, big, big, &err), T2I_BUG, "without pictures");
    nothing_left(out, T2I_BUG, "only 2 of 3 rows of /images/features");
    out = begin(&sample_encoder);
    OK(t2i_dataset_writer_put_features(out, 3, value, &err));
    nothing_left(out, T2I_BUG, "only 0 of 3 rows of /images/pixels");
    out = begin(&sample_encoder);
    nothing_left(out, T2I_OK, "");
    out = begin(&sample_encoder);
    OK(t2i_dataset_writer_put_decoder(out, big, big, &err));
    FAILS(t2i_dataset_writer_put_decoder(out, big, big, &err), T2I_BUG, "second");
    nothing_left(out, T2I_OK, "");
    t2i_dataset_writer_drop(NULL);
}

static void says_where_it_cannot_write(void)
{
    t2i_dataset_writer *out;
    char deep[700];
    snprintf(deep, sizeof deep, "%s/none/a.h5", folder);
    FAILS(t2i_dataset_writer_create(&out, deep, "test", &sample_pairs, WIDE, &bare_encoder, &err),
          T2I_CANTCREATE, deep);
    CU_ASSERT_PTR_NULL(out);
}

/* In a child: no file may grow beyond limit, which is what a full disk looks like to HDF5. Ends
 * with 0 when the dataset was written, 1 when it failed as it should, 2 when it did not. */
static void write_within(rlim_t limit)
{
    struct rlimit most = {limit, limit};
    float feature[IMAGES * WIDE] = {0}, decoder[WIDE * PIXEL] = {0};
    uint8_t pixels[IMAGES * PIXEL] = {0};
    t2i_dataset_writer *out = NULL;
    if (setrlimit(RLIMIT_FSIZE, &most) != 0 || signal(SIGXFSZ, SIG_IGN) == SIG_ERR) exit(2);
    t2i_status status =
        t2i_dataset_writer_create(&out, path, "test", &sample_pairs, WIDE, &sample_encoder, &err);
    if (status == T2I_OK) status = t2i_dataset_writer_put_features(out, IMAGES, feature, &err);
    if (status == T2I_OK) status = t2i_dataset_writer_put_pixels(out, IMAGES, pixels, &err);
    if (status == T2I_OK) status = t2i_dataset_writer_put_decoder(out, decoder, decoder, &err);
    if (status == T2I_OK)
        status = t2i_dataset_writer_commit(out, &err);
    else
        t2i_dataset_writer_drop(out);
    if (status == T2I_OK) exit(0);
    int told = (status == T2I_IO || status == T2I_CANTCREATE) && strstr(err.text, path) != NULL &&
               strstr(err.text, "File too large") != NULL;
    t2i_dataset *other = NULL; /* and HDF5 still works */
    told = told && t2i_dataset_open(&other, other_path, &err) == T2I_OK &&
           t2i_dataset_verify(other, &err) == T2I_OK;
    t2i_dataset_close(other);
    exit(told ? 1 : 2); /* exit, not _exit: HDF5 must survive its own end, too */
}

static void a_full_disk_leaves_nothing(void)
{
    int end = -1, failures = 0;
    unlink(path);
    write_sample(other_path, 1);
    fflush(NULL);
    for (rlim_t limit = 0; end != 0 && limit < 200000; limit += 1500) {
        pid_t child = fork();
        if (child == 0) write_within(limit);
        CU_ASSERT(child > 0 && waitpid(child, &end, 0) == child);
        CU_ASSERT(end == 0 || (WIFEXITED(end) && WEXITSTATUS(end) == 1));
        if (end == 0) break;
        failures++;
        CU_ASSERT(temporary() == 0 && !t2i_fs_exists(path));
    }
    CU_ASSERT(end == 0 && failures > 10);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"a dataset with pictures comes back", round_trip},
        {"a dataset without pictures comes back", round_trip_without_pictures},
        {"ranges are bounded", bounds_ranges},
        {"pairs are sorted, and blocks are invisible", sorts_and_cuts_into_blocks},
        {"the same input gives the same bytes", same_input_same_file},
        {"the digest is as documented", digest_is_as_documented},
        {"the content is as documented", content_is_as_documented},
        {"the content is that of the pairs alone", content_is_of_the_pairs_alone},
        {"strings may all be empty", only_empty_strings},
        {"splits have names", names_splits},
        {"bad pairs are refused", refuses_bad_pairs},
        {"bad or missing rows are refused, and nothing is left", refuses_bad_rows},
        {"a file that cannot be created", says_where_it_cannot_write},
        {"a full disk is told, and leaves nothing", a_full_disk_leaves_nothing},
    };
    if (begin_folder("dataset") != 0) return 1;
    int failed = t2i_test_main("dataset", tests, sizeof tests / sizeof *tests);
    end_folder();
    return failed;
}
