/* unicode_form: against unicodedata of Python, for letters, several marks, Hangul and exclusions.
 */
#include "lists/unicode_form.h"

#include "test.h"

static t2i_error err;

static void expect(const char *text, const char *composed)
{
    t2i_text out = {0};
    OK(t2i_unicode_form_compose(&out, (t2i_span){text, strlen(text)}, &err));
    CU_ASSERT_STRING_EQUAL(out.data, composed);
    t2i_text_free(&out);
}

static void test_forms(void)
{
    expect("plain/a.png", "plain/a.png");
    expect("\xc3\xa4.png", "\xc3\xa4.png"); /* a with diaeresis */
    expect("a\xcc\x88.png", "\xc3\xa4.png");
    expect("a\xcc\xa3\xcc\x82", "\xe1\xba\xad"); /* two marks, in both orders */
    expect("a\xcc\x82\xcc\xa3", "\xe1\xba\xad");
    expect("\xea\xb0\x81", "\xea\xb0\x81"); /* Hangul */
    expect("\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8", "\xea\xb0\x81");
    expect("\xe0\xa5\x98", "\xe0\xa4\x95\xe0\xa4\xbc"); /* excluded from composition */
    expect("\xe2\x84\xab", "\xc3\x85");                 /* the sign of angstrom */
    expect("\xcc\x88 a", "\xcc\x88 a");                 /* a mark alone */
    expect("a\xcc\xb8\xcc\x88", "\xc3\xa4\xcc\xb8");    /* a mark between */
    expect("\xff\xc3\xa4", "\xff\xc3\xa4");             /* no UTF-8 */
}

int main(void)
{
    static const t2i_test tests[] = {{"forms", test_forms}};
    return t2i_test_main("unicode_form", tests, sizeof tests / sizeof *tests);
}
