/* train_options.c - job files and the command line of t2i-train. The first line of an input is the
 * command line, words parted by blanks; the rest is the job file.
 *
 * What was accepted must come back the same from the saved configuration (opts.h promises it).
 */
#include "train/train_options.h"

#include "scratch.h"
#include "fuzz/fuzz.h"

enum { WORDS_MAX = 30, LINE_MAX_BYTES = 2000 };

static void write_file(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    T2I_ASSERT(file != NULL && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
}

static void same_value(const t2i_opt *a, const t2i_opt *b)
{
    t2i_error err = {0};
    t2i_text x = {0}, y = {0};
    T2I_ASSERT(t2i_opts_value(a, &x, &err) == T2I_OK && t2i_opts_value(b, &y, &err) == T2I_OK);
    T2I_ASSERT(strcmp(x.data, y.data) == 0);
    t2i_text_free(&x);
    t2i_text_free(&y);
}

static void read_back(const t2i_train_options *options)
{
    t2i_error err = {0};
    t2i_text text = {0};
    t2i_train_options again;
    char program[] = "t2i-train", path[800], *result_options = NULL, *options_again = NULL;
    char *argv[] = {program, path, NULL};
    snprintf(path, sizeof path, "%s", in_scratch("again.ini"));
    T2I_ASSERT(t2i_opts_echo(&options->opts, &text, &err) == T2I_OK);
    write_file(path, text.data, text.size);
    T2I_ASSERT(t2i_train_options_parse(&again, 2, argv, &err) == T2I_OK);
    for (size_t i = 0; i < options->opts.opts; i++) same_value(&options->opt[i], &again.opt[i]);
    T2I_ASSERT(t2i_train_options_result_options(options, "sharded", &result_options, &err) ==
               T2I_OK);
    T2I_ASSERT(t2i_train_options_result_options(&again, "sharded", &options_again, &err) == T2I_OK);
    T2I_ASSERT(t2i_train_options_same_result(result_options, options_again, "here", NULL, &err) ==
               T2I_OK);
    t2i_free(result_options);
    t2i_free(options_again);
    t2i_text_free(&text);
    t2i_train_options_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    t2i_error err = {0};
    t2i_train_options options;
    char program[] = "t2i-train", path[800], line[LINE_MAX_BYTES + 1] = "", *argv[WORDS_MAX + 3];
    T2I_ASSERT(scratch_begin("fuzz-train-options") == 0);
    snprintf(path, sizeof path, "%s", in_scratch("job.ini"));
    const uint8_t *newline = size == 0 ? NULL : memchr(bytes, '\n', size);
    size_t length = newline == NULL ? size : (size_t)(newline - bytes);
    size_t skip = newline == NULL ? size : length + 1;
    if (length > LINE_MAX_BYTES) length = LINE_MAX_BYTES;
    if (length > 0) memcpy(line, bytes, length);
    write_file(path, bytes + skip, size - skip);

    int argc = 0;
    argv[argc++] = program;
    argv[argc++] = path;
    for (char *at = line; argc < WORDS_MAX + 2;) {
        while (*at == ' ') at++;
        if (*at == '\0') break;
        argv[argc++] = at;
        while (*at != ' ' && *at != '\0') at++;
        if (*at == ' ') *at++ = '\0';
    }
    argv[argc] = NULL;
    t2i_status status = t2i_train_options_parse(&options, argc, argv, &err);
    T2I_ASSERT(status == T2I_OK || status == T2I_USAGE || status == T2I_DATA);
    if (status == T2I_OK && options.opts.asked == T2I_ASK_NOTHING) read_back(&options);
    t2i_train_options_free(&options);
    scratch_end();
    return 0;
}

T2I_FUZZ_MAIN("train_options");
