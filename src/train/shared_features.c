#include "train/shared_features.h"

#include "base/mem.h"

enum { RUN = 1024 };

/* Where each wanted picture's features will be. */
static t2i_status place_pictures(t2i_shared_features *s, t2i_dataset *dataset,
                                 const uint8_t *wanted, t2i_error *err)
{
    size_t images = (size_t)t2i_dataset_get_info(dataset)->images;
    s->dim = (size_t)t2i_dataset_get_info(dataset)->features;
    s->place = t2i_alloc(images, sizeof *s->place);
    if (s->place == NULL) return t2i_fail_memory(err, images * sizeof *s->place, "the pictures");
    for (size_t i = 0; i < images; i++)
        s->place[i] = wanted[i / 8] >> i % 8 & 1 ? (uint32_t)s->held++ : UINT32_MAX;
    return T2I_OK;
}

/* Reads this rank's share: a contiguous part of the file, so that each chunk is read by one rank,
 * or by two at a boundary. */
static t2i_status read_slice(t2i_shared_features *s, t2i_dataset *dataset, int turn, int sharers,
                             t2i_error *err)
{
    size_t images = (size_t)t2i_dataset_get_info(dataset)->images;
    size_t begin = t2i_comm_share(images, turn, sharers),
           end = t2i_comm_share(images, turn + 1, sharers);
    for (size_t i = begin, run; i < end; i += run) {
        run = 1;
        if (s->place[i] == UINT32_MAX) continue;
        while (i + run < end && run < RUN && s->place[i + run] != UINT32_MAX) run++;
        T2I_TRY(t2i_dataset_features(dataset, i, run, s->feature + s->place[i] * s->dim, err));
    }
    return T2I_OK;
}

t2i_status t2i_shared_features_new(t2i_shared_features *out, t2i_comm *comm, t2i_dataset *dataset,
                                   uint8_t *wanted, t2i_error *err)
{
    size_t bytes = ((size_t)t2i_dataset_get_info(dataset)->images + 7) / 8;
    int turn = 0, sharers = 1;
    *out = (t2i_shared_features){0};
    t2i_comm_node_or(comm, wanted, bytes);
    t2i_status status = t2i_comm_agree(comm, place_pictures(out, dataset, wanted, err), err);
    if (status == T2I_OK)
        status = t2i_comm_node_memory(comm, out->held * out->dim * sizeof *out->feature,
                                      (void **)&out->feature, &turn, &sharers, err);
    if (status == T2I_OK)
        status = t2i_comm_agree(comm, read_slice(out, dataset, turn, sharers, err), err);
    if (status != T2I_OK) t2i_shared_features_free(out);
    return status;
}

void t2i_shared_features_free(t2i_shared_features *features)
{
    t2i_free(features->place);
    *features = (t2i_shared_features){0};
}

const float *t2i_shared_features_feature(const t2i_shared_features *features, uint32_t image)
{
    T2I_ASSERT(features->place[image] != UINT32_MAX);
    return features->feature + features->place[image] * features->dim;
}
