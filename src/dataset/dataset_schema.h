/* dataset_schema.h - what the reader and the writer of the dataset file share: its columns.
 *
 * Why: each dataset of the file is handled alike, as rows of a fixed size in blocks of rows. A
 * block is one chunk of HDF5, one checksum in the sibling NAME_xxh3, and what is read or written at
 * a time. What a file claims to hold is plain data here, so that another process can have looked
 * (reader_file.h), and is believed by t2i_column_accept alone. Blocks are fetched by
 * dataset_column.h. Private to dataset.
 */
#ifndef T2I_DATASET_SCHEMA_H
#define T2I_DATASET_SCHEMA_H

#include "dataset/reader_file.h"
#include "dataset/dataset.h"

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
enum { FEATURES_MAX = 65536, SIDE_MAX = 4096, ENCODER_MAX = 1024, FORMAT_VERSION = 1 };
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

/* What a file says of one column, unchecked. */
typedef struct {
    int present;
    uint64_t dim[RANK_MAX], chunk[RANK_MAX]; /* unused dimensions are 1; no rows, no chunk */
    uint64_t block_rows;                     /* attribute of its checksums */
    uint64_t sums, sum_bytes;                /* how many those are, and what is stored of them */
} t2i_column_claims;

/* What a file says of itself: the texts are terminated and end in zeros. */
struct t2i_claims {
    char tool[sizeof((t2i_dataset_info *)0)->tool], digest[T2I_HEX], encoder[ENCODER_MAX];
    t2i_column_claims column[COLUMNS];
};

typedef struct t2i_column t2i_column;
struct t2i_column {
    int present;
    const t2i_reader_file *reader; /* reads its blocks; NULL: read_back does; borrowed */
    t2i_status (*read_back)(const t2i_column *column, uint64_t block, void *out, t2i_error *err);
    int64_t id, table_id; /* HDF5's, of it and its checksums; negative: none */
    const char *file;     /* for messages; borrowed */
    const t2i_column_spec *spec;
    uint64_t dim[RANK_MAX]; /* unused ones are 1 */
    uint64_t rows, row_bytes;
    uint64_t block_rows, blocks;
    uint64_t *table; /* XXH3-64 of each block; NULL until it is needed */
    uint8_t *cache;  /* the blocks read last; NULL until it is needed */
    uint64_t cached; /* the first of them */
    uint64_t cached_blocks;
    uint8_t *unwritten; /* when writing: the block being filled */
    uint64_t rows_put;  /* when writing: rows so far; when reading: all */
};

/* The dimensions that a column must have. */
void t2i_column_dims(const t2i_shape *shape, int which, uint64_t dim[RANK_MAX]);
/* A column that is absent. */
void t2i_column_clear(t2i_column *column, const char *file, int which);
/* A column of these dimensions, not yet in the file. Rows of more than 16 MiB are T2I_DATA. */
T2I_CHECKED t2i_status t2i_column_init(t2i_column *column, const char *file, int which,
                                       const uint64_t dim[RANK_MAX], t2i_error *err);
/* A column as a file claims it, if that can be true: rows, blocks and checksums fit one another and
 * a file of that size. T2I_DATA. */
T2I_CHECKED t2i_status t2i_column_accept(t2i_column *column, const char *file, int which,
                                         const t2i_column_claims *claims, uint64_t file_size,
                                         t2i_error *err);
/* "FILE is not a sound t2i dataset: COLUMN WHAT", T2I_DATA. */
t2i_status t2i_column_bad(const char *file, const char *column, const char *what, t2i_error *err);
/* Frees what the column holds in memory. */
void t2i_column_free(t2i_column *column);
uint64_t t2i_column_block_rows(const t2i_column *column, uint64_t block);
size_t t2i_column_block_bytes(const t2i_column *column, uint64_t block);
/* The order of prompts: by bytes, a prefix first. Below, at or above 0. */
int t2i_dataset_schema_compare_prompts(const char *a, size_t a_size, const char *b, size_t b_size);

#endif
