#include "prepare/encode_images.h"

#include <string.h>

#include "image/image_file.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/stop_signal.h"

/* T2I_DATA and a reason if the picture cannot be used. */
static t2i_status encode_file(const t2i_build_journal_kind *kind, const char *name,
                              const t2i_picture_form *form, t2i_resnet *net, uint8_t *pixels,
                              float *features, unsigned *found, t2i_error *why)
{
    t2i_text file = {0};
    char *path = t2i_fs_join(kind->images, name, why);
    if (path == NULL) return T2I_SYSTEM;
    t2i_status status = t2i_image_file_load(&file, path, why);
    if (status == T2I_OK)
        status =
            t2i_encode_picture(form, net, file.data, file.size, path, pixels, features, found, why);
    t2i_text_free(&file);
    t2i_free(path);
    return status == T2I_NOINPUT ? T2I_DATA : status;
}

/* ---- a rank's share ---- */

typedef struct {
    const t2i_build_journal_kind *kind;
    const t2i_string_table *names;
    const t2i_picture_form *form;
    t2i_resnet *net;
    uint8_t *have; /* of each picture: 1 if its result exists already */
    size_t todo;   /* pictures without a result */
    size_t done;   /* pictures done by this rank */
    t2i_build_journal_writer *journal;
    uint8_t *pixels; /* of one picture */
    float features[T2I_RESNET_FEATURES];
} share;

static t2i_status encode_one(share *s, size_t number, t2i_error *err)
{
    t2i_error why = {0};
    t2i_file_stamp stamp;
    unsigned found = 0;
    const char *name = t2i_string_table_at(s->names, number);
    t2i_status status = t2i_build_journal_stamp_file(&stamp, s->kind, name, &why);
    if (status == T2I_OK)
        status = encode_file(s->kind, name, s->form, s->net, s->pixels, s->features, &found, &why);
    if (status == T2I_OK)
        status = t2i_build_journal_writer_put(s->journal, name, &stamp, found, s->pixels,
                                              s->features, &why);
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
                        "%s holds results of another encoder, other weights, other options of "
                        "pictures, another CPU type or another version of t2i-data: use the same, "
                        "or leave out --resume to start again",
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
                             const t2i_string_table *names, const t2i_picture_form *form,
                             t2i_resnet *net, int resume, t2i_error *err)
{
    share *s = t2i_alloc(1, sizeof *s);
    uint8_t *have = t2i_alloc(names->count, 1), *pixels = t2i_alloc(kind->pixels, 1);
    t2i_status mine = s == NULL || have == NULL || pixels == NULL
                          ? t2i_fail_memory(err, names->count + kind->pixels, "the pictures")
                          : T2I_OK;
    t2i_status status = t2i_comm_agree(comm, mine, err);
    if (status == T2I_OK) {
        s->kind = kind;
        s->names = names;
        s->form = form;
        s->pixels = pixels;
        s->net = net;
        s->have = have;
        status = encode_all(comm, s, resume, err);
    }
    t2i_free(s);
    t2i_free(have);
    t2i_free(pixels);
    return status;
}
