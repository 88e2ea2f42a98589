/* Any text is drawn in a box, and nothing is drawn outside of it. With the fonts of the machine
 * under libFuzzer; `make check` draws with the built-in one. */
#include "fuzz.h"

#include "base/text.h"
#include "draw/canvas.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    t2i_error err;
    t2i_image image;
    char *text = t2i_alloc(size + 1, 1);
    if (text == NULL || t2i_image_new(&image, 160, 120, &err) != T2I_OK) abort();
    memcpy(text, bytes, size);
    t2i_canvas_text_box(&image, 20, 20, 120, 4, text, 0);
    for (size_t i = 0; i < image.width * image.height; i++) {
        size_t x = i % image.width, y = i / image.width;
        int inside = x >= 18 && x < 142 && y >= 17 && y < 20 + 4 * 16 + 3;
        if (!inside && image.rgb[3 * i] != 255) abort();
    }
    t2i_canvas_text(&image, -20, 100, text, 2, 0);
    t2i_image_free(&image);
    t2i_free(text);
    return 0;
}

T2I_FUZZ_MAIN("typeset");
