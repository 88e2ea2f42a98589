/* tar_writer - members come back, by libarchive. */
#include "convert/tar_writer.h"

#include "base/commit.h"
#include "formats/tar.h"
#include "scratch.h"
#include "test.h"

static t2i_error err;

static void members_come_back(void)
{
    static const size_t size[] = {0, 1, 511, 512, 513, 100000};
    enum { MEMBERS = sizeof size / sizeof *size };
    const char *path = in_scratch("a.tar");
    uint8_t *bytes = t2i_alloc(size[MEMBERS - 1], 1);
    t2i_fs_out out;
    uint64_t written;
    for (size_t i = 0; i < size[MEMBERS - 1]; i++) bytes[i] = (uint8_t)(i * 31 + i / 256);
    OK(t2i_fs_out_open(&out, path, &err));
    for (size_t i = 0; i < MEMBERS; i++) {
        char name[16];
        snprintf(name, sizeof name, "%zu.png", i);
        OK(t2i_tar_writer_add(&out, name, bytes, size[i], &err));
    }
    OK(t2i_tar_writer_end(&out, &err));
    OK(t2i_commit(&out, &err));
    OK(t2i_fs_size(path, &written, &err));
    CU_ASSERT_EQUAL(written % 512, 0);

    t2i_tar *tar = NULL;
    t2i_tar_member member = {.kind = T2I_TAR_END};
    OK(t2i_tar_open(&tar, path, &err));
    for (size_t i = 0; tar != NULL && i < MEMBERS; i++) {
        t2i_text text = {0};
        char name[16];
        snprintf(name, sizeof name, "%zu.png", i);
        OK(t2i_tar_next(tar, &member, &err));
        CU_ASSERT(member.kind == T2I_TAR_FILE && member.bytes == size[i]);
        CU_ASSERT_STRING_EQUAL(member.name, name);
        OK(t2i_tar_read(tar, 1 << 20, &text, &err));
        CU_ASSERT(text.size == size[i] && memcmp(text.data, bytes, size[i]) == 0);
        t2i_text_free(&text);
    }
    OK(t2i_tar_next(tar, &member, &err));
    CU_ASSERT_EQUAL(member.kind, T2I_TAR_END);
    t2i_tar_close(tar);
    t2i_free(bytes);
}

int main(void)
{
    static const t2i_test tests[] = {{"members come back", members_come_back}};
    if (scratch_begin("tar-writer") != 0) return 1;
    int failed = t2i_test_main("tar_writer", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return failed;
}
