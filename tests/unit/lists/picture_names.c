/* picture_names: names of files as other systems write them are found. */
#include "lists/picture_names.h"

#include <sys/stat.h>

#include "test.h"
#include "scratch.h"
#include "base/log.h"

#define NFC "caf\xc3\xa9"
#define NFD "cafe\xcc\x81"

static t2i_error err;

static void touch(const char *name)
{
    FILE *file = fopen(in_scratch(name), "wb");
    CU_ASSERT(file != NULL && fclose(file) == 0);
}

/* What a name becomes. */
static void becomes(const char *name, const char *folder, const char *wanted)
{
    t2i_pair_list list = {.count = 0};
    const t2i_pair_fields fields = {.prompt = {"a", 1}, .image = {name, strlen(name)}};
    OK(t2i_pairs_add(&list, "list", 1, &fields, &err));
    OK(t2i_pairs_add(&list, "list", 2, &fields, &err));
    OK(t2i_picture_names_find(&list, "list", folder, &err));
    CU_ASSERT_EQUAL(list.count, 2);
    for (size_t i = 0; i < list.count; i++)
        CU_ASSERT_STRING_EQUAL(list.text.data + list.row[i].image, wanted);
    t2i_pairs_free(&list);
}

static void found(void)
{
    char uri[700];
    mkdir(in_scratch("sub"), 0700);
    mkdir(in_scratch(NFC), 0700);
    touch("a.png");
    touch(" led.png");
    touch("back\\slash.png");
    touch("sub/b.png");
    touch(NFC "/" NFD ".png");
    touch(NFD ".png");
    touch("both" NFC ".png");
    touch("both" NFD ".png");
    const char *const folders[] = {scratch, in_scratch("")};
    for (int i = 0; i < 2; i++) {
        const char *folder = folders[i];
        becomes("a.png", folder, "a.png");
        becomes("./a.png", folder, "a.png");
        becomes(" a.png\xc2\xa0", folder, "a.png");
        becomes(" led.png", folder, " led.png");
        becomes("back\\slash.png", folder, "back\\slash.png");
        becomes(".\\sub\\b.png", folder, "sub/b.png");
        becomes(NFC ".png", folder, NFD ".png");
        becomes(NFC "/" NFC ".png ", folder, NFC "/" NFD ".png");
        becomes(NFD "\\" NFC ".png", folder, NFC "/" NFD ".png");
        becomes("./sub/../" NFD "/" NFC ".png", folder, "sub/../" NFC "/" NFD ".png");
        becomes("both" NFC ".png", folder, "both" NFC ".png");
        becomes("both" NFD ".png", folder, "both" NFD ".png");
        becomes(" none" NFC ".png ", folder, "none" NFC ".png");
        becomes("none/\\x.png", folder, "none/\\x.png");
        snprintf(uri, sizeof uri, "file://%s/" NFC ".png", scratch);
        becomes(uri, folder, in_scratch(NFD ".png"));
    }
    becomes(" ./a.png", in_scratch("none"), "a.png");
    becomes(NFC ".png", in_scratch("none"), NFC ".png");
}

int main(void)
{
    static const t2i_test tests[] = {{"names", found}};
    if (scratch_begin("names") != 0) return 1;
    t2i_log_rank(1); /* no notes */
    int failed = t2i_test_main("picture_names", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return failed;
}
