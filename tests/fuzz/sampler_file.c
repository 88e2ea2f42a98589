/* sampler_file.c - a sampler file. The first line of an input is batch, steps, and how many rows
 * the dataset has; what follows is the file. */
#include "train/sampler_file.h"

#include "scratch.h"
#include "fuzz/fuzz.h"

enum { BATCH_MAX = 100, STEPS_MAX = 1000, ROWS_MAX = 1000 };

static long bounded(long value, long most)
{
    return value < 1 ? 1 : value > most ? most : value;
}

/* A dataset without every seventh row of the user's file. */
static void map(t2i_sampler_file *sampler_file, size_t rows)
{
    t2i_error err = {0};
    uint32_t user_row[ROWS_MAX];
    for (size_t i = 0; i < rows; i++) user_row[i] = (uint32_t)(i + i / 6);
    if (t2i_sampler_file_map(sampler_file, user_row, rows, &err) != T2I_OK) return;
    for (size_t i = 0; i < sampler_file->count; i++) T2I_ASSERT(sampler_file->rows[i] < rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char line[64] = "", *at = line;
    t2i_error err = {0};
    t2i_sampler_file sampler_file;
    T2I_ASSERT(scratch_begin("fuzz-replay") == 0);
    const uint8_t *newline = size == 0 ? NULL : memchr(bytes, '\n', size);
    size_t length = newline == NULL ? size : (size_t)(newline - bytes) + 1;
    if (length > 0) memcpy(line, bytes, length < sizeof line ? length : sizeof line - 1);
    t2i_train_options options = {.batch = bounded(strtol(at, &at, 10), BATCH_MAX)};
    options.steps = bounded(strtol(at, &at, 10), STEPS_MAX);
    size_t rows = (size_t)bounded(strtol(at, &at, 10), ROWS_MAX);
    char path[700];
    snprintf(path, sizeof path, "%s", in_scratch("rows"));
    options.sampler_path = path;
    FILE *file = fopen(path, "wb");
    T2I_ASSERT(file != NULL && fwrite(bytes + length, 1, size - length, file) == size - length &&
               fclose(file) == 0);
    t2i_status status = t2i_sampler_file_read(&sampler_file, &options, &err);
    T2I_ASSERT(status == T2I_OK || status == T2I_DATA);
    if (status == T2I_OK) {
        T2I_ASSERT(sampler_file.count == (size_t)(options.batch * options.steps));
        map(&sampler_file, rows);
    }
    t2i_sampler_file_close(&sampler_file);
    scratch_end();
    return 0;
}

T2I_FUZZ_MAIN("sampler_file");
