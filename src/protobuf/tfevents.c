#include "protobuf/tfevents.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "protobuf/protobuf.h"

/* ---- records ---- */

uint32_t t2i_tfevents_crc32c(const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < size; i++) {
        crc ^= at[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (0x82f63b78u & (0u - (crc & 1)));
    }
    return ~crc;
}

static t2i_status add_number(t2i_text *out, uint64_t value, size_t bytes, t2i_error *err)
{
    uint8_t little[8];
    for (size_t i = 0; i < bytes; i++) little[i] = (uint8_t)(value >> 8 * i);
    return t2i_text_add(out, little, bytes, err);
}

/* Masked as TensorFlow does, for data that contains CRCs itself. */
static t2i_status add_crc(t2i_text *out, const void *bytes, size_t size, t2i_error *err)
{
    uint32_t crc = t2i_tfevents_crc32c(bytes, size);
    return add_number(out, (uint32_t)((crc >> 15 | crc << 17) + 0xa282ead8u), 4, err);
}

t2i_status t2i_tfevents_frame(t2i_text *out, const void *message, size_t size, t2i_error *err)
{
    T2I_TRY(add_number(out, size, 8, err));
    T2I_TRY(add_crc(out, out->data + out->size - 8, 8, err));
    T2I_TRY(t2i_text_add(out, message, size, err));
    return add_crc(out, message, size, err);
}

/* ---- messages ---- */

static t2i_status add_float(t2i_text *out, unsigned field, double value, t2i_error *err)
{
    float single = (float)value;
    uint32_t bits;
    memcpy(&bits, &single, sizeof bits);
    return t2i_protobuf_fixed(out, field, bits, 4, err);
}

/* wall_time and step, the first fields of every event. */
static t2i_status begin_event(t2i_text *out, long step, t2i_error *err)
{
    struct timespec now;
    uint64_t bits;
    clock_gettime(CLOCK_REALTIME, &now);
    double seconds = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    memcpy(&bits, &seconds, sizeof bits);
    T2I_TRY(t2i_protobuf_fixed(out, 1, bits, 8, err));
    return t2i_protobuf_integer(out, 2, (uint64_t)step, err);
}

/* An event with these bytes as its field. */
static t2i_status write_event(const t2i_tfevents *events, long step, unsigned field,
                              const void *bytes, size_t size, t2i_error *err)
{
    t2i_text event = {0}, record = {0};
    t2i_status status = begin_event(&event, step, err);
    if (status == T2I_OK) status = t2i_protobuf_bytes(&event, field, bytes, size, err);
    if (status == T2I_OK) status = t2i_tfevents_frame(&record, event.data, event.size, err);
    if (status == T2I_OK)
        status = t2i_fs_append(events->fd, events->path, record.data, record.size, err);
    t2i_text_free(&event);
    t2i_text_free(&record);
    return status;
}

/* Summary: value = 1; Value: tag = 1, simple_value = 2. */
static t2i_status add_scalar(t2i_text *summary, const t2i_scalar *scalar, t2i_error *err)
{
    t2i_text value = {0};
    t2i_status status = t2i_protobuf_bytes(&value, 1, scalar->tag, strlen(scalar->tag), err);
    if (status == T2I_OK) status = add_float(&value, 2, scalar->value, err);
    if (status == T2I_OK) status = t2i_protobuf_bytes(summary, 1, value.data, value.size, err);
    t2i_text_free(&value);
    return status;
}

t2i_status t2i_tfevents_scalars(const t2i_tfevents *events, long step, const t2i_scalar *scalar,
                                size_t count, t2i_error *err)
{
    t2i_text summary = {0};
    t2i_status status = T2I_OK;
    for (size_t i = 0; i < count && status == T2I_OK; i++)
        if (isfinite(scalar[i].value)) status = add_scalar(&summary, &scalar[i], err);
    if (status == T2I_OK && summary.size > 0)
        status = write_event(events, step, 5, summary.data, summary.size, err);
    t2i_text_free(&summary);
    return status;
}

/* Value: tag = 1, image = 4; Image: height = 1, width = 2, colorspace = 3 (3: RGB),
 * encoded_image_string = 4. */
t2i_status t2i_tfevents_picture(const t2i_tfevents *events, long step, const char *tag,
                                const t2i_text *png, size_t width, size_t height, t2i_error *err)
{
    t2i_text image = {0}, value = {0}, summary = {0};
    t2i_status status = t2i_protobuf_integer(&image, 1, height, err);
    if (status == T2I_OK) status = t2i_protobuf_integer(&image, 2, width, err);
    if (status == T2I_OK) status = t2i_protobuf_integer(&image, 3, 3, err);
    if (status == T2I_OK) status = t2i_protobuf_bytes(&image, 4, png->data, png->size, err);
    if (status == T2I_OK) status = t2i_protobuf_bytes(&value, 1, tag, strlen(tag), err);
    if (status == T2I_OK) status = t2i_protobuf_bytes(&value, 4, image.data, image.size, err);
    if (status == T2I_OK) status = t2i_protobuf_bytes(&summary, 1, value.data, value.size, err);
    if (status == T2I_OK) status = write_event(events, step, 5, summary.data, summary.size, err);
    t2i_text_free(&image);
    t2i_text_free(&value);
    t2i_text_free(&summary);
    return status;
}

/* ---- files ---- */

static const char begins[] = "events.out.tfevents.";

/* A number above that of every existing file, and at least the time: readers sort by name. */
static long next_number(const char *folder)
{
    long number = (long)time(NULL);
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        if (strncmp(entry->d_name, begins, sizeof begins - 1) != 0) continue;
        long old = strtol(entry->d_name + sizeof begins - 1, NULL, 10);
        if (old >= number && old < 9999999999) number = old + 1;
    }
    if (dir != NULL) closedir(dir);
    return number;
}

static t2i_status write_start(const t2i_tfevents *events, long step, t2i_error *err)
{
    static const char version[] = "brain.Event:2";
    static const uint8_t start[] = {1 << 3, 1}; /* SessionLog: status = 1: START */
    T2I_TRY(write_event(events, 0, 3, version, sizeof version - 1, err));
    return write_event(events, step, 7, start, sizeof start, err);
}

t2i_status t2i_tfevents_open(t2i_tfevents *out, const char *folder, long step, t2i_error *err)
{
    char host[64] = "", name[128];
    *out = (t2i_tfevents){.fd = -1};
    T2I_TRY(t2i_fs_mkdir(folder, err));
    if (gethostname(host, sizeof host - 1) != 0) strcpy(host, "unknown");
    snprintf(name, sizeof name, "%s%010ld.%s.%ld", begins, next_number(folder), host,
             (long)getpid());
    out->path = t2i_fs_join(folder, name, err);
    if (out->path == NULL) return T2I_SYSTEM;
    out->fd = open(out->path, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    t2i_status status = out->fd < 0 ? t2i_fail(err, T2I_CANTCREATE, "cannot create %s: %s",
                                               out->path, strerror(errno))
                                    : write_start(out, step, err);
    if (status != T2I_OK) t2i_tfevents_close(out);
    return status;
}

void t2i_tfevents_close(t2i_tfevents *events)
{
    if (events->path != NULL && events->fd >= 0) close(events->fd);
    t2i_free(events->path);
    *events = (t2i_tfevents){.fd = -1};
}
