#include "convert/loaded_pairs.h"

#include "base/mem.h"

/* A radix sort in four passes. */
static t2i_status order_by_row(t2i_loaded_pairs *p, t2i_error *err)
{
    uint32_t *spare = t2i_alloc(p->pairs, sizeof *spare);
    if (spare == NULL) return t2i_fail_memory(err, p->pairs * sizeof *spare, "sorting");
    for (size_t i = 0; i < p->pairs; i++) p->order[i] = (uint32_t)i;
    for (unsigned shift = 0; shift < 32; shift += 8) {
        size_t begin[257] = {0};
        for (size_t i = 0; i < p->pairs; i++) begin[(p->row[i] >> shift & 255) + 1]++;
        for (size_t d = 0; d < 256; d++) begin[d + 1] += begin[d];
        for (size_t i = 0; i < p->pairs; i++)
            spare[begin[p->row[p->order[i]] >> shift & 255]++] = p->order[i];
        uint32_t *swap = p->order;
        p->order = spare;
        spare = swap;
    }
    t2i_free(spare);
    return T2I_OK;
}

static t2i_status read_all(t2i_loaded_pairs *p, t2i_dataset *dataset, t2i_error *err)
{
    const t2i_dataset_info *info = t2i_dataset_get_info(dataset);
    size_t bytes = (size_t)info->prompt_bytes;
    p->pairs = (size_t)info->pairs;
    p->images = (size_t)info->images;
    p->prompts = t2i_alloc(bytes, 1);
    p->offset = t2i_alloc(p->pairs + 1, sizeof *p->offset);
    p->image = t2i_alloc(p->pairs, sizeof *p->image);
    p->row = t2i_alloc(p->pairs, sizeof *p->row);
    p->split = t2i_alloc(p->pairs, 1);
    p->order = t2i_alloc(p->pairs, sizeof *p->order);
    p->group = t2i_alloc(p->images, sizeof *p->group);
    if (p->prompts == NULL || p->offset == NULL || p->image == NULL || p->row == NULL ||
        p->split == NULL || p->order == NULL || p->group == NULL)
        return t2i_fail_memory(err, bytes + 21 * p->pairs + 4 * p->images, "the pairs");
    T2I_TRY(t2i_dataset_prompt_offsets(dataset, 0, p->pairs, p->offset, err));
    T2I_TRY(t2i_dataset_prompt_bytes(dataset, 0, bytes, p->prompts, err));
    T2I_TRY(t2i_dataset_pairs(dataset, 0, p->pairs, p->image, p->row, p->split, err));
    T2I_TRY(t2i_dataset_groups(dataset, 0, p->images, p->group, err));
    return order_by_row(p, err);
}

t2i_status t2i_loaded_pairs_read(t2i_loaded_pairs *out, t2i_dataset *dataset, t2i_error *err)
{
    *out = (t2i_loaded_pairs){0};
    t2i_status status = read_all(out, dataset, err);
    if (status != T2I_OK) t2i_loaded_pairs_free(out);
    return status;
}

void t2i_loaded_pairs_free(t2i_loaded_pairs *pairs)
{
    t2i_free(pairs->prompts);
    t2i_free(pairs->offset);
    t2i_free(pairs->image);
    t2i_free(pairs->row);
    t2i_free(pairs->split);
    t2i_free(pairs->group);
    t2i_free(pairs->order);
    *pairs = (t2i_loaded_pairs){0};
}
