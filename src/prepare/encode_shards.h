/* encode_shards.h - the shards of a WebDataset (webdataset.h), in one pass on all ranks: pictures
 * go into journals (build_journal.h), prompts into files of rows in the same folder.
 *
 * A file of rows exists under its name when its shard is finished, so that a build with --resume
 * reads only the other shards, and those whose size or time changed. Rank 0 joins the rows in the
 * order of the shards: the result does not depend on the number of ranks. docs/file-formats.md
 * describes the files; reasons: docs/decisions/039-webdataset.md. */
#ifndef T2I_ENCODE_SHARDS_H
#define T2I_ENCODE_SHARDS_H

#include <stddef.h>
#include "comm/comm.h"
#include "base/error.h"
#include "base/string_table.h"
#include "lists/pairs.h"
#include "prepare/build_journal.h"
#include "prepare/encode_images.h"

/* The same on all ranks; all borrowed. */
typedef struct {
    const char *source;             /* for messages */
    const t2i_string_table *shards; /* paths */
    size_t common;                  /* t2i_webdataset_common of them */
    const char *column;             /* of captions in .json members; NULL: the usual ones */
    const t2i_build_journal_kind *kind;
    const t2i_picture_form *form;
    t2i_resnet *net;
    size_t features; /* in each .npy member, instead of pictures; 0: pictures */
    int resume;
} t2i_shards;

/* Reads samples until one is good, and says what kind of source it is. *dim: features per picture
 * if the shards hold ready features, else 0. T2I_DATA when no sample of the first shard is good;
 * T2I_NOINPUT, T2I_IO, T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_encode_shards_peek(const t2i_shards *shards, size_t *dim,
                                              t2i_error *err);

/* Collective. Encodes all shards, each on one rank; with `resume` those that are not finished.
 * What is bad in them is no error. T2I_NOINPUT, T2I_CANTCREATE, T2I_IO, T2I_SYSTEM; T2I_STOPPED
 * when a rank got a stop signal. */
T2I_CHECKED t2i_status t2i_encode_shards(t2i_comm *comm, const t2i_shards *shards, t2i_error *err);

/* Adds the rows of all shards, in order, to an empty list, and reports bad ones. A picture is named
 * "SHARD/MEMBER". T2I_IO when a file of rows is missing, T2I_DATA, T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_encode_shards_rows(const t2i_shards *shards, t2i_pair_list *list,
                                              t2i_error *err);

#endif
