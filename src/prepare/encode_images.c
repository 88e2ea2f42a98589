#include "prepare/encode_images.h"

#include <math.h>
#include <string.h>

#include "image/image_file.h"
#include "image/image_resize.h"
#include "prepare/encode_dataset.h"
#include "base/fs.h"
#include "image/image.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/stop_signal.h"

enum { RESIZED = 256 }; /* torchvision's Resize before its CenterCrop(224) */

/* ---- one picture: T2I_DATA and a reason if it cannot be used ---- */

static t2i_status run_resnet(t2i_resnet *net, const t2i_image *whole, float *features,
                             t2i_error *why)
{
    t2i_image fitted;
    T2I_TRY(t2i_image_resize_crop(&fitted, whole, RESIZED, T2I_RESNET_SIDE, why));
    t2i_resnet_encode(net, fitted.rgb, features, NULL);
    t2i_image_free(&fitted);
    for (size_t i = 0; i < T2I_RESNET_FEATURES; i++)
        if (!isfinite(features[i]))
            return t2i_fail(why, T2I_DATA, "feature %zu is not finite with these weights", i);
    return T2I_OK;
}

static t2i_status encode_picture(const t2i_build_journal_kind *kind, const char *name,
                                 t2i_resnet *net, uint8_t *pixels, float *features, t2i_error *why)
{
    t2i_image whole, fitted = {0};
    char *path = t2i_fs_join(kind->images, name, why);
    if (path == NULL) return T2I_SYSTEM;
    t2i_status status = t2i_image_file_read(&whole, path, why);
    t2i_free(path);
    if (status == T2I_OK) status = t2i_image_resize_crop(&fitted, &whole, T2I_SIDE, T2I_SIDE, why);
    if (status == T2I_OK) memcpy(pixels, fitted.rgb, T2I_PICTURE);
    if (status == T2I_OK && net != NULL) status = run_resnet(net, &whole, features, why);
    t2i_image_free(&fitted);
    t2i_image_free(&whole);
    return status == T2I_NOINPUT ? T2I_DATA : status;
}

/* ---- a rank's share ---- */

typedef struct {
    const t2i_build_journal_kind *kind;
    const t2i_string_table *names;
    t2i_resnet *net;
    uint8_t *have; /* of each picture: 1 if its result exists already */
    size_t todo;   /* pictures without a result */
    size_t done;   /* pictures done by this rank */
    t2i_build_journal_writer *journal;
    uint8_t pixels[T2I_PICTURE];
    float features[T2I_RESNET_FEATURES];
} share;

static t2i_status encode_one(share *s, size_t number, t2i_error *err)
{
    t2i_error why = {0};
    t2i_file_stamp stamp;
    const char *name = t2i_string_table_at(s->names, number);
    t2i_status status = t2i_build_journal_stamp_file(&stamp, s->kind, name, &why);
    if (status == T2I_OK)
        status = encode_picture(s->kind, name, s->net, s->pixels, s->features, &why);
    if (status == T2I_OK)
        status =
            t2i_build_journal_writer_put(s->journal, name, &stamp, s->pixels, s->features, &why);
    if (status == T2I_DATA)
        return t2i_build_journal_writer_put_reason(s->journal, name, why.text, err);
    if (status != T2I_OK) *err = why;
    return status;
}

/* Encodes every size-th of the remaining pictures: neighbours in a list are often of similar size,
 * so that this balances the ranks. */
static t2i_status encode_share(share *s, size_t journal, int rank, int size, t2i_error *err)
{
    t2i_progress progress;
    size_t mine = s->todo / (size_t)size + ((size_t)rank < s->todo % (size_t)size), turn = 0;
    if (mine == 0) return T2I_OK;
    T2I_TRY(t2i_build_journal_writer_new(&s->journal, s->kind, journal + (size_t)rank, err));
    t2i_status status = T2I_OK;
    t2i_progress_begin(&progress, s->net == NULL ? "reading pictures" : "encoding pictures");
    for (size_t i = 0; status == T2I_OK && i < s->names->count; i++) {
        if (s->have[i] || turn++ % (size_t)size != (size_t)rank) continue;
        if (t2i_stop_signal_received() != 0 ||
            (size > 1 && t2i_build_journal_stopped(s->kind->folder)))
            break;
        status = encode_one(s, i, err);
        s->done += status == T2I_OK;
        t2i_progress_at(&progress, (double)s->done / (double)mine);
    }
    t2i_progress_end(&progress);
    if (size > 1 && s->done < mine) t2i_build_journal_stop(s->kind->folder);
    t2i_error why;
    t2i_status closed = t2i_build_journal_writer_close(s->journal, status == T2I_OK ? err : &why);
    return status == T2I_OK ? closed : status;
}

/* ---- results of an earlier build: rank 0 ---- */

static t2i_status find_finished(share *s, int resume, uint64_t *next, t2i_error *err)
{
    t2i_build_journal *results;
    size_t kept = 0, count = s->names->count;
    if (!resume) t2i_build_journal_clear(s->kind->folder);
    T2I_TRY(t2i_build_journal_open(&results, s->kind, s->names, 1, err));
    for (size_t i = 0; i < count; i++)
        kept += s->have[i] = t2i_build_journal_state(results, i) == 1;
    *next = t2i_build_journal_next(results);
    size_t foreign = t2i_build_journal_foreign(results);
    if (foreign > 0 && kept == 0) {
        t2i_build_journal_close(results);
        return t2i_fail(err, T2I_USAGE,
                        "%s holds results of another encoder, other weights or another CPU type: "
                        "use the same, or leave out --resume to start again",
                        s->kind->folder);
    }
    if (resume && kept > 0)
        t2i_log_note("%zu of %zu pictures are done already in %s", kept, count, s->kind->folder);
    else if (resume)
        t2i_log_note("%s holds no results that can be used: encoding all %zu pictures",
                     s->kind->folder, count);
    t2i_build_journal_close(results);
    return T2I_OK;
}

/* Collective. Catches stop signals while it runs. */
static t2i_status encode_all(t2i_comm *comm, share *s, int resume, t2i_error *err)
{
    int rank = t2i_comm_rank(comm), size = t2i_comm_size(comm);
    uint64_t next = 0;
    t2i_status mine = rank == 0 ? find_finished(s, resume, &next, err) : T2I_OK;
    T2I_TRY(t2i_comm_agree(comm, mine, err));
    t2i_comm_bcast(comm, 0, &next, sizeof next);
    t2i_comm_bcast(comm, 0, s->have, s->names->count);
    for (size_t i = 0; i < s->names->count; i++) s->todo += !s->have[i];
    t2i_stop_signal_catch();
    mine = encode_share(s, (size_t)next, rank, size, err);
    t2i_stop_signal_release();
    T2I_TRY(t2i_comm_agree(comm, mine, err));
    int64_t done = t2i_comm_sum(comm, (int64_t)s->done);
    if ((size_t)done == s->todo) return T2I_OK;
    return t2i_fail(err, T2I_STOPPED,
                    "stopped with %zu of %zu pictures done, which are kept in %s; run it again "
                    "with --resume",
                    s->names->count - s->todo + (size_t)done, s->names->count, s->kind->folder);
}

t2i_status t2i_encode_images(t2i_comm *comm, const t2i_build_journal_kind *kind,
                             const t2i_string_table *names, t2i_resnet *net, int resume,
                             t2i_error *err)
{
    share *s = t2i_alloc(1, sizeof *s);
    uint8_t *have = t2i_alloc(names->count, 1);
    t2i_status mine =
        s == NULL || have == NULL ? t2i_fail_memory(err, names->count, "the pictures") : T2I_OK;
    t2i_status status = t2i_comm_agree(comm, mine, err);
    if (status == T2I_OK) {
        s->kind = kind;
        s->names = names;
        s->net = net;
        s->have = have;
        status = encode_all(comm, s, resume, err);
    }
    t2i_free(s);
    t2i_free(have);
    return status;
}
