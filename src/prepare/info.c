#include "prepare/info.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataset/dataset.h"
#include "formats/json.h"
#include "base/mem.h"

enum {
    LENGTHS = (1 << 20) + 1, /* a prompt has at most 1 MiB */
    CODES = 0x110000,
    BINS = 10,           /* of the histogram of prompt lengths */
    BAR = 40,            /* characters of its longest bar */
    ALPHABET_SHOWN = 120 /* characters that the table lists */
};

typedef struct {
    t2i_dataset *dataset;
    uint64_t pairs[T2I_SPLITS], pictures[T2I_SPLITS];
    uint64_t repeated;    /* pairs whose prompt occurs in an earlier pair */
    uint64_t conflicting; /* of these, with another picture */
    uint64_t groups;      /* of pictures */
    uint64_t characters;  /* distinct characters of training prompts */
    uint64_t shortest, median, longest;
    uint64_t *lengths; /* number of prompts of each length in characters */
    uint8_t *seen;     /* of each picture: bit mask of the splits that use it */
    uint8_t *used;     /* of each code point: 1 if it occurs in training prompts */
    t2i_text prompt, before;
    uint32_t *run; /* pictures of the earlier pairs with the same prompt */
    size_t runs, run_room;
    uint64_t bin[BINS], bin_width;
    t2i_text alphabet;
    char content[T2I_HEX];
} survey;

static t2i_status read_prompt(t2i_dataset *dataset, uint64_t pair, t2i_text *out, t2i_error *err)
{
    uint64_t at[2];
    T2I_TRY(t2i_dataset_prompt_offsets(dataset, pair, 1, at, err));
    size_t size = (size_t)(at[1] - at[0]);
    if (size >= LENGTHS)
        return t2i_fail(err, T2I_DATA, "%s: prompt %llu is longer than 1 MiB",
                        t2i_dataset_path(dataset), (unsigned long long)pair);
    if (out->room <= size) {
        if (t2i_grow(&out->data, out->room, 2 * size + 64, 1) != 0)
            return t2i_fail_memory(err, 2 * size + 64, "a prompt");
        out->room = 2 * size + 64;
    }
    out->size = size;
    return t2i_dataset_prompt_bytes(dataset, at[0], size, out->data, err);
}

static t2i_status count_characters(survey *s, uint64_t pair, int train, t2i_error *err)
{
    size_t length = 0;
    uint32_t code;
    for (size_t at = 0, step; at < s->prompt.size; at += step, length++) {
        step = t2i_utf8_decode(s->prompt.data + at, s->prompt.size - at, &code);
        if (step == 0)
            return t2i_fail(err, T2I_DATA, "%s: prompt %llu is not UTF-8",
                            t2i_dataset_path(s->dataset), (unsigned long long)pair);
        if (train) s->used[code] = 1;
    }
    s->lengths[length]++;
    return T2I_OK;
}

static int by_number(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Pairs are ordered by prompt. Counts the repetitions of one prompt, and its other pictures. */
static void end_run(survey *s)
{
    if (s->runs > 1) qsort(s->run, s->runs, sizeof *s->run, by_number);
    for (size_t i = 1; i < s->runs; i++) s->conflicting += s->run[i] != s->run[i - 1];
    if (s->runs > 1) s->repeated += s->runs - 1;
    s->runs = 0;
}

static t2i_status add_to_run(survey *s, uint32_t image, t2i_error *err)
{
    if (s->runs == s->run_room) {
        size_t room = 2 * s->run_room + 64;
        if (t2i_grow(&s->run, s->runs, room, sizeof *s->run) != 0)
            return t2i_fail_memory(err, room * sizeof *s->run, "the survey");
        s->run_room = room;
    }
    s->run[s->runs++] = image;
    return T2I_OK;
}

static t2i_status survey_pairs(survey *s, uint64_t count, t2i_error *err)
{
    uint32_t image;
    uint8_t split;
    for (uint64_t i = 0; i < count; i++) {
        T2I_TRY(t2i_dataset_pairs(s->dataset, i, 1, &image, NULL, &split, err));
        T2I_TRY(read_prompt(s->dataset, i, &s->prompt, err));
        T2I_TRY(count_characters(s, i, split == T2I_TRAIN, err));
        s->pairs[split]++;
        s->seen[image] |= (uint8_t)(1u << split);
        if (i > 0 && (s->prompt.size != s->before.size ||
                      memcmp(s->prompt.data, s->before.data, s->prompt.size) != 0))
            end_run(s);
        T2I_TRY(add_to_run(s, image, err));
        t2i_text swap = s->before;
        s->before = s->prompt;
        s->prompt = swap;
    }
    end_run(s);
    return T2I_OK;
}

static t2i_status count_groups(survey *s, uint64_t images, t2i_error *err)
{
    enum { BLOCK = 4096 };
    uint32_t group[BLOCK];
    for (uint64_t first = 0; first < images; first += BLOCK) {
        uint64_t some = images - first < BLOCK ? images - first : BLOCK;
        T2I_TRY(t2i_dataset_groups(s->dataset, first, some, group, err));
        /* a group number is below the number of pictures: bit 7 of `seen` marks groups in use */
        for (uint64_t i = 0; i < some; i++)
            if (group[i] < images) s->seen[group[i]] |= 0x80;
    }
    for (uint64_t i = 0; i < images; i++) s->groups += s->seen[i] >> 7;
    return T2I_OK;
}

static void fill_histogram(survey *s)
{
    s->bin_width = (s->longest - s->shortest) / BINS + 1;
    for (uint64_t length = s->shortest; length <= s->longest; length++)
        s->bin[(length - s->shortest) / s->bin_width] += s->lengths[length];
}

/* Range of lengths of bin i; returns 0 if it is beyond the longest prompt. */
static int bin_range(const survey *s, uint64_t i, uint64_t *from, uint64_t *to)
{
    *from = s->shortest + i * s->bin_width;
    *to = *from + s->bin_width - 1 < s->longest ? *from + s->bin_width - 1 : s->longest;
    return *from <= s->longest;
}

static t2i_status sum_up(survey *s, const t2i_dataset_info *info, t2i_error *err)
{
    for (uint64_t i = 0; i < info->images; i++)
        for (int split = 0; split < T2I_SPLITS; split++)
            s->pictures[split] += (unsigned)s->seen[i] >> split & 1u;
    for (uint32_t code = 0; code < CODES; code++) {
        char bytes[4];
        if (!s->used[code]) continue;
        s->characters++;
        T2I_TRY(t2i_text_add(&s->alphabet, bytes, t2i_utf8_encode(code, bytes), err));
    }
    uint64_t below = 0;
    s->shortest = UINT64_MAX;
    for (uint64_t length = 0; length < LENGTHS; length++) {
        if (s->lengths[length] == 0) continue;
        if (s->shortest == UINT64_MAX) s->shortest = length;
        s->longest = length;
        if (2 * below < info->pairs) s->median = length; /* the lower one of an even number */
        below += s->lengths[length];
    }
    fill_histogram(s);
    return T2I_OK;
}

static t2i_status add_histogram(const survey *s, t2i_text *out, t2i_error *err)
{
    uint64_t most = 1, from, to;
    for (uint64_t i = 0; i < BINS; i++)
        if (s->bin[i] > most) most = s->bin[i];
    for (uint64_t i = 0; i < BINS && bin_range(s, i, &from, &to); i++) {
        char bar[BAR + 1] = "", range[48];
        memset(bar, '#', (size_t)((s->bin[i] * BAR + most - 1) / most));
        snprintf(range, sizeof range, from == to ? "%llu" : "%llu..%llu", (unsigned long long)from,
                 (unsigned long long)to);
        T2I_TRY(
            t2i_text_addf(out, err, "%16s %9llu  %s\n", range, (unsigned long long)s->bin[i], bar));
    }
    return T2I_OK;
}

/* One row with a text of the file or of the command line. */
static t2i_status add_row(t2i_text *out, const char *label, const char *value, t2i_error *err)
{
    T2I_TRY(t2i_text_addf(out, err, "%-16s ", label));
    T2I_TRY(t2i_text_add_plain(out, value, strlen(value), err));
    return t2i_text_addf(out, err, "\n");
}

/* The characters of the training prompts; those without a glyph by their code point. */
static t2i_status add_alphabet(const survey *s, t2i_text *out, t2i_error *err)
{
    uint32_t code = 0;
    T2I_TRY(t2i_text_addf(out, err, "%17s\"", ""));
    for (size_t at = 0, size; at < s->alphabet.size; at += size) {
        size = t2i_utf8_decode(s->alphabet.data + at, s->alphabet.size - at, &code);
        if (t2i_utf8_is_visible(code)) T2I_TRY(t2i_text_add(out, s->alphabet.data + at, size, err));
    }
    T2I_TRY(t2i_text_addf(out, err, "\""));
    for (size_t at = 0; at < s->alphabet.size;) {
        at += t2i_utf8_decode(s->alphabet.data + at, s->alphabet.size - at, &code);
        if (!t2i_utf8_is_visible(code)) T2I_TRY(t2i_text_addf(out, err, " U+%04X", (unsigned)code));
    }
    return t2i_text_addf(out, err, "\n");
}

static t2i_status add_table(const survey *s, const t2i_dataset_info *info, t2i_text *out,
                            t2i_error *err)
{
    const t2i_encoder_info *encoder = &info->encoder;
    T2I_TRY(add_row(out, "dataset", t2i_dataset_path(s->dataset), err));
    T2I_TRY(add_row(out, "written by", info->tool, err));
    T2I_TRY(t2i_text_addf(out, err,
                          "digest           %s\ncontent          %s\n"
                          "pairs            %llu\npictures         %llu in %llu groups",
                          info->digest, s->content, (unsigned long long)info->pairs,
                          (unsigned long long)info->images, (unsigned long long)s->groups));
    if (info->has_pixels)
        T2I_TRY(t2i_text_addf(out, err, ", %llu x %llu pixels\n",
                              (unsigned long long)encoder->width,
                              (unsigned long long)encoder->height));
    else
        T2I_TRY(t2i_text_addf(out, err, ", by name only\n"));
    if (strcmp(encoder->encoder, "features") == 0)
        T2I_TRY(t2i_text_addf(out, err, "features         %llu, ready-made",
                              (unsigned long long)info->features));
    else {
        T2I_TRY(t2i_text_addf(out, err, "features         %llu, from ",
                              (unsigned long long)info->features));
        T2I_TRY(t2i_text_add_plain(out, encoder->encoder, strlen(encoder->encoder), err));
        T2I_TRY(t2i_text_addf(out, err, ", scale %.6g", encoder->scale));
    }
    T2I_TRY(t2i_text_addf(out, err, "; %s be decoded into pictures\n",
                          info->has_decoder ? "can" : "cannot"));
    if (encoder->weights[0] != '\0')
        T2I_TRY(add_row(out, "encoder weights", encoder->weights, err));
    T2I_TRY(t2i_text_addf(out, err, "\n%-15s %9s  %9s\n", "split", "pairs", "pictures"));
    for (int i = 0; i < T2I_SPLITS; i++)
        T2I_TRY(t2i_text_addf(out, err, "%-15s %9llu  %9llu\n", t2i_dataset_split_names[i],
                              (unsigned long long)s->pairs[i], (unsigned long long)s->pictures[i]));
    T2I_TRY(t2i_text_addf(out, err, "\nprompt length    %llu to %llu characters, median %llu\n",
                          (unsigned long long)s->shortest, (unsigned long long)s->longest,
                          (unsigned long long)s->median));
    T2I_TRY(add_histogram(s, out, err));
    T2I_TRY(t2i_text_addf(out, err, "characters       %llu distinct in training prompts\n",
                          (unsigned long long)s->characters));
    if (s->characters > 0 && s->characters <= ALPHABET_SHOWN) T2I_TRY(add_alphabet(s, out, err));
    return t2i_text_addf(out, err,
                         "repeated prompts %llu, %llu of them with another picture\n"
                         "repeated pairs   %llu\n",
                         (unsigned long long)s->repeated, (unsigned long long)s->conflicting,
                         (unsigned long long)(s->repeated - s->conflicting));
}

static t2i_json *histogram_json(const survey *s)
{
    t2i_json *bins = t2i_json_array();
    uint64_t from, to;
    for (uint64_t i = 0; i < BINS && bin_range(s, i, &from, &to); i++) {
        t2i_json *bin = t2i_json_object();
        t2i_json_set_integer(bin, "from", (int64_t)from);
        t2i_json_set_integer(bin, "to", (int64_t)to);
        t2i_json_set_integer(bin, "prompts", (int64_t)s->bin[i]);
        t2i_json_append(bins, bin);
    }
    return bins;
}

static t2i_status add_json(const survey *s, const t2i_dataset_info *info, t2i_text *out,
                           t2i_error *err)
{
    t2i_json *json = t2i_json_object(), *splits = t2i_json_array(), *length = t2i_json_object();
    t2i_json_set_string(json, "file", t2i_dataset_path(s->dataset));
    t2i_json_set_string(json, "tool", info->tool);
    t2i_json_set_string(json, "digest", info->digest);
    t2i_json_set_string(json, "content", s->content);
    t2i_json_set_integer(json, "pairs", (int64_t)info->pairs);
    t2i_json_set_integer(json, "pictures", (int64_t)info->images);
    t2i_json_set_integer(json, "groups", (int64_t)s->groups);
    t2i_json_set_integer(json, "width", (int64_t)info->encoder.width);
    t2i_json_set_integer(json, "height", (int64_t)info->encoder.height);
    t2i_json_set_integer(json, "features", (int64_t)info->features);
    t2i_json_set_string(json, "encoder", info->encoder.encoder);
    t2i_json_set_real(json, "scale", info->encoder.scale);
    t2i_json_set_string(json, "encoder_weights", info->encoder.weights);
    t2i_json_set(json, "decoder", t2i_json_bool(info->has_decoder));
    for (int i = 0; i < T2I_SPLITS; i++) {
        t2i_json *split = t2i_json_object();
        t2i_json_set_string(split, "name", t2i_dataset_split_names[i]);
        t2i_json_set_integer(split, "pairs", (int64_t)s->pairs[i]);
        t2i_json_set_integer(split, "pictures", (int64_t)s->pictures[i]);
        t2i_json_append(splits, split);
    }
    t2i_json_set(json, "splits", splits);
    t2i_json_set_integer(length, "min", (int64_t)s->shortest);
    t2i_json_set_integer(length, "median", (int64_t)s->median);
    t2i_json_set_integer(length, "max", (int64_t)s->longest);
    t2i_json_set(length, "histogram", histogram_json(s));
    t2i_json_set(json, "prompt_length", length);
    t2i_json_set_integer(json, "characters", (int64_t)s->characters);
    t2i_json_set(json, "alphabet", t2i_json_string(s->alphabet.data, s->alphabet.size));
    t2i_json_set_integer(json, "repeated_prompts", (int64_t)s->repeated);
    t2i_json_set_integer(json, "conflicting_prompts", (int64_t)s->conflicting);
    t2i_json_set_integer(json, "repeated_pairs", (int64_t)(s->repeated - s->conflicting));
    char *text;
    t2i_status status = t2i_json_text(json, 2, &text, err);
    t2i_json_free(json);
    if (status != T2I_OK) return status;
    status = t2i_text_addf(out, err, "%s\n", text);
    t2i_free(text);
    return status;
}

static t2i_status survey_all(survey *s, int json, t2i_text *out, t2i_error *err)
{
    const t2i_dataset_info *info = t2i_dataset_get_info(s->dataset);
    s->lengths = t2i_alloc(LENGTHS, sizeof *s->lengths);
    s->used = t2i_alloc(CODES, sizeof *s->used);
    s->seen = t2i_alloc((size_t)info->images, sizeof *s->seen);
    if (s->lengths == NULL || s->used == NULL || s->seen == NULL)
        return t2i_fail_memory(err, (size_t)info->images + LENGTHS * 8, "the survey");
    T2I_TRY(survey_pairs(s, info->pairs, err));
    T2I_TRY(count_groups(s, info->images, err));
    T2I_TRY(sum_up(s, info, err));
    T2I_TRY(t2i_dataset_content(s->dataset, s->content, err));
    return json ? add_json(s, info, out, err) : add_table(s, info, out, err);
}

t2i_status t2i_info(const char *path, int json, t2i_text *out, t2i_error *err)
{
    survey s = {.dataset = NULL};
    T2I_TRY(t2i_dataset_open(&s.dataset, path, err));
    t2i_status status = survey_all(&s, json, out, err);
    t2i_free(s.lengths);
    t2i_free(s.used);
    t2i_free(s.seen);
    t2i_free(s.run);
    t2i_text_free(&s.prompt);
    t2i_text_free(&s.before);
    t2i_text_free(&s.alphabet);
    t2i_dataset_close(s.dataset);
    return status;
}

t2i_status t2i_info_verify(const char *path, t2i_text *out, t2i_error *err)
{
    t2i_dataset *dataset;
    T2I_TRY(t2i_dataset_open(&dataset, path, err));
    t2i_status status = t2i_dataset_verify(dataset, err);
    t2i_dataset_close(dataset);
    if (status == T2I_OK) status = t2i_text_add_plain(out, path, strlen(path), err);
    return status == T2I_OK ? t2i_text_addf(out, err, ": sound\n") : status;
}
