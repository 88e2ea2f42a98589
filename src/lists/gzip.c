#include "lists/gzip.h"

#include <string.h>
#include <zlib.h>

enum { PIECE = 1 << 16, AT_ONCE = 1 << 30, GZIP = 16 + MAX_WBITS };

int t2i_gzip_is(const void *bytes, size_t size)
{
    return size > 2 && memcmp(bytes, "\x1f\x8b\x08", 3) == 0;
}

/* Inflates one member. *left: bytes of the input that are not used yet. */
static t2i_status read_member(z_stream *z, size_t *left, size_t limit, const char *name,
                              t2i_text *out, t2i_error *err)
{
    unsigned char piece[PIECE];
    for (int code = Z_OK; code != Z_STREAM_END;) {
        uInt given = *left < AT_ONCE ? (uInt)*left : AT_ONCE;
        z->avail_in = given;
        z->next_out = piece;
        z->avail_out = PIECE;
        code = inflate(z, Z_NO_FLUSH);
        *left -= given - z->avail_in;
        size_t got = PIECE - z->avail_out;
        if (code == Z_MEM_ERROR) return t2i_fail_memory(err, PIECE, "decompression");
        if (code == Z_BUF_ERROR || (code == Z_OK && got == 0 && *left == 0))
            return t2i_fail(err, T2I_DATA, "%s is cut off: its gzip data ends early", name);
        if (code != Z_OK && code != Z_STREAM_END)
            return t2i_fail(err, T2I_DATA,
                            "%s is damaged: its gzip data cannot be decompressed (%s)", name,
                            z->msg == NULL ? "unknown" : z->msg);
        if (got > limit - out->size)
            return t2i_fail(err, T2I_DATA, "%s holds more than %zu MB after decompression", name,
                            limit >> 20);
        T2I_TRY(t2i_text_add(out, piece, got, err));
    }
    return T2I_OK;
}

t2i_status t2i_gzip_read(const void *bytes, size_t size, size_t limit, const char *name,
                         t2i_text *out, t2i_error *err)
{
    z_stream z = {.next_in = (z_const Bytef *)bytes};
    size_t left = size;
    if (inflateInit2(&z, GZIP) != Z_OK) return t2i_fail_memory(err, PIECE, "decompression");
    t2i_status status = T2I_OK;
    do {
        status = read_member(&z, &left, limit, name, out, err);
        const unsigned char *rest = z.next_in;
        while (status == T2I_OK && left > 0 && *rest == 0) rest++, left--; /* padding */
        z.next_in = (z_const Bytef *)rest;
        if (status == T2I_OK && left > 0 && !t2i_gzip_is(rest, left))
            status =
                t2i_fail(err, T2I_DATA, "%s is damaged: other bytes follow its gzip data", name);
        if (status == T2I_OK && left > 0 && inflateReset(&z) != Z_OK)
            status = t2i_fail(err, T2I_BUG, "cannot start the decompression again");
    } while (status == T2I_OK && left > 0);
    inflateEnd(&z);
    return status;
}
