/* Event files: the checksum of RFC 3720's examples, the framing byte for byte, and files whose
 * order by name is the order of the sessions. */
#include "test.h"

#include <math.h>

#include "scratch.h"
#include "base/commit.h"
#include "base/fs.h"
#include "protobuf/tfevents.h"

static t2i_error err;

/* RFC 3720, B.4; and the check value of every list of CRCs. */
static void sums(void)
{
    uint8_t zero[32] = {0}, one[32], up[32], down[32];
    memset(one, 0xff, sizeof one);
    for (int i = 0; i < 32; i++) {
        up[i] = (uint8_t)i;
        down[i] = (uint8_t)(31 - i);
    }
    CU_ASSERT(t2i_tfevents_crc32c("", 0) == 0);
    CU_ASSERT(t2i_tfevents_crc32c("123456789", 9) == 0xe3069283u);
    CU_ASSERT(t2i_tfevents_crc32c(zero, 32) == 0x8a9136aau);
    CU_ASSERT(t2i_tfevents_crc32c(one, 32) == 0x62a8ab43u);
    CU_ASSERT(t2i_tfevents_crc32c(up, 32) == 0x46dd794eu);
    CU_ASSERT(t2i_tfevents_crc32c(down, 32) == 0x113fdb5cu);
}

static uint64_t number(const char *at, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = bytes; i-- > 0;) value = value << 8 | (uint8_t)at[i];
    return value;
}

/* The mask, undone as readers do it. */
static uint32_t unmasked(const char *at)
{
    uint32_t rot = (uint32_t)number(at, 4) - 0xa282ead8u;
    return rot >> 17 | rot << 15;
}

/* The message of the record at `at`, whose sums are right; NULL at the end. */
static const char *record(const t2i_text *file, size_t *at, size_t *size)
{
    const char *p = file->data + *at;
    if (file->size - *at < 16) return NULL;
    *size = (size_t)number(p, 8);
    CU_ASSERT(unmasked(p + 8) == t2i_tfevents_crc32c(p, 8));
    if (*size > file->size - *at - 16) return NULL;
    CU_ASSERT(unmasked(p + 12 + *size) == t2i_tfevents_crc32c(p + 12, *size));
    *at += *size + 16;
    return p + 12;
}

static void frames(void)
{
    t2i_text out = {0};
    size_t at = 0, size;
    OK(t2i_tfevents_frame(&out, "abc", 3, &err));
    OK(t2i_tfevents_frame(&out, "", 0, &err));
    CU_ASSERT(out.size == 3 + 2 * 16);
    const char *first = record(&out, &at, &size);
    CU_ASSERT(first != NULL && size == 3 && memcmp(first, "abc", 3) == 0);
    CU_ASSERT(record(&out, &at, &size) != NULL && size == 0 && at == out.size);
    t2i_text_free(&out);
}

static t2i_text read_file(const t2i_tfevents *events)
{
    t2i_text file = {0};
    OK(t2i_fs_read(events->path, 1 << 20, &file, &err));
    return file;
}

/* After wall_time (9 bytes): the rest of the message, byte for byte. */
static void next_is(const t2i_text *file, size_t *at, const char *rest, size_t rest_size)
{
    size_t size = 0;
    const char *message = record(file, at, &size);
    CU_ASSERT(message != NULL && message[0] == 0x09);
    CU_ASSERT(size == 9 + rest_size);
    CU_ASSERT(message != NULL && size == 9 + rest_size &&
              memcmp(message + 9, rest, rest_size) == 0);
}
#define NEXT_IS(file, at, rest) next_is(file, at, rest, sizeof rest - 1)

static void messages(void)
{
    t2i_tfevents events;
    size_t at = 0;
    OK(t2i_tfevents_open(&events, in_scratch("board"), 301, &err));
    const t2i_scalar scalar[] = {{"a", 0.5}, {"nan", NAN}, {"b", -2.0}};
    OK(t2i_tfevents_scalars(&events, 1, scalar, 3, &err));
    OK(t2i_tfevents_scalars(&events, 2, scalar + 1, 1, &err)); /* nothing to say */
    t2i_text png = {0};
    OK(t2i_text_add(&png, "PNG", 3, &err));
    OK(t2i_tfevents_picture(&events, 300, "s", &png, 7, 200, &err));
    t2i_text file = read_file(&events);
    NEXT_IS(&file, &at,
            "\x10\0\x1a\x0d"
            "brain.Event:2");
    NEXT_IS(&file, &at, "\x10\xad\x02\x3a\x02\x08\x01");
    NEXT_IS(&file, &at,
            "\x10\x01\x2a\x14\x0a\x08\x0a\x01"
            "a\x15\0\0\0\x3f\x0a\x08\x0a\x01"
            "b\x15\0\0\0\xc0");
    NEXT_IS(&file, &at,
            "\x10\xac\x02\x2a\x13\x0a\x11\x0a\x01s\x22\x0c\x08\xc8\x01\x10\x07\x18\x03\x22\x03PNG");
    CU_ASSERT(at == file.size);
    t2i_text_free(&file);
    t2i_text_free(&png);
    t2i_tfevents_close(&events);
    t2i_tfevents_close(&events);
}

/* Several within a second, and after one of a clock that was ahead. */
static void follow(void)
{
    t2i_tfevents events;
    char last[700] = "";
    OK(t2i_fs_mkdir(in_scratch("more"), &err));
    OK(t2i_commit_file(in_scratch("more/events.out.tfevents.4102444800.x.1"), "", 0, &err));
    for (int i = 0; i < 4; i++) {
        OK(t2i_tfevents_open(&events, in_scratch("more"), 1, &err));
        CU_ASSERT(strcmp(events.path, last) > 0);
        CU_ASSERT(strstr(events.path, "tfevents.410244480") != NULL);
        snprintf(last, sizeof last, "%s", events.path);
        t2i_tfevents_close(&events);
    }
    OK(t2i_commit_file(in_scratch("file"), "", 0, &err));
    FAILS(t2i_tfevents_open(&events, in_scratch("file"), 1, &err), T2I_CANTCREATE, "file");
    t2i_tfevents_close(&events);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"CRC32C", sums},
        {"records", frames},
        {"messages", messages},
        {"a session's file sorts behind the older ones", follow},
    };
    if (scratch_begin("tfevents") != 0) return 1;
    int failed = t2i_test_main("tfevents", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return failed;
}
