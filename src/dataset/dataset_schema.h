/* dataset_schema.h - the columns of a dataset file, shared by its reader and its writer.
 *
 * Each HDF5 dataset of the file is a column: rows of a fixed size in blocks of rows. A block is one
 * chunk of HDF5 with one checksum in the sibling NAME_xxh3, and the unit of reading and writing.
 * The claims of a file about its contents are plain data, so that another process can read them
 * (reader_file.h); only t2i_column_accept validates them. dataset_column.h reads the blocks.
 * Private to dataset.
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

/* In the order of the schema and of the digest. */
extern const t2i_column_spec t2i_columns[COLUMNS];

typedef struct {
    uint64_t pairs, images, features, prompt_bytes, name_bytes, height, width;
} t2i_shape;

/* The claims of a file about one column, not validated. */
typedef struct {
    int present;
    uint64_t dim[RANK_MAX], chunk[RANK_MAX]; /* unused dimensions are 1; chunk: 0 without rows */
    uint64_t block_rows;                     /* attribute of its checksums */
    uint64_t sums, sum_bytes;                /* number of checksums; bytes of them in the file */
} t2i_column_claims;

/* The claims of a file. Strings are padded with NUL bytes, at least one. */
struct t2i_claims {
    char tool[sizeof((t2i_dataset_info *)0)->tool], digest[T2I_HEX], encoder[ENCODER_MAX];
    char content[T2I_HEX]; /* "": not stored */
    t2i_column_claims column[COLUMNS];
};

typedef struct t2i_column t2i_column;
struct t2i_column {
    int present;
    const t2i_reader_file *reader; /* borrowed; reads its blocks; NULL: read_back reads them */
    t2i_status (*read_back)(const t2i_column *column, uint64_t block, void *out, t2i_error *err);
    int64_t id, table_id; /* HDF5 identifiers of values and checksums; negative: none */
    const char *file;     /* for messages; borrowed */
    const t2i_column_spec *spec;
    uint64_t dim[RANK_MAX]; /* unused dimensions are 1 */
    uint64_t rows, row_bytes;
    uint64_t block_rows, blocks;
    uint64_t *table; /* checksum of each block (XXH3-64); NULL until needed */
    uint8_t *cache;  /* the blocks read last; NULL until needed */
    uint64_t cached; /* number of the first block in the cache */
    uint64_t cached_blocks;
    uint8_t *unwritten; /* writing: the block being filled */
    uint64_t rows_put;  /* writing: number of rows so far; reading: all rows */
};

/* The dimensions that a column must have. */
void t2i_column_dims(const t2i_shape *shape, int which, uint64_t dim[RANK_MAX]);
/* Makes an absent column. */
void t2i_column_clear(t2i_column *column, const char *file, int which);
/* Makes a column of these dimensions, not yet in the file. T2I_DATA if a row is larger than 16 MiB.
 */
T2I_CHECKED t2i_status t2i_column_init(t2i_column *column, const char *file, int which,
                                       const uint64_t dim[RANK_MAX], t2i_error *err);
/* Makes a column from the claims of a file. T2I_DATA unless its rows, blocks and checksums are
 * consistent with each other and possible in a file of file_size bytes. */
T2I_CHECKED t2i_status t2i_column_accept(t2i_column *column, const char *file, int which,
                                         const t2i_column_claims *claims, uint64_t file_size,
                                         t2i_error *err);
/* Returns T2I_DATA: "FILE is not a valid t2i dataset: COLUMN WHAT". */
t2i_status t2i_column_bad(const char *file, const char *column, const char *what, t2i_error *err);
/* Frees the memory of the column. */
void t2i_column_free(t2i_column *column);
uint64_t t2i_column_block_rows(const t2i_column *column, uint64_t block);
size_t t2i_column_block_bytes(const t2i_column *column, uint64_t block);
/* Compares prompts by bytes, a prefix first. Returns a number below, equal to or above 0. */
int t2i_dataset_schema_compare_prompts(const char *a, size_t a_size, const char *b, size_t b_size);

#endif
