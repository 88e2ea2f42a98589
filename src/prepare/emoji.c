#include "prepare/emoji.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataset/dataset_writer.h"
#include "formats/cldr.h"
#include "dataset/dataset.h"
#include "image/emoji_font.h"
#include "image/image_resize.h"
#include "prepare/emoji_split.h"
#include "prepare/encode_dataset.h"
#include "base/hash.h"
#include "prepare/combine_prompts.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/string_table.h"
#include "lists/pairs.h"
#include "base/progress.h"

enum { PRIMARY = 1, EXTRA = 2 }; /* bits: named by --locales, by --with */
enum { NAME_MAX_BYTES = 256, LISTED_MAX = 4096, IMAGES_MAX = 1 << 17 };
#define NO_PICTURE UINT32_MAX
#define FOUND_MAX  ((size_t)1 << 26) /* names and keywords, including repeated ones */

typedef struct {
    const t2i_emoji_options *options;
    uint8_t background[3];
    t2i_emoji_font *font;
    t2i_cldr cldr;
    uint8_t *requested; /* of each locale: bits PRIMARY, EXTRA */
    int extra;          /* reading locales of --with: new pairs only, no new pictures */
    /* emoji seen so far: sequences without U+FE0F, and the picture of each */
    t2i_string_table sequences;
    uint32_t *picture;
    size_t picture_room;
    /* pictures */
    size_t images, image_room;
    uint8_t *pixels;
    uint32_t *sequence;      /* of each picture */
    t2i_string_table groups; /* sequences after t2i_emoji_split_group */
    uint32_t *group;
    t2i_text names; /* English names, each NUL-terminated */
    size_t *name;   /* of each picture: offset in names; SIZE_MAX: none yet */
    /* pairs: picture << 32 | prompt */
    t2i_string_table prompts;
    uint64_t *found;
    size_t count, found_room;
    /* numbers of pairs and prompts from --locales alone; they come first */
    size_t own_pairs, own_prompts;
    uint32_t *kept; /* of each picture: its number in the dataset + 1; 0: not in it */
    /* position of the file being read in the chain de_CH, de, from 1; 0: English picture names */
    uint8_t level;
    uint8_t
        *level_of; /* of each picture: level of its keywords [0], of its name [1]; 0: none yet */
} builder;

/* ---- pictures ---- */

static t2i_status no_memory(t2i_error *err)
{
    return t2i_fail_memory(err, T2I_PICTURE, "the emoji");
}

static t2i_status grow(builder *b, t2i_error *err)
{
    if (b->images < b->image_room) return T2I_OK;
    size_t n = b->images, room = 2 * n + 4096;
    if (room > IMAGES_MAX) return t2i_fail(err, T2I_DATA, "there are more than %zu emoji", n);
    if (t2i_grow(&b->pixels, n, room, T2I_PICTURE) != 0 ||
        t2i_grow(&b->sequence, n, room, sizeof *b->sequence) != 0 ||
        t2i_grow(&b->group, n, room, sizeof *b->group) != 0 ||
        t2i_grow(&b->name, n, room, sizeof *b->name) != 0 ||
        t2i_grow(&b->level_of, 2 * n, 2 * room, 1) != 0)
        return no_memory(err);
    b->image_room = room;
    return T2I_OK;
}

/* Code points of a text; returns 0 if it is not UTF-8 or too long for an emoji. */
static size_t decode(const char *text, uint32_t code[T2I_EMOJI_MAX])
{
    size_t count = 0, size = strlen(text), length;
    for (size_t at = 0; at < size; at += length) {
        if (count == T2I_EMOJI_MAX) return 0;
        length = t2i_utf8_decode(text + at, size - at, &code[count++]);
        if (length == 0) return 0;
    }
    return count;
}

static void encode(const uint32_t *code, size_t count, char out[T2I_CLDR_EMOJI])
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++) size += t2i_utf8_encode(code[i], out + size);
    out[size] = '\0';
}

/* Draws a sequence that was not seen before and adds its picture, if the font has one. */
static t2i_status draw(builder *b, const uint32_t *code, size_t count, uint32_t sequence,
                       t2i_error *err)
{
    t2i_image whole, small;
    char text[T2I_CLDR_EMOJI];
    uint32_t kin[T2I_EMOJI_MAX];
    size_t group;
    T2I_TRY(grow(b, err));
    T2I_TRY(t2i_emoji_font_draw(b->font, code, count, b->background, &whole, err));
    if (whole.rgb == NULL) return T2I_OK;
    t2i_status status = t2i_image_resize_crop(&small, &whole, T2I_SIDE, T2I_SIDE, err);
    t2i_image_free(&whole);
    T2I_TRY(status);
    memcpy(b->pixels + b->images * T2I_PICTURE, small.rgb, T2I_PICTURE);
    t2i_image_free(&small);
    memcpy(kin, code, count * sizeof *kin);
    encode(kin, t2i_emoji_split_group(kin, count), text);
    T2I_TRY(t2i_string_table_add(&b->groups, text, &group, err));
    b->group[b->images] = (uint32_t)group;
    b->sequence[b->images] = sequence;
    b->name[b->images] = SIZE_MAX;
    b->picture[sequence] = (uint32_t)b->images++;
    return T2I_OK;
}

/* Number of the picture of an emoji as CLDR writes it, or NO_PICTURE. */
static t2i_status find_picture(builder *b, const char *emoji, uint32_t *picture, t2i_error *err)
{
    uint32_t code[T2I_EMOJI_MAX], plain[T2I_EMOJI_MAX];
    char text[T2I_CLDR_EMOJI];
    size_t count = decode(emoji, code), left = 0, number, before = b->sequences.count;
    for (size_t i = 0; i < count; i++)
        if (code[i] != T2I_EMOJI_FE0F) plain[left++] = code[i];
    encode(plain, left, text);
    T2I_TRY(t2i_string_table_add(&b->sequences, text, &number, err));
    if (b->sequences.count > before) {
        if (number == b->picture_room) {
            size_t room = 2 * number + 4096;
            if (t2i_grow(&b->picture, number, room, sizeof *b->picture) != 0) return no_memory(err);
            b->picture_room = room;
        }
        b->picture[number] = NO_PICTURE;
        /* the font draws '#' and '*' too, but they are emoji only as keycaps */
        if (!b->extra && (left > 1 || (left == 1 && plain[0] >= 0x80)))
            T2I_TRY(draw(b, code, count, (uint32_t)number, err));
    }
    *picture = b->picture[number];
    return T2I_OK;
}

/* ---- names and keywords ---- */

static t2i_status add_name(builder *b, uint32_t picture, const t2i_cldr_note *note, t2i_error *err)
{
    size_t size = strlen(note->text);
    if (size > NAME_MAX_BYTES) size = NAME_MAX_BYTES;
    if (!note->is_name || b->name[picture] != SIZE_MAX) return T2I_OK;
    b->name[picture] = b->names.size;
    T2I_TRY(t2i_text_add(&b->names, note->text, t2i_utf8_valid(note->text, size), err));
    return t2i_text_add(&b->names, "", 1, err);
}

static t2i_status add_pair(builder *b, uint32_t picture, const t2i_cldr_note *note, t2i_error *err)
{
    size_t number;
    uint8_t *level = &b->level_of[2 * picture + (note->is_name ? 1 : 0)];
    if (*level != 0 && *level != b->level) return T2I_OK; /* a more specific locale has them */
    *level = b->level;
    T2I_TRY(t2i_string_table_add(&b->prompts, note->text, &number, err));
    if (b->count == b->found_room) {
        size_t room = 2 * b->count + (1 << 16);
        if (room > FOUND_MAX) return t2i_fail(err, T2I_DATA, "there are too many names of emoji");
        if (t2i_grow(&b->found, b->count, room, sizeof *b->found) != 0)
            return t2i_fail_memory(err, room * sizeof *b->found, "the pairs");
        b->found_room = room;
    }
    b->found[b->count++] = (uint64_t)picture << 32 | number;
    return T2I_OK;
}

static t2i_status add_note(void *context, const t2i_cldr_note *note, t2i_error *err)
{
    builder *b = context;
    uint32_t picture;
    T2I_TRY(find_picture(b, note->emoji, &picture, err));
    if (picture == NO_PICTURE) return T2I_OK;
    return b->level == 0 ? add_name(b, picture, note, err) : add_pair(b, picture, note, err);
}

/* Reads a locale, then its parents for emoji that it has no names or keywords for. */
static t2i_status read_locale(builder *b, const char *locale, t2i_error *err)
{
    char at[T2I_LOCALE], parent[T2I_LOCALE];
    if (b->images > 0) memset(b->level_of, 0, 2 * b->images);
    snprintf(at, sizeof at, "%s", locale);
    for (b->level = 1; b->level < 8; b->level++) {
        if (t2i_cldr_find(&b->cldr, at) != NULL)
            T2I_TRY(t2i_cldr_read(&b->cldr, at, add_note, b, err));
        if (!t2i_cldr_parent(at, parent)) break;
        memcpy(at, parent, sizeof at);
    }
    return T2I_OK;
}

static t2i_status read_locales(builder *b, uint8_t requested, const char *what, t2i_error *err)
{
    t2i_progress progress;
    t2i_status status = T2I_OK;
    t2i_progress_begin(&progress, what);
    for (size_t i = 0; status == T2I_OK && i < b->cldr.locales; i++) {
        if (b->requested[i] & requested) status = read_locale(b, b->cldr.locale[i], err);
        t2i_progress_at(&progress, (double)(i + 1) / (double)b->cldr.locales);
    }
    t2i_progress_end(&progress);
    return status;
}

/* English is read first because it names the pictures. */
static t2i_status read_names(builder *b, t2i_error *err)
{
    T2I_TRY(t2i_cldr_read(&b->cldr, "en", add_note, b, err));
    T2I_TRY(read_locales(b, PRIMARY, "reading names", err));
    if (b->count == 0)
        return t2i_fail(err, T2I_DATA, "%s: no emoji with a picture has a name in --locales %s",
                        b->cldr.folder, b->options->locales);
    b->own_pairs = b->count;
    b->own_prompts = b->prompts.count;
    b->extra = 1;
    return b->options->with == NULL ? T2I_OK : read_locales(b, EXTRA, "reading extra names", err);
}

/* ---- options ---- */

/* An option with a list of locales. */
typedef struct {
    const char *option, *list;
    uint8_t asks;
} locale_option;

static t2i_status request_locale(builder *b, const locale_option *w, const char *name,
                                 t2i_error *err)
{
    if (name[0] == '\0')
        return t2i_fail(err, T2I_USAGE, "%s \"%s\" contains an empty name", w->option, w->list);
    const char *locale = t2i_cldr_find(&b->cldr, name);
    const char *near = locale == NULL ? t2i_cldr_nearest(&b->cldr, name) : NULL;
    if (locale == NULL && near != NULL)
        return t2i_fail(err, T2I_USAGE,
                        "%s: CLDR has no emoji names for locale \"%s\"; did you mean "
                        "\"%s\"?",
                        w->option, name, near);
    if (locale == NULL)
        return t2i_fail(err, T2I_USAGE,
                        "%s: CLDR has no emoji names for locale \"%s\"; it has %zu locales, "
                        "one file per locale in %s/annotations",
                        w->option, name, b->cldr.locales, b->cldr.folder);
    for (size_t i = 0; i < b->cldr.locales; i++)
        if (b->cldr.locale[i] == locale) b->requested[i] |= w->asks;
    return T2I_OK;
}

static t2i_status request_list(builder *b, const locale_option *w, t2i_error *err)
{
    char list[LISTED_MAX], *at = list;
    if (strcmp(w->list, "all") == 0) {
        for (size_t i = 0; i < b->cldr.locales; i++) b->requested[i] |= w->asks;
        return T2I_OK;
    }
    if (strlen(w->list) >= sizeof list)
        return t2i_fail(err, T2I_USAGE, "%s is longer than %d bytes", w->option, LISTED_MAX - 1);
    strcpy(list, w->list);
    for (char *comma = at; comma != NULL; at = comma + 1) {
        comma = strchr(at, ',');
        if (comma != NULL) *comma = '\0';
        T2I_TRY(request_locale(b, w, at, err));
    }
    return T2I_OK;
}

static t2i_status request_locales(builder *b, t2i_error *err)
{
    const locale_option own = {"--locales", b->options->locales, PRIMARY};
    const locale_option with = {"--with", b->options->with, EXTRA};
    b->requested = t2i_alloc(b->cldr.locales, 1);
    if (b->requested == NULL) return no_memory(err);
    T2I_TRY(request_list(b, &own, err));
    return with.list == NULL ? T2I_OK : request_list(b, &with, err);
}

static t2i_status read_background(builder *b, t2i_error *err)
{
    if (t2i_image_colour(b->options->background, b->background)) return T2I_OK;
    return t2i_fail(err, T2I_USAGE,
                    "--background \"%s\" is neither white nor #rrggbb, black or grey",
                    b->options->background);
}

/* ---- pairs ---- */

static int by_value(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x < y ? -1 : x > y;
}

/* The group into which this one was merged. */
static uint32_t merged(uint32_t *into, uint32_t group)
{
    for (; into[group] != group; group = into[group]) into[group] = into[into[group]];
    return group;
}

/* Merges the groups of equal pictures (the flags of France and of Saint Martin) into the smaller
 * number, so that no held-out picture is in training under another name. */
static t2i_status merge_equal_pictures(builder *b, t2i_error *err)
{
    t2i_string_table digests = {0};
    uint32_t *first = t2i_alloc(b->images, sizeof *first);
    uint32_t *into = t2i_alloc(b->groups.count, sizeof *into);
    t2i_status status = first == NULL || into == NULL ? no_memory(err) : T2I_OK;
    for (size_t g = 0; status == T2I_OK && g < b->groups.count; g++) into[g] = (uint32_t)g;
    for (size_t i = 0; status == T2I_OK && i < b->images; i++) {
        char hex[T2I_HEX];
        size_t number, before = digests.count;
        t2i_hash_hex(b->pixels + i * T2I_PICTURE, T2I_PICTURE, hex);
        status = t2i_string_table_add(&digests, hex, &number, err);
        if (status != T2I_OK) break;
        if (digests.count > before) {
            first[number] = (uint32_t)i;
            continue;
        }
        uint32_t one = merged(into, b->group[first[number]]), other = merged(into, b->group[i]);
        into[one < other ? other : one] = one < other ? one : other;
    }
    for (size_t i = 0; status == T2I_OK && i < b->images; i++)
        b->group[i] = merged(into, b->group[i]);
    t2i_string_table_free(&digests);
    t2i_free(into);
    t2i_free(first);
    return status;
}

/* Collects the distinct pairs of --locales, ordered by picture. Pictures without pairs are dropped,
 * groups are renumbered. `prompt` and `image` have room for all pairs. */
static t2i_status distinct_pairs(builder *b, t2i_emoji_pairs *pairs, uint32_t *prompt,
                                 uint32_t *image, t2i_error *err)
{
    size_t count = 0, images = 0, groups = 0;
    uint32_t *number = t2i_alloc(b->groups.count, sizeof *number); /* of each group, + 1 */
    b->kept = t2i_alloc(b->images, sizeof *b->kept);
    if (number == NULL || b->kept == NULL) {
        t2i_free(number);
        return no_memory(err);
    }
    qsort(b->found, b->own_pairs, sizeof *b->found, by_value);
    for (size_t i = 0; i < b->own_pairs; i++) {
        if (i > 0 && b->found[i] == b->found[i - 1]) continue;
        size_t picture = (size_t)(b->found[i] >> 32);
        if (count == 0 || picture != (size_t)(b->found[i - 1] >> 32)) {
            memmove(b->pixels + images * T2I_PICTURE, b->pixels + picture * T2I_PICTURE,
                    T2I_PICTURE);
            b->sequence[images] = b->sequence[picture];
            b->name[images] = b->name[picture];
            uint32_t *group = &number[b->group[picture]];
            if (*group == 0) *group = (uint32_t)++groups;
            b->group[images++] = *group - 1;
            b->kept[picture] = (uint32_t)images;
        }
        image[count] = (uint32_t)(images - 1);
        prompt[count++] = (uint32_t)b->found[i];
    }
    t2i_free(number);
    b->images = images;
    *pairs = (t2i_emoji_pairs){.pairs = count,
                               .prompts = b->own_prompts,
                               .images = images,
                               .groups = groups,
                               .prompt = prompt,
                               .image = image,
                               .group = b->group};
    return T2I_OK;
}

/* Marks the unseen pictures of the dataset, and lists all held-out prompts in lower case. */
static t2i_status list_held(const builder *b, const t2i_emoji_pairs *pairs, const uint8_t *split,
                            uint8_t *unseen, t2i_string_table *held, t2i_text *room, t2i_error *err)
{
    size_t number;
    for (size_t i = 0; i < pairs->pairs; i++) {
        if (split[i] == T2I_EMOJI_LEFT_OUT || split[i] == T2I_UNSEEN_PICTURES)
            unseen[pairs->image[i]] = 1;
        if (split[i] == T2I_EMOJI_LEFT_OUT || split[i] == T2I_TRAIN) continue;
        const char *prompt = t2i_string_table_at(&b->prompts, pairs->prompt[i]);
        T2I_TRY(t2i_text_lower(room, prompt, strlen(prompt), err));
        T2I_TRY(t2i_string_table_add(held, room->data, &number, err));
    }
    return T2I_OK;
}

/* Selects the training pairs that --with adds: distinct new pairs of training pictures whose
 * prompts are not held out. They follow the other pairs, with the dataset's picture numbers. */
static t2i_status select_extra(builder *b, const t2i_emoji_pairs *pairs, const uint8_t *split,
                               t2i_error *err)
{
    t2i_string_table held = {0};
    t2i_text room = {0};
    uint8_t *unseen = t2i_alloc(b->images, 1);
    uint64_t *own = b->found, *more = own + b->own_pairs, last = UINT64_MAX;
    size_t count = b->count - b->own_pairs, kept = 0;
    t2i_status status =
        unseen == NULL ? no_memory(err) : list_held(b, pairs, split, unseen, &held, &room, err);
    qsort(more, count, sizeof *more, by_value);
    for (size_t i = 0; status == T2I_OK && i < count; i++) {
        uint64_t pair = more[i];
        uint32_t number = b->kept[pair >> 32];
        if (pair == last || number == 0 || unseen[number - 1] ||
            bsearch(&pair, own, b->own_pairs, sizeof *own, by_value) != NULL)
            continue;
        last = pair;
        const char *prompt = t2i_string_table_at(&b->prompts, (uint32_t)pair);
        status =
            t2i_text_lower(&room, prompt, strlen(prompt), err); /* "Taxi" in German is "taxi" */
        if (status == T2I_OK && t2i_string_table_find(&held, room.data) == SIZE_MAX)
            more[kept++] = (uint64_t)(number - 1) << 32 | (uint32_t)pair;
    }
    b->count = b->own_pairs + kept;
    t2i_string_table_free(&held);
    t2i_text_free(&room);
    t2i_free(unseen);
    return status;
}

/* "1F44D-1F3FB thumbs up: light skin tone" */
static void picture_name(const builder *b, size_t picture, char *out, size_t room)
{
    uint32_t code[T2I_EMOJI_MAX];
    size_t count = decode(t2i_string_table_at(&b->sequences, b->sequence[picture]), code), size = 0;
    for (size_t i = 0; i < count; i++)
        size += (size_t)snprintf(out + size, room - size, "%s%lX", i > 0 ? "-" : "",
                                 (unsigned long)code[i]);
    if (b->name[picture] != SIZE_MAX)
        snprintf(out + size, room - size, " %s", b->names.data + b->name[picture]);
}

static t2i_status gather(const builder *b, const t2i_emoji_pairs *pairs, const uint8_t *split,
                         t2i_pair_set *set, t2i_error *err)
{
    char name[8 * T2I_EMOJI_MAX + NAME_MAX_BYTES + 2];
    size_t joined;
    for (size_t m = 0; m < pairs->images; m++) {
        picture_name(b, m, name, sizeof name);
        T2I_TRY(t2i_pairs_set_image(set, name, pairs->group[m], err));
    }
    for (size_t i = 0; i < pairs->pairs; i++) {
        const char *prompt = t2i_string_table_at(&b->prompts, pairs->prompt[i]);
        if (split[i] == T2I_EMOJI_LEFT_OUT) continue;
        T2I_TRY(t2i_pairs_set_pair(set, prompt, strlen(prompt), pairs->image[i], (uint32_t)i,
                                   split[i], err));
    }
    T2I_TRY(t2i_combine_prompts(set, b->options->join, b->options->seed, &joined, err));
    if (joined > 0) t2i_log_note("--join %zu: added %zu training pairs", b->options->join, joined);
    for (size_t i = 0; i < b->count - b->own_pairs; i++) {
        uint64_t pair = b->found[b->own_pairs + i];
        const char *prompt = t2i_string_table_at(&b->prompts, (uint32_t)pair);
        T2I_TRY(t2i_pairs_set_pair(set, prompt, strlen(prompt), (uint32_t)(pair >> 32),
                                   (uint32_t)(pairs->pairs + joined + i), T2I_TRAIN, err));
    }
    return T2I_OK;
}

static t2i_status write_file(builder *b, const t2i_emoji_pairs *pairs, const uint8_t *split,
                             t2i_error *err)
{
    t2i_pair_set set = {.pairs = 0};
    t2i_status status = gather(b, pairs, split, &set, err);
    const t2i_pairs view = t2i_pairs_set_view(&set);
    const t2i_pictures pictures = {t2i_encode_dataset_in_memory, b->pixels, T2I_SIDE};
    if (status == T2I_OK)
        status =
            t2i_encode_dataset_pca(NULL, b->options->out, &view, &pictures, b->options->dim, err);
    t2i_pairs_set_free(&set);
    return status;
}

static t2i_status make_pairs(builder *b, t2i_error *err)
{
    t2i_emoji_pairs pairs = {0};
    uint32_t *numbers = t2i_alloc(b->own_pairs, 2 * sizeof *numbers);
    uint8_t *split = t2i_alloc(b->own_pairs, 1);
    t2i_status status = numbers == NULL || split == NULL ? no_memory(err) : T2I_OK;
    if (status == T2I_OK) status = merge_equal_pictures(b, err);
    if (status == T2I_OK) status = distinct_pairs(b, &pairs, numbers, numbers + b->own_pairs, err);
    if (status == T2I_OK) status = t2i_emoji_split(&pairs, b->options->seed, split, err);
    if (status == T2I_OK) status = select_extra(b, &pairs, split, err);
    if (status == T2I_OK) status = write_file(b, &pairs, split, err);
    size_t lost = 0;
    for (size_t i = 0; i < pairs.pairs; i++) lost += split[i] == T2I_EMOJI_LEFT_OUT;
    if (status == T2I_OK)
        t2i_log_note("wrote %s: %zu pairs of %zu prompts, %zu pictures in %zu groups",
                     b->options->out, pairs.pairs - lost, pairs.prompts, pairs.images,
                     pairs.groups);
    if (status == T2I_OK && lost > 0)
        t2i_log_note("left out %zu pairs of unseen pictures whose prompts belong to training "
                     "pictures too",
                     lost);
    if (status == T2I_OK && b->options->with != NULL)
        t2i_log_note("--with %s: added %zu training pairs", b->options->with,
                     b->count - b->own_pairs);
    t2i_free(numbers);
    t2i_free(split);
    return status;
}

static t2i_status run(builder *b, t2i_error *err)
{
    T2I_TRY(read_background(b, err));
    T2I_TRY(t2i_cldr_open(&b->cldr, b->options->cldr, err));
    if (t2i_cldr_find(&b->cldr, "en") == NULL)
        return t2i_fail(err, T2I_NOINPUT,
                        "%s/annotations/en.xml is missing, which names the pictures; install "
                        "Debian's unicode-cldr-core or give --cldr",
                        b->cldr.folder);
    T2I_TRY(request_locales(b, err));
    T2I_TRY(t2i_emoji_font_open(&b->font, b->options->font, err));
    T2I_TRY(read_names(b, err));
    return make_pairs(b, err);
}

t2i_status t2i_emoji(const t2i_emoji_options *options, t2i_error *err)
{
    builder b = {.options = options};
    t2i_status status = run(&b, err);
    t2i_emoji_font_close(b.font);
    t2i_cldr_close(&b.cldr);
    t2i_string_table *texts[] = {&b.sequences, &b.groups, &b.prompts};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) t2i_string_table_free(texts[i]);
    t2i_text_free(&b.names);
    void *all[] = {b.requested, b.picture, b.pixels,   b.sequence, b.group,
                   b.name,      b.found,   b.level_of, b.kept};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) t2i_free(all[i]);
    return status;
}
