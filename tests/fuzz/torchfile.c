/* Files of torch.save: whatever the bytes, the file is refused or its tree and numbers can be read.
 * Checksums would stop a fuzzer at once, so bytes that do not begin as one of the three kinds are
 * the pickle (and storages of 64 bytes) of an archive that is made here. */
#include "fuzz/fuzz.h"

#include <zlib.h>

#include "formats/torchfile.h"

enum { SMALL = 4096, STORAGES = 4, STORAGE = 64, ROOM = 1 << 16 };

typedef struct {
    unsigned char bytes[ROOM + 4096];
    size_t size;
} archive;

static void put(archive *a, uint64_t value, size_t width)
{
    for (; width > 0; width--, value >>= 8) a->bytes[a->size++] = (unsigned char)(value & 255);
}

/* What local and central headers share. */
static void put_head(archive *a, uint64_t signature, uint64_t version, size_t version_size,
                     uint64_t crc, size_t size, const char *name)
{
    put(a, signature, 4);
    put(a, version, version_size);
    put(a, 0, 2 + 2 + 4);
    put(a, crc, 4);
    put(a, size, 4);
    put(a, size, 4);
    put(a, strlen(name), 2);
    put(a, 0, 2);
}

static void put_name(archive *a, const char *name)
{
    memcpy(a->bytes + a->size, name, strlen(name));
    a->size += strlen(name);
}

/* A sound archive: the pickle, then storages "0" to "3" of 64 bytes each. */
static void wrap(archive *a, const uint8_t *pickle, size_t size)
{
    static const char *const name[] = {"a/data.pkl", "a/data/0", "a/data/1", "a/data/2",
                                       "a/data/3"};
    static const unsigned char zeros[STORAGE];
    size_t place[1 + STORAGES];
    uint64_t crc[1 + STORAGES];
    a->size = 0;
    for (size_t i = 0; i <= STORAGES; i++) {
        const unsigned char *data = i == 0 ? pickle : zeros;
        size_t bytes = i == 0 ? size : STORAGE;
        place[i] = a->size;
        crc[i] = crc32(crc32(0, NULL, 0), data, (uInt)bytes);
        put_head(a, 0x04034b50, 20, 2, crc[i], bytes, name[i]);
        put_name(a, name[i]);
        if (bytes > 0) memcpy(a->bytes + a->size, data, bytes);
        a->size += bytes;
    }
    size_t begin = a->size;
    for (size_t i = 0; i <= STORAGES; i++) {
        put_head(a, 0x02014b50, 20, 4, crc[i], i == 0 ? size : STORAGE, name[i]);
        put(a, 0, 10);
        put(a, place[i], 4);
        put_name(a, name[i]);
    }
    size_t end = a->size;
    put(a, 0x06054b50, 4);
    put(a, 0, 4);
    put(a, (1 + STORAGES) | (1 + STORAGES) << 16, 4);
    put(a, end - begin, 4);
    put(a, begin, 4);
    put(a, 0, 2);
}

static void read_tree(t2i_torchfile *file, const t2i_py *v)
{
    if (v->kind == T2I_PY_TENSOR && v->tensor.count <= SMALL) {
        t2i_error err;
        float *out = t2i_alloc((size_t)v->tensor.count, sizeof *out);
        if (out != NULL && t2i_torchfile_floats(file, &v->tensor, "x", out, &err) == T2I_OK)
            for (size_t i = 0; i < v->tensor.count; i++) /* the numbers are there: read them */
                if (out[i] == 1.5e30f) fprintf(stderr, "found\n");
        t2i_free(out);
    }
    for (size_t i = 0; i < v->size && v->item != NULL; i++) read_tree(file, v->item[i]);
}

static void read_all(const void *bytes, size_t size)
{
    t2i_error err;
    t2i_torchfile *file;
    if (t2i_torchfile_parse(&file, bytes, size, "fuzz", &err) != T2I_OK) return;
    read_tree(file, t2i_torchfile_root(file));
    t2i_torchfile_close(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (t2i_torchfile_is(bytes, size) || size > ROOM) {
        read_all(bytes, size);
        return 0;
    }
    archive *a = malloc(sizeof *a);
    if (a == NULL) return 0;
    wrap(a, bytes, size);
    unsigned char *exact = malloc(a->size); /* so that a sanitizer sees the first byte too many */
    if (exact != NULL) {
        memcpy(exact, a->bytes, a->size);
        read_all(exact, a->size);
    }
    free(exact);
    free(a);
    return 0;
}

T2I_FUZZ_MAIN("torchfile");
