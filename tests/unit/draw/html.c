/* Pages: anybody's text is nothing but text, pictures lie within, the first failure is kept. */
#include "test.h"

#include "base/fs.h"
#include "draw/html.h"
#include "scratch.h"

static t2i_error err;

static void test_text(void)
{
    static const struct {
        const char *bytes, *markup;
    } known[] = {
        {"plain", "plain"},
        {"<script>alert(\"1\" & '2')</script>",
         "&lt;script&gt;alert(&quot;1&quot; &amp; '2')&lt;/script&gt;"},
        {"caf\xc3\xa9 \xf0\x9f\x98\x80", "caf\xc3\xa9 \xf0\x9f\x98\x80"},
        {"a\x01z\x7f", "a\xef\xbf\xbdz\xef\xbf\xbd"},
        {"a\xe2\x80\xaez \xe2\x81\xa6", "a\xef\xbf\xbdz \xef\xbf\xbd"}, /* override, isolate */
        {"\xd7\x90\xe2\x80\x8f!", "\xd7\x90\xe2\x80\x8f!"},
        {"\xff\xc3", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        t2i_html page = {0};
        t2i_html_put(&page, "[");
        t2i_html_word(&page, known[i].bytes);
        t2i_html_put(&page, "]");
        char expected[200];
        snprintf(expected, sizeof expected, "[%s]", known[i].markup);
        CU_ASSERT_EQUAL(page.status, T2I_OK);
        CU_ASSERT_STRING_EQUAL(page.text.data, expected);
        t2i_html_free(&page);
    }
}

static void test_base64(void)
{
    static const char *const known[][2] = {{"f", "Zg=="},         {"fo", "Zm8="},
                                           {"foo", "Zm9v"},       {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        t2i_text out = {0};
        OK(t2i_html_base64(&out, known[i][0], strlen(known[i][0]), &err));
        CU_ASSERT_STRING_EQUAL(out.data, known[i][1]);
        t2i_text_free(&out);
    }
    static const char zeros[10000];
    t2i_text out = {0};
    OK(t2i_html_base64(&out, zeros, sizeof zeros, &err));
    CU_ASSERT_EQUAL(out.size, (sizeof zeros + 2) / 3 * 4);
    CU_ASSERT_EQUAL(strspn(out.data, "A"), out.size - 2);
    t2i_text_free(&out);
}

static void test_page(void)
{
    const char *path = in_scratch("page.html");
    char long_text[2000];
    memset(long_text, 'x', sizeof long_text);
    long_text[sizeof long_text - 1] = '\0';
    t2i_html page = {0};
    t2i_image image;
    OK(t2i_image_new(&image, 3, 2, &err));
    t2i_html_begin(&page, "a <title>");
    t2i_html_put(&page, "<p>%s</p><img src=\"", long_text);
    t2i_html_picture(&page, &image);
    t2i_html_put(&page, "\">");
    t2i_html_end(&page);
    OK(t2i_html_write(&page, path, &err));
    t2i_image_free(&image);
    t2i_text text = {0};
    OK(t2i_fs_read(path, 1 << 20, &text, &err));
    CU_ASSERT_PTR_NOT_NULL(strstr(text.data, "a &lt;title&gt;"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text.data, long_text));
    CU_ASSERT_PTR_NOT_NULL(strstr(text.data, "\"data:image/png;base64,iVBOR"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text.data, "</html>"));
    t2i_text_free(&text);
}

static void test_failure(void)
{
    const char *path = in_scratch("never.html");
    t2i_html page = {0};
    t2i_html_put(&page, "before");
    t2i_html_fail(&page, t2i_fail(&err, T2I_DATA, "the first"), &err);
    t2i_html_fail(&page, t2i_fail(&err, T2I_IO, "the second"), &err);
    t2i_html_put(&page, "after");
    FAILS(t2i_html_write(&page, path, &err), T2I_DATA, "the first");
    CU_ASSERT_FALSE(t2i_fs_exists(path));
    CU_ASSERT_PTR_NULL(page.text.data);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"markup, control characters and broken UTF-8 are harmless", test_text},
        {"base64", test_base64},
        {"a page with a picture in it", test_page},
        {"the first failure is told, and nothing is written", test_failure},
    };
    if (scratch_begin("html") != 0) return 1;
    int failed = t2i_test_main("html", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return failed;
}
