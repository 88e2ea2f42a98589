/* Pages and charts: nothing of a stranger's text becomes markup, and a curve of any length is kept
 * in bounded room with the right means and ranges. */
#include "test.h"

#include <math.h>

#include "draw/chart.h"

static t2i_error err;

static void escapes(void)
{
    t2i_html page = {0};
    t2i_html_text(&page, "<b a=\"1\">&amp;\x01\xff\xc3\xa9\xf0\x9f\x98\x80\x7f", 23);
    t2i_html_word(&page, "'x'");
    CU_ASSERT_STRING_EQUAL(page.text.data,
                           "&lt;b a=&quot;1&quot;&gt;&amp;amp;\xef\xbf\xbd\xef\xbf\xbd\xc3\xa9"
                           "\xf0\x9f\x98\x80\xef\xbf\xbd'x'");
    t2i_html_free(&page);
}

static void says_base64(void)
{
    static const char *const pairs[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        t2i_text text = {0};
        OK(t2i_text_add(&text, "", 0, &err));
        OK(t2i_html_base64(&text, pairs[i][0], strlen(pairs[i][0]), &err));
        CU_ASSERT_STRING_EQUAL(text.data, pairs[i][1]);
        t2i_text_free(&text);
    }
    static char bytes[10000];
    t2i_text text = {0};
    OK(t2i_html_base64(&text, bytes, sizeof bytes, &err));
    CU_ASSERT(text.size == (sizeof bytes + 2) / 3 * 4);
    CU_ASSERT(strspn(text.data, "A") == text.size - 2);
    t2i_text_free(&text);
}

/* The first failure is kept, and nothing is written. */
static void keeps_failure(void)
{
    t2i_html page = {0};
    t2i_fail(&err, T2I_DATA, "this one");
    t2i_html_fail(&page, T2I_DATA, &err);
    t2i_fail(&err, T2I_IO, "not that one");
    t2i_html_fail(&page, T2I_IO, &err);
    t2i_html_put(&page, "more");
    FAILS(t2i_html_write(&page, "/tmp/t2i-never-written", &err), T2I_DATA, "this one");
    CU_ASSERT(page.text.data == NULL);
}

static void keeps_points(void)
{
    static t2i_curve c;
    for (int i = 0; i < T2I_CURVE_BINS; i++) t2i_chart_curve_add(&c, i, 1000 - i);
    CU_ASSERT(c.bins == T2I_CURVE_BINS && c.share == 1);
    CU_ASSERT(t2i_chart_bin_y(&c.bin[17]) == 983 && t2i_chart_bin_x(&c.bin[17]) == 17);
    CU_ASSERT(c.lowest == 1001 - T2I_CURVE_BINS && c.at == T2I_CURVE_BINS - 1 && c.highest == 1000);
}

static void stays_small(void)
{
    static t2i_curve c;
    long n = 1000000, count = 0;
    double sum = 0.0;
    for (long i = 0; i < n; i++) t2i_chart_curve_add(&c, (double)i, (double)(i % 7));
    t2i_chart_curve_add(&c, (double)n, NAN);
    t2i_chart_curve_add(&c, (double)n, INFINITY);
    CU_ASSERT(c.bins > T2I_CURVE_BINS / 2 - 1 && c.bins <= T2I_CURVE_BINS);
    for (size_t i = 0; i < c.bins; i++) {
        CU_ASSERT(i + 1 == c.bins || c.bin[i].count == c.share);
        CU_ASSERT(i == 0 || c.bin[i].first == c.bin[i - 1].last + 1);
        CU_ASSERT(c.bin[i].low == 0.0 && c.bin[i].high == 6.0);
        count += c.bin[i].count;
        sum += c.bin[i].sum;
    }
    CU_ASSERT(count == n && c.points == n);
    CU_ASSERT(fabs(sum / (double)n - 3.0) < 1e-5);
}

static size_t times(const t2i_html *page, const char *word)
{
    size_t count = 0;
    for (const char *at = page->text.data; (at = strstr(at, word)) != NULL; at++) count++;
    return count;
}

static void draws(void)
{
    static t2i_curve none, one, many;
    t2i_chart_curve_add(&one, 5, 0.25);
    for (int i = 0; i < 5000; i++) t2i_chart_curve_add(&many, i, i % 2 == 0 ? 0.0 : 1.0 + i);
    const t2i_chart_line line[] = {{"a<b", &one, 1, 1}, {"m", &many, 2, 0}, {"n", &none, 3, 0}};
    t2i_html page = {0};
    t2i_chart_put(&page, &(t2i_chart){.title = "T", .line = line, .lines = 3, .from_zero = 1});
    CU_ASSERT(times(&page, "a&lt;b") == 2 && times(&page, "a<b") == 0);
    CU_ASSERT(times(&page, "class=\"line") == 3 && times(&page, "class=\"band") == 1);
    CU_ASSERT(times(&page, "class=\"dots") == 1);
    CU_ASSERT(times(&page, "data-v=\"5 0.25\"") == 1); /* to be read under the pointer */
    CU_ASSERT(times(&page, "nan") + times(&page, "inf") == 0);
    CU_ASSERT(page.text.size < 100000);
    t2i_html_free(&page);
    /* a logarithm needs more than zero: nothing is left of `many`'s even steps, and all of `none`
     */
    t2i_chart_put(&page, &(t2i_chart){.title = "T", .line = line, .lines = 3, .log_y = 1});
    CU_ASSERT(times(&page, "nan") + times(&page, "inf") == 0);
    t2i_html_free(&page);
    t2i_chart_put(&page, &(t2i_chart){.title = "T", .line = line + 2, .lines = 1});
    CU_ASSERT(times(&page, "nothing logged yet") == 1 && times(&page, "<svg") == 0);
    t2i_html_free(&page);
}

static void stacks(void)
{
    static t2i_curve part[2];
    for (int i = 0; i < 3; i++) {
        t2i_chart_curve_add(&part[0], i, i);
        t2i_chart_curve_add(&part[1], i, 2 * i);
    }
    const t2i_chart_line line[] = {{"a", &part[0], 1, 0}, {"b", &part[1], 2, 0}};
    t2i_html page = {0};
    t2i_chart_put(&page, &(t2i_chart){.title = "T", .line = line, .lines = 2, .stacked = 1});
    CU_ASSERT(times(&page, "data-v=\"0 0;1 33.333;2 33.333\"") == 1);
    CU_ASSERT(times(&page, "data-v=\"0 0;1 66.667;2 66.667\"") == 1);
    CU_ASSERT(times(&page, "nan") == 0 && times(&page, "class=\"area") == 2);
    t2i_html_free(&page);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"a stranger's text stays text", escapes},
        {"base64", says_base64},
        {"the first failure is kept", keeps_failure},
        {"few points are kept as they are", keeps_points},
        {"a million points stay small", stays_small},
        {"a chart has its lines, bands and values", draws},
        {"shares of a sum", stacks},
    };
    return t2i_test_main("chart", tests, sizeof tests / sizeof *tests);
}
