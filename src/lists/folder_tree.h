/* folder_tree.h - the files in a folder and in the folders below it, in one order on every machine.
 *
 * Files and folders whose names begin with '.' are left out, and so is what is no regular file.
 * Symbolic links are followed. The order is that of the paths' bytes.
 */
#ifndef T2I_FOLDER_TREE_H
#define T2I_FOLDER_TREE_H

#include <stddef.h>
#include "base/error.h"
#include "base/text.h"

/* By the ends of their names, in any case. */
typedef enum {
    T2I_TREE_PICTURE,
    T2I_TREE_TEXT,     /* .txt, .caption */
    T2I_TREE_METADATA, /* metadata.csv, metadata.jsonl, metadata.parquet */
    T2I_TREE_SHARD,    /* .tar, .tar.gz, .tgz */
    T2I_TREE_LIST,     /* .csv, .tsv, .json, ...: may hold prompts */
    T2I_TREE_PACKED,   /* .parquet, .arrow, .zip, ...: may hold pictures */
    T2I_TREE_OTHER,    /* counted only; also README, LICENSE, labels and classes of any suffix, and
                          the .bad.tsv of a build */
    T2I_TREE_KINDS
} t2i_tree_kind;

typedef struct {
    const char *path;   /* relative to the folder; borrowed from the tree */
    t2i_tree_kind kind; /* not T2I_TREE_OTHER */
    size_t text;        /* of a picture: the file NAME.txt, else NAME.caption, of the same name;
                           SIZE_MAX: there is none */
} t2i_tree_file;

typedef struct {
    t2i_text paths;      /* owned */
    t2i_tree_file *file; /* owned */
    size_t count;
    size_t of[T2I_TREE_KINDS]; /* number of files of each kind */
    size_t matched;            /* pictures with a text */
    size_t doubled;            /* pictures with both NAME.txt and NAME.caption */
    size_t lonely;             /* texts without a picture */
} t2i_folder_tree;

/* T2I_NOINPUT when a folder cannot be read; T2I_DATA when folders are nested deeper than 64 levels
 * or hold themselves; T2I_SYSTEM. *out is empty on failure. */
T2I_CHECKED t2i_status t2i_folder_tree_read(t2i_folder_tree *out, const char *folder,
                                            t2i_error *err);
/* Number of bytes before the extension of the last component: "a/b.c.jpg" has 5. */
size_t t2i_folder_tree_stem(const char *path);
void t2i_folder_tree_free(t2i_folder_tree *tree);

#endif
