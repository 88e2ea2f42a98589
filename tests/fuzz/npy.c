/* .npy: whatever the bytes, the file is refused or all its rows can be read. */
#include "fuzz/fuzz.h"

#include "formats/npy.h"

enum { SMALL = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    t2i_error err;
    t2i_byte_source source;
    t2i_npy npy;
    if (t2i_byte_source_memory(&source, bytes, size, "fuzz", &err) != T2I_OK) return 0;
    if (t2i_npy_open(&npy, &source, &err) == T2I_OK && npy.width <= SMALL) {
        float *out = t2i_alloc((size_t)npy.width + 1, sizeof *out);
        for (uint64_t i = 0; out != NULL && i < npy.rows && i < SMALL / (npy.width + 1) + 1; i++)
            if (t2i_npy_rows(&npy, &source, npy.rows - 1 - i, 1, out, &err) != T2I_OK) abort();
        t2i_free(out);
    }
    t2i_byte_source_close(&source);
    return 0;
}

T2I_FUZZ_MAIN("npy");
