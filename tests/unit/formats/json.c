/* json: what is written, what is refused, and that a failed part spoils the whole. */
#include "formats/json.h"

#include <math.h>

#include "test.h"

static t2i_error err;

/* Takes json; compares its compact text. */
static void expect(t2i_json *json, const char *wanted)
{
    char *text = NULL;
    OK(t2i_json_text(json, 0, &text, &err));
    if (text != NULL && strcmp(text, wanted) != 0) fprintf(stderr, "%s, not %s\n", text, wanted);
    CU_ASSERT(text != NULL && strcmp(text, wanted) == 0);
    t2i_free(text);
    t2i_json_free(json);
}

static void writes(void)
{
    t2i_json *object = t2i_json_object(), *array = t2i_json_array();
    t2i_json_set_string(object, "z", "first");
    t2i_json_set_integer(object, "a", -9007199254740993);
    t2i_json_set_real(object, "r", 0.1);
    t2i_json_append(array, t2i_json_bool(1));
    t2i_json_append(array, t2i_json_bool(0));
    t2i_json_append(array, t2i_json_null());
    t2i_json_append(array, t2i_json_object());
    t2i_json_set(object, "list", array);
    t2i_json_set_string(object, "z", "again"); /* a key keeps its place */
    expect(object, "{\"z\":\"again\",\"a\":-9007199254740993,\"r\":0.1,"
                   "\"list\":[true,false,null,{}]}");
    expect(t2i_json_array(), "[]");
    t2i_json *one = t2i_json_array();
    char *text = NULL;
    t2i_json_append(one, t2i_json_integer(1));
    OK(t2i_json_text(one, 2, &text, &err));
    CU_ASSERT_STRING_EQUAL(text, "[\n  1\n]");
    t2i_free(text);
    size_t size = 0;
    OK(t2i_json_line(one, &text, &size, &err));
    CU_ASSERT(size == 4 && memcmp(text, "[1]\n", 4) == 0);
    t2i_free(text);
    FAILS(t2i_json_line(NULL, &text, &size, &err), T2I_SYSTEM, "memory");
}

static void writes_reals(void)
{
    expect(t2i_json_real(1), "1.0");
    expect(t2i_json_real(1.0 / 3), "0.333333333");
    expect(t2i_json_real(-1e-30), "-1e-30");
    expect(t2i_json_real(NAN), "null");
    expect(t2i_json_real(-INFINITY), "null");
    /* nine digits bring back every float */
    static const float values[] = {3.4028235e38f, 1.1754944e-38f, 1e-45f,
                                   0.1f,          16777215.f,     1 / 3.f};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char *text = NULL;
        t2i_json *json = t2i_json_real((double)values[i]), *back = NULL;
        double value = 0;
        OK(t2i_json_text(json, 0, &text, &err));
        OK(t2i_json_parse(&back, text, strlen(text), "it", &err));
        CU_ASSERT(t2i_json_as_real(back, &value));
        CU_ASSERT((float)value == values[i]);
        t2i_free(text);
        t2i_json_free(json);
        t2i_json_free(back);
    }
}

static void cleans_strings(void)
{
    expect(t2i_json_string("a\"\\\n\0b\xc3\xa9", 8), "\"a\\\"\\\\\\n\\u0000b\xc3\xa9\"");
    expect(t2i_json_string("\xff-\xc3", 3), "\"\xef\xbf\xbd-\xef\xbf\xbd\"");
    expect(t2i_json_string("", 0), "\"\"");
    t2i_json *object = t2i_json_object();
    t2i_json_set_integer(object, "k\x80", 1);
    expect(object, "{\"k\xef\xbf\xbd\":1}");
}

/* Indented and logged JSON: what could control a terminal is escaped; it reads back the same. */
static void escapes_control_characters(void)
{
    static const char text[] = "\x7f-\xc2\x9b-\xe2\x80\xae-\xe2\x81\xa9-\x1b\xc3\xa9";
    t2i_json *object = t2i_json_object(), *back;
    t2i_json_set_string(object, text, text);
    char *out = NULL;
    size_t size = 0;
    OK(t2i_json_text(object, 0, &out, &err)); /* part of files: as it always was */
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "\x7f-\xc2\x9b-\xe2\x80\xae"));
    t2i_free(out);
    OK(t2i_json_text(object, 2, &out, &err));
    CU_ASSERT_STRING_EQUAL(out, "{\n  \"\\u007F-\\u009B-\\u202E-\\u2069-\\u001B\xc3\xa9\": "
                                "\"\\u007F-\\u009B-\\u202E-\\u2069-\\u001B\xc3\xa9\"\n}");
    OK(t2i_json_parse(&back, out, strlen(out), "it", &err));
    const char *read = "";
    CU_ASSERT(t2i_json_as_string(t2i_json_get(back, text), &read, NULL));
    CU_ASSERT_STRING_EQUAL(read, text);
    t2i_json_free(back);
    t2i_free(out);
    OK(t2i_json_line(object, &out, &size, &err));
    CU_ASSERT(size > 0 && memchr(out, 0x7f, size) == NULL && out[size - 1] == '\n');
    t2i_free(out);
}

static void a_missing_part_spoils(void)
{
    char *text;
    t2i_json *object = t2i_json_object(), *array = t2i_json_array(), *outer = t2i_json_object();
    t2i_json_set(object, "part", NULL);
    t2i_json_set(object, "other", NULL);
    t2i_json_set_integer(object, "fine", 1);
    FAILS(t2i_json_text(object, 0, &text, &err), T2I_SYSTEM, "memory");
    CU_ASSERT_PTR_NULL(text);
    t2i_json_append(array, object);
    FAILS(t2i_json_text(array, 0, &text, &err), T2I_SYSTEM, "memory");
    t2i_json_set(outer, "array", array);
    FAILS(t2i_json_text(outer, 0, &text, &err), T2I_SYSTEM, "memory");
    t2i_json_free(outer);
    FAILS(t2i_json_text(NULL, 0, &text, &err), T2I_SYSTEM, "memory");
    t2i_json_free(NULL);
}

static void reads(void)
{
    static const char text[] = " {\"b\":[1,-2.5,\"x\\u00e9\",true,null,{}],\"a\":1e3}\n";
    t2i_json *json = NULL;
    int64_t whole;
    double real;
    const char *string;
    size_t size;
    OK(t2i_json_parse(&json, text, strlen(text), "it", &err));
    const t2i_json *b = t2i_json_get(json, "b");
    CU_ASSERT(t2i_json_is_object(json) && !t2i_json_is_array(json));
    CU_ASSERT(t2i_json_is_array(b) && !t2i_json_is_object(b));
    CU_ASSERT_EQUAL(t2i_json_size(json), 2);
    CU_ASSERT_EQUAL(t2i_json_size(b), 6);
    CU_ASSERT(t2i_json_as_integer(t2i_json_at(b, 0), &whole) && whole == 1);
    CU_ASSERT(t2i_json_as_real(t2i_json_at(b, 0), &real) && real == 1);
    CU_ASSERT(t2i_json_as_real(t2i_json_at(b, 1), &real) && real == -2.5);
    CU_ASSERT(!t2i_json_as_integer(t2i_json_at(b, 1), &whole));
    CU_ASSERT(t2i_json_as_string(t2i_json_at(b, 2), &string, &size) && size == 3);
    CU_ASSERT(!t2i_json_as_string(t2i_json_at(b, 0), &string, &size));
    CU_ASSERT(!t2i_json_as_real(t2i_json_at(b, 2), &real));
    CU_ASSERT_PTR_NULL(t2i_json_at(b, 6));
    CU_ASSERT_PTR_NULL(t2i_json_get(json, "c"));
    CU_ASSERT_PTR_NULL(t2i_json_get(b, "a"));
    CU_ASSERT_PTR_NULL(t2i_json_get(NULL, "a"));
    CU_ASSERT_EQUAL(t2i_json_size(NULL), 0);
    const char *key = t2i_json_next_key(json, NULL);
    CU_ASSERT(key != NULL && strcmp(key, "b") == 0);
    key = t2i_json_next_key(json, key);
    CU_ASSERT(key != NULL && strcmp(key, "a") == 0);
    CU_ASSERT_PTR_NULL(t2i_json_next_key(json, key));
    CU_ASSERT_PTR_NULL(t2i_json_next_key(b, NULL));
    t2i_json_free(json);
}

static void hides_nul_bytes(void)
{
    const char *string;
    size_t size;
    t2i_json *json = t2i_json_string("a\0b", 3);
    CU_ASSERT(!t2i_json_as_string(json, &string, NULL));
    CU_ASSERT(t2i_json_as_string(json, &string, &size) && size == 3);
    t2i_json_free(json);
}

static void refuse(const char *text, size_t size, const char *why)
{
    t2i_json *json;
    FAILS(t2i_json_parse(&json, text, size, "job.json", &err), T2I_DATA, why);
    CU_ASSERT_PTR_NULL(json);
    CU_ASSERT(strncmp(err.text, "job.json: ", 10) == 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "line "));
}

static void refuses(void)
{
    static const struct {
        const char *text, *why;
    } bad[] = {{"", "line 1"},
               {"{\"a\":1,\n\"a\":2}", "line 2"},
               {"{\"a\":1,\"\\u0061\":2}", "duplicate"},
               {"{} x", "column"},
               {"{}{}", "end of file expected"},
               {"[1,]", "line 1"},
               {"[01]", "line 1"},
               {"[NaN]", "line 1"},
               {"[1e999]", "real number overflow"},
               {"[99999999999999999999]", "too big integer"},
               {"'a'", "line 1"},
               {"[\"\xff\"]", "0xff"},
               {"[\"\xed\xa0\x80\"]", "0xed"},
               {"[\"\\ud800\"]", "line 1"},
               {"[\"\\u0000\"]", "line 1"},
               {"[\"a\nb\"]", "line 1"},
               {"\xef\xbb\xbf{}", "line 1"},
               {"{\"a\"", "line 1"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refuse(bad[i].text, strlen(bad[i].text), bad[i].why);
    refuse("[1]\0", 4, "line 1");
}

static void bounds_depth(void)
{
    char text[400];
    t2i_json *json = NULL;
    memset(text, '[', 65);
    memset(text + 65, ']', 65);
    refuse(text, 130, "deeper than 64 levels at line 1, column 65");
    OK(t2i_json_parse(&json, text + 1, 128, "it", &err));
    t2i_json_free(json);
    memset(text, '[', sizeof text); /* brackets in a string do not count */
    memcpy(text, "[\"\\\"", 4);
    memcpy(text + sizeof text - 2, "\"]", 2);
    OK(t2i_json_parse(&json, text, sizeof text, "it", &err));
    t2i_json_free(json);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"writes compact and indented text in insertion order", writes},
        {"writes reals with nine digits, and null for what is not finite", writes_reals},
        {"replaces bytes that are not UTF-8", cleans_strings},
        {"escapes what could control a terminal where people read it", escapes_control_characters},
        {"a missing part spoils the whole", a_missing_part_spoils},
        {"reads each type, and says no to another", reads},
        {"a string with a NUL byte needs its size", hides_nul_bytes},
        {"refuses what is not strict JSON, and says where", refuses},
        {"bounds the depth", bounds_depth},
    };
    return t2i_test_main("json", tests, sizeof tests / sizeof *tests);
}
