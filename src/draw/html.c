#include "draw/html.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "draw/html_style.h"
#include "base/commit.h"
#include "base/fs.h"
#include "base/mem.h"
#include "image/image_png.h"

void t2i_html_free(t2i_html *page)
{
    t2i_text_free(&page->text);
    *page = (t2i_html){0};
}

void t2i_html_fail(t2i_html *page, t2i_status status, const t2i_error *err)
{
    if (page->status != T2I_OK || status == T2I_OK) return;
    page->status = status;
    page->err = *err;
}

static void add(t2i_html *page, const void *bytes, size_t size)
{
    if (page->status == T2I_OK) page->status = t2i_text_add(&page->text, bytes, size, &page->err);
}

void t2i_html_put(t2i_html *page, const char *format, ...)
{
    char small[512], *text = small;
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int size = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    if (size >= (int)sizeof small) {
        text = t2i_alloc((size_t)size + 1, 1);
        if (text == NULL)
            t2i_html_fail(page, t2i_fail_memory(&page->err, (size_t)size, "a page"), &page->err);
        else
            vsnprintf(text, (size_t)size + 1, format, again);
    }
    va_end(again);
    if (text != NULL && size >= 0) add(page, text, (size_t)size);
    if (text != small) t2i_free(text);
}

void t2i_html_text(t2i_html *page, const char *bytes, size_t size)
{
    static const char unknown[] = "\xef\xbf\xbd"; /* U+FFFD */
    for (size_t at = 0, length; at<size; at += length> 0 ? length : 1) {
        uint32_t code = 0;
        length = t2i_utf8_decode(bytes + at, size - at, &code);
        /* What overrides the direction would turn other text. */
        int harms = t2i_utf8_is_control(code) && !t2i_utf8_is_direction_mark(code);
        int plain = length > 0 && !harms && code < 0xfffe;
        if (code == '&')
            add(page, "&amp;", 5);
        else if (code == '<')
            add(page, "&lt;", 4);
        else if (code == '>')
            add(page, "&gt;", 4);
        else if (code == '"')
            add(page, "&quot;", 6);
        else if (plain || code > 0xffff || code == '\n')
            add(page, bytes + at, length);
        else
            add(page, unknown, 3);
    }
}

void t2i_html_word(t2i_html *page, const char *text)
{
    t2i_html_text(page, text, strlen(text));
}

t2i_status t2i_html_base64(t2i_text *out, const void *bytes, size_t size, t2i_error *err)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *in = bytes;
    char piece[4096];
    size_t used = 0;
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t group = (uint32_t)in[i] << 16 | (left > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
                         (left > 2 ? in[i + 2] : 0);
        for (size_t k = 0; k < 4; k++)
            piece[used++] = k <= left ? digit[group >> (18 - 6 * k) & 63] : '=';
        if (used < sizeof piece && left > 3) continue;
        T2I_TRY(t2i_text_add(out, piece, used, err));
        used = 0;
    }
    return T2I_OK;
}

void t2i_html_picture(t2i_html *page, const t2i_image *image)
{
    t2i_text png = {0};
    if (page->status == T2I_OK) page->status = t2i_image_png_encode(image, &png, &page->err);
    add(page, "data:image/png;base64,", 22);
    if (page->status == T2I_OK)
        page->status = t2i_html_base64(&page->text, png.data, png.size, &page->err);
    t2i_text_free(&png);
}

void t2i_html_begin(t2i_html *page, const char *title)
{
    t2i_html_put(page, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>"
                       "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>"
                       "<meta name=\"color-scheme\" content=\"light dark\"/>\n<title>");
    t2i_html_word(page, title);
    t2i_html_put(page, "</title>\n<style>\n");
    add(page, page_style, sizeof page_style - 1);
    t2i_html_put(page, "</style></head><body>\n");
}

void t2i_html_end(t2i_html *page)
{
    t2i_html_put(page, "<script>\n");
    add(page, page_script, sizeof page_script - 1);
    t2i_html_put(page, "</script>\n</body></html>\n");
}

t2i_status t2i_html_write(t2i_html *page, const char *path, t2i_error *err)
{
    t2i_status status = page->status;
    if (status != T2I_OK)
        *err = page->err;
    else
        status = t2i_fs_may_replace(path, "<!DOCTYPE html>", "an HTML page", err);
    if (status == T2I_OK) status = t2i_commit_file(path, page->text.data, page->text.size, err);
    t2i_html_free(page);
    return status;
}
