#include "prepare/emoji.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/cldr.h"
#include "dataset/dataset.h"
#include "image/emoji_font.h"
#include "prepare/emoji_split.h"
#include "prepare/encode_dataset.h"
#include "base/hash.h"
#include "prepare/combine_prompts.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/string_table.h"
#include "prepare/pairs.h"
#include "base/progress.h"

enum { ASKED = 1, WITH = 2 }; /* by --locales, --with */
enum { NAME_MAX_BYTES = 256, LISTED_MAX = 4096, IMAGES_MAX = 1 << 17 };
#define NO_PICTURE UINT32_MAX
#define FOUND_MAX  ((size_t)1 << 26) /* names and keywords, repeated ones counted */

typedef struct {
    const t2i_emoji_options *options;
    uint8_t background[3];
    t2i_emoji_font *font;
    t2i_cldr cldr;
    uint8_t *asked; /* of each locale: ASKED, WITH */
    int beside;     /* its names are read for training only */
    /* what was met: sequences without U+FE0F, and which picture each has */
    t2i_string_table sequences;
    uint32_t *picture;
    size_t picture_room;
    /* pictures */
    size_t images, image_room;
    uint8_t *pixels;
    uint32_t *sequence;      /* of each picture */
    t2i_string_table groups; /* rewritten sequences */
    uint32_t *group;
    t2i_text names; /* English, end to end, terminated */
    size_t *name;   /* of each picture, in names; SIZE_MAX: none so far */
    /* pairs: picture << 32 | prompt */
    t2i_string_table prompts;
    uint64_t *found;
    size_t count, found_room;
    /* what --locales alone found: that many of the pairs and prompts, the first ones */
    size_t own_pairs, own_prompts;
    uint32_t *kept; /* of each picture: its number in the file + 1; 0: it is not there */
    /* the file that is read: its place in the chain de_CH, de, from 1; 0: English, for the names */
    uint8_t level;
    uint8_t *level_of; /* of each picture: [0] of its keywords, [1] of its name; 0: none so far */
} job;

/* ---- pictures ---- */

static t2i_status no_memory(t2i_error *err)
{
    return t2i_fail_memory(err, T2I_PICTURE, "the emoji");
}

static t2i_status make_room(job *j, t2i_error *err)
{
    if (j->images < j->image_room) return T2I_OK;
    size_t n = j->images, room = 2 * n + 4096;
    if (room > IMAGES_MAX) return t2i_fail(err, T2I_DATA, "there are more than %zu emoji", n);
    if (t2i_grow(&j->pixels, n, room, T2I_PICTURE) != 0 ||
        t2i_grow(&j->sequence, n, room, sizeof *j->sequence) != 0 ||
        t2i_grow(&j->group, n, room, sizeof *j->group) != 0 ||
        t2i_grow(&j->name, n, room, sizeof *j->name) != 0 ||
        t2i_grow(&j->level_of, 2 * n, 2 * room, 1) != 0)
        return no_memory(err);
    j->image_room = room;
    return T2I_OK;
}

/* 0 for what is no emoji at all. */
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

/* Keeps the picture of a sequence that was not met before, when the font has one. */
static t2i_status draw(job *j, const uint32_t *code, size_t count, uint32_t sequence,
                       t2i_error *err)
{
    t2i_image whole, small;
    char text[T2I_CLDR_EMOJI];
    uint32_t kin[T2I_EMOJI_MAX];
    size_t group;
    T2I_TRY(make_room(j, err));
    T2I_TRY(t2i_emoji_font_draw(j->font, code, count, j->background, &whole, err));
    if (whole.rgb == NULL) return T2I_OK;
    t2i_status status = t2i_image_fit(&small, &whole, T2I_SIDE, T2I_SIDE, err);
    t2i_image_free(&whole);
    T2I_TRY(status);
    memcpy(j->pixels + j->images * T2I_PICTURE, small.rgb, T2I_PICTURE);
    t2i_image_free(&small);
    memcpy(kin, code, count * sizeof *kin);
    encode(kin, t2i_emoji_group(kin, count), text);
    T2I_TRY(t2i_string_table_add(&j->groups, text, &group, err));
    j->group[j->images] = (uint32_t)group;
    j->sequence[j->images] = sequence;
    j->name[j->images] = SIZE_MAX;
    j->picture[sequence] = (uint32_t)j->images++;
    return T2I_OK;
}

/* The picture of an emoji as CLDR writes it, or NO_PICTURE. */
static t2i_status find_picture(job *j, const char *emoji, uint32_t *picture, t2i_error *err)
{
    uint32_t code[T2I_EMOJI_MAX], plain[T2I_EMOJI_MAX];
    char text[T2I_CLDR_EMOJI];
    size_t count = decode(emoji, code), left = 0, number, before = j->sequences.count;
    for (size_t i = 0; i < count; i++)
        if (code[i] != T2I_EMOJI_FE0F) plain[left++] = code[i];
    encode(plain, left, text);
    T2I_TRY(t2i_string_table_add(&j->sequences, text, &number, err));
    if (j->sequences.count > before) {
        if (number == j->picture_room) {
            size_t room = 2 * number + 4096;
            if (t2i_grow(&j->picture, number, room, sizeof *j->picture) != 0) return no_memory(err);
            j->picture_room = room;
        }
        j->picture[number] = NO_PICTURE;
        /* the font draws '#' and '*' too, but they are emoji only as keycaps */
        if (!j->beside && (left > 1 || (left == 1 && plain[0] >= 0x80)))
            T2I_TRY(draw(j, code, count, (uint32_t)number, err));
    }
    *picture = j->picture[number];
    return T2I_OK;
}

/* ---- names and keywords ---- */

static t2i_status take_name(job *j, uint32_t picture, const t2i_cldr_note *note, t2i_error *err)
{
    size_t size = strlen(note->text);
    if (size > NAME_MAX_BYTES) size = NAME_MAX_BYTES;
    if (!note->is_name || j->name[picture] != SIZE_MAX) return T2I_OK;
    j->name[picture] = j->names.size;
    T2I_TRY(t2i_text_add(&j->names, note->text, t2i_utf8_valid(note->text, size), err));
    return t2i_text_add(&j->names, "", 1, err);
}

static t2i_status take_pair(job *j, uint32_t picture, const t2i_cldr_note *note, t2i_error *err)
{
    size_t number;
    uint8_t *level = &j->level_of[2 * picture + (note->is_name ? 1 : 0)];
    if (*level != 0 && *level != j->level) return T2I_OK; /* its own language says otherwise */
    *level = j->level;
    T2I_TRY(t2i_string_table_add(&j->prompts, note->text, &number, err));
    if (j->count == j->found_room) {
        size_t room = 2 * j->count + (1 << 16);
        if (room > FOUND_MAX) return t2i_fail(err, T2I_DATA, "there are too many names of emoji");
        if (t2i_grow(&j->found, j->count, room, sizeof *j->found) != 0)
            return t2i_fail_memory(err, room * sizeof *j->found, "the pairs");
        j->found_room = room;
    }
    j->found[j->count++] = (uint64_t)picture << 32 | number;
    return T2I_OK;
}

static t2i_status take(void *context, const t2i_cldr_note *note, t2i_error *err)
{
    job *j = context;
    uint32_t picture;
    T2I_TRY(find_picture(j, note->emoji, &picture, err));
    if (picture == NO_PICTURE) return T2I_OK;
    return j->level == 0 ? take_name(j, picture, note, err) : take_pair(j, picture, note, err);
}

/* A locale's own notes, then those of its parents for what it does not say itself. */
static t2i_status read_locale(job *j, const char *locale, t2i_error *err)
{
    char at[T2I_LOCALE], parent[T2I_LOCALE];
    if (j->images > 0) memset(j->level_of, 0, 2 * j->images);
    snprintf(at, sizeof at, "%s", locale);
    for (j->level = 1; j->level < 8; j->level++) {
        if (t2i_cldr_find(&j->cldr, at) != NULL) T2I_TRY(t2i_cldr_read(&j->cldr, at, take, j, err));
        if (!t2i_cldr_parent(at, parent)) break;
        memcpy(at, parent, sizeof at);
    }
    return T2I_OK;
}

static t2i_status read_locales(job *j, uint8_t asked, const char *what, t2i_error *err)
{
    t2i_progress progress;
    t2i_status status = T2I_OK;
    t2i_progress_begin(&progress, what);
    for (size_t i = 0; status == T2I_OK && i < j->cldr.locales; i++) {
        if (j->asked[i] & asked) status = read_locale(j, j->cldr.locale[i], err);
        t2i_progress_at(&progress, (double)(i + 1) / (double)j->cldr.locales);
    }
    t2i_progress_end(&progress);
    return status;
}

/* English comes first, as it names the pictures. */
static t2i_status read_names(job *j, t2i_error *err)
{
    T2I_TRY(t2i_cldr_read(&j->cldr, "en", take, j, err));
    T2I_TRY(read_locales(j, ASKED, "reading names", err));
    if (j->count == 0)
        return t2i_fail(err, T2I_DATA, "%s: no emoji with a picture has a name in --locales %s",
                        j->cldr.folder, j->options->locales);
    j->own_pairs = j->count;
    j->own_prompts = j->prompts.count;
    j->beside = 1;
    return j->options->with == NULL ? T2I_OK
                                    : read_locales(j, WITH, "reading names to train with", err);
}

/* ---- what was asked for ---- */

/* A list of locales, and the option that gave it. */
typedef struct {
    const char *option, *list;
    uint8_t asks;
} wish;

static t2i_status ask_locale(job *j, const wish *w, const char *name, t2i_error *err)
{
    if (name[0] == '\0')
        return t2i_fail(err, T2I_USAGE, "%s \"%s\" has an empty name in it", w->option, w->list);
    const char *locale = t2i_cldr_find(&j->cldr, name);
    const char *near = locale == NULL ? t2i_cldr_nearest(&j->cldr, name) : NULL;
    if (locale == NULL && near != NULL)
        return t2i_fail(err, T2I_USAGE,
                        "%s: CLDR has no names of emoji in \"%s\": is it "
                        "\"%s\"?",
                        w->option, name, near);
    if (locale == NULL)
        return t2i_fail(err, T2I_USAGE,
                        "%s: CLDR has no names of emoji in \"%s\"; it has %zu locales, a "
                        "file each in %s/annotations",
                        w->option, name, j->cldr.locales, j->cldr.folder);
    for (size_t i = 0; i < j->cldr.locales; i++)
        if (j->cldr.locale[i] == locale) j->asked[i] |= w->asks;
    return T2I_OK;
}

static t2i_status ask_locales(job *j, const wish *w, t2i_error *err)
{
    char list[LISTED_MAX], *at = list;
    if (strcmp(w->list, "all") == 0) {
        for (size_t i = 0; i < j->cldr.locales; i++) j->asked[i] |= w->asks;
        return T2I_OK;
    }
    if (strlen(w->list) >= sizeof list)
        return t2i_fail(err, T2I_USAGE, "%s is longer than %d bytes", w->option, LISTED_MAX - 1);
    strcpy(list, w->list);
    for (char *comma = at; comma != NULL; at = comma + 1) {
        comma = strchr(at, ',');
        if (comma != NULL) *comma = '\0';
        T2I_TRY(ask_locale(j, w, at, err));
    }
    return T2I_OK;
}

static t2i_status ask_both(job *j, t2i_error *err)
{
    const wish own = {"--locales", j->options->locales, ASKED};
    const wish with = {"--with", j->options->with, WITH};
    j->asked = t2i_alloc(j->cldr.locales, 1);
    if (j->asked == NULL) return no_memory(err);
    T2I_TRY(ask_locales(j, &own, err));
    return with.list == NULL ? T2I_OK : ask_locales(j, &with, err);
}

static t2i_status read_background(job *j, t2i_error *err)
{
    const char *text = j->options->background;
    if (strcmp(text, "white") == 0) text = "#ffffff";
    if (text[0] == '#' && strlen(text) == 7 && strspn(text + 1, "0123456789abcdefABCDEF") == 6) {
        unsigned long rgb = strtoul(text + 1, NULL, 16);
        for (unsigned i = 0; i < 3; i++) j->background[i] = (uint8_t)(rgb >> (16 - 8 * i));
        return T2I_OK;
    }
    return t2i_fail(err, T2I_USAGE, "--background \"%s\" is neither white nor #rrggbb",
                    j->options->background);
}

/* ---- pairs ---- */

static int by_value(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x < y ? -1 : x > y;
}

/* Pictures that a font has drawn alike (the flags of France and of Saint Martin) come into one
 * group, the smaller number: whoever has seen one has seen the other. */
static t2i_status join_alike(job *j, t2i_error *err)
{
    t2i_string_table digests = {0};
    uint32_t *first = t2i_alloc(j->images, sizeof *first);
    t2i_status status = first == NULL ? no_memory(err) : T2I_OK;
    for (size_t i = 0; status == T2I_OK && i < j->images; i++) {
        char hex[T2I_HEX];
        size_t number, before = digests.count;
        t2i_hash_hex(j->pixels + i * T2I_PICTURE, T2I_PICTURE, hex);
        status = t2i_string_table_add(&digests, hex, &number, err);
        if (status != T2I_OK) break;
        if (digests.count > before) {
            first[number] = (uint32_t)i;
            continue;
        }
        uint32_t a = j->group[first[number]], b = j->group[i];
        for (size_t k = 0; k < j->images && a != b; k++)
            if (j->group[k] == a || j->group[k] == b) j->group[k] = a < b ? a : b;
    }
    t2i_string_table_free(&digests);
    t2i_free(first);
    return status;
}

/* Distinct pairs of --locales, ordered by picture; pictures without one are dropped, groups
 * renumbered. prompt and image have room for all of them. */
static t2i_status tidy(job *j, t2i_emoji_pairs *pairs, uint32_t *prompt, uint32_t *image,
                       t2i_error *err)
{
    size_t count = 0, images = 0, groups = 0;
    uint32_t *number = t2i_alloc(j->groups.count, sizeof *number); /* of each group, + 1 */
    j->kept = t2i_alloc(j->images, sizeof *j->kept);
    if (number == NULL || j->kept == NULL) {
        t2i_free(number);
        return no_memory(err);
    }
    qsort(j->found, j->own_pairs, sizeof *j->found, by_value);
    for (size_t i = 0; i < j->own_pairs; i++) {
        if (i > 0 && j->found[i] == j->found[i - 1]) continue;
        size_t picture = (size_t)(j->found[i] >> 32);
        if (count == 0 || picture != (size_t)(j->found[i - 1] >> 32)) {
            memmove(j->pixels + images * T2I_PICTURE, j->pixels + picture * T2I_PICTURE,
                    T2I_PICTURE);
            j->sequence[images] = j->sequence[picture];
            j->name[images] = j->name[picture];
            uint32_t *group = &number[j->group[picture]];
            if (*group == 0) *group = (uint32_t)++groups;
            j->group[images++] = *group - 1;
            j->kept[picture] = (uint32_t)images;
        }
        image[count] = (uint32_t)(images - 1);
        prompt[count++] = (uint32_t)j->found[i];
    }
    t2i_free(number);
    j->images = images;
    *pairs = (t2i_emoji_pairs){.pairs = count,
                               .prompts = j->own_prompts,
                               .images = images,
                               .groups = groups,
                               .prompt = prompt,
                               .image = image,
                               .group = j->group};
    return T2I_OK;
}

/* Of each picture of the file: is it unseen? And all prompts that are held out, whatever their
 * case. */
static t2i_status list_held(const job *j, const t2i_emoji_pairs *pairs, const uint8_t *split,
                            uint8_t *unseen, t2i_string_table *held, t2i_text *room, t2i_error *err)
{
    size_t number;
    for (size_t i = 0; i < pairs->pairs; i++) {
        if (split[i] == T2I_EMOJI_LEFT_OUT || split[i] == T2I_UNSEEN_PICTURES)
            unseen[pairs->image[i]] = 1;
        if (split[i] == T2I_EMOJI_LEFT_OUT || split[i] == T2I_TRAIN) continue;
        const char *prompt = t2i_string_table_at(&j->prompts, pairs->prompt[i]);
        T2I_TRY(t2i_text_small(room, prompt, strlen(prompt), err));
        T2I_TRY(t2i_string_table_add(held, room->data, &number, err));
    }
    return T2I_OK;
}

/* What --with adds to training: distinct pairs that are not there yet, of pictures that are there
 * and seen, by prompts that are not held out. They come to lie behind the others, with the file's
 * numbers of pictures. */
static t2i_status pick_beside(job *j, const t2i_emoji_pairs *pairs, const uint8_t *split,
                              t2i_error *err)
{
    t2i_string_table held = {0};
    t2i_text room = {0};
    uint8_t *unseen = t2i_alloc(j->images, 1);
    uint64_t *own = j->found, *more = own + j->own_pairs, last = UINT64_MAX;
    size_t count = j->count - j->own_pairs, kept = 0;
    t2i_status status =
        unseen == NULL ? no_memory(err) : list_held(j, pairs, split, unseen, &held, &room, err);
    qsort(more, count, sizeof *more, by_value);
    for (size_t i = 0; status == T2I_OK && i < count; i++) {
        uint64_t pair = more[i];
        uint32_t number = j->kept[pair >> 32];
        if (pair == last || number == 0 || unseen[number - 1] ||
            bsearch(&pair, own, j->own_pairs, sizeof *own, by_value) != NULL)
            continue;
        last = pair;
        const char *prompt = t2i_string_table_at(&j->prompts, (uint32_t)pair);
        status =
            t2i_text_small(&room, prompt, strlen(prompt), err); /* "Taxi" in German is "taxi" */
        if (status == T2I_OK && t2i_string_table_find(&held, room.data) == SIZE_MAX)
            more[kept++] = (uint64_t)(number - 1) << 32 | (uint32_t)pair;
    }
    j->count = j->own_pairs + kept;
    t2i_string_table_free(&held);
    t2i_text_free(&room);
    t2i_free(unseen);
    return status;
}

/* "1F44D-1F3FB thumbs up: light skin tone" */
static void picture_name(const job *j, size_t picture, char *out, size_t room)
{
    uint32_t code[T2I_EMOJI_MAX];
    size_t count = decode(t2i_string_table_at(&j->sequences, j->sequence[picture]), code), size = 0;
    for (size_t i = 0; i < count; i++)
        size += (size_t)snprintf(out + size, room - size, "%s%lX", i > 0 ? "-" : "",
                                 (unsigned long)code[i]);
    if (j->name[picture] != SIZE_MAX)
        snprintf(out + size, room - size, " %s", j->names.data + j->name[picture]);
}

static t2i_status gather(const job *j, const t2i_emoji_pairs *pairs, const uint8_t *split,
                         t2i_pair_set *set, t2i_error *err)
{
    char name[8 * T2I_EMOJI_MAX + NAME_MAX_BYTES + 2];
    size_t joined;
    for (size_t m = 0; m < pairs->images; m++) {
        picture_name(j, m, name, sizeof name);
        T2I_TRY(t2i_pair_set_image(set, name, pairs->group[m], err));
    }
    for (size_t i = 0; i < pairs->pairs; i++) {
        const char *prompt = t2i_string_table_at(&j->prompts, pairs->prompt[i]);
        if (split[i] == T2I_EMOJI_LEFT_OUT) continue;
        T2I_TRY(t2i_pair_set_pair(set, prompt, strlen(prompt), pairs->image[i], (uint32_t)i,
                                  split[i], err));
    }
    T2I_TRY(t2i_combine_prompts(set, j->options->join, j->options->seed, &joined, err));
    if (joined > 0)
        t2i_log_note("--join %zu: %zu pairs more to train with", j->options->join, joined);
    for (size_t i = 0; i < j->count - j->own_pairs; i++) {
        uint64_t pair = j->found[j->own_pairs + i];
        const char *prompt = t2i_string_table_at(&j->prompts, (uint32_t)pair);
        T2I_TRY(t2i_pair_set_pair(set, prompt, strlen(prompt), (uint32_t)(pair >> 32),
                                  (uint32_t)(pairs->pairs + joined + i), T2I_TRAIN, err));
    }
    return T2I_OK;
}

static t2i_status write_file(job *j, const t2i_emoji_pairs *pairs, const uint8_t *split,
                             t2i_error *err)
{
    t2i_pair_set set = {.pairs = 0};
    t2i_status status = gather(j, pairs, split, &set, err);
    const t2i_pairs view = t2i_pair_set_view(&set);
    const t2i_pictures pictures = {t2i_pictures_in_memory, j->pixels};
    if (status == T2I_OK)
        status = t2i_encode_dataset_pca(j->options->out, &view, &pictures, j->options->dim, err);
    t2i_pair_set_free(&set);
    return status;
}

static t2i_status make_pairs(job *j, t2i_error *err)
{
    t2i_emoji_pairs pairs = {0};
    uint32_t *numbers = t2i_alloc(j->own_pairs, 2 * sizeof *numbers);
    uint8_t *split = t2i_alloc(j->own_pairs, 1);
    t2i_status status = numbers == NULL || split == NULL ? no_memory(err) : T2I_OK;
    if (status == T2I_OK) status = join_alike(j, err);
    if (status == T2I_OK) status = tidy(j, &pairs, numbers, numbers + j->own_pairs, err);
    if (status == T2I_OK) status = t2i_emoji_split(&pairs, j->options->seed, split, err);
    if (status == T2I_OK) status = pick_beside(j, &pairs, split, err);
    if (status == T2I_OK) status = write_file(j, &pairs, split, err);
    size_t lost = 0;
    for (size_t i = 0; i < pairs.pairs; i++) lost += split[i] == T2I_EMOJI_LEFT_OUT;
    if (status == T2I_OK)
        t2i_log_note("wrote %s: %zu pairs of %zu prompts, %zu pictures in %zu groups",
                     j->options->out, pairs.pairs - lost, pairs.prompts, pairs.images,
                     pairs.groups);
    if (status == T2I_OK && lost > 0)
        t2i_log_note("%zu pairs are left out: their pictures are unseen, but their prompts are "
                     "other pictures' too",
                     lost);
    if (status == T2I_OK && j->options->with != NULL)
        t2i_log_note("--with %s: %zu pairs more to train with", j->options->with,
                     j->count - j->own_pairs);
    t2i_free(numbers);
    t2i_free(split);
    return status;
}

static t2i_status run(job *j, t2i_error *err)
{
    T2I_TRY(read_background(j, err));
    T2I_TRY(t2i_cldr_open(&j->cldr, j->options->cldr, err));
    if (t2i_cldr_find(&j->cldr, "en") == NULL)
        return t2i_fail(err, T2I_NOINPUT,
                        "%s/annotations/en.xml is missing, which names the pictures: Debian's "
                        "unicode-cldr-core has it",
                        j->cldr.folder);
    T2I_TRY(ask_both(j, err));
    T2I_TRY(t2i_emoji_font_open(&j->font, j->options->font, err));
    T2I_TRY(read_names(j, err));
    return make_pairs(j, err);
}

t2i_status t2i_emoji(const t2i_emoji_options *options, t2i_error *err)
{
    job j = {.options = options};
    t2i_status status = run(&j, err);
    t2i_emoji_font_close(j.font);
    t2i_cldr_close(&j.cldr);
    t2i_string_table *texts[] = {&j.sequences, &j.groups, &j.prompts};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) t2i_string_table_free(texts[i]);
    t2i_text_free(&j.names);
    void *all[] = {j.asked, j.picture, j.pixels,   j.sequence, j.group,
                   j.name,  j.found,   j.level_of, j.kept};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) t2i_free(all[i]);
    return status;
}
