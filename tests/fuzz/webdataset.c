/* webdataset.c - shards of a WebDataset, plain and compressed, and patterns that name shards. The
 * first byte: 'p' a pattern, 'c' a shard read with a named column, another one a shard; the rest is
 * the pattern or the file.
 */
#include "prepare/webdataset.h"

#include "scratch.h"
#include "fuzz/fuzz.h"

static void check_sample(const t2i_webdataset_sample *s)
{
    size_t size = 0;
    T2I_ASSERT(s->failed || (s->count == 0) == (s->reason.size > 0));
    if (s->failed || s->count == 0) return;
    T2I_ASSERT((s->name[T2I_PART_PICTURE].size > 0) != (s->name[T2I_PART_FEATURES].size > 0));
    T2I_ASSERT(s->caption >= T2I_PART_TXT && s->name[s->caption].size > 0);
    for (size_t i = 0; i < s->count; i++) {
        const char *prompt = s->prompts.data + size;
        T2I_ASSERT(size < s->prompts.size);
        T2I_ASSERT(t2i_utf8_valid(prompt, strlen(prompt)) == strlen(prompt));
        size += strlen(prompt) + 1;
    }
    T2I_ASSERT(size == s->prompts.size);
}

static void read_shard(const char *path, const char *column)
{
    t2i_error err = {0};
    t2i_webdataset_reader *reader;
    t2i_webdataset_sample sample = {0};
    int more = 1;
    T2I_ASSERT(t2i_webdataset_open(&reader, path, column, &err) == T2I_OK);
    for (;;) {
        T2I_ASSERT(t2i_webdataset_next(reader, &sample, &more, &err) == T2I_OK);
        double position = t2i_webdataset_position(reader);
        T2I_ASSERT(position >= 0 && position <= 1);
        if (!more) break;
        check_sample(&sample);
    }
    t2i_webdataset_sample_free(&sample);
    t2i_webdataset_close(reader);
}

static void find(const uint8_t *bytes, size_t size)
{
    char pattern[900];
    t2i_error err = {0};
    t2i_string_table shards = {0};
    if (size > 200 || memchr(bytes, '/', size) != NULL || memchr(bytes, '\0', size) != NULL) return;
    for (size_t i = 0, digits = 0; i < size; i++) { /* no range of many thousands */
        digits = bytes[i] >= '0' && bytes[i] <= '9' ? digits + 1 : 0;
        if (digits > 3) return;
    }
    snprintf(pattern, sizeof pattern, "%s/%.*s", scratch, (int)size, (const char *)bytes);
    t2i_status status = t2i_webdataset_find(&shards, pattern, &err);
    T2I_ASSERT(status == T2I_OK || status == T2I_USAGE || status == T2I_NOINPUT);
    T2I_ASSERT(status != T2I_OK || shards.count > 0);
    if (shards.count > 0) (void)t2i_webdataset_common(&shards);
    t2i_string_table_free(&shards);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size == 0) return 0;
    T2I_ASSERT(scratch_begin("fuzz-webdataset") == 0);
    const char *path = in_scratch("0.tar");
    FILE *file = fopen(path, "wb");
    T2I_ASSERT(file != NULL && fwrite(bytes + 1, 1, size - 1, file) == size - 1);
    T2I_ASSERT(fclose(file) == 0);
    if (bytes[0] == 'p')
        find(bytes + 1, size - 1);
    else
        read_shard(path, bytes[0] == 'c' ? "alt" : NULL);
    scratch_end();
    return 0;
}

T2I_FUZZ_MAIN("webdataset");
