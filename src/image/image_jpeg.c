/* image_jpeg.c - decodes JPEG by libjpeg with Pillow's settings: the exact DCT, smooth upsampling;
 * encodes it.
 *
 * libjpeg fills damaged data with grey, which is accepted, as in Pillow, and noted. A file that
 * ends before its last row is refused, as in Pillow.
 */
#include "image/image_jpeg.h"

#include <setjmp.h>
#include <string.h>
#include <stdio.h> /* for jpeglib.h, which itself comes before jerror.h */
#include <stdlib.h>

#include <jpeglib.h>

#include <jerror.h>

#include "image/exif.h"
#include "image/image_file.h"

/* A scan of a few bytes takes the time of the whole picture; real files have about ten scans. The
 * limit is lower for the largest pictures. */
#define SCANS_MAX     500u
#define SCANS_LARGEST 32u
/* Memory limit of libjpeg: 16-bit coefficients of four components, and a margin. */
#define MEMORY_MAX ((long)T2I_IMAGE_AREA_MAX * 8 + (64l << 20))
#define QUALITY    95 /* of encoded pictures */

/* All state that changes between setjmp and longjmp is here, in the caller's frame, so that no
 * local variable must be volatile. */
typedef struct {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    const t2i_image_codec_source *file;
    const uint8_t *exif; /* the content of the first EXIF marker, within the file */
    size_t exif_size;
    t2i_image image;
    int cut, endless, repaired;
    jmp_buf back;
} codec;

static void on_error(j_common_ptr any)
{
    codec *c = any->client_data;
    longjmp(c->back, 1);
}

/* Notes damaged data. Other warnings are about headers: pixels are not concerned. */
static void on_message(j_common_ptr any, int level)
{
    codec *c = any->client_data;
    int code = any->err->msg_code;
    if (level < 0)
        c->repaired |= code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE ||
                       code == JWRN_ARITH_BAD_CODE || code == JWRN_MUST_RESYNC ||
                       code == JWRN_EXTRANEOUS_DATA || code == JWRN_BOGUS_PROGRESSION;
}

static void on_progress(j_common_ptr any)
{
    codec *c = any->client_data;
    uint64_t scans = (uint64_t)c->jpeg.input_scan_number;
    uint64_t area = (uint64_t)c->jpeg.image_width * c->jpeg.image_height;
    c->endless = scans > SCANS_MAX || scans * area > SCANS_LARGEST * (uint64_t)c->file->area_max ||
                 scans * area > SCANS_LARGEST * t2i_image_codec_most(c->file);
    if (c->endless) longjmp(c->back, 1);
}

static void on_begin(j_decompress_ptr jpeg)
{
    (void)jpeg;
}

/* Called at the end of the buffer, which held the whole file. */
static boolean on_empty(j_decompress_ptr jpeg)
{
    (void)jpeg;
    return FALSE;
}

static void on_skip(j_decompress_ptr jpeg, long count)
{
    size_t size = count < 0 ? 0 : (size_t)count;
    if (size > jpeg->src->bytes_in_buffer) size = jpeg->src->bytes_in_buffer;
    jpeg->src->next_input_byte += size;
    jpeg->src->bytes_in_buffer -= size;
}

/* Keeps the first EXIF marker, which counts, as in Pillow. libjpeg itself would keep all, and walk
 * along those that it has at each. FALSE: the file ends within it. */
static boolean on_exif(j_decompress_ptr jpeg)
{
    codec *c = jpeg->client_data;
    const uint8_t *at = jpeg->src->next_input_byte;
    const size_t left = jpeg->src->bytes_in_buffer;
    if (left < 2) return FALSE;
    size_t size = (size_t)at[0] << 8 | at[1]; /* with its own two bytes */
    if (size < 2) size = 2;
    if (size > left) return FALSE;
    if (c->exif == NULL && size >= 8 && memcmp(at + 2, "Exif\0", 6) == 0) {
        c->exif = at + 2;
        c->exif_size = size - 2;
    }
    on_skip(jpeg, (long)size);
    return TRUE;
}

/* Returns 0, or -1 with the reason in c. */
static int read_header(codec *c)
{
    if (setjmp(c->back) != 0) return -1;
    c->jpeg.err = jpeg_std_error(&c->errors);
    c->errors.error_exit = on_error;
    c->errors.emit_message = on_message;
    c->jpeg.client_data = c;
    jpeg_create_decompress(&c->jpeg);
    c->jpeg.mem->max_memory_to_use = MEMORY_MAX;
    c->progress.progress_monitor = on_progress;
    c->jpeg.progress = &c->progress;
    c->source = (struct jpeg_source_mgr){.next_input_byte = c->file->bytes,
                                         .bytes_in_buffer = c->file->size,
                                         .init_source = on_begin,
                                         .fill_input_buffer = on_empty,
                                         .skip_input_data = on_skip,
                                         .resync_to_restart = jpeg_resync_to_restart,
                                         .term_source = on_begin};
    c->jpeg.src = &c->source;
    jpeg_set_marker_processor(&c->jpeg, JPEG_APP0 + 1, on_exif);
    int found;
    do found = jpeg_read_header(&c->jpeg, FALSE);
    while (found == JPEG_HEADER_TABLES_ONLY);
    c->cut = found == JPEG_SUSPENDED;
    return c->cut ? -1 : 0;
}

/* a * b / 255, rounded */
static unsigned times(unsigned a, unsigned b)
{
    unsigned t = a * b + 128;
    return (t + (t >> 8)) >> 8;
}

/* Converts CMYK to RGB. Adobe's programs store the channels inverted (255 is no ink), and Pillow
 * assumes this for all such files. */
static void add_inks(uint8_t *rgb, const uint8_t *cmyk, size_t width)
{
    for (size_t x = 0; x < width; x++, rgb += 3, cmyk += 4)
        for (int i = 0; i < 3; i++) {
            unsigned white = cmyk[3], ink = times(255u - cmyk[i], white);
            rgb[i] = (uint8_t)(white > ink ? white - ink : 0);
        }
}

/* Does a progressive picture lack scans, as when it is cut between two of them? */
static int lacks_scans(const codec *c)
{
    for (int i = 0; c->jpeg.coef_bits != NULL && i < c->jpeg.num_components; i++)
        for (int k = 0; k < DCTSIZE2; k++)
            if (c->jpeg.coef_bits[i][k] != 0) return 1;
    return 0;
}

static int read_rows(codec *c)
{
    if (setjmp(c->back) != 0) return -1;
    int inks = c->jpeg.num_components == 4;
    JSAMPARRAY row = NULL;
    c->jpeg.out_color_space = inks ? JCS_CMYK : JCS_RGB;
    c->cut = !jpeg_start_decompress(&c->jpeg);
    if (c->cut) return -1;
    if (inks)
        row = c->jpeg.mem->alloc_sarray((j_common_ptr)&c->jpeg, JPOOL_IMAGE,
                                        c->jpeg.output_width * 4, 1);
    while (c->jpeg.output_scanline < c->jpeg.output_height) {
        uint8_t *to = c->image.rgb + c->jpeg.output_scanline * c->image.width * 3;
        c->cut = jpeg_read_scanlines(&c->jpeg, inks ? row : &to, 1) != 1;
        if (c->cut) return -1;
        if (inks) add_inks(to, row[0], c->image.width);
    }
    c->repaired |= lacks_scans(c);
    (void)jpeg_finish_decompress(&c->jpeg); /* a missing end marker is accepted */
    return 0;
}

/* Is it an error of a valid file that libjpeg does not support? */
static int is_unusual(int code)
{
    return code == JERR_SOF_UNSUPPORTED || code == JERR_BAD_PRECISION ||
           code == JERR_CONVERSION_NOTIMPL || code == JERR_ARITH_NOTIMPL ||
           code == JERR_NOT_COMPILED || code == JERR_NOTIMPL || code == JERR_COMPONENT_COUNT;
}

static t2i_status tell(codec *c, t2i_error *err)
{
    char why[JMSG_LENGTH_MAX];
    if (c->cut) return t2i_image_codec_cut(c->file, err);
    if (c->endless)
        return t2i_fail(
            err, T2I_DATA,
            "%s is a JPEG with too many scans (%d so far): save it again or leave it out",
            c->file->name, c->jpeg.input_scan_number);
    if (c->errors.msg_code == JERR_OUT_OF_MEMORY)
        return t2i_fail_memory(err, c->file->size, "libjpeg");
    c->errors.format_message((j_common_ptr)&c->jpeg, why);
    if (is_unusual(c->errors.msg_code))
        return t2i_fail(
            err, T2I_DATA,
            "%s is a JPEG of an unsupported kind (%s): convert it to PNG or leave it out",
            c->file->name, why);
    return t2i_image_codec_damaged(c->file, "JPEG", why, err);
}

t2i_status t2i_image_jpeg_decode(t2i_image *out, const t2i_image_codec_source *file, t2i_error *err)
{
    codec c = {.file = file};
    t2i_status status = T2I_OK;
    int failed = read_header(&c);
    if (!failed) {
        file->notes->orientation = c.exif == NULL ? 1 : t2i_exif_orientation(c.exif, c.exif_size);
        status = t2i_image_codec_check_size(file, c.jpeg.image_width, c.jpeg.image_height, err);
        if (status == T2I_OK)
            status = t2i_image_new(&c.image, c.jpeg.image_width, c.jpeg.image_height, err);
        if (status == T2I_OK) failed = read_rows(&c);
    }
    if (failed) status = tell(&c, err);
    if (c.repaired) file->notes->found |= T2I_IMAGE_REPAIRED;
    jpeg_destroy_decompress(&c.jpeg);
    if (status == T2I_OK)
        *out = c.image;
    else
        t2i_image_free(&c.image);
    return status;
}

/* ---- encoding ---- */

/* As codec. */
typedef struct {
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    unsigned char *bytes; /* by malloc */
    unsigned long size;
    jmp_buf back;
} encoder;

static void on_encoder_error(j_common_ptr any)
{
    encoder *e = any->client_data;
    longjmp(e->back, 1);
}

/* Returns 0, or -1 with the reason in e. */
static int encode(encoder *e, const t2i_image *image)
{
    if (setjmp(e->back) != 0) return -1;
    e->jpeg.err = jpeg_std_error(&e->errors);
    e->errors.error_exit = on_encoder_error;
    e->jpeg.client_data = e;
    jpeg_create_compress(&e->jpeg);
    jpeg_mem_dest(&e->jpeg, &e->bytes, &e->size);
    e->jpeg.image_width = (JDIMENSION)image->width;
    e->jpeg.image_height = (JDIMENSION)image->height;
    e->jpeg.input_components = 3;
    e->jpeg.in_color_space = JCS_RGB;
    jpeg_set_defaults(&e->jpeg);
    jpeg_set_quality(&e->jpeg, QUALITY, TRUE);
    e->jpeg.comp_info[0].h_samp_factor = e->jpeg.comp_info[0].v_samp_factor = 1;
    jpeg_start_compress(&e->jpeg, TRUE);
    while (e->jpeg.next_scanline < e->jpeg.image_height) {
        uint8_t *row = image->rgb + e->jpeg.next_scanline * image->width * 3;
        (void)jpeg_write_scanlines(&e->jpeg, &row, 1);
    }
    jpeg_finish_compress(&e->jpeg);
    return 0;
}

t2i_status t2i_image_jpeg_encode(const t2i_image *image, t2i_text *out, t2i_error *err)
{
    encoder e = {.bytes = NULL};
    char why[JMSG_LENGTH_MAX];
    t2i_status status;
    if (encode(&e, image) == 0)
        status = t2i_text_add(out, e.bytes, e.size, err);
    else {
        int large = e.errors.msg_code == JERR_IMAGE_TOO_BIG;
        e.errors.format_message((j_common_ptr)&e.jpeg, why);
        status = t2i_fail(err, large ? T2I_USAGE : T2I_SYSTEM,
                          "cannot encode a picture of %zu x %zu pixels as JPEG: %s%s", image->width,
                          image->height, why, large ? "; write a PNG" : "");
    }
    jpeg_destroy_compress(&e.jpeg);
    free(e.bytes);
    return status;
}
