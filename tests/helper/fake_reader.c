/* fake_reader.c - t2i-reader with a replacement of HDF5: this file's t2i_h5_*, which the linker
 * finds before the project's. It crashes, loops, hangs, returns false claims or answers of another
 * size, depending on the name of the file. For tests/unit/dataset/reader.c. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/mem.h"
#include "dataset/dataset_h5.h"
#include "dataset/reader_server.h"

/* Allocations beyond the limit must fail as without a sanitizer. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

/* ---- a dataset of 3 pairs, 2 pictures, 2 features, without pixels ---- */

enum { PAIRS = 3, IMAGES = 2, WIDE = 2 };

static const uint64_t prompt_offset[] = {0, 1, 2, 3}, name_offset[] = {0, 1, 2};
static const uint32_t image[] = {0, 1, 0}, row[] = {0, 1, 2}, group[] = {0, 1};
static const uint8_t split[] = {0, 0, 1};
static const float feature[] = {0, 1, 2, 3};

static const struct {
    const void *values;
    uint64_t rows, wide, bytes;
} column[PIXELS] = {
    [PROMPT_BYTES] = {"abc", 3, 1, 3},
    [PROMPT_OFFSETS] = {prompt_offset, PAIRS + 1, 1, sizeof prompt_offset},
    [PAIR_IMAGE] = {image, PAIRS, 1, sizeof image},
    [PAIR_ROW] = {row, PAIRS, 1, sizeof row},
    [PAIR_SPLIT] = {split, PAIRS, 1, sizeof split},
    [FEATURES] = {feature, IMAGES, WIDE, sizeof feature},
    [NAME_BYTES] = {"xy", 2, 1, 2},
    [NAME_OFFSETS] = {name_offset, IMAGES + 1, 1, sizeof name_offset},
    [GROUPS] = {group, IMAGES, 1, sizeof group},
};

struct t2i_h5_file {
    char lie[64];
    t2i_column column[PIXELS];
};

static int told_to(const char *lie, const char *what)
{
    return strncmp(lie, what, strlen(what)) == 0;
}

/* What a name that begins with "open-" or "block-" asks for after that. */
static t2i_status misbehave(const char *how, t2i_error *why)
{
    if (told_to(how, "crash")) raise(SIGSEGV);
    if (told_to(how, "abort")) raise(SIGABRT);
    if (told_to(how, "leave")) _exit(0);
    if (told_to(how, "killed")) raise(SIGKILL);
    if (told_to(how, "stopped")) raise(SIGSTOP);
    for (volatile unsigned turn = 0; told_to(how, "endless"); turn++) {
    }
    if (told_to(how, "greedy")) { /* more than the limit, and not by too much */
        void *much = t2i_alloc((size_t)1500 << 20, 1);
        t2i_free(much);
        return much == NULL ? t2i_fail_memory(why, (size_t)1500 << 20, "greed") : T2I_OK;
    }
    if (told_to(how, "unknown")) return (t2i_status)1;
    if (told_to(how, "bug")) return T2I_BUG;
    if (told_to(how, "babble")) {
        memset(why->text, 'x', sizeof why->text);
        why->text[0] = '\n';
        return T2I_DATA;
    }
    return T2I_OK;
}

/* A sound claim, but for what the name of the file says. */
static void claim(const char *lie, t2i_claims *claims)
{
    snprintf(claims->tool, sizeof claims->tool, "%ld", (long)getpid());
    memset(claims->digest, 'a', sizeof claims->digest - 1);
    strcpy(claims->encoder, "{\"name\":\"features\",\"dim\":2,\"height\":0,\"width\":0,\"scale\":1,"
                            "\"weights_xxh3\":\"\"}");
    for (int i = 0; i < PIXELS; i++)
        claims->column[i] = (t2i_column_claims){.present = 1,
                                                .dim = {column[i].rows, column[i].wide, 1, 1},
                                                .chunk = {column[i].rows, column[i].wide, 1, 1},
                                                .block_rows = column[i].rows,
                                                .sums = 1,
                                                .sum_bytes = 8};
    t2i_column_claims *first = &claims->column[PAIR_IMAGE];
    if (told_to(lie, "tool")) memset(claims->tool, 'x', sizeof claims->tool);
    if (told_to(lie, "latin")) strcpy(claims->tool, "\xff");
    if (told_to(lie, "digest")) claims->digest[T2I_HEX - 1] = 'a';
    if (told_to(lie, "short-digest")) claims->digest[3] = '\0';
    if (told_to(lie, "encoder")) memset(claims->encoder, ' ', sizeof claims->encoder);
    if (told_to(lie, "wide")) first->dim[1] = first->dim[2] = first->dim[3] = UINT32_MAX;
    if (told_to(lie, "empty")) first->dim[1] = 0;
    if (told_to(lie, "none")) first->dim[0] = 0;
    if (told_to(lie, "long")) first->dim[0] = UINT64_MAX;
    if (told_to(lie, "many"))
        first->dim[0] = first->sums = 1u << 20, first->sum_bytes = 8u << 20,
        first->block_rows = first->chunk[0] = 1;
    if (told_to(lie, "zero-block")) first->block_rows = 0;
    if (told_to(lie, "huge-block")) first->block_rows = UINT64_MAX;
    if (told_to(lie, "no-sums")) first->sums = 0;
    if (told_to(lie, "sums")) first->sums = UINT64_MAX;
    if (told_to(lie, "unstored")) first->sum_bytes = 0;
    if (told_to(lie, "chunk")) first->chunk[0]++;
    if (told_to(lie, "absent")) *first = (t2i_column_claims){.present = 0};
    if (told_to(lie, "pixels")) claims->column[PIXELS].present = 1;
    if (told_to(lie, "decoder")) claims->column[BASIS].present = 1;
}

t2i_status t2i_h5_open(t2i_h5_file **out, int fd, const char *path, uint64_t file_size,
                       t2i_claims *claims, t2i_error *why)
{
    char byte;
    if (pread(fd, &byte, 1, 0) != 1) return t2i_fail(why, T2I_IO, "cannot read %s", path);
    close(fd);
    t2i_h5_file *file = t2i_alloc(1, sizeof *file);
    if (file == NULL) return T2I_SYSTEM;
    snprintf(file->lie, sizeof file->lie, "%s", strrchr(path, '/') + 1);
    memset(claims, 0, sizeof *claims);
    claim("", claims);
    for (int i = 0; i < PIXELS; i++)
        T2I_TRY(
            t2i_column_accept(&file->column[i], file->lie, i, &claims->column[i], file_size, why));
    claim(file->lie, claims);
    if (told_to(file->lie, "fewer")) file->column[PAIR_IMAGE].row_bytes--; /* of its answers */
    if (told_to(file->lie, "more")) file->column[PAIR_IMAGE].row_bytes++;
    *out = file;
    return told_to(file->lie, "open-") ? misbehave(file->lie + 5, why) : T2I_OK;
}

const t2i_column *t2i_h5_column(const t2i_h5_file *file, unsigned which)
{
    return &file->column[which];
}

void t2i_h5_close(t2i_h5_file *file)
{
    t2i_error none;
    if (told_to(file->lie, "close-") && misbehave(file->lie + 6, &none) != T2I_OK) _exit(9);
    t2i_free(file);
}

t2i_status t2i_h5_read_block(const t2i_column *asked, uint64_t block, void *out, t2i_error *why)
{
    size_t which = (size_t)(asked->spec - t2i_columns);
    memcpy(out, column[which].values, column[which].bytes);
    if (which != PAIR_IMAGE || block != 0) return T2I_OK;
    if (told_to(asked->file, "values")) memset(out, 1, column[which].bytes);
    return told_to(asked->file, "block-") ? misbehave(asked->file + 6, why) : T2I_OK;
}

t2i_status t2i_h5_read_sums(const t2i_column *asked, uint64_t first, uint64_t count, uint64_t *out,
                            t2i_error *why)
{
    size_t which = (size_t)(asked->spec - t2i_columns);
    if (first != 0 || count != 1) return t2i_fail(why, T2I_DATA, "which sums?");
    *out = t2i_hash_64(column[which].values, column[which].bytes);
    return T2I_OK;
}

int main(int argc, char **argv)
{
    char *version = getenv("T2I_FAKE_VERSION");
    if (version != NULL && argc > 1) argv[1] = version;
    return t2i_reader_server_run(argc, argv);
}
