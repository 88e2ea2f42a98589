/* source.h - what --pairs names: recognises the kind of a source, and reads its pairs.
 *
 * A source is a file or a folder that names pictures and their prompts. Its kind is recognised from
 * what it is: a folder by what it holds, a file by its first bytes. docs/datasets.md has all kinds.
 */
#ifndef T2I_SOURCE_H
#define T2I_SOURCE_H

#include "base/error.h"
#include "lists/list.h"
#include "lists/pairs.h"

typedef enum {
    T2I_SOURCE_LIST,        /* CSV, TSV, JSONL, ...: list.h */
    T2I_SOURCE_COCO,        /* captions_*.json of COCO */
    T2I_SOURCE_KARPATHY,    /* dataset_*.json of Karpathy's splits */
    T2I_SOURCE_SIDECAR,     /* folder: a text beside each picture */
    T2I_SOURCE_CLASSES,     /* folder: a folder per class */
    T2I_SOURCE_IMAGEFOLDER, /* folder: metadata.csv or metadata.jsonl of Hugging Face */
    T2I_SOURCE_WEBDATASET,  /* tar shards: webdataset.h */
    T2I_SOURCE_KINDS
} t2i_source_kind;

/* Values of --from: "auto" and the names of the kinds in their order, as an option's choices. */
#define T2I_SOURCE_CHOICES "auto|list|coco|karpathy|sidecar|classes|imagefolder|webdataset"

typedef struct {
    t2i_source_kind kind;
    const char *path; /* borrowed */
    int given;        /* --images was given: the folder is not looked for */
    char *images; /* owned: folder that the pictures' names are relative to; "": the current one */
} t2i_source;

/* Recognises the source at `path`, unless `from` names its kind. images: the folder given by
 * --images, or NULL. T2I_USAGE, T2I_NOINPUT, T2I_DATA when nothing usable is there, T2I_SYSTEM.
 * *out is empty on failure. */
T2I_CHECKED t2i_status t2i_source_find(t2i_source *out, const char *path, const char *images,
                                       const char *from, t2i_error *err);
/* Reads the pairs of any kind but T2I_SOURCE_WEBDATASET. Says what it reads, and reports bad rows.
 * Without --images, source->images becomes the folder near a list that has its pictures. The
 * failures of t2i_list_read. */
T2I_CHECKED t2i_status t2i_source_read(t2i_source *source, const t2i_list_columns *columns,
                                       t2i_pair_list *out, t2i_error *err);
void t2i_source_free(t2i_source *source);

#endif
