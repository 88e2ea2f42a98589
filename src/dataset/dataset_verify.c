/* dataset_verify.c - verifies a dataset by reading all of it. */
#include "dataset/dataset.h"

#include <string.h>

#include "dataset/dataset_digest.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/text.h"

enum { WINDOW = 4096 }; /* strings per read */

typedef struct {
    t2i_dataset *dataset;
    char *before; /* the previous prompt */
    size_t room;  /* size of `before` and of the buffer of strings; no prompt is longer */
    size_t before_size;
    uint32_t before_row;
    uint32_t *first_row; /* of each picture: first row that uses it; UINT32_MAX: none yet */
} verifier;

static t2i_status bad(const t2i_dataset *dataset, const char *what, uint64_t number,
                      const char *why, t2i_error *err)
{
    return t2i_fail(err, T2I_DATA, "%s is not a valid t2i dataset: %s %llu %s",
                    t2i_dataset_path(dataset), what, (unsigned long long)number, why);
}

static t2i_status check_prompt(verifier *state, uint64_t pair, const char *bytes, size_t size,
                               t2i_error *err)
{
    uint32_t image, row;
    uint8_t split;
    t2i_dataset *dataset = state->dataset;
    if (t2i_utf8_valid(bytes, size) != size)
        return bad(dataset, "prompt", pair, "is not UTF-8", err);
    T2I_TRY(t2i_dataset_pairs(dataset, pair, 1, &image, &row, &split, err));
    if (row == UINT32_MAX) return bad(dataset, "pair", pair, "has an impossible row", err);
    if (pair > 0) {
        int order =
            t2i_dataset_schema_compare_prompts(state->before, state->before_size, bytes, size);
        if (order > 0 || (order == 0 && row <= state->before_row))
            return bad(dataset, "pair", pair, "is out of order", err);
    }
    if (row < state->first_row[image]) state->first_row[image] = row;
    state->before_row = row;
    state->before_size = size;
    if (size > 0) memcpy(state->before, bytes, size);
    return T2I_OK;
}

static t2i_status check_prompts(verifier *state, char *bytes, t2i_error *err)
{
    uint64_t offset[WINDOW + 1], pairs = t2i_dataset_get_info(state->dataset)->pairs;
    t2i_progress progress;
    t2i_progress_begin(&progress, "checking the prompts");
    for (uint64_t first = 0; first < pairs;) {
        uint64_t count = pairs - first < WINDOW ? pairs - first : WINDOW, end = 0;
        T2I_TRY(t2i_dataset_prompt_offsets(state->dataset, first, count, offset, err));
        while (end < count && offset[end + 1] - offset[0] <= state->room) end++;
        T2I_TRY(t2i_dataset_prompt_bytes(state->dataset, offset[0], offset[end] - offset[0], bytes,
                                         err));
        for (uint64_t i = 0; i < end; i++)
            T2I_TRY(check_prompt(state, first + i, bytes + (offset[i] - offset[0]),
                                 (size_t)(offset[i + 1] - offset[i]), err));
        first += end;
        t2i_progress_at(&progress, (double)first / (double)pairs);
    }
    t2i_progress_end(&progress);
    return T2I_OK;
}

static t2i_status check_images(const verifier *state, t2i_error *err)
{
    uint64_t images = t2i_dataset_get_info(state->dataset)->images;
    for (uint64_t i = 0; i < images; i++) {
        char *name;
        T2I_TRY(t2i_dataset_image_name(state->dataset, i, &name, err));
        t2i_free(name);
        if (state->first_row[i] == UINT32_MAX)
            return bad(state->dataset, "picture", i, "belongs to no pair", err);
        if (i > 0 && state->first_row[i] <= state->first_row[i - 1])
            return bad(state->dataset, "picture", i, "is not in the order of first use", err);
    }
    return T2I_OK;
}

static t2i_status check_content(const t2i_dataset *dataset, const char *content, t2i_error *err)
{
    const char *stored = t2i_dataset_get_info(dataset)->content;
    if (stored[0] == '\0' || strcmp(stored, content) == 0) return T2I_OK;
    return t2i_fail(err, T2I_DATA,
                    "%s is damaged: its attribute content does not match its pairs; restore the "
                    "file or build it again",
                    t2i_dataset_path(dataset));
}

t2i_status t2i_dataset_verify(t2i_dataset *dataset, t2i_error *err)
{
    char content[T2I_HEX];
    uint64_t images = t2i_dataset_get_info(dataset)->images;
    uint64_t all = t2i_dataset_get_info(dataset)->prompt_bytes;
    /* first, as the other checks rely on the sizes */
    T2I_TRY(t2i_dataset_check_digest(dataset, content, err));
    verifier state = {.dataset = dataset, .room = all < STRING_MAX ? (size_t)all : STRING_MAX};
    char *bytes = t2i_alloc(state.room, 1);
    state.before = t2i_alloc(state.room, 1);
    state.first_row = t2i_alloc((size_t)images, sizeof *state.first_row);
    t2i_status status = T2I_OK;
    if (bytes == NULL || state.before == NULL || state.first_row == NULL) {
        status = t2i_fail_memory(err, (size_t)images * sizeof *state.first_row, "verifying");
    } else {
        memset(state.first_row, 0xff, (size_t)images * sizeof *state.first_row);
        status = check_prompts(&state, bytes, err);
        if (status == T2I_OK) status = check_images(&state, err);
        if (status == T2I_OK) status = check_content(dataset, content, err);
    }
    t2i_free(bytes);
    t2i_free(state.before);
    t2i_free(state.first_row);
    return status;
}
