#include <string.h>

#include "retrieval/eval_internal.h"
#include "base/mem.h"

static t2i_status add_name(const t2i_evaluation *e, uint32_t image, t2i_text *out, t2i_error *err)
{
    char *name;
    T2I_TRY(t2i_dataset_image_name(e->model->dataset, image, &name, err));
    t2i_status status = t2i_text_add(out, "\t", 1, err);
    if (status == T2I_OK) status = t2i_text_add_plain(out, name, strlen(name), err);
    t2i_free(name);
    return status;
}

static t2i_status add_query(const t2i_evaluation *e, size_t s, const t2i_eval_query *q,
                            t2i_text *prompt, t2i_text *out, t2i_error *err)
{
    uint64_t pair = e->prompts.first[q->prompt];
    T2I_TRY(t2i_prompts_text(e->model->dataset, pair, prompt, err));
    T2I_TRY(t2i_text_addf(out, err, "%s\t", t2i_dataset_split_names[e->split[s]]));
    T2I_TRY(t2i_text_add_plain(out, prompt->data, prompt->size, err));
    T2I_TRY(t2i_text_addf(out, err, "\t%lu\t%lu", (unsigned long)q->rank[T2I_BY_COSINE],
                          (unsigned long)q->rank[T2I_BY_EUCLIDEAN]));
    T2I_TRY(e->base.rows > 0
                ? t2i_text_addf(out, err, "\t%lu", (unsigned long)q->rank[T2I_BY_TEXT_INDEX])
                : t2i_text_add(out, "\t", 1, err));
    T2I_TRY(e->index_weight > 0.0
                ? t2i_text_addf(out, err, "\t%lu", (unsigned long)q->rank[T2I_BY_HYBRID])
                : t2i_text_add(out, "\t", 1, err));
    T2I_TRY(add_name(e, q->truth, out, err));
    T2I_TRY(add_name(e, q->first[T2I_BY_COSINE], out, err));
    return t2i_text_add(out, "\n", 1, err);
}

t2i_status t2i_eval_ranks(const t2i_evaluation *e, t2i_text *out, t2i_error *err)
{
    t2i_text prompt = {0};
    t2i_status status =
        t2i_text_addf(out, err, T2I_EVAL_RANKS "text_index\thybrid\tright\tfirst\n");
    for (size_t s = 0; s < e->splits; s++)
        for (size_t i = 0; status == T2I_OK && i < e->sampled[s]; i++)
            status = add_query(e, s, &e->query[e->begin[s] + i], &prompt, out, err);
    t2i_text_free(&prompt);
    return status;
}
