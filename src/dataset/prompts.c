#include "dataset/prompts.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void t2i_prompts_free(t2i_prompts *prompts)
{
    t2i_free(prompts->first);
    t2i_free(prompts->image);
    t2i_free(prompts->split);
    *prompts = (t2i_prompts){0};
}

t2i_status t2i_prompts_text(t2i_dataset *dataset, uint64_t pair, t2i_text *out, t2i_error *err)
{
    uint64_t at[2];
    T2I_TRY(t2i_dataset_prompt_offsets(dataset, pair, 1, at, err));
    size_t size = (size_t)(at[1] - at[0]);
    out->size = 0;
    if (size >= out->room) { /* one more byte for the terminator */
        if (t2i_grow(&out->data, 0, 2 * size + 64, 1) != 0)
            return t2i_fail_memory(err, size, "a prompt");
        out->room = 2 * size + 64;
    }
    T2I_TRY(t2i_dataset_prompt_bytes(dataset, at[0], size, out->data, err));
    out->data[size] = '\0';
    out->size = size;
    return T2I_OK;
}

/* Finds where each prompt begins: where it differs from the previous one. */
static t2i_status find_prompts(t2i_prompts *p, t2i_dataset *dataset, t2i_text text[2],
                               t2i_error *err)
{
    for (size_t i = 0; i < p->pairs; i++) {
        const t2i_text *now = &text[i % 2], *before = &text[(i + 1) % 2];
        T2I_TRY(t2i_prompts_text(dataset, i, &text[i % 2], err));
        if (i == 0 || now->size != before->size || memcmp(now->data, before->data, now->size) != 0)
            p->first[p->count++] = (uint32_t)i;
    }
    p->first[p->count] = (uint32_t)p->pairs;
    return T2I_OK;
}

static t2i_status fill(t2i_prompts *p, t2i_dataset *dataset, t2i_error *err)
{
    t2i_text text[2] = {{0}, {0}};
    p->pairs = (size_t)t2i_dataset_get_info(dataset)->pairs;
    p->first = t2i_alloc(p->pairs + 1, sizeof *p->first);
    p->image = t2i_alloc(p->pairs, sizeof *p->image);
    p->split = t2i_alloc(p->pairs, 1);
    if (p->first == NULL || p->image == NULL || p->split == NULL)
        return t2i_fail_memory(err, 9 * p->pairs, "the pairs");
    T2I_TRY(t2i_dataset_pairs(dataset, 0, p->pairs, p->image, NULL, p->split, err));
    t2i_status status = find_prompts(p, dataset, text, err);
    t2i_text_free(&text[0]);
    t2i_text_free(&text[1]);
    return status;
}

t2i_status t2i_prompts_new(t2i_prompts *out, t2i_dataset *dataset, t2i_error *err)
{
    *out = (t2i_prompts){0};
    t2i_status status = fill(out, dataset, err);
    if (status != T2I_OK) t2i_prompts_free(out);
    return status;
}

int t2i_prompts_has(const t2i_prompts *prompts, size_t p, int split)
{
    for (uint32_t i = prompts->first[p]; i < prompts->first[p + 1]; i++)
        if (prompts->split[i] == split) return 1;
    return 0;
}

static int by_image(const void *a, const void *b)
{
    const t2i_fitting *x = a, *y = b;
    return (x->image > y->image) - (x->image < y->image);
}

size_t t2i_prompts_fitting(const t2i_prompts *prompts, size_t p, int split, t2i_fitting *out)
{
    size_t first = prompts->first[p], pairs = prompts->first[p + 1] - first, count = 0;
    for (size_t i = 0; i < pairs; i++)
        out[i] = (t2i_fitting){prompts->image[first + i], prompts->split[first + i] == split};
    if (pairs > 1) qsort(out, pairs, sizeof *out, by_image);
    for (size_t i = 0; i < pairs; i++) {
        if (i > 0 && out[i].image == out[count - 1].image)
            out[count - 1].right |= out[i].right;
        else
            out[count++] = out[i];
    }
    return count;
}
