/* image.c - pictures of all kinds, then resized. Up to 2^18 pixels, so that one input stays quick;
 * more are refused by the same lines of code.
 */
#include "image/image.h"

#include <zlib.h>
#include "fuzz/fuzz.h"
#include "image/image_file.h"
#include "image/image_resize.h"

enum { AREA_MAX = 1 << 18 };

#ifdef T2I_LIBFUZZER
/* The checksums of a PNG, made right again: with wrong ones nothing behind them is ever reached. */
static void sign_chunks(uint8_t *bytes, size_t size)
{
    for (size_t at = 8; size >= 12 && at <= size - 12;) {
        size_t length = (size_t)bytes[at] << 24 | (size_t)bytes[at + 1] << 16 |
                        (size_t)bytes[at + 2] << 8 | bytes[at + 3];
        if (length > size - 12 - at) return;
        uint8_t *sum = bytes + at + 8 + length;
        unsigned long crc = crc32(0, bytes + at + 4, (uInt)(length + 4));
        for (int i = 0; i < 4; i++) sum[i] = (uint8_t)(crc >> (24 - 8 * i));
        at += 12 + length;
    }
}

size_t LLVMFuzzerMutate(uint8_t *bytes, size_t size, size_t room);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t room, unsigned seed);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t room, unsigned seed)
{
    size = LLVMFuzzerMutate(bytes, size, room);
    if (seed % 16 != 0 && size > 8 && memcmp(bytes, "\x89PNG", 4) == 0) sign_chunks(bytes, size);
    return size;
}
#endif

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    t2i_error err = {0};
    t2i_image image, small;
    static const uint8_t background[3] = {10, 200, 90};
    unsigned found = 0, plain;
    const t2i_image_how how = {.area_max = AREA_MAX, .upright = 1, .background = background};
    t2i_status status = t2i_image_file_decode(&image, bytes, size, "input", &how, &found, &err);
    T2I_ASSERT(status == T2I_OK || status == T2I_DATA);
    T2I_ASSERT((status == T2I_OK) == (image.rgb != NULL));
    if (status != T2I_OK) {
        T2I_ASSERT(strncmp(err.text, "input ", 6) == 0);
        return 0;
    }
    T2I_ASSERT(image.width * image.height <= AREA_MAX && found < 32);
    T2I_ASSERT(t2i_image_file_decode(&small, bytes, size, "input", NULL, &plain, &err) == T2I_OK &&
               plain == found);
    t2i_image_free(&small);
    status = t2i_image_resize_crop(&small, &image, 64, 56, &err);
    T2I_ASSERT(status == T2I_OK && small.width == 56 && small.height == 56);
    t2i_image_free(&small);
    t2i_image_free(&image);
    return 0;
}

T2I_FUZZ_MAIN("image");
