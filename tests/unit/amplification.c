/* Files that try to make a reader take more memory and time than they have bytes: each is read in a
 * process of its own, which may take so many bytes for each byte of the file, by the count of
 * t2i_alloc and by the system's for other libraries, and twenty times the seconds that it needs. */
#define _DEFAULT_SOURCE
#include "test.h"

#include <signal.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <xxhash.h>
#include <zlib.h>

#include "scratch.h"
#include "tar_out.h"
#include "base/fs.h"
#include "base/string_table.h"
#include "base/text.h"
#include "checkpoint/checkpoint.h"
#include "formats/cldr.h"
#include "formats/json.h"
#include "formats/npy.h"
#include "formats/tar.h"
#include "formats/tensors.h"
#include "formats/torchfile.h"
#include "image/image_file.h"
#include "image/image_jpeg.h"
#include "lists/caption_json.h"
#include "lists/list.h"
#include "lists/picture_names.h"
#include "retrieval/trigram.h"

static t2i_error err;

/* ---- making files ---- */

static void add(t2i_text *file, const void *bytes, size_t size)
{
    if (t2i_text_add(file, bytes, size, &err) != T2I_OK) abort();
}
#define B(literal) literal, sizeof literal - 1
static void add_number(t2i_text *file, uint64_t value, size_t bytes)
{
    for (; bytes > 0; bytes--, value >>= 8) add(file, &(char){(char)(value & 255)}, 1);
}
static void add_times(t2i_text *file, size_t times, const void *bytes, size_t size)
{
    while (times-- > 0) add(file, bytes, size);
}

#define PROTO   "\x80\2"
#define LITTLE  PROTO "}X\15\0\0\0little_endian\x88s."
#define ODICT   "ccollections\nOrderedDict\n"
#define STORAGE "((X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0kX\3\0\0\0cpu"

/* The old stream of torch.save: its head, a pickle from `begin` on, and its storages. */
static void begin_stream(t2i_text *file)
{
    add(file, B(PROTO "\x8a\12\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19." PROTO "M\xe9\3." LITTLE));
    add(file, B(PROTO));
}
static void end_stream(t2i_text *file, size_t floats)
{
    if (floats == 0) add(file, B("." PROTO "]."));
    if (floats == 0) return;
    add(file, B("." PROTO "]X\1\0\0\0ka."));
    add_number(file, floats, 8);
    for (size_t i = 0; i < floats; i++) add(file, &(float){(float)i}, sizeof(float));
}
/* Pushes a tensor of three dimensions of a storage of so many floats, which are their numbers. */
static void push_tensor(t2i_text *file, size_t floats, const size_t shape[3],
                        const size_t stride[3])
{
    add(file, B("ctorch._utils\n_rebuild_tensor_v2\n" STORAGE "J"));
    add_number(file, floats, 4);
    add(file, B("NtQK\0"));
    for (int i = 0; i < 6; i++) {
        add(file, "J", 1);
        add_number(file, i < 3 ? shape[i] : stride[i - 3], 4);
        if (i % 3 == 2) add(file, "\x87", 1);
    }
    add(file, B("\x89" ODICT ")RtR"));
}

/* An archive of 2016: every row of its tables is a pickle, which remembers at that place. */
static void tar_rows(t2i_text *file, size_t rows, uint32_t place)
{
    t2i_text table = {0};
    add(&table, B(PROTO "J"));
    add_number(&table, rows, 4);
    add(&table, ".", 1);
    for (size_t i = 0; i < rows; i++) {
        add(&table, B(PROTO "J"));
        add_number(&table, i, 4);
        add(&table, B("U\3cpuctorch\nFloatStorage\n\x87r"));
        add_number(&table, place, 4);
        add(&table, ".", 1);
        add_number(&table, 0, 8);
    }
    add(&table, B(PROTO "]."));
    tar_put(file, "sys_info", '0', B(LITTLE));
    tar_put(file, "pickle", '0', B(PROTO "}."));
    tar_put(file, "tensors", '0', B(PROTO "K\0."));
    tar_put(file, "storages", '0', table.data, table.size);
    add_times(file, 1024, "", 1);
    t2i_text_free(&table);
}
static void memo_far(t2i_text *file, size_t n)
{
    tar_rows(file, n, (1 << 21) - 1);
}
static void memo_near(t2i_text *file, size_t n)
{
    tar_rows(file, n, 255);
}
static void values(t2i_text *file, size_t n)
{
    begin_stream(file);
    add(file, "(", 1);
    add_times(file, n, "]", 1);
    add(file, "t", 1);
    end_stream(file, 0);
}
static void marks(t2i_text *file, size_t n)
{
    begin_stream(file);
    add_times(file, n, "(", 1);
    end_stream(file, 0);
}
/* A list of pairs, made into a dict again and again. */
static void copies(t2i_text *file, size_t n)
{
    begin_stream(file);
    add(file, B(ODICT "q\1]q\2("));
    add_times(file, n, B("NN\x86"));
    add(file, B("e\x85q\3"
                "0"));
    add_times(file, n, B("h\1h\3R0"));
    add(file, "N", 1);
    end_stream(file, 0);
}
/* Each list holds the one before twice. */
static void doubled(t2i_text *file, size_t n)
{
    begin_stream(file);
    add(file, B("]q\1"));
    add_times(file, n, B("](h\1h\1eq\1"));
    add_times(file, n, "\x86", 1);
    end_stream(file, 0);
}
/* Two long texts that differ at their ends are the keys of a dict, over and over. */
static void long_keys(t2i_text *file, size_t n)
{
    begin_stream(file);
    for (int which = 0; which < 2; which++) {
        add(file, "X", 1);
        add_number(file, n, 4);
        add_times(file, n - 1, "x", 1);
        add(file, which ? "yq\1" : "zq\0", 3);
    }
    add(file, B("00}("));
    add_times(file, n / 8, B("h\0Nh\1N"));
    add(file, "u", 1);
    end_stream(file, 0);
}
/* One tensor, recalled n times in a list under a key of so many bytes. */
static void recalled(t2i_text *file, size_t n, size_t key)
{
    begin_stream(file);
    add(file, B("}X"));
    add_number(file, key, 4);
    add_times(file, key, "k", 1);
    add(file, "](", 2);
    push_tensor(file, 1, (size_t[]){1, 1, 1}, (size_t[]){1, 1, 1});
    add(file, B("q\1"));
    add_times(file, n, B("h\1"));
    add(file, "es", 2);
    end_stream(file, 1);
}
static void many_tensors(t2i_text *file, size_t n)
{
    recalled(file, n, 1);
}
static void long_names(t2i_text *file, size_t n)
{
    recalled(file, n, 4000);
}
/* A tensor that repeats one number. */
static void expanded(t2i_text *file, size_t n)
{
    begin_stream(file);
    add(file, "(", 1);
    push_tensor(file, n, (size_t[]){1 << 30, 1 << 20, 1}, (size_t[]){0, 0, 0});
    add(file, "t", 1);
    end_stream(file, n);
}
/* Tensors of two numbers each, at both ends of the file. */
static void distant(t2i_text *file, size_t n)
{
    begin_stream(file);
    add(file, "(", 1);
    for (size_t i = 0; i < n / 32; i++)
        push_tensor(file, n, (size_t[]){2, 1, 1}, (size_t[]){n - 1, 1, 1});
    add(file, "t", 1);
    end_stream(file, n);
}
/* Tables that lie in the file by columns. */
static void transposed(t2i_text *file, size_t n)
{
    begin_stream(file);
    add(file, "(", 1);
    for (size_t i = 0; i < n / 4096; i++)
        push_tensor(file, n, (size_t[]){1, 16, 16}, (size_t[]){1, 1, n / 16});
    add(file, "t", 1);
    end_stream(file, n);
}

static void zip_record(t2i_text *file, int central, size_t i, size_t place)
{
    add(file, central ? "PK\1\2\24\0\24\0" : "PK\3\4\24\0", central ? 8 : 6);
    add_times(file, 20, "", 1); /* stored, without a date, CRC or bytes */
    add_number(file, 10, 2);    /* the name's */
    add_number(file, 0, 2);
    if (central) add_times(file, 10, "", 1);
    if (central) add_number(file, place, 4);
    char name[16];
    snprintf(name, sizeof name, "a/%08zu", i);
    add(file, name, 10);
}
static void zip_of(t2i_text *file, size_t n, size_t step)
{
    size_t entries = n < 65535 ? n : 65535;
    for (size_t i = 0; i < entries; i++) zip_record(file, 0, i, 0);
    size_t begin = file->size;
    for (size_t i = 0; i < entries; i++) zip_record(file, 1, i, i * step);
    size_t size = file->size - begin;
    add(file, B("PK\5\6\0\0\0\0"));
    add_number(file, entries, 2);
    add_number(file, entries, 2);
    add_number(file, size, 4);
    add_number(file, begin, 4);
    add_number(file, 0, 2);
}
static void zip_entries(t2i_text *file, size_t n)
{
    zip_of(file, n, 40);
}
static void zip_overlapping(t2i_text *file, size_t n)
{
    zip_of(file, n, 0);
}

/* `piece` n times, with its number in place of %zu, between two texts, as a safetensors header. */
static void header(t2i_text *file, size_t n, const char *begin, const char *piece, const char *end)
{
    t2i_text text = {0};
    add(&text, begin, strlen(begin));
    for (size_t i = 0; i < n; i++)
        if (t2i_text_addf(&text, &err, piece, i) != T2I_OK) abort();
    text.size -= n > 0;
    add(&text, end, strlen(end));
    add_number(file, text.size, 8);
    add(file, text.data, text.size);
    t2i_text_free(&text);
}
static void st_entries(t2i_text *file, size_t n)
{
    header(file, n, "{", "\"%zx\":{\"dtype\":\"I8\",\"shape\":[0],\"data_offsets\":[0,0]},", "}");
}
static void st_metadata(t2i_text *file, size_t n)
{
    header(file, n, "{\"__metadata__\":{", "\"%zx\":\"\",", "}}");
}
static void st_dimensions(t2i_text *file, size_t n)
{
    header(file, n, "{\"a\":{\"dtype\":\"I8\",\"shape\":[", "1,", "],\"data_offsets\":[0,1]}}");
}
static void st_junk(t2i_text *file, size_t n)
{
    header(file, n, "{\"a\":{\"dtype\":\"I8\",\"x\":[", "[],", "]}}");
}
static void st_depth(t2i_text *file, size_t n)
{
    header(file, n, "{\"a\":", "[", "}");
}
static void json_junk(t2i_text *file, size_t n)
{
    add(file, "[", 1);
    add_times(file, n, "[],", 3);
    add(file, "0]", 2);
}

static void png_size(t2i_text *file, size_t n)
{
    add(file, B("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x20\0\0\0\x20\0\10\2\0\0\0"));
    add_times(file, n, "x", 1);
}
/* A profile and texts that unpack to a thousand times their sizes, and many chunks. */
static void png_chunks(t2i_text *file, size_t n)
{
    t2i_text chunk = {0};
    uLongf packed = compressBound((uLong)n * 1000);
    unsigned char *letters = malloc(n * 1000), *to = malloc(packed);
    if (letters == NULL || to == NULL) abort();
    memset(letters, 'x', n * 1000);
    if (compress(to, &packed, letters, (uLong)n * 1000) != Z_OK) abort();
    free(letters);
    static const struct {
        const char *head;
        size_t size;
    } begins[] = {{B("IHDR\0\0\0\1\0\0\0\1\10\2\0\0\0")},
                  {B("iCCPp\0\0")},
                  {B("zTXtp\0\0")},
                  {B("tEXtp\0t")},
                  {B("IDAT\x78\x9c\x63\x60\x60\x60\0\0\0\4\0\1")},
                  {B("IEND")}};
    add(file, B("\x89PNG\r\n\x1a\n"));
    for (int i = 0; i < 6; i++)
        for (size_t k = 0; k < (i == 2 ? 16 : i == 3 ? n : 1); k++) {
            chunk.size = 0;
            add(&chunk, begins[i].head, begins[i].size);
            if (i == 1 || i == 2) add(&chunk, to, packed);
            uint32_t crc = (uint32_t)crc32(0, (const Bytef *)chunk.data, (uInt)chunk.size);
            const uint32_t length = (uint32_t)chunk.size - 4;
            for (int b = 3; b >= 0; b--) add_number(file, length >> 8 * b, 1);
            add(file, chunk.data, chunk.size);
            for (int b = 3; b >= 0; b--) add_number(file, crc >> 8 * b, 1);
        }
    free(to);
    t2i_text_free(&chunk);
}
static void gif_canvas(t2i_text *file, size_t n)
{
    (void)n;
    add(file, B("GIF89a\x40\x1f\x40\x1f\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"));
}
static void webp_canvas(t2i_text *file, size_t n)
{
    (void)n; /* a lossless picture of 8,000 x 8,000 pixels of one colour */
    add(file, B("RIFF\x1e\0\0\0WEBPVP8L\x11\0\0\0\x2f\x3f\xdf\xcf\x07\7\x10\x11\x11\x88\x88"
                "\x88\x88\x08\0\0\0\0"));
}

/* The head of a TIFF and its directory. tags: number, value and count of each, a LONG. */
static void add_directory(t2i_text *file, const size_t tags[][3], size_t count)
{
    add(file, B("II*\0\10\0\0\0"));
    add_number(file, count, 2);
    for (size_t i = 0; i < count; i++) {
        add_number(file, tags[i][0], 2);
        add_number(file, 4, 2); /* LONG */
        add_number(file, tags[i][2], 4);
        add_number(file, tags[i][1], 4);
    }
    add_number(file, 0, 4);
}

/* Tiles of 1,024 x 4,096 pixels, all at one place, for a picture of 16 rows. */
static void tiff_tiles(t2i_text *file, size_t n)
{
    enum { WIDE = 1024, HIGH = 4096, TAGS = 11 };
    uLongf packed = 1 << 16;
    static unsigned char zeros[WIDE * HIGH], to[1 << 16];
    if (n > 32 || compress(to, &packed, zeros, sizeof zeros) != Z_OK) abort();
    size_t data = 8 + 2 + TAGS * 12 + 4, offsets = data + packed, counts = offsets + n * 4;
    const size_t tags[TAGS][3] = {{256, n * WIDE, 1},
                                  {257, 16, 1},
                                  {258, 8, 1},
                                  {259, 8, 1},
                                  {262, 1, 1},
                                  {277, 1, 1},
                                  {322, WIDE, 1},
                                  {323, HIGH, 1},
                                  {324, n > 1 ? offsets : data, n},
                                  {325, n > 1 ? counts : packed, n},
                                  {339, 1, 1}};
    add_directory(file, tags, TAGS);
    add(file, to, packed);
    for (size_t i = 0; i < n; i++) add_number(file, data, 4);
    for (size_t i = 0; i < n; i++) add_number(file, packed, 4);
}

/* A picture of 16 x 16 pixels by 8 bits, with so many unknown tags of the same `size` bytes. */
static void tiff_of(t2i_text *file, size_t tags, size_t size)
{
    enum { SIDE = 16, KNOWN = 9, DATA = 8 + SIDE * SIDE };
    static const unsigned known[KNOWN][2] = {{256, SIDE}, {257, SIDE}, {258, 8},
                                             {259, 1},    {262, 1},    {273, 8},
                                             {277, 1},    {278, SIDE}, {279, SIDE * SIDE}};
    add(file, B("II*\0"));
    add_number(file, DATA + size, 4);
    add_times(file, SIDE * SIDE + size, "x", 1);
    add_number(file, KNOWN + tags, 2);
    for (size_t i = 0; i < KNOWN + tags; i++) {
        add_number(file, i < KNOWN ? known[i][0] : 1000 + i, 2);
        add_number(file, i < KNOWN ? 4 : 1, 2); /* LONG, BYTE */
        add_number(file, i < KNOWN ? 1 : size, 4);
        add_number(file, i < KNOWN ? known[i][1] : DATA, 4);
    }
    add_number(file, 0, 4);
}
static void tiff_tags(t2i_text *file, size_t n)
{
    tiff_of(file, 200, n);
}
static void tiff_camera(t2i_text *file, size_t n)
{
    tiff_of(file, 300, n);
}
static void tiff_many_tags(t2i_text *file, size_t n)
{
    tiff_of(file, n, 1);
}
/* Strips of a row of 8 pixels, which name the same 50 n bytes, in the other order of bits. */
static void tiff_strips(t2i_text *file, size_t n)
{
    enum { TAGS = 10 };
    const size_t data = 8 + 2 + TAGS * 12 + 4, offsets = data + 50 * n;
    const size_t tags[TAGS][3] = {
        {256, 8, 1}, {257, n, 1},       {258, 8, 1}, {259, 1, 1}, {262, 1, 1},
        {266, 2, 1}, {273, offsets, n}, {277, 1, 1}, {278, 1, 1}, {279, offsets + 4 * n, n}};
    add_directory(file, tags, TAGS);
    add_times(file, 50 * n, "", 1);
    for (size_t i = 0; i < n; i++) add_number(file, data, 4);
    for (size_t i = 0; i < n; i++) add_number(file, 50 * n, 4);
}
/* Markers without content, of the kind that has EXIF. */
static void jpeg_markers(t2i_text *file, size_t n)
{
    t2i_text plain = {0};
    t2i_image image = {0};
    if (t2i_image_new(&image, 16, 16, &err) != T2I_OK ||
        t2i_image_jpeg_encode(&image, &plain, &err) != T2I_OK)
        abort();
    add(file, plain.data, 2);
    add_times(file, n, B("\xff\xe1\0\2"));
    add(file, plain.data + 2, plain.size - 2);
    t2i_image_free(&image);
    t2i_text_free(&plain);
}

/* Elements that have n attributes by default. */
static void cldr_defaults(t2i_text *file, size_t n)
{
    add(file, B("<!DOCTYPE ldml [<!ATTLIST a"));
    for (size_t i = 0; i < n; i++)
        if (t2i_text_addf(file, &err, " a%zu CDATA ''", i) != T2I_OK) abort();
    add(file, B(">]><ldml>"));
    add_times(file, 4 * n, B("<a/>"));
    add(file, B("</ldml>"));
}

/* Names of pictures in folders that are not there, each of many parts. */
static void csv_folders(t2i_text *file, size_t n)
{
    add(file, B("prompt,image\n"));
    for (size_t i = 0; i < n; i++) {
        if (t2i_text_addf(file, &err, "a,%zu\xc3\xa9/", i) != T2I_OK) abort();
        add_times(file, 1300, B("\xc3\xa9/"));
        add(file, B("x\n"));
    }
}
/* Names of 8 bytes for which XXH3 without a seed gives numbers whose lowest 24 bits are 0. */
static void colliding(t2i_text *file, size_t n)
{
    const uint64_t prime = 0x9FB21C651E98DF25u;
    uint64_t inverse = prime;
    for (int i = 0; i < 6; i++) inverse *= 2 - prime * inverse;
    for (uint64_t i = 1; file->size < 8 * n; i++) {
        uint64_t h = i << 24; /* XXH3_len_4to8_64b, backwards */
        h ^= h >> 28 ^ h >> 56;
        h *= inverse;
        h ^= (h >> 35) + 8;
        h *= inverse;
        for (int k = 0; k < 6; k++) {
            int a = 49 << k & 63, b = 24 << k & 63;
            h ^= (a > 0 ? h << a | h >> (64 - a) : h) ^ (b > 0 ? h << b | h >> (64 - b) : h);
        }
        h ^= 0xC73AB174C5ECD5A2u; /* of its secret */
        char name[9] = "";
        for (int k = 0; k < 8; k++) name[k] = (char)(h >> 8 * ((k + 4) % 8));
        if (strlen(name) < 8) continue;
        if ((XXH3_64bits(name, 8) & 0xffffff) != 0) abort();
        add(file, name, 8);
    }
}
enum { RECORD = 12 };
/* Three characters each, which a fixed factor, 2^64 / the golden ratio, put at one place of 2^24.
 */
static void colliding_trigrams(t2i_text *file, size_t n)
{
    const uint64_t factor = 0x9E3779B97F4A7C15u;
    uint64_t inverse = factor;
    for (int i = 0; i < 6; i++) inverse *= 2 - factor * inverse;
    for (uint64_t i = 1; file->size < RECORD * n; i++) {
        uint64_t high = i * 2654435761u & 0xffffffff;
        uint64_t key = (high << 32 | (i & 255) << 24 | (high & 0xffffff)) * inverse;
        char record[RECORD] = "", *end = record;
        int good = key >> 63 == 0;
        for (int at = 42; at >= 0; at -= 21) {
            uint32_t code = (uint32_t)(key >> at & 0x1fffff) - 1;
            good = good && code > 0 && code < 0x110000 && code >> 11 != 0x1b; /* surrogates */
            if (good) end += t2i_utf8_encode(code, end);
        }
        if (good) add(file, record, RECORD);
    }
}

static void csv_rows(t2i_text *file, size_t n)
{
    add(file, B("prompt,image\n"));
    add_times(file, n, B(",a\n"));
}
static void csv_quotes(t2i_text *file, size_t n)
{
    add(file, B("prompt,image\n"));
    add_times(file, n, B("a,\"\"\"\n"));
}
static void csv_open_quotes(t2i_text *file, size_t n)
{
    add(file, B("prompt,image\n"));
    add_times(file, n, B("\"a\"\"\n"));
}
static void jsonl_rows(t2i_text *file, size_t n)
{
    add_times(file, n, B("{\"text\":\"\",\"image\":\"a\"}\n"));
}
static void jsonl_junk(t2i_text *file, size_t n)
{
    add(file, B("{\"text\":\"\",\"image\":\"a\"}\n{\"text\":["));
    add_times(file, n, "[],", 3);
    add(file, B("0]}\n"));
}
static void json_open(t2i_text *file, size_t n)
{
    add(file, B("[{\"text\":\"\",\"image\":\"a\"}"));
    add_times(file, n, B(",{["));
}
static void captions_junk(t2i_text *file, size_t n)
{
    add(file, B("{\"images\":[{\"id\":1,\"file_name\":\"a\"}],\"annotations\":[{\"x\":["));
    add_times(file, n, "[],", 3);
    add(file, B("0]}]}"));
}
static void list_gzip(t2i_text *file, size_t n)
{
    t2i_text text = {0};
    csv_rows(&text, n * 300);
    z_stream z = {0};
    if (deflateInit2(&z, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY) != Z_OK) abort();
    size_t room = deflateBound(&z, (uLong)text.size);
    unsigned char *to = malloc(room);
    z.next_in = (Bytef *)text.data;
    z.avail_in = (uInt)text.size;
    z.next_out = to;
    z.avail_out = (uInt)room;
    if (to == NULL || deflate(&z, Z_FINISH) != Z_STREAM_END) abort();
    add(file, to, z.total_out);
    deflateEnd(&z);
    free(to);
    t2i_text_free(&text);
}

/* GNU's form of a sparse file: 200 MB of which one block is there. */
static void tar_sparse(t2i_text *file, size_t n)
{
    char head[512] = "a.png", number[16];
    (void)n;
    memcpy(head + 100, "0000644\0000000000\0000000000\00000000001000\00000000000000", 48);
    memset(head + 148, ' ', 8);
    head[156] = 'S';
    memcpy(head + 257, "ustar  ", 8);
    memcpy(head + 386, "01200000000\00000000001000", 24); /* a block at the end */
    memcpy(head + 483, "01200001000", 12);                /* the whole size */
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof head; i++) sum += (unsigned char)head[i];
    snprintf(number, sizeof number, "%06o", sum);
    memcpy(head + 148, number, 7);
    add(file, head, sizeof head);
    add_times(file, 512, "x", 1);
    add_times(file, 1024, "", 1);
}
static void tar_members(t2i_text *file, size_t n)
{
    for (size_t i = 0; i < n; i++) tar_put(file, "a.png", '0', "", 0);
    add_times(file, 1024, "", 1);
}
/* Access rights of n users in the head of a member, in the ways of pax and of Solaris. */
static void tar_rights(t2i_text *file, size_t n, char type)
{
    t2i_text rights = {0}, head = {0};
    for (size_t i = 0; i < n; i++)
        if (t2i_text_addf(&rights, &err, "%suser:%zu:rwx:%zu", i > 0 ? "," : "", i, i) != T2I_OK)
            abort();
    if (type == 'A') add(&head, B("1000000\0"));
    if (type == 'x' && /* 7 digits and a blank, 18 bytes of key, a line end */
        t2i_text_addf(&head, &err, "%07zu SCHILY.acl.access=", rights.size + 27) != T2I_OK)
        abort();
    add(&head, rights.data, rights.size);
    add(&head, type == 'x' ? "\n" : "", 1);
    tar_put(file, "head", type, head.data, head.size);
    tar_put(file, "a.png", '0', "", 0);
    add_times(file, 1024, "", 1);
    t2i_text_free(&rights);
    t2i_text_free(&head);
}
static void tar_pax_rights(t2i_text *file, size_t n)
{
    tar_rights(file, n, 'x');
}
static void tar_solaris_rights(t2i_text *file, size_t n)
{
    tar_rights(file, n, 'A');
}
static void npy_empty(t2i_text *file, size_t n)
{
    t2i_text text = {0};
    add(&text, B("{'descr': '<f4', 'fortran_order': False, 'shape': (1152921504606846976, 0), }"));
    add_times(&text, n, " ", 1);
    add(file, B("\x93NUMPY\1\0"));
    add_number(file, text.size, 2);
    add(file, text.data, text.size);
    t2i_text_free(&text);
}
static void npy_shape(t2i_text *file, size_t n)
{
    (void)n;
    add(file, B("\x93NUMPY\1\0\x4a\0{'descr': '<f4', 'fortran_order': False, "
                "'shape': (65536, 65536), }    \n"));
}

/* ---- reading them ---- */

static t2i_status read_tensors(const char *path, t2i_error *why)
{
    t2i_tensors *tensors;
    t2i_status status = t2i_tensors_open(&tensors, path, why);
    t2i_tensors_close(tensors);
    return status;
}
static t2i_status read_torch(const char *path, t2i_error *why)
{
    t2i_torchfile *file;
    t2i_status status = t2i_torchfile_open(&file, path, why);
    t2i_torchfile_close(file);
    return status;
}
static t2i_status read_floats(const char *path, t2i_error *why)
{
    t2i_tensors *tensors;
    t2i_status status = t2i_tensors_open(&tensors, path, why);
    for (size_t i = 0; status == T2I_OK && i < t2i_tensors_count(tensors); i++) {
        const t2i_tensor_info *info = t2i_tensors_at(tensors, i);
        float *out = t2i_alloc(info->count, sizeof *out);
        status = t2i_tensors_floats(tensors, info, out, why);
        t2i_free(out);
    }
    t2i_tensors_close(tensors);
    return status;
}
static t2i_status read_json(const char *path, t2i_error *why)
{
    t2i_text text = {0};
    t2i_json *json = NULL;
    t2i_status status = t2i_fs_read(path, 1 << 30, &text, why);
    if (status == T2I_OK) status = t2i_json_parse(&json, text.data, text.size, path, why);
    t2i_json_free(json);
    t2i_text_free(&text);
    return status;
}
static t2i_status read_picture(const char *path, t2i_error *why)
{
    t2i_text text = {0};
    t2i_image image = {0};
    t2i_status status = t2i_image_file_load(&text, path, why);
    if (status == T2I_OK)
        status = t2i_image_file_decode(&image, text.data, text.size, path, NULL, NULL, why);
    t2i_image_free(&image);
    t2i_text_free(&text);
    return status;
}
static t2i_status read_list(const char *path, t2i_error *why)
{
    t2i_pair_list list;
    t2i_status status = t2i_list_read(&list, path, NULL, why);
    t2i_pairs_free(&list);
    return status;
}
static t2i_status read_captions(const char *path, t2i_error *why)
{
    t2i_pair_list list = {0};
    t2i_status status = t2i_caption_json_coco(&list, path, why);
    t2i_pairs_free(&list);
    return status;
}
static t2i_status read_tar(const char *path, t2i_error *why)
{
    t2i_tar *tar;
    t2i_tar_member member = {0};
    t2i_text text = {0};
    t2i_status status = t2i_tar_open(&tar, path, why);
    while (status == T2I_OK && (status = t2i_tar_next(tar, &member, why)) == T2I_OK &&
           member.kind != T2I_TAR_END) {
        text.size = 0;
        if (member.kind == T2I_TAR_FILE) status = t2i_tar_read(tar, 256 << 20, &text, why);
    }
    t2i_tar_close(tar);
    t2i_text_free(&text);
    return status;
}
static t2i_status take_nothing(void *context, const t2i_cldr_note *note, t2i_error *why)
{
    (void)context;
    (void)note;
    (void)why;
    return T2I_OK;
}
static t2i_status read_cldr(const char *path, t2i_error *why)
{
    t2i_text text = {0};
    t2i_status status = t2i_fs_read(path, 1 << 30, &text, why);
    if (status == T2I_OK)
        status = t2i_cldr_parse(text.data, text.size, path, take_nothing, NULL, why);
    t2i_text_free(&text);
    return status;
}
static t2i_status find_pictures(const char *path, t2i_error *why)
{
    t2i_pair_list list;
    t2i_status status = t2i_list_read(&list, path, NULL, why);
    if (status == T2I_OK) status = t2i_picture_names_find(&list, path, ".", why);
    t2i_pairs_free(&list);
    return status;
}
static t2i_status read_names(const char *path, t2i_error *why)
{
    t2i_text text = {0};
    t2i_string_table names = {0};
    t2i_status status = t2i_fs_read(path, 1 << 30, &text, why);
    for (size_t at = 0, number; status == T2I_OK && at < text.size; at += 8) {
        char name[9] = "";
        memcpy(name, text.data + at, 8);
        status = t2i_string_table_add(&names, name, &number, why);
    }
    t2i_string_table_free(&names);
    t2i_text_free(&text);
    return status;
}
static t2i_status nth_record(void *context, size_t i, t2i_text *out, t2i_error *why)
{
    const t2i_text *file = context;
    out->size = 0;
    return t2i_text_addf(out, why, "%.*s", RECORD, file->data + i * RECORD);
}
static t2i_status read_trigrams(const char *path, t2i_error *why)
{
    t2i_text text = {0};
    t2i_trigram_index index = {0};
    t2i_status status = t2i_fs_read(path, 1 << 30, &text, why);
    if (status == T2I_OK)
        status = t2i_trigram_index_new(&index, text.size / RECORD, nth_record, &text, why);
    t2i_trigram_index_free(&index);
    t2i_text_free(&text);
    return status;
}
static t2i_status read_npy(const char *path, t2i_error *why)
{
    t2i_byte_source source;
    t2i_npy npy;
    t2i_status status = t2i_byte_source_open(&source, path, why);
    if (status == T2I_OK) status = t2i_npy_open(&npy, &source, why);
    t2i_byte_source_close(&source);
    return status;
}

/* ---- each in bounds ---- */

typedef struct {
    const char *name;
    void (*make)(t2i_text *file, size_t n);
    size_t n; /* and four times as many */
    t2i_status (*read)(const char *path, t2i_error *why);
    const char *why;       /* it is refused; NULL: it is read; "": either */
    size_t each, and_more; /* bytes of memory for each of the file, and for any file */
} sample;

static const sample samples[] = {
    {"rows of a tar that remember at 2^21 - 1", memo_far, 16000, read_torch, "its memo has gaps", 8,
     1 << 20},
    {"rows of a tar that remember at 255", memo_near, 16000, read_tensors, NULL, 256, 1 << 20},
    {"values of one byte", values, 240000, read_tensors, NULL, 512, 1 << 20},
    {"marks", marks, 100000, read_tensors, "nested too deeply", 8, 1 << 20},
    {"a dict from a list, often", copies, 2000, read_tensors, "occur too often", 512, 1 << 20},
    {"lists that hold lists twice", doubled, 100, read_tensors, "occur too often", 512, 1 << 20},
    {"long keys, often", long_keys, 1000000, read_tensors, "twice", 64, 1 << 20},
    {"a tensor, often", many_tensors, 50000, read_tensors, NULL, 512, 1 << 20},
    {"a tensor under a long name, often", long_names, 50000, read_tensors, "names of its tensors",
     512, 1 << 20},
    {"a number, repeated", expanded, 1000, read_floats, "20 times the bytes", 64, 1 << 20},
    {"tensors of distant numbers", distant, 64000, read_floats, NULL, 64, 1 << 20},
    {"tables by columns", transposed, 1 << 18, read_floats, NULL, 64, 1 << 20},
    {"entries of a zip", zip_entries, 16000, read_torch, "no data.pkl", 8, 1 << 20},
    {"entries of a zip at one place", zip_overlapping, 16000, read_torch, "overlaps", 8, 1 << 20},
    {"entries of a header", st_entries, 50000, read_tensors, NULL, 48, 1 << 20},
    {"texts of a header", st_metadata, 250000, read_tensors, NULL, 48, 1 << 20},
    {"dimensions of a tensor", st_dimensions, 5000000, read_tensors, "too long", 4, 1 << 20},
    {"a long entry of a header", st_junk, 5000000, read_tensors, "too long", 4, 1 << 20},
    {"depth of a header", st_depth, 5000000, read_tensors, "deeper", 4, 1 << 20},
    {"JSON of values of two bytes", json_junk, 200000, read_json, "more than 131072 values", 4,
     40 << 20},
    {"size of a PNG", png_size, 10, read_picture, "cannot hold", 8, 1 << 20},
    {"chunks of a PNG", png_chunks, 3000, read_picture, NULL, 8, 2 << 20},
    {"canvas of a GIF", gif_canvas, 1, read_picture, "cannot hold", 8, 1 << 20},
    {"canvas of a WebP", webp_canvas, 1, read_picture, "cannot hold", 8, 1 << 20},
    {"tiles of a TIFF", tiff_tiles, 8, read_picture, "larger than its bytes", 512, 1 << 20},
    {"tags of a TIFF", tiff_tags, 500000, read_picture, "values of its tags", 8, 2 << 20},
    {"strips of a TIFF", tiff_strips, 6000, read_picture, "its strips are larger", 8, 2 << 20},
    {"tags of a camera", tiff_camera, 5, read_picture, NULL, 8, 1 << 20},
    {"many tags of a TIFF", tiff_many_tags, 1000, read_picture, "more than 512 tags", 8, 1 << 20},
    {"markers of a JPEG", jpeg_markers, 40000, read_picture, NULL, 8, 1 << 20},
    {"attributes by default", cldr_defaults, 20000, read_cldr, "declares attributes", 8, 1 << 20},
    {"names of pictures", csv_folders, 100, find_pictures, NULL, 128, 1 << 20},
    {"colliding names", colliding, 40000, read_names, NULL, 64, 1 << 20},
    {"colliding trigrams", colliding_trigrams, 150000, read_trigrams, NULL, 64, 1 << 20},
    {"rows of a table", csv_rows, 200000, read_list, NULL, 128, 1 << 20},
    {"quotes of a table", csv_quotes, 200000, read_list, NULL, 128, 1 << 20},
    {"open quotes of a table", csv_open_quotes, 200000, read_list, NULL, 128, 1 << 20},
    {"rows of JSON", jsonl_rows, 50000, read_list, NULL, 128, 1 << 20},
    {"a row of JSON", jsonl_junk, 200000, read_list, NULL, 128, 40 << 20},
    {"JSON that does not end", json_open, 200000, read_list, "the file ends inside", 128, 40 << 20},
    {"captions", captions_junk, 200000, read_captions, NULL, 128, 40 << 20},
    {"a list of gzip", list_gzip, 1000, read_list, NULL, 128 * 1032, 1 << 20},
    {"a sparse member of a tar", tar_sparse, 1, read_tar, "sparse", 8, 1 << 20},
    {"few access rights in a tar", tar_pax_rights, 500, read_tar, NULL, 8, 2 << 20},
    {"access rights in a tar", tar_pax_rights, 8000, read_tar, "64 KB", 8, 2 << 20},
    {"access rights of Solaris", tar_solaris_rights, 8000, read_tar, "64 KB", 8, 2 << 20},
    {"members of a tar", tar_members, 5000, read_tar, NULL, 8, 2 << 20},
    {"rows of no columns", npy_empty, 10000, read_npy, NULL, 8, 1 << 20},
    {"an array that is not there", npy_shape, 1, read_npy, "truncated", 8, 1 << 20},
};

/* The child's exit code: what was wrong. */
enum { FINE, NOT_LIMITED, OTHERWISE, TOO_MUCH };

static int read_limited(const sample *s, const char *path, size_t size)
{
    const size_t most = s->each * size + s->and_more, library = 64u << 20;
    t2i_error why = {0};
    struct rusage begun, use;
    size_t before = t2i_alloc_bytes(), pages = 0;
    FILE *self = fopen("/proc/self/statm", "r");
    if (self == NULL || fscanf(self, "%zu", &pages) != 1) return NOT_LIMITED;
    fclose(self);
    const struct rlimit seconds = {20, 20};
    const rlim_t address = (rlim_t)(pages * 4096 + most + library);
    if (setrlimit(RLIMIT_CPU, &seconds) != 0 || getrusage(RUSAGE_SELF, &begun) != 0)
        return NOT_LIMITED;
#ifndef __SANITIZE_ADDRESS__
    if (setrlimit(RLIMIT_AS, &(struct rlimit){address, address}) != 0) return NOT_LIMITED;
#endif
    (void)address;
    t2i_status status = s->read(path, &why);
    size_t taken = t2i_alloc_bytes() - before;
    if (getenv("SHOW") != NULL)
        fprintf(stderr, "%s: %zu bytes, %.1f each; %s\n", s->name, size,
                (double)taken / (double)size, why.text);
    if (s->why == NULL ? status != T2I_OK : s->why[0] != '\0' && strstr(why.text, s->why) == NULL) {
        fprintf(stderr, "%s: status %d: %s\n", s->name, (int)status, why.text);
        return OTHERWISE;
    }
#ifndef __SANITIZE_ADDRESS__ /* what a library took, even if it has given it back */
    const size_t noise = 8u << 20;
    if (getrusage(RUSAGE_SELF, &use) != 0) return NOT_LIMITED;
    size_t touched = (size_t)(use.ru_maxrss - begun.ru_maxrss) * 1024;
    if (touched > noise && touched - noise > taken) taken = touched - noise;
#endif
    (void)use;
    if (taken <= most) return FINE;
    fprintf(stderr, "%s: %zu bytes took %zu: %zu each\n", s->name, size, taken, taken / size);
    return TOO_MUCH;
}

static void test_all(void)
{
    const char *path = in_scratch("sample");
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
        for (size_t n = samples[i].n; n <= 4 * samples[i].n; n *= 4) {
            t2i_text file = {0};
            samples[i].make(&file, n);
            FILE *out = fopen(path, "wb");
            CU_ASSERT_PTR_NOT_NULL_FATAL(out);
            CU_ASSERT_EQUAL(fwrite(file.data, 1, file.size, out), file.size);
            fclose(out);
            size_t size = file.size;
            t2i_text_free(&file);
            fflush(NULL);
            pid_t child = fork();
            if (child == 0) _exit(read_limited(&samples[i], path, size));
            int end = -1;
            CU_ASSERT_EQUAL(waitpid(child, &end, 0), child);
            if (end != 0)
                fprintf(stderr, "%s, %zu bytes: %s %d\n", samples[i].name, size,
                        WIFSIGNALED(end) ? "signal" : "wrong",
                        WIFSIGNALED(end) ? WTERMSIG(end) : WEXITSTATUS(end));
            CU_ASSERT_EQUAL(end, 0);
        }
}

/* Views that lie apart are read as they are, in all ways to read them. */
static void test_views(void)
{
    enum { FLOATS = 50000 };
    static const size_t views[][2][3] = {
        {{2, 3, 5}, {15, 5, 1}},        {{5, 3, 2}, {1, 5, 15}},
        {{2, 3, 5}, {20000, 5000, 1}},  {{5, 3, 2}, {1, 5000, 20000}},
        {{3, 5, 2}, {5000, 3, 20000}},  {{3, 5, 2}, {5000, 17, 20000}},
        {{3, 5, 2}, {5000, 16, 20000}}, {{2, 2, 2}, {40000, 9000, 900}},
        {{1, 1, 2}, {7, 7, 49999}},     {{2, 3, 1}, {49999, 0, 5}},
        {{40, 30, 2}, {1, 100, 40000}}, {{2, 40, 30}, {40000, 100, 2}}};
    enum { VIEWS = sizeof views / sizeof *views };
    const char *path = in_scratch("views");
    t2i_text file = {0};
    begin_stream(&file);
    add(&file, "(", 1);
    for (size_t i = 0; i < VIEWS; i++) push_tensor(&file, FLOATS, views[i][0], views[i][1]);
    add(&file, "t", 1);
    end_stream(&file, FLOATS);
    FILE *to = fopen(path, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(to);
    fwrite(file.data, 1, file.size, to);
    fclose(to);
    t2i_text_free(&file);
    t2i_tensors *tensors;
    OK(t2i_tensors_open(&tensors, path, &err));
    CU_ASSERT_EQUAL_FATAL(t2i_tensors_count(tensors), VIEWS);
    for (size_t v = 0; v < VIEWS; v++) {
        float out[2400];
        const size_t *d = views[v][0], *stride = views[v][1];
        OK(t2i_tensors_floats(tensors, t2i_tensors_at(tensors, v), out, &err));
        for (size_t i = 0; i < d[0] * d[1] * d[2]; i++)
            CU_ASSERT_EQUAL(out[i], (float)(i / d[2] / d[1] * stride[0] +
                                            i / d[2] % d[1] * stride[1] + i % d[2] * stride[2]));
    }
    t2i_tensors_close(tensors);
}

int main(void)
{
    static const t2i_test tests[] = {{"each within its bounds", test_all},
                                     {"views that lie apart", test_views}};
    if (scratch_begin("amplification") != 0) return 1;
    int failed = t2i_test_main("amplification", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return failed;
}
