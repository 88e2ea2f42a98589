/* tar.c - members of archives: plain, compressed, cut off, damaged. */
#include "formats/tar.h"

#include <zlib.h>

#include "scratch.h"
#include "tar_out.h"
#include "test.h"

static const char *put(const char *name, const t2i_text *bytes)
{
    const char *path = in_scratch(name);
    FILE *file = fopen(path, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL(fwrite(bytes->data, 1, bytes->size, file), bytes->size);
    CU_ASSERT_EQUAL(fclose(file), 0);
    return path;
}

static const char *put_gz(const char *name, const t2i_text *bytes)
{
    const char *path = in_scratch(name);
    gzFile file = gzopen(path, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL(gzwrite(file, bytes->data, (unsigned)bytes->size), (int)bytes->size);
    CU_ASSERT_EQUAL(gzclose(file), Z_OK);
    return path;
}

static void make(t2i_text *tar)
{
    tar_put(tar, "folder/", '5', "", 0);
    tar_text(tar, "a.txt", "first");
    tar_put(tar, "b.txt", '1', "a.txt", 5);
    tar_put(tar, "/etc/passwd.txt", '2', "../../etc/passwd", 16);
    tar_text(tar, "../../c.txt", "");
}

/* All of the archive, as text; the status of what ends it. */
static t2i_status read_all(const char *path, t2i_text *out, t2i_error *err)
{
    t2i_tar *tar;
    t2i_tar_member member;
    T2I_TRY(t2i_tar_open(&tar, path, err));
    t2i_status status;
    out->size = 0;
    while ((status = t2i_tar_next(tar, &member, err)) == T2I_OK && member.kind != T2I_TAR_END) {
        status = t2i_text_addf(out, err, "%d %s ", (int)member.kind, member.name);
        if (status == T2I_OK && member.kind == T2I_TAR_FILE)
            status = t2i_tar_read(tar, 1000, out, err);
        if (status == T2I_OK) status = t2i_text_add(out, "\n", 1, err);
        if (status != T2I_OK) break;
    }
    t2i_tar_close(tar);
    return status;
}

static const char whole[] = "3 folder/ \n1 a.txt first\n2 b.txt \n2 /etc/passwd.txt \n"
                            "1 ../../c.txt \n";

static void read_plain_and_compressed(void)
{
    t2i_error err;
    t2i_text tar = {0}, out = {0};
    make(&tar);
    tar_end(&tar);
    OK(read_all(put("a.tar", &tar), &out, &err));
    CU_ASSERT_STRING_EQUAL(out.data, whole);
    OK(read_all(put_gz("a.tar.gz", &tar), &out, &err));
    CU_ASSERT_STRING_EQUAL(out.data, whole);
    t2i_text_free(&tar);
    t2i_text_free(&out);
}

/* Cut at every length: never all of it without a failure. */
static void tell_truncation(void)
{
    t2i_error err;
    t2i_text tar = {0}, out = {0};
    make(&tar);
    size_t members = tar.size;
    tar_end(&tar);
    for (size_t size = 0; size <= members; size += size % 512 == 500 ? 12 : 50) {
        t2i_text part = {tar.data, size, 0};
        FAILS(read_all(put("cut.tar", &part), &out, &err), T2I_DATA, "");
        CU_ASSERT(out.size == 0 || strncmp(out.data, whole, 3) == 0);
    }
    t2i_text part = {tar.data, members, 0};
    FAILS(read_all(put("cut.tar", &part), &out, &err), T2I_DATA, "the mark of its end is missing");
    CU_ASSERT_STRING_EQUAL(out.data, whole);
    t2i_text_free(&tar);
    t2i_text_free(&out);
}

static void tell_damaged_gzip(void)
{
    t2i_error err;
    t2i_text tar = {0}, out = {0}, packed = {0};
    make(&tar);
    tar_end(&tar);
    const char *path = put_gz("b.tar.gz", &tar);
    FILE *file = fopen(path, "rb");
    char bytes[4096];
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    CU_ASSERT(size > 40 && size < sizeof bytes);
    for (size_t cut = size - 1; cut > 20; cut -= 7) {
        OK(t2i_text_add(&packed, bytes, cut, &err));
        FAILS(read_all(put("b.tar.gz", &packed), &out, &err), T2I_DATA, "");
        packed.size = 0;
    }
    bytes[size - 8] ^= 1; /* of the checksum */
    OK(t2i_text_add(&packed, bytes, size, &err));
    FAILS(read_all(put("b.tar.gz", &packed), &out, &err), T2I_DATA, "damaged");
    t2i_text_free(&tar);
    t2i_text_free(&out);
    t2i_text_free(&packed);
}

static void refuse_the_rest(void)
{
    t2i_error err;
    t2i_text tar = {0}, out = {0};
    char long_text[1002];
    memset(long_text, 'x', sizeof long_text);
    tar_put(&tar, "long.txt", '0', long_text, 1001);
    tar_end(&tar);
    FAILS(read_all(put("long.tar", &tar), &out, &err), T2I_DATA, "the limit is 1000");
    FAILS(read_all(in_scratch("none.tar"), &out, &err), T2I_NOINPUT, "none.tar");
    FAILS(read_all(scratch, &out, &err), T2I_NOINPUT, "not a regular file");
    tar.size = 0;
    OK(t2i_text_add(&tar, "<!DOCTYPE html><html>", 21, &err));
    FAILS(read_all(put("page.tar", &tar), &out, &err), T2I_DATA, "");
    tar.size = 0;
    tar_text(&tar, "a.txt", "first");
    tar.data[0] ^= 1; /* the checksum of its header */
    tar_end(&tar);
    FAILS(read_all(put("sum.tar", &tar), &out, &err), T2I_DATA, "");
    t2i_text_free(&tar);
    t2i_text_free(&out);
}

/* cat a.tar b.tar: readers stop at the first mark, and what follows would be lost silently. */
static void tell_joined(void)
{
    t2i_error err;
    t2i_text tar = {0}, out = {0};
    make(&tar);
    tar_end(&tar);
    for (int i = 0; i < 9; i++) tar_end(&tar); /* as tar pads */
    OK(read_all(put("padded.tar", &tar), &out, &err));
    tar_text(&tar, "d.txt", "lost");
    tar_end(&tar);
    FAILS(read_all(put("joined.tar", &tar), &out, &err), T2I_DATA, "joined by cat");
    CU_ASSERT_STRING_EQUAL(out.data, whole);
    t2i_text_free(&tar);
    t2i_text_free(&out);
}

/* Python writes names that are not ASCII as pax headers, GNU tar as bytes. */
static void keep_names(void)
{
    t2i_error err;
    t2i_text tar = {0}, out = {0};
    tar_text(&tar, "\xc3\xa4.txt", "1");
    tar_put(&tar, "PaxHeaders/x", 'x', "14 path=\xc3\xa4\xe2\x82\xac\n", 14);
    tar_text(&tar, "other.txt", "2");
    tar_end(&tar);
    OK(read_all(put("names.tar", &tar), &out, &err));
    CU_ASSERT_STRING_EQUAL(out.data, "1 \xc3\xa4.txt 1\n1 \xc3\xa4\xe2\x82\xac 2\n");
    t2i_text_free(&tar);
    t2i_text_free(&out);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"plain and compressed archives are read alike", read_plain_and_compressed},
        {"a truncated archive is told", tell_truncation},
        {"truncated and damaged gzip is told", tell_damaged_gzip},
        {"archives that were joined are told", tell_joined},
        {"what is no archive, or too large", refuse_the_rest},
        {"names that are not ASCII", keep_names},
    };
    if (scratch_begin("tar") != 0) return 1;
    int code = t2i_test_main("tar", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return code;
}
