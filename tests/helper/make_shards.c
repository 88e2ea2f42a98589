/* make_shards: writes a WebDataset of small pictures, or the same pictures as files.
 * Usage: make_shards FOLDER SHARDS PICTURES SIDE [txt|json|cls|files]
 * FOLDER/00000.tar, ... hold PICTURES pictures each: PNG of SIDE x SIDE pixels, a rectangle before
 * a plain colour, each with a caption. files: FOLDER/NUMBER.png and FOLDER/list.tsv instead.
 *
 * To measure the time for a million pictures (docs/decisions/039-webdataset.md):
 * make_shards /tmp/million 100 10000 16, then t2i-data build --pairs /tmp/million --out /tmp/m.h5
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/rng.h"
#include "image/image.h"
#include "image/image_png.h"
#include "tar_out.h"

static void draw(t2i_image *image, uint64_t number)
{
    size_t side = image->width;
    uint8_t colour[6];
    size_t edge[4];
    for (unsigned i = 0; i < 6; i++) colour[i] = (uint8_t)t2i_rng_below(1, number, i, 256);
    for (unsigned i = 0; i < 4; i++) edge[i] = (size_t)t2i_rng_below(2, number, i, side);
    for (size_t y = 0; y < side; y++)
        for (size_t x = 0; x < side; x++) {
            int inside = (x < edge[0]) != (x < edge[1]) && (y < edge[2]) != (y < edge[3]);
            memcpy(image->rgb + (y * side + x) * 3, colour + 3 * inside, 3);
        }
}

static void caption(char out[100], uint64_t number)
{
    static const char *const words[] = {"red",  "small", "old",  "round", "dark",
                                        "tall", "blue",  "cold", "plain", "wide"};
    snprintf(out, 100, "%s %s thing number %llu", words[number % 10],
             words[t2i_rng_below(3, number, 0, 10)], (unsigned long long)number);
}

static int write_file(const char *folder, const char *name, const t2i_text *bytes)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(bytes->data, 1, bytes->size, file) != bytes->size ||
        fclose(file) != 0) {
        perror(path);
        return 1;
    }
    return 0;
}

static void add_caption(t2i_text *tar, const char *kind, uint64_t number, const char *text)
{
    char name[64], bytes[200];
    snprintf(name, sizeof name, "%09llu.%s", (unsigned long long)number, kind);
    snprintf(bytes, sizeof bytes, strcmp(kind, "json") == 0 ? "{\"caption\": \"%s\"}" : "%s", text);
    tar_text(tar, name, bytes);
}

int main(int argc, char **argv)
{
    t2i_error err = {0};
    t2i_image image;
    t2i_text out = {0}, png = {0}, list = {0};
    if (argc != 5 && argc != 6) {
        fprintf(stderr, "usage: make_shards FOLDER SHARDS PICTURES SIDE [txt|json|cls|files]\n");
        return 64;
    }
    const char *folder = argv[1], *kind = argc == 6 ? argv[5] : "txt";
    uint64_t shards = strtoull(argv[2], NULL, 10), pictures = strtoull(argv[3], NULL, 10);
    size_t side = strtoul(argv[4], NULL, 10);
    int files = strcmp(kind, "files") == 0, bad = 0;
    if (t2i_fs_mkdir(folder, &err) != T2I_OK || t2i_image_new(&image, side, side, &err) != T2I_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    for (uint64_t shard = 0; !bad && shard < shards; shard++) {
        char name[64], text[100];
        out.size = 0;
        for (uint64_t i = shard * pictures; !bad && i < (shard + 1) * pictures; i++) {
            draw(&image, i);
            png.size = 0;
            caption(text, i);
            snprintf(name, sizeof name, "%09llu.png", (unsigned long long)i);
            bad = t2i_image_png_encode(&image, &png, &err) != T2I_OK;
            if (!bad && files) bad = write_file(folder, name, &png);
            if (!bad && files) bad = t2i_text_addf(&list, &err, "%s\t%s\n", text, name) != T2I_OK;
            if (!bad && !files) tar_put(&out, name, '0', png.data, png.size);
            if (!bad && !files) add_caption(&out, kind, i, text);
        }
        snprintf(name, sizeof name, "%05llu.tar", (unsigned long long)shard);
        if (!bad && !files) tar_end(&out);
        if (!bad && !files) bad = write_file(folder, name, &out);
    }
    if (!bad && files) bad = write_file(folder, "list.tsv", &list);
    t2i_text_free(&out);
    t2i_text_free(&png);
    t2i_text_free(&list);
    t2i_image_free(&image);
    return bad;
}
