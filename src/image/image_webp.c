/* image_webp.c - decodes WebP by libwebp; of an animation the first frame, on a black canvas.
 * Encodes it without loss.
 */
#include "image/image_webp.h"

#include <string.h>
#include <webp/decode.h>
#include <webp/demux.h>
#include <webp/encode.h>
#include "base/mem.h"
#include "image/exif.h"

#define CHUNKS_MAX 65536u /* libwebpdemux allocates memory for each */

static t2i_status tell(const t2i_image_codec_source *file, VP8StatusCode why, t2i_error *err)
{
    switch (why) {
    case VP8_STATUS_OUT_OF_MEMORY:
        return t2i_fail_memory(err, file->size, "libwebp");
    case VP8_STATUS_NOT_ENOUGH_DATA:
        return t2i_image_codec_cut(file, err);
    case VP8_STATUS_UNSUPPORTED_FEATURE:
        return t2i_image_codec_damaged(file, "WebP", "it has an unknown feature", err);
    default:
        return t2i_image_codec_damaged(file, "WebP", "its data is not valid", err);
    }
}

static uint32_t little_endian(const uint8_t *b)
{
    return (uint32_t)b[3] << 24 | (uint32_t)b[2] << 16 | (uint32_t)b[1] << 8 | b[0];
}

/* Reads the size from the header, after all checks that need no memory. */
static t2i_status read_header(const t2i_image_codec_source *file, WebPBitstreamFeatures *features,
                              t2i_error *err)
{
    VP8StatusCode status = WebPGetFeatures(file->bytes, file->size, features);
    if (status != VP8_STATUS_OK) return tell(file, status, err);
    if ((uint64_t)little_endian(file->bytes + 4) + 8 > file->size)
        return t2i_image_codec_cut(file, err);
    uint64_t at = 12;
    for (unsigned chunks = 0; at + 8 <= file->size; chunks++) {
        if (chunks == CHUNKS_MAX)
            return t2i_image_codec_damaged(file, "WebP", "it has too many chunks", err);
        uint32_t size = little_endian(file->bytes + at + 4);
        at += 8 + (uint64_t)size + (size & 1);
    }
    return t2i_image_codec_check_size(file, (uint64_t)features->width, (uint64_t)features->height,
                                      err);
}

/* Decodes the frame to `to`, rows of `stride` bytes. */
static t2i_status decode_frame(const t2i_image_codec_source *file, const WebPIterator *frame,
                               WEBP_CSP_MODE mode, uint8_t *to, size_t stride, t2i_error *err)
{
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config))
        return t2i_fail(err, T2I_SYSTEM, "libwebp is of another version than its header");
    size_t pixel = mode == MODE_RGB ? 3 : 4;
    config.output.colorspace = mode;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = to;
    config.output.u.RGBA.stride = (int)stride;
    config.output.u.RGBA.size = ((size_t)frame->height - 1) * stride + (size_t)frame->width * pixel;
    VP8StatusCode status = WebPDecode(frame->fragment.bytes, frame->fragment.size, &config);
    return status == VP8_STATUS_OK ? T2I_OK : tell(file, status, err);
}

/* Around a frame that is smaller than its canvas, the canvas is black, and transparent if the file
 * has alpha. */
static t2i_status draw_frame(t2i_image *image, const t2i_image_codec_source *file,
                             const WebPIterator *frame, int has_alpha, t2i_error *err)
{
    const size_t x = (size_t)frame->x_offset, y = (size_t)frame->y_offset;
    const size_t w = (size_t)frame->width, h = (size_t)frame->height;
    const size_t place = y * image->width + x, area = image->width * image->height;
    if (x + w > image->width || y + h > image->height)
        return t2i_image_codec_damaged(file, "WebP", "a frame extends beyond its canvas", err);
    if (!has_alpha) {
        if (w < image->width || h < image->height) memset(image->rgb, 0, area * 3);
        return decode_frame(file, frame, MODE_RGB, image->rgb + place * 3, image->width * 3, err);
    }
    uint8_t *rgba = t2i_alloc(area, 4);
    if (rgba == NULL) return t2i_fail_memory(err, area * 4, "a picture");
    t2i_status status =
        decode_frame(file, frame, MODE_RGBA, rgba + place * 4, image->width * 4, err);
    if (status == T2I_OK) t2i_image_codec_flatten(file, image->rgb, rgba, area);
    t2i_free(rgba);
    return status;
}

static unsigned find_orientation(const WebPDemuxer *demuxer)
{
    WebPChunkIterator chunk = {0};
    unsigned orientation = 1;
    if (WebPDemuxGetChunk(demuxer, "EXIF", 1, &chunk))
        orientation = t2i_exif_orientation(chunk.chunk.bytes, chunk.chunk.size);
    WebPDemuxReleaseChunkIterator(&chunk);
    return orientation;
}

t2i_status t2i_image_webp_decode(t2i_image *out, const t2i_image_codec_source *file, t2i_error *err)
{
    WebPBitstreamFeatures features;
    WebPIterator frame = {0};
    T2I_TRY(read_header(file, &features, err));
    const WebPData data = {file->bytes, file->size};
    WebPDemuxer *demuxer = WebPDemux(&data); /* also NULL if incomplete */
    if (demuxer == NULL)
        return t2i_image_codec_damaged(file, "WebP", "its chunks are inconsistent", err);
    t2i_status status = T2I_OK;
    if (!WebPDemuxGetFrame(demuxer, 1, &frame))
        status = t2i_image_codec_damaged(file, "WebP", "it contains no picture", err);
    if (status == T2I_OK)
        status = t2i_image_new(out, (size_t)features.width, (size_t)features.height, err);
    if (status == T2I_OK) status = draw_frame(out, file, &frame, features.has_alpha, err);
    file->notes->orientation = find_orientation(demuxer);
    WebPDemuxReleaseIterator(&frame);
    WebPDemuxDelete(demuxer);
    if (status != T2I_OK) t2i_image_free(out);
    return status;
}

t2i_status t2i_image_webp_encode(const t2i_image *image, t2i_text *out, t2i_error *err)
{
    uint8_t *bytes = NULL;
    if (image->width > WEBP_MAX_DIMENSION || image->height > WEBP_MAX_DIMENSION)
        return t2i_fail(err, T2I_USAGE,
                        "a picture of %zu x %zu pixels is too large for WebP, which has at most %d "
                        "a side; write a PNG",
                        image->width, image->height, WEBP_MAX_DIMENSION);
    size_t size = WebPEncodeLosslessRGB(image->rgb, (int)image->width, (int)image->height,
                                        (int)image->width * 3, &bytes);
    t2i_status status = size == 0
                            ? t2i_fail_memory(err, image->width * image->height * 4, "libwebp")
                            : t2i_text_add(out, bytes, size, err);
    WebPFree(bytes);
    return status;
}
