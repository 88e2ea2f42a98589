/* reader: what the process that reads a dataset says of it (this file's t2i_reader_*, which the
 * linker takes before the library's), as text: the lines tool, digest, encoder; then for each
 * column twelve numbers, as t2i_column_claims has them, and its bytes in hex, zero beyond these.
 * Their checksums are made here, so that what lies behind these is reached.
 *
 * What the dataset then says of itself must hold when it is read.
 */
#include "fuzz/fuzz.h"

#include <unistd.h>

#include "dataset/dataset_column.h"
#include "dataset/dataset_digest.h"
#include "dataset/reader.h"

enum { NUMBERS = 12, FILE_BYTES = 2000, BYTES_MAX = 4096, READ_MOST = 64 };

static t2i_claims claims;
static struct {
    uint8_t bytes[BYTES_MAX];
    size_t size;
} content[COLUMNS];

/* ---- the reader ---- */

void t2i_reader_end(void)
{
}

t2i_status t2i_reader_open(t2i_reader_file *out, const char *path, uint64_t file_size,
                           t2i_claims *said, t2i_error *err)
{
    (void)file_size;
    (void)err;
    *out = (t2i_reader_file){.path = path, .birth = 1};
    *said = claims;
    return T2I_OK;
}

void t2i_reader_close(t2i_reader_file *file)
{
    file->birth = 0;
}

static void get(unsigned column, uint64_t from, void *out, size_t bytes)
{
    size_t there = from < content[column].size ? content[column].size - (size_t)from : 0;
    memset(out, 0, bytes);
    if (there > 0) memcpy(out, content[column].bytes + from, there < bytes ? there : bytes);
}

/* Bytes of a block, as it was accepted. */
static uint64_t block_bytes(unsigned column)
{
    static const uint64_t size[] = {[T2I_U8] = 1, [T2I_U32] = 4, [T2I_U64] = 8, [T2I_F32] = 4};
    const t2i_column_claims *c = &claims.column[column];
    return size[t2i_columns[column].kind] * c->dim[1] * c->dim[2] * c->dim[3] * c->block_rows;
}

t2i_status t2i_reader_blocks(const t2i_reader_file *file, unsigned column, uint64_t block,
                             uint64_t count, void *out, size_t bytes, t2i_error *err)
{
    (void)err;
    T2I_ASSERT(file->birth == 1 && bytes <= BLOCK_MAX);
    T2I_ASSERT(bytes <= count * block_bytes(column));
    get(column, block * block_bytes(column), out, bytes);
    return T2I_OK;
}

t2i_status t2i_reader_sums(const t2i_reader_file *file, unsigned column, uint64_t *out,
                           uint64_t count, t2i_error *err)
{
    const t2i_column_claims *c = &claims.column[column];
    uint64_t bytes = block_bytes(column), row_bytes = bytes / c->block_rows;
    uint8_t *block = t2i_alloc((size_t)bytes + 1, 1);
    T2I_ASSERT(file->birth == 1 && block != NULL && count == c->sums);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t left = c->dim[0] - i * c->block_rows;
        uint64_t rows = left < c->block_rows ? left : c->block_rows;
        get(column, i * bytes, block, (size_t)(rows * row_bytes));
        out[i] = t2i_hash_64(block, (size_t)(rows * row_bytes));
    }
    t2i_free(block);
    (void)err;
    return T2I_OK;
}

/* ---- what it says ---- */

/* The line at *at, which moves behind it; NULL: there is none. */
static char *next_line(char **at)
{
    char *line = *at, *end = line == NULL ? NULL : strchr(line, '\n');
    *at = end == NULL ? NULL : end + 1;
    if (end != NULL) *end = '\0';
    return line;
}

/* Without a terminator where it is too long. */
static void take_text(char *out, size_t room, const char *line)
{
    size_t size = line == NULL ? 0 : strlen(line);
    if (size > 0) memcpy(out, line, size < room ? size : room);
}

static void take_column(int which, char *line)
{
    t2i_column_claims *c = &claims.column[which];
    uint64_t number[NUMBERS] = {0};
    char hex[3] = "";
    for (int i = 0; i < NUMBERS && line != NULL; i++) number[i] = strtoull(line, &line, 10);
    c->present = (int)number[0];
    memcpy(c->dim, number + 1, sizeof c->dim);
    memcpy(c->chunk, number + 5, sizeof c->chunk);
    c->block_rows = number[9];
    c->sums = number[10];
    c->sum_bytes = number[11];
    content[which].size = 0;
    while (line != NULL && *line == ' ') line++;
    for (; line != NULL && line[0] != '\0' && line[1] != '\0' && content[which].size < BYTES_MAX;
         line += 2) {
        memcpy(hex, line, 2);
        content[which].bytes[content[which].size++] = (uint8_t)strtoul(hex, NULL, 16);
    }
}

/* ---- who asks ---- */

/* sound: it was verified, so nothing may fail. */
static void read_everything(t2i_dataset *dataset, int sound)
{
    const t2i_dataset_info *info = t2i_dataset_get_info(dataset);
    t2i_error err = {0};
    uint64_t offset[2];
    uint32_t image;
    uint8_t split;
    char *name;
    for (uint64_t i = 0; i < info->pairs && i < READ_MOST; i++) {
        t2i_status status = t2i_dataset_prompt_offsets(dataset, i, 1, offset, &err);
        if (status == T2I_OK) {
            char *prompt = t2i_alloc((size_t)(offset[1] - offset[0]) + 1, 1);
            T2I_ASSERT(prompt != NULL && offset[1] <= info->prompt_bytes);
            status =
                t2i_dataset_prompt_bytes(dataset, offset[0], offset[1] - offset[0], prompt, &err);
            t2i_free(prompt);
        }
        T2I_ASSERT(status == T2I_OK || !sound);
        status = t2i_dataset_pairs(dataset, i, 1, &image, NULL, &split, &err);
        T2I_ASSERT(status == T2I_OK ? image < info->images && split < T2I_SPLITS : !sound);
    }
    for (uint64_t i = 0; i < info->images && i < READ_MOST; i++) {
        t2i_status status = t2i_dataset_image_name(dataset, i, &name, &err);
        T2I_ASSERT(status == T2I_OK || !sound);
        t2i_free(name);
    }
}

/* Of the columns that were accepted, so that mutants get past it. */
static void set_digest(const char *path)
{
    t2i_reader_file file = {.path = path, .birth = 1};
    t2i_column column[COLUMNS];
    t2i_error err = {0};
    for (int i = 0; i < COLUMNS; i++) {
        t2i_column_clear(&column[i], path, i);
        if (!claims.column[i < BASIS ? i : BASIS].present && i >= PIXELS) continue;
        T2I_ASSERT(t2i_column_accept(&column[i], path, i, &claims.column[i], FILE_BYTES, &err) ==
                   T2I_OK);
        column[i].reader = &file;
    }
    t2i_status status = t2i_dataset_digest(column, claims.tool, claims.encoder, claims.digest,
                                           claims.content, &err);
    T2I_ASSERT(status == T2I_OK || status == T2I_DATA);
    for (int i = 0; i < COLUMNS; i++) t2i_column_free(&column[i]);
}

static void ask(const char *path)
{
    t2i_error err = {0};
    t2i_dataset *dataset;
    t2i_status status = t2i_dataset_open(&dataset, path, &err);
    T2I_ASSERT(status == T2I_OK || status == T2I_DATA || status == T2I_SYSTEM);
    if (status != T2I_OK) return;
    read_everything(dataset, 0);
    t2i_dataset_close(dataset);
    set_digest(path);
    T2I_ASSERT(t2i_dataset_open(&dataset, path, &err) == T2I_OK);
    status = t2i_dataset_verify(dataset, &err);
    T2I_ASSERT(status == T2I_OK || status == T2I_DATA || status == T2I_SYSTEM);
    if (status == T2I_OK) read_everything(dataset, 1);
    t2i_dataset_close(dataset);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char path[] = "/tmp/t2i-fuzz-reader-XXXXXX";
    char *text = malloc(size + 1), *at = text;
    int fd = mkstemp(path);
    T2I_ASSERT(text != NULL && fd >= 0 && ftruncate(fd, FILE_BYTES) == 0);
    if (size > 0) memcpy(text, bytes, size);
    text[size] = '\0';
    memset(&claims, 0, sizeof claims);
    take_text(claims.tool, sizeof claims.tool, next_line(&at));
    take_text(claims.digest, sizeof claims.digest, next_line(&at));
    take_text(claims.encoder, sizeof claims.encoder, next_line(&at));
    for (int i = 0; i < COLUMNS; i++) take_column(i, next_line(&at));
    ask(path);
    free(text);
    close(fd);
    unlink(path);
    return 0;
}

T2I_FUZZ_MAIN("reader");
