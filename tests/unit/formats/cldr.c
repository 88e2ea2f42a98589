/* cldr: names and keywords as they are written, locales and their parents, and files that are no
 * such files. */
#include "formats/cldr.h"

#include <sys/stat.h>

#include "scratch.h"
#include "test.h"
#include "base/commit.h"
#include "base/fs.h"
#include "base/text.h"

static t2i_error err;

#define HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n"
#define DTD  "<!DOCTYPE ldml SYSTEM \"../../common/dtd/ldml.dtd\">\n"
#define GRIN "\xf0\x9f\x98\x80"
#define UP   "\xe2\x86\x91"

/* "emoji=name;" or "emoji:keyword;" for each note. */
static t2i_status collect(void *context, const t2i_cldr_note *note, t2i_error *why)
{
    return t2i_text_addf(context, why, "%s%s%s;", note->emoji, note->is_name ? "=" : ":",
                         note->text);
}

static t2i_status parse(const char *bytes, size_t size, t2i_text *out)
{
    out->size = 0;
    return t2i_cldr_parse(bytes, size, "x.xml", collect, out, &err);
}

/* Within <ldml><annotations>, on line 2. */
static t2i_status parse_inside(const char *inside, t2i_text *out)
{
    t2i_text text = {0};
    OK(t2i_text_addf(&text, &err, HEAD "<ldml><annotations>%s</annotations></ldml>", inside));
    err = (t2i_error){0};
    t2i_status status = parse(text.data, text.size, out);
    t2i_text_free(&text);
    return status;
}

static const char sound[] =
    HEAD DTD "<!-- (c) -->\n<ldml>\n\t<identity><language type=\"en\"/></identity>\n"
             "\t<annotations>\n"
             "\t\t<annotation cp=\"" GRIN "\">face | grin |  big\n smile|</annotation>\n"
             "\t\t<annotation cp=\"" GRIN "\" type=\"tts\">grinning | face </annotation>\n"
             "\t\t<annotation cp=\"&#x1F600;\">a &amp; b|&#x43;<![CDATA[<d>]]></annotation>\n"
             "\t</annotations>\n</ldml>\n";

static void notes(void)
{
    t2i_text out = {0};
    OK(parse(sound, strlen(sound), &out));
    CU_ASSERT_STRING_EQUAL(out.data, GRIN ":face;" GRIN ":grin;" GRIN ":big  smile;" GRIN
                                          "=grinning | face;" GRIN ":a & b;" GRIN ":C<d>;");
    static const char *const silent[] = {
        "",
        "<annotation cp=\"x\"/>",
        "<annotation cp=\"x\"> | | </annotation>",
        "<annotation cp=\"x\">" UP UP UP "</annotation>",
        "<annotation cp=\"x\" type=\"other\">a</annotation>",
        "<other cp=\"x\">a</other>",
        "<b><annotation cp=\"x\">a</annotation></b>",
        "<annotation cp=\"x\"><b>inner</b></annotation>",
    };
    for (size_t i = 0; i < sizeof silent / sizeof *silent; i++) {
        OK(parse_inside(silent[i], &out));
        CU_ASSERT_EQUAL(out.size, 0);
    }
    OK(parse_inside("<annotation cp=\"x\">a<b>inner</b>c&#x7f;d</annotation>", &out));
    CU_ASSERT_STRING_EQUAL(out.data, "x:ac d;");
    OK(parse("\xff\xfe<\0l\0d\0m\0l\0/\0>\0", 16, &out)); /* Expat reads UTF-16 too */
    t2i_text_free(&out);
}

/* Every file that ends too early is refused, with the line where it ends. */
static void cut(void)
{
    t2i_text out = {0};
    size_t whole = strlen(sound) - 1;
    for (size_t size = 0; size < whole; size++) {
        char where[32];
        int line = 1;
        for (size_t i = 0; i < size; i++) line += sound[i] == '\n';
        char *copy = malloc(size + 1); /* of its size, for sanitizers */
        if (copy == NULL) continue;
        memcpy(copy, sound, size);
        t2i_status status = parse(copy, size, &out);
        free(copy);
        snprintf(where, sizeof where, "x.xml:%d: ", line);
        CU_ASSERT(status == T2I_DATA && strstr(err.text, "is cut off or damaged here") != NULL);
        if (sound[size] == '\n' && sound[size - 1] == '>') /* in an element it is its beginning */
            CU_ASSERT_PTR_NOT_NULL(strstr(err.text, where));
    }
    OK(parse(sound, whole, &out));
    t2i_text_free(&out);
}

static void strangers(void)
{
    static const struct {
        const char *bytes, *why;
    } bad[] = {
        {HEAD "<svg/>", "x.xml:2: is XML, but not CLDR annotations"},
        {HEAD "<html>\n</html>", "x.xml:2: is XML, but not CLDR"},
        {"{\"json\": 1}", "x.xml:1: is cut off or damaged"},
        {HEAD "<ldml></ldml><ldml></ldml>", "damaged"},
        {HEAD "<ldml>\xff\xfe</ldml>", "damaged"},
        {HEAD "<!DOCTYPE ldml [<!ENTITY a \"aaaaaaaaaa\">\n<!ENTITY b \"&a;&a;&a;&a;&a;&a;\">]>\n"
              "<ldml>&b;</ldml>",
         "x.xml:2: declares entities"},
        {HEAD "<!DOCTYPE ldml [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><ldml>&x;</ldml>",
         "declares entities"},
        {HEAD "<!DOCTYPE ldml [<!ENTITY % p SYSTEM \"x.dtd\">%p;]><ldml/>", "declares entities"},
        {HEAD DTD "<ldml>\n&nbsp;</ldml>", "x.xml:4: uses an entity"},
        {HEAD "<ldml>&nbsp;</ldml>", "undefined entity"},
    };
    static const struct {
        const char *bytes, *why;
    } inside[] = {
        {"<annotation>a</annotation>", "x.xml:2: an annotation of no character"},
        {"<annotation cp=\"\">a</annotation>", "no character"},
        {"<a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a>", "nested too deep"},
        {"<annotation cp=\"x\" cp=\"y\">a</annotation>", "duplicate attribute"},
    };
    t2i_text out = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        FAILS(parse(bad[i].bytes, strlen(bad[i].bytes), &out), T2I_DATA, bad[i].why);
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++)
        FAILS(parse_inside(inside[i].bytes, &out), T2I_DATA, inside[i].why);
    CU_ASSERT(out.data == NULL || out.size == 0);
    t2i_text_free(&out);
}

static void sizes(void)
{
    t2i_text out = {0}, big = {0};
    for (int i = 0; i < 200; i++) OK(t2i_text_addf(&big, &err, "%s", i == 0 ? "" : "x"));
    t2i_text inside = {0};
    OK(t2i_text_addf(&inside, &err, "<annotation cp=\"%.127s\">a</annotation>", big.data));
    OK(parse_inside(inside.data, &out));
    CU_ASSERT_EQUAL(out.size, 127 + 3);
    inside.size = 0;
    OK(t2i_text_addf(&inside, &err, "<annotation cp=\"%.128s\">a</annotation>", big.data));
    FAILS(parse_inside(inside.data, &out), T2I_DATA, "or of too many");
    inside.size = 0;
    OK(t2i_text_addf(&inside, &err, "<annotation cp=\"x\">"));
    for (int i = 0; i < 1024; i++) OK(t2i_text_addf(&inside, &err, "%064d", i));
    size_t fits = inside.size;
    OK(t2i_text_addf(&inside, &err, "</annotation>"));
    OK(parse_inside(inside.data, &out));
    CU_ASSERT_EQUAL(out.size, 65536 + 3);
    inside.size = fits;
    OK(t2i_text_addf(&inside, &err, "y</annotation>"));
    FAILS(parse_inside(inside.data, &out), T2I_DATA, "longer than 64 KiB");
    t2i_text_free(&inside);
    t2i_text_free(&big);
    t2i_text_free(&out);
}

static t2i_status refuse(void *context, const t2i_cldr_note *note, t2i_error *why)
{
    ++*(int *)context;
    return t2i_fail(why, T2I_SYSTEM, "no more %s", note->text);
}

static void taker_fails(void)
{
    int calls = 0;
    FAILS(t2i_cldr_parse(sound, strlen(sound), "x.xml", refuse, &calls, &err), T2I_SYSTEM,
          "no more face");
    CU_ASSERT_EQUAL(calls, 1);
}

/* ---- the folder ---- */

static void put(const char *name, const char *keyword)
{
    char text[512];
    snprintf(text, sizeof text,
             "<ldml><annotations><annotation cp=\"x\">%s</annotation></annotations></ldml>",
             keyword);
    OK(t2i_commit_file(in_scratch(name), text, strlen(text), &err));
}

static void folder(void)
{
    t2i_cldr cldr;
    t2i_text out = {0};
    FAILS(t2i_cldr_open(&cldr, in_scratch("none"), &err), T2I_NOINPUT, "unicode-cldr-core");
    CU_ASSERT(cldr.folder == NULL && cldr.locale == NULL);
    OK(t2i_fs_mkdir(in_scratch("common/annotations"), &err));
    FAILS(t2i_cldr_open(&cldr, scratch, &err), T2I_NOINPUT, "contains no LOCALE.xml");
    OK(t2i_fs_mkdir(in_scratch("common/annotationsDerived"), &err));
    static const char *const files[] = {"en", "pt", "en_GB", "de", "pt_PT", "zh_Hant_HK"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char name[64];
        snprintf(name, sizeof name, "common/annotations/%s.xml", files[i]);
        put(name, files[i]);
    }
    put("common/annotations/readme.txt", "none");
    put("common/annotations/.xml", "none");
    put("common/annotations/a_name_that_is_longer_than_any_locale_is.xml", "none");
    put("common/annotationsDerived/en.xml", "derived");
    put("common/annotationsDerived/only.xml", "none");
    OK(t2i_cldr_open(&cldr, scratch, &err));
    CU_ASSERT_EQUAL_FATAL(cldr.locales, 6);
    static const char *const sorted[] = {"de", "en", "en_GB", "pt", "pt_PT", "zh_Hant_HK"};
    for (size_t i = 0; i < 6; i++) CU_ASSERT_STRING_EQUAL(cldr.locale[i], sorted[i]);
    OK(t2i_cldr_read(&cldr, "en", collect, &out, &err));
    CU_ASSERT_STRING_EQUAL(out.data, "x:en;x:derived;");
    OK(t2i_cldr_read(&cldr, "de", collect, &out, &err));
    CU_ASSERT_STRING_EQUAL(out.data, "x:en;x:derived;x:de;");
    FAILS(t2i_cldr_read(&cldr, "xx", collect, &out, &err), T2I_NOINPUT, "annotations/xx.xml");
    CU_ASSERT(t2i_cldr_find(&cldr, "en-gb") == cldr.locale[2]);
    CU_ASSERT_PTR_NULL(t2i_cldr_find(&cldr, "en_US"));
    CU_ASSERT_PTR_NULL(t2i_cldr_find(&cldr, ""));
    CU_ASSERT_PTR_NULL(t2i_cldr_find(&cldr, "en_a_name_that_is_longer_than_any_locale_is"));
    CU_ASSERT(t2i_cldr_nearest(&cldr, "en-US") == cldr.locale[1]);
    CU_ASSERT(t2i_cldr_nearest(&cldr, "zh_Hans_HK") == cldr.locale[5]);
    CU_ASSERT_PTR_NULL(t2i_cldr_nearest(&cldr, "esperanto"));
    t2i_cldr_close(&cldr);
    OK(t2i_cldr_open(&cldr, in_scratch("common"), &err));
    CU_ASSERT_EQUAL(cldr.locales, 6);
    t2i_cldr_close(&cldr);
    t2i_text_free(&out);
}

static void parents(void)
{
    static const char *const chain[][2] = {
        {"de_CH", "de"},
        {"de", ""},
        {"en_GB", "en_001"},
        {"en_001", "en"},
        {"en", ""},
        {"es_MX", "es_419"},
        {"es_419", "es"},
        {"pt_PT", "pt"},
        {"pt_AO", "pt_PT"},
        {"nn", "no"},
        {"no", ""},
        {"zh_Hant_HK", "zh_Hant"},
        {"zh_Hant", ""},
        {"zh", ""},
        {"sr_Latn_BA", "sr_Latn"},
        {"sr_Latn", ""},
        {"sr_Cyrl_BA", "sr_Cyrl"},
        {"sr_Cyrl", "sr"},
        {"hi_Latn", "en_IN"},
        {"yue_Hans", ""},
        {"enm", ""},
        {"root", ""},
    };
    char out[T2I_LOCALE];
    for (size_t i = 0; i < sizeof chain / sizeof *chain; i++) {
        int there = t2i_cldr_parent(chain[i][0], out);
        CU_ASSERT_STRING_EQUAL(out, chain[i][1]);
        CU_ASSERT_EQUAL(there, chain[i][1][0] != '\0');
    }
}

int main(void)
{
    static const t2i_test tests[] = {{"names and keywords", notes},
                                     {"cut at every byte", cut},
                                     {"what is no such file", strangers},
                                     {"limits", sizes},
                                     {"a taker that fails", taker_fails},
                                     {"folder", folder},
                                     {"parents", parents}};
    if (scratch_begin("cldr") != 0) return 1;
    int failed = t2i_test_main("cldr", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return failed;
}
