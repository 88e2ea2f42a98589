/* build_journal: what a build that was stopped leaves, and what of it a later one may use. */
#include "prepare/build_journal.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scratch.h"
#include "test.h"
#include "base/commit.h"
#include "base/fs.h"
#include "base/text.h"

static t2i_error err;

enum { PIXELS = 30, FEATURES = 4 };

static t2i_build_journal_kind kind;
static t2i_string_table names;
static char folder[600], images[600];

static void begin(void)
{
    static const char *const all[] = {"a.png", "b.png", "c.png"};
    size_t number;
    CU_ASSERT_EQUAL(scratch_begin("build_journal"), 0);
    snprintf(folder, sizeof folder, "%s/out.parts", scratch);
    snprintf(images, sizeof images, "%s/pictures", scratch);
    OK(t2i_fs_mkdir(folder, &err));
    OK(t2i_fs_mkdir(images, &err));
    kind = (t2i_build_journal_kind){
        .folder = folder, .images = images, .pixels = PIXELS, .features = FEATURES};
    memset(kind.key, 'k', T2I_HEX - 1);
    names = (t2i_string_table){0};
    for (size_t i = 0; i < 3; i++) {
        char path[700];
        snprintf(path, sizeof path, "%s/%s", images, all[i]);
        OK(t2i_commit_file(path, "picture", 7, &err));
        OK(t2i_string_table_add(&names, all[i], &number, &err));
    }
}

static void end(void)
{
    t2i_string_table_free(&names);
    scratch_end();
}

static void fill(uint8_t *pixels, float *features, int seed)
{
    for (int i = 0; i < PIXELS; i++) pixels[i] = (uint8_t)(seed * 7 + i);
    for (int i = 0; i < FEATURES; i++) features[i] = (float)(seed + i) / 3.0f;
}

/* Journal `number` with a result of a.png and a reason for b.png. */
static void write_one(size_t number, int seed)
{
    t2i_build_journal_writer *journal;
    uint8_t pixels[PIXELS];
    float features[FEATURES];
    fill(pixels, features, seed);
    OK(t2i_build_journal_writer_new(&journal, &kind, number, &err));
    t2i_file_stamp stamp;
    OK(t2i_build_journal_stamp_file(&stamp, &kind, "a.png", &err));
    OK(t2i_build_journal_writer_put(journal, "a.png", &stamp, 5, pixels, features, &err));
    OK(t2i_build_journal_writer_put_reason(journal, "b.png", "it is no picture", &err));
    OK(t2i_build_journal_writer_close(journal, &err));
}

static void expect(int resume, int a, int b, int c)
{
    t2i_build_journal *results;
    OK(t2i_build_journal_open(&results, &kind, &names, resume, &err));
    CU_ASSERT_EQUAL(t2i_build_journal_state(results, 0), a);
    CU_ASSERT_EQUAL(t2i_build_journal_state(results, 1), b);
    CU_ASSERT_EQUAL(t2i_build_journal_state(results, 2), c);
    if (a == 1) CU_ASSERT_EQUAL(t2i_build_journal_found(results, 0), 5);
    t2i_build_journal_close(results);
}

static void expect_result(int seed)
{
    t2i_build_journal *results;
    uint8_t pixels[PIXELS], wanted[PIXELS];
    float features[FEATURES], numbers[FEATURES];
    fill(wanted, numbers, seed);
    OK(t2i_build_journal_open(&results, &kind, &names, 0, &err));
    OK(t2i_build_journal_read(results, 0, pixels, features, &err));
    CU_ASSERT(memcmp(pixels, wanted, sizeof pixels) == 0);
    CU_ASSERT(memcmp(features, numbers, sizeof features) == 0);
    t2i_build_journal_close(results);
}

static void test_round_trip(void)
{
    t2i_build_journal *results;
    char *reason;
    begin();
    expect(0, 0, 0, 0);
    write_one(0, 1);
    expect(0, 1, -1, 0);
    expect_result(1);
    OK(t2i_build_journal_open(&results, &kind, &names, 0, &err));
    OK(t2i_build_journal_reason(results, 1, &reason, &err));
    CU_ASSERT_STRING_EQUAL(reason, "it is no picture");
    t2i_free(reason);
    CU_ASSERT_EQUAL(t2i_build_journal_next(results), 1);
    t2i_build_journal_close(results);
    t2i_build_journal_writer *journal;
    FAILS(t2i_build_journal_writer_new(&journal, &kind, 0, &err), T2I_CANTCREATE, "000000.part");
    CU_ASSERT(journal == NULL);
    end();
}

static void test_newest_counts(void)
{
    begin();
    write_one(10, 3);
    write_one(2, 1);
    write_one(9, 2);
    expect_result(3);
    t2i_build_journal *results;
    OK(t2i_build_journal_open(&results, &kind, &names, 0, &err));
    CU_ASSERT_EQUAL(t2i_build_journal_next(results), 11);
    t2i_build_journal_close(results);
    end();
}

static void test_again(void)
{
    char path[700];
    begin();
    write_one(0, 1);
    expect(1, 1, 0, 0); /* reasons are not kept: the file may have been mended */
    snprintf(path, sizeof path, "%s/a.png", images);
    OK(t2i_commit_file(path, "another", 7, &err)); /* same size, later time */
    const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    CU_ASSERT_EQUAL(utimensat(AT_FDCWD, path, times, 0), 0);
    expect(1, 0, 0, 0);
    expect(0, 1, -1, 0); /* the same build does not look twice */
    unlink(path);
    expect(1, 0, 0, 0);
    end();
}

static void test_other_encoder(void)
{
    t2i_build_journal *results;
    begin();
    write_one(0, 1);
    kind.key[3] = 'x';
    OK(t2i_build_journal_open(&results, &kind, &names, 1, &err));
    CU_ASSERT_EQUAL(t2i_build_journal_state(results, 0), 0);
    CU_ASSERT_EQUAL(t2i_build_journal_foreign(results), 1);
    CU_ASSERT_EQUAL(t2i_build_journal_next(results), 1);
    t2i_build_journal_close(results);
    end();
}

/* Cut or changed anywhere, a journal gives a result that was written, or none. */
static void test_damage(void)
{
    char path[700];
    t2i_text text = {0};
    begin();
    write_one(0, 1);
    snprintf(path, sizeof path, "%s/000000.part", folder);
    OK(t2i_fs_read(path, 1 << 20, &text, &err));
    for (size_t cut = 0; cut < text.size; cut++) {
        t2i_build_journal *results;
        OK(t2i_commit_file(path, text.data, cut, &err));
        OK(t2i_build_journal_open(&results, &kind, &names, 0, &err));
        CU_ASSERT_EQUAL(t2i_build_journal_state(results, 1), 0);
        t2i_build_journal_close(results);
    }
    size_t head = 64; /* the key and the magic: a change makes it foreign */
    for (size_t at = 0; at < text.size; at++) {
        t2i_build_journal *results;
        text.data[at] ^= 1;
        OK(t2i_commit_file(path, text.data, text.size, &err));
        OK(t2i_build_journal_open(&results, &kind, &names, 0, &err));
        if (at >= head)
            CU_ASSERT(t2i_build_journal_state(results, 0) == 0 ||
                      t2i_build_journal_state(results, 1) == 0);
        t2i_build_journal_close(results);
        text.data[at] ^= 1;
    }
    t2i_text_free(&text);
    end();
}

static void test_remove(void)
{
    char path[700];
    begin();
    write_one(0, 1);
    snprintf(path, sizeof path, "%s/mine.txt", folder);
    OK(t2i_commit_file(path, "x", 1, &err));
    t2i_build_journal_remove(folder);
    expect(0, 0, 0, 0);
    CU_ASSERT(t2i_fs_exists(path));
    unlink(path);
    t2i_build_journal_remove(folder);
    CU_ASSERT(!t2i_fs_exists(folder));
    t2i_build_journal_remove(folder);
    end();
}

int main(void)
{
    static const t2i_test tests[] = {
        {"results and reasons come back", test_round_trip},
        {"of several results the newest journal's counts", test_newest_counts},
        {"a later build takes what is as it was", test_again},
        {"another encoder's journals are passed over", test_other_encoder},
        {"a cut or changed journal gives no wrong result", test_damage},
        {"removal leaves what is not ours", test_remove},
    };
    return t2i_test_main("results", tests, sizeof tests / sizeof *tests);
}
