/* json_scan: members of objects and arrays one at a time, lines, and texts that end too early. */
#include "formats/json_scan.h"

#include "test.h"

static t2i_error err;

static t2i_span span(const char *text)
{
    return (t2i_span){text, strlen(text)};
}

static int is(t2i_span got, const char *text)
{
    return got.size == strlen(text) && memcmp(got.data, text, got.size) == 0;
}

static void test_members(void)
{
    t2i_json_scan scan, inner;
    t2i_json_part part;
    OK(t2i_json_scan_begin(&scan,
                           span(" { \"a\\\"]\" : [1,\n {\"b}\": \"]\"}, []],\n\n\"c\":-1.5e3 , "
                                "\"d\":null}\nrest"),
                           1, &err));
    OK(t2i_json_scan_next(&scan, &part, &err));
    CU_ASSERT(is(part.key, "a\\\"]") && is(part.value, "[1,\n {\"b}\": \"]\"}, []]"));
    CU_ASSERT_EQUAL(part.line, 1);
    OK(t2i_json_scan_begin(&inner, part.value, part.line, &err));
    OK(t2i_json_scan_next(&inner, &part, &err));
    CU_ASSERT(is(part.value, "1") && part.key.data == NULL);
    OK(t2i_json_scan_next(&inner, &part, &err));
    CU_ASSERT(is(part.value, "{\"b}\": \"]\"}") && part.line == 2);
    OK(t2i_json_scan_next(&inner, &part, &err));
    CU_ASSERT(is(part.value, "[]"));
    OK(t2i_json_scan_next(&inner, &part, &err));
    CU_ASSERT_PTR_NULL(part.value.data);
    OK(t2i_json_scan_next(&scan, &part, &err));
    CU_ASSERT(is(part.key, "c") && is(part.value, "-1.5e3") && part.line == 4);
    OK(t2i_json_scan_next(&scan, &part, &err));
    CU_ASSERT(is(part.key, "d") && is(part.value, "null"));
    OK(t2i_json_scan_next(&scan, &part, &err));
    CU_ASSERT_PTR_NULL(part.value.data);
    CU_ASSERT_STRING_EQUAL(scan.at, "\nrest");
    OK(t2i_json_scan_begin(&scan, span("[]"), 1, &err));
    OK(t2i_json_scan_next(&scan, &part, &err));
    CU_ASSERT_PTR_NULL(part.value.data);
}

/* Goes through all members; the failure of the first that cannot be read. */
static t2i_status go_through(const char *text)
{
    t2i_json_scan scan;
    t2i_json_part part;
    T2I_TRY(t2i_json_scan_begin(&scan, span(text), 7, &err));
    do {
        T2I_TRY(t2i_json_scan_next(&scan, &part, &err));
    } while (part.value.data != NULL);
    return T2I_OK;
}

static void test_damage(void)
{
    static const char *const texts[][2] = {
        {"", "no object or array at line 7"},
        {" \n3", "no object or array at line 8"},
        {"{", "a key is missing"},
        {"{\"a", "a string is not closed"},
        {"{\"a\\\"", "a string is not closed"},
        {"{\"a\"", "a colon is missing"},
        {"{\"a\":", "the file ends where a value is expected"},
        {"{\"a\":}", "a value is missing"},
        {"{\"a\":1", "a comma is missing"},
        {"{\"a\":1 \"b\":2}", "a comma is missing"},
        {"{\"a\":1,}", "a key is missing"},
        {"{1:2}", "a key is missing"},
        {"[\n[1,", "the file ends inside of an object or array at line 8"},
        {"[[1}]", "a bracket of the wrong kind"},
        {"[\"x]", "a string is not closed"},
        {"[1", "a comma is missing"},
        {"[1,]", "a value is missing"},
        {"[1}", "a comma is missing"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        FAILS(go_through(texts[i][0]), T2I_DATA, texts[i][1]);
    char deep[200];
    memset(deep, '[', sizeof deep);
    deep[sizeof deep - 1] = '\0';
    FAILS(go_through(deep), T2I_DATA, "nested deeper than 64 levels");
}

int main(void)
{
    static const t2i_test tests[] = {{"members", test_members}, {"damage", test_damage}};
    return t2i_test_main("json_scan", tests, sizeof tests / sizeof *tests);
}
