/* dataset_schema.h - what the reader and the writer of the dataset file share: its columns.
 *
 * Why: each dataset of the file is handled alike, as rows of a fixed size in blocks of rows. A
 * block is one chunk of HDF5, one checksum in the sibling NAME_xxh3, and what is read or written at
 * a time. Private to io.
 */
#ifndef T2I_DATASET_SCHEMA_H
#define T2I_DATASET_SCHEMA_H

#include <hdf5.h>

#include "t2i/dataset.h"

enum {
    PROMPT_BYTES,
    PROMPT_OFFSETS,
    PAIR_IMAGE,
    PAIR_ROW,
    PAIR_SPLIT,
    FEATURES,
    NAME_BYTES,
    NAME_OFFSETS,
    GROUPS,
    PIXELS,
    BASIS,
    MEAN,
    COLUMNS
};

enum { BLOCK_BYTES = 256 << 10, BLOCK_MAX = 16 << 20, STRING_MAX = 1 << 20, RANK_MAX = 4 };
enum { FEATURES_MAX = 65536, SIDE_MAX = 4096, FORMAT_VERSION = 1 };
#define FORMAT       "t2i-dataset"
#define TABLE_SUFFIX "_xxh3"
#define BLOCK_ROWS   "block_rows" /* attribute of a table */

typedef enum { T2I_U8, T2I_U32, T2I_U64, T2I_F32 } t2i_kind;

typedef struct {
    const char *path;
    t2i_kind kind;
    unsigned rank;
} t2i_column_spec;

/* In the order of the schema, which is that of the digest. */
extern const t2i_column_spec t2i_columns[COLUMNS];

typedef struct {
    uint64_t pairs, images, features, prompt_bytes, name_bytes, height, width;
} t2i_shape;

typedef struct {
    hid_t id;         /* H5I_INVALID_HID: this column is absent */
    hid_t table_id;   /* of its checksums */
    const char *file; /* for messages; borrowed */
    const t2i_column_spec *spec;
    uint64_t dim[RANK_MAX]; /* unused ones are 1 */
    uint64_t rows, row_bytes;
    uint64_t block_rows, blocks;
    uint64_t *table;    /* XXH3-64 of each block; NULL until it is needed */
    uint8_t *cache;     /* the block read last; NULL until it is needed */
    uint64_t cached;    /* its number, UINT64_MAX when there is none */
    uint8_t *unwritten; /* when writing: the block being filled */
    uint64_t rows_put;  /* when writing: rows so far; when reading: all */
} t2i_column;

/* The dimensions that a column must have. */
void t2i_column_dims(const t2i_shape *shape, int which, uint64_t dim[RANK_MAX]);
/* A column that is absent. */
void t2i_column_clear(t2i_column *column, const char *file, int which);
/* A column of these dimensions, not yet in the file. Rows of more than 16 MiB are T2I_DATA. */
T2I_CHECKED t2i_status t2i_column_init(t2i_column *column, const char *file, int which,
                                       const uint64_t dim[RANK_MAX], t2i_error *err);
void t2i_column_set_blocks(t2i_column *column, uint64_t block_rows);
void t2i_column_close(t2i_column *column); /* once */
/* Rows [first, first + count), each block checked against its checksum and floats to be finite. */
T2I_CHECKED t2i_status t2i_column_read(t2i_column *column, uint64_t first, uint64_t count,
                                       void *out, t2i_error *err);
/* Moves one block from unwritten to the file, or from the file to cache. T2I_IO when the system
 * refused or when writing; T2I_DATA when what is there cannot be decoded. */
T2I_CHECKED t2i_status t2i_column_transfer(t2i_column *column, uint64_t block, int writing,
                                           t2i_error *err);
size_t t2i_column_block_bytes(const t2i_column *column, uint64_t block);

/* Over all columns that are present; see dataset.h for what it covers. */
T2I_CHECKED t2i_status t2i_dataset_digest(t2i_column *column, const char *tool, const char *encoder,
                                          char out[T2I_HEX], t2i_error *err);

/* Reads every block of an open dataset and compares the digest with the stored one. */
T2I_CHECKED t2i_status t2i_dataset_check_digest(t2i_dataset *dataset, t2i_error *err);

/* The order of prompts: by bytes, a prefix first. Below, at or above 0. */
int t2i_prompt_compare(const char *a, size_t a_size, const char *b, size_t b_size);

size_t t2i_kind_size(t2i_kind kind);
hid_t t2i_kind_disk(t2i_kind kind);   /* little-endian */
hid_t t2i_kind_native(t2i_kind kind); /* in memory */
int t2i_kind_is(hid_t type, t2i_kind kind);

/* File access: never lock (NFS and Lustre may refuse), close everything with the file. */
hid_t t2i_h5_access(void);
/* "FILE: cannot WHAT: HDF5's innermost reason". Call it right after what failed: any other call
 * empties HDF5's error stack. With status T2I_OK it is T2I_IO when the system gave the reason, else
 * T2I_DATA. */
t2i_status t2i_h5_fail(t2i_error *err, t2i_status status, const char *file, const char *what);

#endif
