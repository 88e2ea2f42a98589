/* emoji: a dataset of a few emoji from a folder of our own, looked at through the dataset's reader.
 * Needs the font; 77 (skipped) without it. */
#include "prepare/emoji.h"

#include "scratch.h"
#include "test.h"
#include "dataset/dataset.h"
#include "image/emoji_font.h"
#include "prepare/encode_dataset.h"
#include "base/commit.h"
#include "base/fs.h"

static t2i_error err;

#define GRIN  "\xf0\x9f\x98\x80"
#define CAT   "\xf0\x9f\x90\xb1"
#define HEART "\xe2\x9d\xa4"
#define FE0F  "\xef\xb8\x8f"
#define THUMB "\xf0\x9f\x91\x8d"
#define DARK  "\xf0\x9f\x8f\xbf"
#define FR    "\xf0\x9f\x87\xab\xf0\x9f\x87\xb7" /* France */
#define MF    "\xf0\x9f\x87\xb2\xf0\x9f\x87\xab" /* Saint Martin, which flies the same flag */

#define WORDS(emoji, text) "<annotation cp=\"" emoji "\">" text "</annotation>"
#define NAME(emoji, text)  "<annotation cp=\"" emoji "\" type=\"tts\">" text "</annotation>"

static void put(const char *part, const char *locale, const char *inside)
{
    char path[128];
    t2i_text text = {0};
    snprintf(path, sizeof path, "cldr/%s/%s.xml", part, locale);
    OK(t2i_text_addf(&text, &err, "<ldml><annotations>%s</annotations></ldml>", inside));
    OK(t2i_commit_file(in_scratch(path), text.data, text.size, &err));
    t2i_text_free(&text);
}

static void make_cldr(void)
{
    OK(t2i_fs_mkdir(in_scratch("cldr/annotations"), &err));
    OK(t2i_fs_mkdir(in_scratch("cldr/annotationsDerived"), &err));
    put("annotations", "en",
        WORDS("#", "hash | number") NAME("{", "bracket") WORDS(GRIN, "face | grin | grin")
            NAME(GRIN, "grinning face") NAME(CAT, "cat face") WORDS(CAT, "cat | cat face | face")
                WORDS(HEART, "heart") NAME(HEART FE0F, "red heart") NAME(THUMB, "thumbs up"));
    put("annotationsDerived", "en",
        WORDS("#\xe2\x83\xa3", "keycap") NAME("#\xe2\x83\xa3", "keycap: #")
            NAME(THUMB DARK, "thumbs up: dark skin tone") NAME(FR, "flag: France")
                NAME(MF, "flag: St. Martin") NAME(GRIN CAT, "two that do not join")
                    NAME("\xf0\x9f\x8f\xb4\xf3\xa0\x81\xb8\xf3\xa0\x81\xbf", "no such flag"));
    put("annotations", "en_001", NAME(CAT, "puss"));
    put("annotations", "en_GB", WORDS(GRIN, "beam"));
    put("annotations", "fo", NAME(MF, "flagg"));
    put("annotations", "de", NAME(GRIN, "grinsend") WORDS(CAT, "face"));
}

/* "prompt>name of its picture" for each pair, in the file's order. */
static void describe(const char *path, t2i_text *out)
{
    t2i_dataset *d = NULL;
    out->size = 0;
    OK(t2i_text_add(out, "", 0, &err));
    OK(t2i_dataset_open(&d, path, &err));
    if (d == NULL) return;
    OK(t2i_dataset_verify(d, &err));
    for (uint64_t i = 0; i < t2i_dataset_get_info(d)->pairs; i++) {
        uint64_t at[2] = {0};
        uint32_t image = 0;
        char prompt[64] = "", *name = NULL;
        OK(t2i_dataset_prompt_offsets(d, i, 1, at, &err));
        CU_ASSERT_FATAL(at[1] - at[0] < sizeof prompt);
        OK(t2i_dataset_prompt_bytes(d, at[0], at[1] - at[0], prompt, &err));
        OK(t2i_dataset_pairs(d, i, 1, &image, NULL, NULL, &err));
        OK(t2i_dataset_image_name(d, image, &name, &err));
        OK(t2i_text_addf(out, &err, "%s>%s\n", prompt, name));
        t2i_free(name);
    }
    t2i_dataset_close(d);
}

static t2i_status make_with(const char *locales, const char *with, const char *background)
{
    char out[600], cldr[600];
    snprintf(out, sizeof out, "%s/out.h5", scratch);
    snprintf(cldr, sizeof cldr, "%s/cldr", scratch);
    const t2i_emoji_options options = {.out = out,
                                       .locales = locales,
                                       .with = with,
                                       .background = background,
                                       .cldr = cldr,
                                       .dim = 4,
                                       .seed = 1};
    return t2i_emoji(&options, &err);
}

static t2i_status make(const char *locales, const char *background)
{
    return make_with(locales, NULL, background);
}

static void pairs(void)
{
    t2i_text text = {0};
    OK(make("en", "white"));
    describe(in_scratch("out.h5"), &text);
    CU_ASSERT_STRING_EQUAL(text.data, "cat>1F431 cat face\n"
                                      "cat face>1F431 cat face\n"
                                      "face>1F600 grinning face\n"
                                      "face>1F431 cat face\n"
                                      "flag: France>1F1EB-1F1F7 flag: France\n"
                                      "flag: St. Martin>1F1F2-1F1EB flag: St. Martin\n"
                                      "grin>1F600 grinning face\n"
                                      "grinning face>1F600 grinning face\n"
                                      "heart>2764 red heart\n"
                                      "keycap>23-20E3 keycap: #\n"
                                      "keycap: #>23-20E3 keycap: #\n"
                                      "red heart>2764 red heart\n"
                                      "thumbs up>1F44D thumbs up\n"
                                      "thumbs up: dark skin tone>1F44D-1F3FF thumbs up: dark skin "
                                      "tone\n");
    /* English names the pictures; those without a pair are not there */
    OK(make("de", "white"));
    describe(in_scratch("out.h5"), &text);
    CU_ASSERT_STRING_EQUAL(text.data, "face>1F431 cat face\ngrinsend>1F600 grinning face\n");
    OK(make("de,en,de", "white"));
    describe(in_scratch("out.h5"), &text);
    CU_ASSERT_PTR_NOT_NULL(strstr(text.data, "grinsend>1F600 grinning face\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text.data, "keycap>23"));
    size_t listed = text.size;
    OK(make("de,en", "white"));
    describe(in_scratch("out.h5"), &text);
    CU_ASSERT_EQUAL(text.size, listed);
    t2i_text_free(&text);
}

/* en_GB says beam, en_001 puss; what neither says is English's. */
static void inheritance(void)
{
    t2i_text text = {0};
    OK(make("en-GB", "white"));
    describe(in_scratch("out.h5"), &text);
    CU_ASSERT_PTR_NOT_NULL(strstr(text.data, "beam>1F600 grinning face\n"));
    CU_ASSERT_PTR_NULL(strstr(text.data, "grin>"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text.data, "grinning face>1F600"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text.data, "puss>1F431 cat face\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text.data, "cat face>1F431")); /* a keyword */
    CU_ASSERT_PTR_NOT_NULL(strstr(text.data, "thumbs up: dark skin tone>"));
    OK(make("all", "white"));
    describe(in_scratch("out.h5"), &text);
    static const char *const all[] = {"beam>1F600", "grin>1F600", "puss>", "cat face>",
                                      "grinsend>"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        CU_ASSERT_PTR_NOT_NULL(strstr(text.data, all[i]));
    t2i_text_free(&text);
}

static void pictures(void)
{
    enum { IMAGES = 8 };
    t2i_dataset *d = NULL;
    uint8_t *pixels = t2i_alloc(IMAGES, T2I_PICTURE);
    uint32_t group[IMAGES] = {0};
    OK(make("en", "#1020F0"));
    OK(t2i_dataset_open(&d, in_scratch("out.h5"), &err));
    if (d == NULL) return;
    CU_ASSERT_EQUAL_FATAL(t2i_dataset_get_info(d)->images, IMAGES);
    OK(t2i_dataset_pixels(d, 0, IMAGES, pixels, &err));
    OK(t2i_dataset_groups(d, 0, IMAGES, group, &err));
    for (size_t i = 0; i < 4; i++) { /* a corner has nothing drawn on it: the background */
        const uint8_t *p = pixels + i * T2I_PICTURE;
        CU_ASSERT(p[0] == 0x10 && p[1] == 0x20 && p[2] == 0xf0);
    }
    const uint8_t *grin = pixels + (T2I_SIDE / 4 * T2I_SIDE + T2I_SIDE / 2) * 3;
    CU_ASSERT(grin[0] > 200 && grin[1] > 150 && grin[2] < 120); /* the forehead is yellow */
    /* grin, cat, heart, thumb, #, dark thumb, France, Saint Martin: order of English's files */
    static const uint32_t expected[IMAGES] = {0, 1, 2, 3, 4, 3, 5, 5};
    for (size_t i = 0; i < IMAGES; i++) CU_ASSERT_EQUAL(group[i], expected[i]);
    CU_ASSERT(memcmp(pixels + 6 * T2I_PICTURE, pixels + 7 * T2I_PICTURE, T2I_PICTURE) == 0);
    t2i_dataset_close(d);
    /* alone it is the same picture */
    uint8_t *alone = t2i_alloc(1, T2I_PICTURE);
    OK(make("fo", "#1020f0"));
    OK(t2i_dataset_open(&d, in_scratch("out.h5"), &err));
    CU_ASSERT_EQUAL(t2i_dataset_get_info(d)->images, 1);
    OK(t2i_dataset_pixels(d, 0, 1, alone, &err));
    CU_ASSERT(memcmp(alone, pixels + 7 * T2I_PICTURE, T2I_PICTURE) == 0);
    t2i_dataset_close(d);
    t2i_free(alone);
    t2i_free(pixels);
}

/* ---- languages that only train ---- */

enum { MANY = 140, LISTED = 2000 };

typedef struct {
    size_t count;
    struct {
        char prompt[32], picture[64];
        uint8_t split;
    } pair[LISTED];
    float feature[MANY + 8][4];
    uint64_t images;
} listing;

static void list(listing *out)
{
    t2i_dataset *d = NULL;
    memset(out, 0, sizeof *out);
    OK(t2i_dataset_open(&d, in_scratch("out.h5"), &err));
    if (d == NULL) return;
    out->images = t2i_dataset_get_info(d)->images;
    out->count = (size_t)t2i_dataset_get_info(d)->pairs;
    CU_ASSERT_FATAL(out->count <= LISTED && out->images <= MANY + 8);
    OK(t2i_dataset_features(d, 0, out->images, out->feature[0], &err));
    for (size_t i = 0; i < out->count; i++) {
        uint64_t at[2];
        uint32_t image;
        char *name = NULL;
        OK(t2i_dataset_prompt_offsets(d, i, 1, at, &err));
        OK(t2i_dataset_prompt_bytes(d, at[0], at[1] - at[0], out->pair[i].prompt, &err));
        OK(t2i_dataset_pairs(d, i, 1, &image, NULL, &out->pair[i].split, &err));
        OK(t2i_dataset_image_name(d, image, &name, &err));
        snprintf(out->pair[i].picture, sizeof out->pair[i].picture, "%s", name);
        t2i_free(name);
    }
    t2i_dataset_close(d);
}

/* Emoji that English and German both name, but for the last, which only German does. German
 * writes English names with capitals, too, and has keywords in common with English. */
static void make_languages(void)
{
    t2i_text english = {0}, german = {0};
    for (uint32_t i = 0; i < MANY; i++) {
        uint32_t code = i < 80 ? 0x1f600 + i : 0x1f400 + i - 80;
        char emoji[16];
        snprintf(emoji, sizeof emoji, "&#x%x;", (unsigned)code);
        if (i + 1 < MANY)
            OK(t2i_text_addf(&english, &err,
                             "<annotation cp=\"%s\">word %u | own %u</annotation>"
                             "<annotation cp=\"%s\" type=\"tts\">name %u</annotation>",
                             emoji, i / 2, i, emoji, i));
        OK(t2i_text_addf(
            &german, &err,
            "<annotation cp=\"%s\">word %u | Own %u | OWN %u | Wort %u | Wort %u</annotation>",
            emoji, i / 2, i, (i + 1) % MANY, i / 3, i / 3));
    }
    put("annotations", "en", english.data);
    put("annotations", "de", german.data);
    t2i_text_free(&english);
    t2i_text_free(&german);
}

static int held_out(const listing *own, const char *prompt)
{
    char low[32];
    snprintf(low, sizeof low, "%s", prompt);
    for (char *at = low; *at != '\0'; at++) *at |= *at >= 'A' && *at <= 'Z' ? 32 : 0;
    for (size_t i = 0; i < own->count; i++)
        if (own->pair[i].split != T2I_TRAIN && strcmp(own->pair[i].prompt, low) == 0) return 1;
    return 0;
}

static int is_unseen(const listing *own, const char *picture)
{
    for (size_t i = 0; i < own->count; i++)
        if (strcmp(own->pair[i].picture, picture) == 0 && own->pair[i].split == T2I_UNSEEN_PICTURES)
            return 1;
    return 0;
}

/* English's pairs come first, unchanged and in order; what is between them trains. */
static void beside(void)
{
    listing *own = t2i_alloc(1, sizeof *own), *both = t2i_alloc(1, sizeof *both);
    size_t splits[T2I_SPLITS] = {0}, at = 0, capitals = 0, words = 0;
    make_languages();
    OK(make("en", "white"));
    list(own);
    OK(make_with("en", "de", "white"));
    list(both);
    CU_ASSERT_EQUAL(both->images, own->images);
    CU_ASSERT(memcmp(both->feature, own->feature, sizeof own->feature) == 0);
    for (size_t i = 0; i < own->count; i++) splits[own->pair[i].split]++;
    for (size_t s = 0; s < T2I_SPLITS; s++) CU_ASSERT(splits[s] > 0);
    for (size_t i = 0; i < both->count; i++) {
        if (at < own->count && memcmp(&both->pair[i], &own->pair[at], sizeof own->pair[0]) == 0) {
            at++;
            continue;
        }
        CU_ASSERT_EQUAL(both->pair[i].split, T2I_TRAIN);
        CU_ASSERT(!held_out(own, both->pair[i].prompt));
        CU_ASSERT(!is_unseen(own, both->pair[i].picture));
        capitals += strncmp(both->pair[i].prompt, "OWN", 3) == 0;
        words += strncmp(both->pair[i].prompt, "Wort", 4) == 0;
    }
    CU_ASSERT_EQUAL(at, own->count);
    CU_ASSERT(capitals > MANY / 2 && capitals < MANY);
    /* all but those of unseen pictures, and of the one that English has not */
    size_t unseen = 0;
    for (size_t i = 0; i < own->count; i++)
        unseen += own->pair[i].split == T2I_UNSEEN_PICTURES &&
                  strncmp(own->pair[i].prompt, "name", 4) == 0;
    CU_ASSERT_EQUAL(words, MANY - 1 - unseen);
    OK(make_with("en", "en", "white"));
    list(both);
    CU_ASSERT(memcmp(both, own, sizeof *own) == 0);
    t2i_free(own);
    t2i_free(both);
    make_cldr();
    FAILS(make_with("en", "de,xy", "white"), T2I_USAGE, "--with: CLDR has no emoji names for");
}

static void refused(void)
{
    unlink(in_scratch("out.h5"));
    FAILS(make("en,fr", "white"), T2I_USAGE, "\"fr\"");
    FAILS(make("en_AU", "white"), T2I_USAGE, "did you mean \"en\"?");
    FAILS(make("en,", "white"), T2I_USAGE, "empty name");
    static const char *const colours[] = {"",       "#",       "#12345", "#1234567",
                                          "123456", "#12345g", "blue"};
    for (size_t i = 0; i < sizeof colours / sizeof *colours; i++)
        FAILS(make("en", colours[i]), T2I_USAGE, "neither white nor #rrggbb");
    put("annotations", "xx", NAME("{", "bracket"));
    FAILS(make("xx", "white"), T2I_DATA, "no emoji with a picture");
    OK(t2i_commit_file(in_scratch("cldr/annotationsDerived/de.xml"), "<ldml>\n<a", 9, &err));
    FAILS(make("de", "white"), T2I_DATA, "annotationsDerived/de.xml:2: is cut off");
    unlink(in_scratch("cldr/annotations/en.xml"));
    FAILS(make("xx", "white"), T2I_NOINPUT, "annotations/en.xml is missing");
    CU_ASSERT(!t2i_fs_exists(in_scratch("out.h5")));
}

/* Has it a picture? */
static int draws(t2i_emoji_font *font, const uint32_t *code, size_t count)
{
    static const uint8_t white[3] = {255, 255, 255};
    t2i_image image;
    OK(t2i_emoji_font_draw(font, code, count, white, &image, &err));
    int drawn = image.rgb != NULL;
    t2i_image_free(&image);
    return drawn;
}

static void sequences(void)
{
    static const struct {
        uint32_t code[8];
        int drawn;
    } cases[] = {
        {{0x1f600}, 1},
        {{0x1f600, 0xfe0f}, 1},
        {{0x1f600, 0x200d}, 0},
        {{0x1f600, 0x1f600}, 0},
        {{0x2764}, 1},
        {{0x2764, 0xfe0f}, 1},
        {{0x31, 0x20e3}, 1},
        {{0x31, 0xfe0f, 0x20e3}, 1},
        {{0x1f44d, 0x1f3ff}, 1},
        {{0x1f468, 0x200d, 0x1f469, 0x200d, 0x1f466}, 1},
        {{0x1f468, 0x200d, 0x2708, 0xfe0f}, 1}, /* pilot */
        {{0x1f468, 0x200d, 0x1f41f}, 0},
        {{0x1f1e9, 0x1f1ea}, 1},
        {{0x1f1ff, 0x1f1ff}, 0}, /* no such flags, though Noto draws a question mark */
        {{0x1f1fd, 0x1f1fd}, 0},
        {{0x1f3f4, 0xe0067, 0xe0062, 0xe0065, 0xe006e, 0xe0067, 0xe007f}, 1}, /* England */
        {{0x1f3f4, 0xe0078, 0xe007f}, 0},
        {{'a'}, 0},
        {{0xe000}, 0},
        {{0xfe0f}, 0},
    };
    t2i_emoji_font *font;
    OK(t2i_emoji_font_open(&font, NULL, &err));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t count = 0;
        while (count < 8 && cases[i].code[count] != 0) count++;
        CU_ASSERT_EQUAL(draws(font, cases[i].code, count), cases[i].drawn);
    }
    uint32_t many[T2I_EMOJI_MAX + 1] = {0x1f600};
    CU_ASSERT(!draws(font, many, 0));
    for (size_t i = 1; i <= T2I_EMOJI_MAX; i++) many[i] = T2I_EMOJI_FE0F;
    CU_ASSERT(draws(font, many, T2I_EMOJI_MAX));
    CU_ASSERT(!draws(font, many, T2I_EMOJI_MAX + 1));
    t2i_emoji_font_close(font);
}

static void no_font(void)
{
    t2i_emoji_font *font;
    FAILS(t2i_emoji_font_open(&font, in_scratch("none.ttf"), &err), T2I_NOINPUT,
          "fonts-noto-color-emoji");
    CU_ASSERT_PTR_NULL(font);
    OK(t2i_commit_file(in_scratch("bad.ttf"), "not a font", 10, &err));
    FAILS(t2i_emoji_font_open(&font, in_scratch("bad.ttf"), &err), T2I_DATA, "is not a font");
    t2i_emoji_font_close(font);
}

int main(void)
{
    static const t2i_test tests[] = {{"pairs", pairs},
                                     {"inheritance", inheritance},
                                     {"pictures", pictures},
                                     {"languages that only train", beside},
                                     {"what is refused", refused},
                                     {"sequences", sequences},
                                     {"what is no font", no_font}};
    t2i_emoji_font *font;
    t2i_status found = t2i_emoji_font_open(&font, NULL, &err);
    t2i_emoji_font_close(font);
    if (found == T2I_NOINPUT) {
        puts(err.text);
        return 77;
    }
    if (scratch_begin("emoji") != 0) return 1;
    make_cldr();
    int failed = t2i_test_main("emoji", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return failed;
}
