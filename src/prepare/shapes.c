#include "prepare/shapes.h"

#include <stdio.h>
#include <string.h>

#include "dataset/dataset_writer.h"
#include "prepare/encode_dataset.h"
#include "base/log.h"
#include "base/mem.h"
#include "lists/pairs.h"
#include "base/rng.h"

enum { FINE = 8, HELD_OUT = T2I_SHAPES_IMAGES / 5, KEPT_MIN = 2, CORNERS_MAX = 12 };

static const struct {
    const char *name, *article;
    uint8_t rgb[3];
} colours[T2I_SHAPES_COLOURS] = {
    {"red", "a", {214, 39, 40}},     {"orange", "an", {255, 140, 25}},
    {"yellow", "a", {246, 208, 32}}, {"green", "a", {44, 152, 70}},
    {"blue", "a", {38, 95, 210}},    {"purple", "a", {130, 62, 172}},
    {"pink", "a", {246, 138, 188}},  {"black", "a", {32, 32, 36}},
};

/* Corners in units of the radius, y downwards; 0 corners: a circle. They are constants because
 * sin() differs in the last bit between C libraries. */
static const struct {
    const char *name;
    int corners;
    double at[CORNERS_MAX][2];
} kinds[T2I_SHAPES_KINDS] = {
    {"circle", 0, {{0, 0}}},
    {"square", 4, {{-0.82, -0.82}, {0.82, -0.82}, {0.82, 0.82}, {-0.82, 0.82}}},
    {"triangle", 3, {{0, -1}, {1, 0.75}, {-1, 0.75}}},
    {"diamond", 4, {{0, -1}, {0.75, 0}, {0, 1}, {-0.75, 0}}},
    {"star",
     10,
     {{0, -1},
      {0.2469, -0.3398},
      {0.9511, -0.3090},
      {0.3994, 0.1298},
      {0.5878, 0.8090},
      {0, 0.4200},
      {-0.5878, 0.8090},
      {-0.3994, 0.1298},
      {-0.9511, -0.3090},
      {-0.2469, -0.3398}}},
    {"cross",
     12,
     {{-0.32, -0.95},
      {0.32, -0.95},
      {0.32, -0.32},
      {0.95, -0.32},
      {0.95, 0.32},
      {0.32, 0.32},
      {0.32, 0.95},
      {-0.32, 0.95},
      {-0.32, 0.32},
      {-0.95, 0.32},
      {-0.95, -0.32},
      {-0.32, -0.32}}},
};
static const double CIRCLE = 0.93; /* radius; looks as large as the other shapes */

static const struct {
    const char *name;
    double radius; /* pixels */
} sizes[T2I_SHAPES_SIZES] = {{"small", 6.5}, {"medium", 11}, {"large", 16}};

static const struct {
    const char *name, *where;
    double x, y; /* centre; at least a large radius from the edge */
} places[T2I_SHAPES_PLACES] = {
    {"top left", "in the top left corner", 17, 17},
    {"top", "at the top", 32, 17},
    {"top right", "in the top right corner", 47, 17},
    {"left", "on the left", 17, 32},
    {"middle", "in the middle", 32, 32},
    {"right", "on the right", 47, 32},
    {"bottom left", "in the bottom left corner", 17, 47},
    {"bottom", "at the bottom", 32, 47},
    {"bottom right", "in the bottom right corner", 47, 47},
};

typedef struct {
    size_t colour, kind, size, place;
} item;

static item item_of(size_t number)
{
    item i;
    i.place = number % T2I_SHAPES_PLACES;
    number /= T2I_SHAPES_PLACES;
    i.size = number % T2I_SHAPES_SIZES;
    number /= T2I_SHAPES_SIZES;
    i.kind = number % T2I_SHAPES_KINDS;
    i.colour = number / T2I_SHAPES_KINDS;
    return i;
}

/* ---- drawing ---- */

/* True if the point, relative to the centre in units of the radius, is inside: a ray to the right
 * crosses the outline an odd number of times. */
static int is_inside(size_t kind, double x, double y)
{
    if (kinds[kind].corners == 0) return x * x + y * y <= CIRCLE * CIRCLE;
    int inside = 0, n = kinds[kind].corners;
    for (int i = 0; i < n; i++) {
        const double *a = kinds[kind].at[i], *b = kinds[kind].at[(i + 1) % n];
        if ((a[1] > y) != (b[1] > y) && x < a[0] + (b[0] - a[0]) * (y - a[1]) / (b[1] - a[1]))
            inside = !inside;
    }
    return inside;
}

/* Number of the FINE x FINE points of a pixel that are inside. */
static unsigned coverage(const item *i, size_t column, size_t row)
{
    unsigned inside = 0;
    double radius = sizes[i->size].radius;
    double dx = (double)column + 0.5 - places[i->place].x;
    double dy = (double)row + 0.5 - places[i->place].y;
    if (dx > radius + 1 || dx < -radius - 1 || dy > radius + 1 || dy < -radius - 1) return 0;
    for (size_t v = 0; v < FINE; v++)
        for (size_t u = 0; u < FINE; u++) {
            double x = dx + ((double)u + 0.5) / FINE - 0.5;
            double y = dy + ((double)v + 0.5) / FINE - 0.5;
            inside += (unsigned)is_inside(i->kind, x / radius, y / radius);
        }
    return inside;
}

void t2i_shapes_draw(size_t number, uint8_t *pixels)
{
    const item i = item_of(number);
    for (size_t row = 0; row < T2I_SIDE; row++)
        for (size_t column = 0; column < T2I_SIDE; column++) {
            unsigned ink = coverage(&i, column, row), all = FINE * FINE;
            for (size_t c = 0; c < 3; c++)
                pixels[(row * T2I_SIDE + column) * 3 + c] =
                    (uint8_t)((255 * (all - ink) + colours[i.colour].rgb[c] * ink + all / 2) / all);
        }
}

/* ---- texts ---- */

void t2i_shapes_name(size_t number, char out[T2I_SHAPES_TEXT])
{
    const item i = item_of(number);
    snprintf(out, T2I_SHAPES_TEXT, "%s_%s_%s_%s.png", sizes[i.size].name, colours[i.colour].name,
             kinds[i.kind].name, places[i.place].name);
    for (char *c = out; *c != '\0'; c++)
        if (*c == ' ') *c = '_';
}

void t2i_shapes_caption(size_t number, size_t which, char out[T2I_SHAPES_TEXT])
{
    const item i = item_of(number);
    const char *colour = colours[i.colour].name, *article = colours[i.colour].article;
    const char *kind = kinds[i.kind].name, *size = sizes[i.size].name;
    const char *where = places[i.place].where, *place = places[i.place].name;
    size_t room = T2I_SHAPES_TEXT;
    switch (which) {
    case 0:
        snprintf(out, room, "a %s %s %s %s", size, colour, kind, where);
        break;
    case 1:
        snprintf(out, room, "%s, a %s %s %s", where, size, colour, kind);
        break;
    case 2:
        snprintf(out, room, "draw %s %s %s, %s, %s", article, colour, kind, size, where);
        break;
    case 3:
        snprintf(out, room, "the %s %s is %s and %s", kind, where, size, colour);
        break;
    default:
        snprintf(out, room, "%s %s %s, %s", size, colour, kind, place);
        break;
    }
}

/* ---- splits ---- */

/* Number of training pictures with each combination of properties that must stay in training. */
typedef struct {
    int drawn[T2I_SHAPES_KINDS][T2I_SHAPES_SIZES][T2I_SHAPES_PLACES];
    int kind[T2I_SHAPES_COLOURS][T2I_SHAPES_KINDS];
    int size[T2I_SHAPES_COLOURS][T2I_SHAPES_SIZES];
    int place[T2I_SHAPES_COLOURS][T2I_SHAPES_PLACES];
} tally;

static void count(tally *t, const item *i, int more)
{
    t->drawn[i->kind][i->size][i->place] += more;
    t->kind[i->colour][i->kind] += more;
    t->size[i->colour][i->size] += more;
    t->place[i->colour][i->place] += more;
}

static int may_go(const tally *t, const item *i)
{
    return t->drawn[i->kind][i->size][i->place] > KEPT_MIN &&
           t->kind[i->colour][i->kind] > KEPT_MIN && t->size[i->colour][i->size] > KEPT_MIN &&
           t->place[i->colour][i->place] > KEPT_MIN;
}

static size_t hold_out(uint64_t seed, uint8_t split[T2I_SHAPES_PAIRS])
{
    tally left = {.drawn = {{{0}}}};
    size_t held = 0;
    for (size_t n = 0; n < T2I_SHAPES_IMAGES; n++) {
        const item i = item_of(n);
        count(&left, &i, 1);
    }
    for (size_t n = 0; n < T2I_SHAPES_IMAGES && held < HELD_OUT; n++) {
        size_t number = t2i_rng_permute(seed, T2I_STREAM_PICTURES, T2I_SHAPES_IMAGES, n);
        const item i = item_of(number);
        if (!may_go(&left, &i)) continue;
        count(&left, &i, -1);
        memset(split + number * T2I_SHAPES_CAPTIONS, T2I_UNSEEN_PICTURES, T2I_SHAPES_CAPTIONS);
        held++;
    }
    return held;
}

void t2i_shapes_split(uint64_t seed, uint8_t split[T2I_SHAPES_PAIRS])
{
    uint8_t left[T2I_SHAPES_IMAGES]; /* training captions of each picture */
    memset(split, T2I_TRAIN, T2I_SHAPES_PAIRS);
    memset(left, T2I_SHAPES_CAPTIONS, sizeof left);
    size_t seen = (T2I_SHAPES_IMAGES - hold_out(seed, split)) * T2I_SHAPES_CAPTIONS;
    size_t wanted = seen / 20;
    for (size_t n = 0; n < T2I_SHAPES_PAIRS && wanted > 0; n++) {
        size_t pair = t2i_rng_permute(seed, T2I_STREAM_CAPTIONS, T2I_SHAPES_PAIRS, n);
        uint8_t *of_picture = &left[pair / T2I_SHAPES_CAPTIONS];
        if (split[pair] != T2I_TRAIN || *of_picture <= KEPT_MIN) continue;
        split[pair] = T2I_VALIDATION;
        --*of_picture;
        wanted--;
    }
}

/* ---- the datasets ---- */

static t2i_status gather_shapes(t2i_pair_set *set, const uint8_t *split, uint8_t *pixels,
                                t2i_error *err)
{
    char text[T2I_SHAPES_TEXT];
    for (size_t n = 0; n < T2I_SHAPES_IMAGES; n++) {
        t2i_shapes_draw(n, pixels + n * T2I_PICTURE);
        t2i_shapes_name(n, text);
        T2I_TRY(t2i_pairs_set_image(set, text, (uint32_t)n, err));
        for (size_t k = 0; k < T2I_SHAPES_CAPTIONS; k++) {
            size_t pair = n * T2I_SHAPES_CAPTIONS + k;
            t2i_shapes_caption(n, k, text);
            T2I_TRY(
                t2i_pairs_set_pair(set, text, strlen(text), n, (uint32_t)pair, split[pair], err));
        }
    }
    return T2I_OK;
}

static t2i_status encode(const char *out, const t2i_pair_set *set, uint8_t *pixels, size_t dim,
                         t2i_error *err)
{
    const t2i_pairs pairs = t2i_pairs_set_view(set);
    const t2i_pictures pictures = {t2i_encode_dataset_in_memory, pixels, T2I_SIDE};
    T2I_TRY(t2i_encode_dataset_pca(NULL, out, &pairs, &pictures, dim, err));
    t2i_log_note("wrote %s: %zu pairs, %zu pictures", out, pairs.pairs, pairs.images);
    return T2I_OK;
}

t2i_status t2i_shapes(const char *out, uint64_t seed, size_t dim, t2i_error *err)
{
    t2i_pair_set set = {.pairs = 0};
    size_t bytes = T2I_SHAPES_IMAGES * T2I_PICTURE;
    uint8_t *pixels = t2i_alloc(bytes, 1), *split = t2i_alloc(T2I_SHAPES_PAIRS, 1);
    t2i_status status = T2I_OK;
    if (pixels == NULL || split == NULL) {
        status = t2i_fail_memory(err, bytes, "pictures");
    } else {
        t2i_shapes_split(seed, split);
        status = gather_shapes(&set, split, pixels, err);
    }
    if (status == T2I_OK) status = encode(out, &set, pixels, dim, err);
    t2i_pairs_set_free(&set);
    t2i_free(pixels);
    t2i_free(split);
    return status;
}

/* The tutorial's green circle is Pillow's ellipse((4, 4, 60, 60)). Half the width of each row, from
 * the middle row down. */
static const uint8_t circle_half[29] = {28, 28, 28, 28, 28, 28, 27, 27, 27, 27, 26, 26, 25, 25, 24,
                                        24, 23, 22, 21, 21, 20, 19, 17, 16, 15, 13, 11, 9,  5};

static void draw_seed(uint8_t *pixels)
{
    static const uint8_t red[3] = {255, 0, 0}, blue[3] = {0, 0, 255}, green[3] = {0, 128, 0};
    uint8_t *square = pixels, *circle = pixels + 2 * T2I_PICTURE;
    for (size_t p = 0; p < T2I_PICTURE; p++) {
        square[p] = red[p % 3];
        square[T2I_PICTURE + p] = blue[p % 3];
        circle[p] = 255;
    }
    for (size_t y = 4; y <= 60; y++) {
        size_t half = circle_half[y < 32 ? 32 - y : y - 32];
        for (size_t x = 32 - half; x <= 32 + half; x++)
            memcpy(circle + (y * T2I_SIDE + x) * 3, green, sizeof green);
    }
}

t2i_status t2i_shapes_seed(const char *out, size_t dim, t2i_error *err)
{
    static const char *const names[3] = {"red_square.png", "blue_square.png", "green_circle.png"};
    static const struct {
        const char *prompt;
        size_t image;
    } rows[7] = {{"a red square", 0},
                 {"the square is red", 0},
                 {"show a blue square", 1},
                 {"blue shape, square", 1},
                 {"a green circle", 2},
                 {"the circle, it is green", 2},
                 {"make a square that is red", 0}};
    t2i_pair_set set = {.pairs = 0};
    uint8_t *pixels = t2i_alloc(3, T2I_PICTURE);
    if (pixels == NULL) return t2i_fail_memory(err, 3 * T2I_PICTURE, "pictures");
    draw_seed(pixels);
    t2i_status status = T2I_OK;
    for (uint32_t i = 0; status == T2I_OK && i < 3; i++)
        status = t2i_pairs_set_image(&set, names[i], i, err);
    for (uint32_t i = 0; status == T2I_OK && i < 7; i++)
        status = t2i_pairs_set_pair(&set, rows[i].prompt, strlen(rows[i].prompt), rows[i].image, i,
                                    T2I_TRAIN, err);
    if (status == T2I_OK) status = encode(out, &set, pixels, dim, err);
    t2i_pairs_set_free(&set);
    t2i_free(pixels);
    return status;
}
