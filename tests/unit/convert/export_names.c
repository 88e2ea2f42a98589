/* export_names - usual names stay, others become usual, no two are alike, none leaves the folder.
 */
#include "convert/export_names.h"

#include "test.h"

static t2i_error err;

/* The file of each of these names, added one after another, is the one beside it. */
static void are(const char *const (*pair)[2], size_t count)
{
    t2i_export_names names = {0};
    size_t changed = 0;
    for (size_t i = 0; i < count; i++) {
        OK(t2i_export_names_add(&names, pair[i][0], &err));
        CU_ASSERT_STRING_EQUAL(t2i_string_table_at(&names.files, i), pair[i][1]);
        changed += strcmp(pair[i][0], pair[i][1]) != 0;
    }
    CU_ASSERT_EQUAL(names.changed, changed);
    t2i_export_names_free(&names);
}
#define ARE(...)                                                                                   \
    static const char *const pair[][2] = {__VA_ARGS__};                                            \
    are(pair, sizeof pair / sizeof *pair)

static void usual_names_stay(void)
{
    ARE({"a.png", "a.png"}, {"cats/1.png", "cats/1.png"}, {"cats/sub/a b.png", "cats/sub/a b.png"},
        {"gr\xc3\xbc\xc3\x9f.png", "gr\xc3\xbc\xc3\x9f.png"}, {"a.b.png", "a.b.png"},
        {"--x.png", "--x.png"});
}

static void others_get_the_suffix(void)
{
    ARE({"a.jpg", "a.png"}, {"b.JPEG", "b.png"}, {"c", "c.png"}, {"d.png.webp", "d.png.png"},
        {"1F600 grinning face", "1F600 grinning face.png"}, {"v1.5", "v1.5.png"},
        {"e.PNG", "e.png"}, {"f/.jpg", "f/_jpg.png"}, {"", "picture.png"});
}

static void none_leaves_the_folder(void)
{
    ARE({"/etc/passwd", "etc/passwd.png"}, {"../../a.png", "a.png"}, {"./b//c.png", "b/c.png"},
        {"..", "picture.png"}, {"d/../e.png", "d/e.png"}, {".../f.png", "_._/f.png"},
        {"c:\\g.png", "c__g.png"}, {"h\n\x1b[2J.png", "h__[2J.png"}, {" i .png", "_i .png"},
        {"j\xff.png", "j_.png"}, {".k.png", "_k.png"}, {"l./m.png", "l_/m.png"},
        {"\xc2\x9bn.png", "_n.png"});
}

static void no_two_are_alike(void)
{
    ARE({"a.png", "a.png"}, {"A.png", "A-1.png"}, {"a.jpg", "a-2.png"}, {"a.png", "a-3.png"},
        {"a-5.png", "a-5.png"}, {"a", "a-6.png"}, {"x/y.png", "x/y.png"}, {"X/Z.png", "X/Z.png"},
        {"x/Y.png", "x_Y-8.png"}, {"a.png/b.png", "a.png_b-9.png"}, {"q.png/r.png", "q.png/r.png"},
        {"Q.png", "Q-11.png"}, {"s/t.png/u.png", "s/t.png/u.png"}, {"s/t.png", "s_t-13.png"});
}

static void long_names_are_cut(void)
{
    t2i_export_names names = {0};
    t2i_text name = {0};
    for (int i = 0; i < 2000; i++) OK(t2i_text_add(&name, "\xc3\xa9", 2, &err));
    OK(t2i_export_names_add(&names, name.data, &err));
    OK(t2i_export_names_add(&names, name.data, &err));
    for (int i = 0; i < 1000; i++) OK(t2i_text_add(&name, "/abc", 4, &err));
    OK(t2i_export_names_add(&names, name.data, &err));
    for (size_t i = 0; i < 3; i++) {
        const char *file = t2i_string_table_at(&names.files, i);
        CU_ASSERT(strlen(file) < (i < 2 ? 200 : 1200));
        CU_ASSERT_EQUAL(t2i_utf8_valid(file, strlen(file)), strlen(file));
    }
    CU_ASSERT_EQUAL(names.files.count, 3);
    t2i_text_free(&name);
    t2i_export_names_free(&names);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"usual names stay", usual_names_stay},
        {"others get the suffix .png", others_get_the_suffix},
        {"none leaves the folder", none_leaves_the_folder},
        {"no two are alike", no_two_are_alike},
        {"long names are cut", long_names_are_cut},
    };
    return t2i_test_main("export_names", tests, sizeof tests / sizeof *tests);
}
