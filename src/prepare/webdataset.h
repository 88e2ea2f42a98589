/* webdataset.h - shards of a WebDataset: which there are, and their samples one by one.
 *
 * A shard is a tar archive, plain or compressed by gzip. Members with the same key are one sample;
 * they are adjacent. The key is the path of a member up to the first dot of its last component, as
 * in the webdataset package; a member without a dot, or whose name begins with one, is skipped. A
 * sample has one picture (or one .npy, a ready feature vector) and a caption: .txt, whose lines are
 * prompts, else .json, else .cls, whose text is the name of a class.
 *
 * Only one sample is in memory. What cannot be used is told in the sample's `reason`; a damaged or
 * truncated shard ends with a sample that has nothing but a reason.
 */
#ifndef T2I_WEBDATASET_H
#define T2I_WEBDATASET_H

#include <stddef.h>
#include "base/error.h"
#include "base/string_table.h"
#include "base/text.h"

/* ---- shards ---- */

/* Is the path no file, but a brace pattern, a glob, several joined by "::", or a command? */
int t2i_webdataset_is_pattern(const char *path);
/* Appends the paths of all shards, in order: of a pattern such as "a-{000..099}.tar" (ranges,
 * lists, globs, several joined by "::"), of a folder (with subfolders, by name), or the one file.
 * T2I_USAGE for an address and a shard that is named twice, T2I_NOINPUT when a shard or all are
 * missing, T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_webdataset_find(t2i_string_table *shards, const char *path,
                                           t2i_error *err);
/* Bytes of the beginning that all paths of shards have in common, up to a '/'. What follows is the
 * name of a shard. */
size_t t2i_webdataset_common(const t2i_string_table *shards);

/* ---- samples ---- */

typedef enum {
    T2I_PART_PICTURE,
    T2I_PART_FEATURES,
    T2I_PART_TXT,
    T2I_PART_JSON,
    T2I_PART_CLS,
    T2I_PARTS
} t2i_part;

typedef struct {
    t2i_text key;                               /* "" when a shard ends early */
    t2i_text name[T2I_PARTS], bytes[T2I_PARTS]; /* members; an empty name: there is none */
    t2i_text prompts;                           /* each with a terminator */
    size_t count;                               /* of prompts; 0: the sample is bad */
    t2i_part caption; /* where the prompts are from: T2I_PART_TXT to T2I_PART_CLS */
    int failed;       /* img2dataset could not download the picture: no sample */
    t2i_text reason;  /* why the sample is bad; "": it is not */
} t2i_webdataset_sample;

void t2i_webdataset_sample_free(t2i_webdataset_sample *sample); /* empties it */

typedef struct t2i_webdataset_reader t2i_webdataset_reader;

/* column: key of the caption in .json members; NULL: "caption", else one of the usual names. It is
 * borrowed. T2I_NOINPUT, T2I_SYSTEM. *out is NULL on failure. */
T2I_CHECKED t2i_status t2i_webdataset_open(t2i_webdataset_reader **out, const char *path,
                                           const char *column, t2i_error *err);
void t2i_webdataset_close(t2i_webdataset_reader *reader); /* NULL is legal */
/* Reads the next sample; *more is 0 at the end of the shard, where there is none. T2I_IO,
 * T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_webdataset_next(t2i_webdataset_reader *reader,
                                           t2i_webdataset_sample *out, int *more, t2i_error *err);
/* Fraction of the shard that is read, 0..1. */
double t2i_webdataset_position(const t2i_webdataset_reader *reader);

#endif
