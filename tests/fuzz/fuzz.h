/* fuzz.h - a fuzz target and its replay. tests/fuzz/NAME.c defines LLVMFuzzerTestOneInput and ends
 * with T2I_FUZZ_MAIN("NAME"). Under libFuzzer (`make fuzz`) that is nothing; else it is a main that
 * runs every file of tests/fuzz/corpus/NAME (or the files given), so that `make check` replays what
 * was ever found.
 */
#ifndef T2I_FUZZ_H
#define T2I_FUZZ_H

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static inline int t2i_fuzz_file(const char *path)
{
    t2i_error err = {0};
    t2i_text text = {0};
    if (t2i_fs_read(path, (size_t)1 << 30, &text, &err) != T2I_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    /* a copy of exactly its size, so that a sanitizer sees the first byte too many */
    uint8_t *bytes = malloc(text.size > 0 ? text.size : 1);
    if (bytes == NULL) return 1;
    if (text.size > 0) memcpy(bytes, text.data, text.size);
    size_t size = text.size;
    t2i_text_free(&text);
    size_t live = t2i_alloc_live();
    LLVMFuzzerTestOneInput(bytes, size);
    free(bytes);
    if (t2i_alloc_live() == live) return 0;
    fprintf(stderr, "%s: %zu allocations were not freed\n", path, t2i_alloc_live() - live);
    return 1;
}

static inline int t2i_fuzz_replay(const char *name, int argc, char **argv)
{
    char path[1024];
    int bad = 0, ran = 0;
    for (int i = 1; i < argc; i++, ran++) bad |= t2i_fuzz_file(argv[i]);
    if (argc > 1) return bad;
    snprintf(path, sizeof path, "tests/fuzz/corpus/%s", name);
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "tests/fuzz/corpus/%s/%s", name, entry->d_name);
        bad |= t2i_fuzz_file(path);
        ran++;
    }
    if (folder != NULL) closedir(folder);
    printf("%s: %d inputs\n", name, ran);
    return bad || ran == 0;
}

#ifdef T2I_LIBFUZZER
#define T2I_FUZZ_MAIN(name) extern int t2i_fuzz_unused_
#else
#define T2I_FUZZ_MAIN(name)                                                                        \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        return t2i_fuzz_replay(name, argc, argv);                                                  \
    }                                                                                              \
    extern int t2i_fuzz_unused_
#endif

#endif
