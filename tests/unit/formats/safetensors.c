/* safetensors: the format's known attacks, one by one; round trips; golden files of the reference
 * library. */
#include "formats/safetensors.h"

#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

static t2i_error err;
static char folder[512], path[600];

#define OWN UINT64_MAX /* the header's own length */

/* A file of length, header (' stands for ") and data bytes. */
static void put(uint64_t length, const char *header, size_t header_size, size_t data)
{
    uint64_t size = length == OWN ? header_size : length;
    FILE *file = fopen(path, "wb");
    int sound = file != NULL && fwrite(&size, 8, 1, file) == 1;
    for (size_t i = 0; sound && i < header_size; i++)
        sound = fputc(header[i] == '\'' ? '"' : header[i], file) != EOF;
    for (size_t i = 0; sound && i < data; i++) sound = fputc((int)(i & 255), file) != EOF;
    CU_ASSERT(file != NULL && fclose(file) == 0 && sound);
}

static void refuse(t2i_status status, const char *why)
{
    t2i_st *st;
    FAILS(t2i_st_open(&st, path, &err), status, why);
    CU_ASSERT_PTR_NULL(st);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, path));
}

static void refuse_header(const char *header, size_t data, const char *why)
{
    put(OWN, header, strlen(header), data);
    refuse(T2I_DATA, why);
}

#define T(name, dtype, shape, offsets)                                                             \
    "'" name "':{'dtype':'" dtype "','shape':" shape ",'data_offsets':" offsets "}"
#define ONE(dtype, shape, offsets) "{" T("w", dtype, shape, offsets) "}"

static void opens_what_is_sound(void)
{
    t2i_st *st = NULL;
    static const char header[] = "{'b':{'dtype':'U8','shape':[2,3],'data_offsets':[8,14]},"
                                 "'empty':{'dtype':'F32','shape':[0,7],'data_offsets':[8,8]},"
                                 "'a':{'dtype':'F32','shape':[2],'data_offsets':[0,8]},"
                                 "'scalar':{'dtype':'BOOL','shape':[],'data_offsets':[14,15]},"
                                 "'__metadata__':{'k':'v'}}   ";
    put(OWN, header, strlen(header), 15);
    OK(t2i_st_open(&st, path, &err));
    if (st == NULL) return;
    static const char *const order[] = {"a", "empty", "b", "scalar"};
    CU_ASSERT_EQUAL(t2i_st_tensors(st), 4);
    for (size_t i = 0; i < 4; i++) CU_ASSERT_STRING_EQUAL(t2i_st_at(st, i)->name, order[i]);
    CU_ASSERT_PTR_NULL(t2i_st_at(st, 4));
    const t2i_st_tensor *b = t2i_st_find(st, "b");
    CU_ASSERT(b == t2i_st_at(st, 2) && b->dims == 2 && b->dim[1] == 3 && b->count == 6);
    CU_ASSERT_EQUAL(t2i_st_find(st, "scalar")->count, 1);
    CU_ASSERT_PTR_NULL(t2i_st_find(st, "__metadata__"));
    CU_ASSERT_STRING_EQUAL(t2i_st_meta(st, "k"), "v");
    CU_ASSERT_PTR_NULL(t2i_st_meta(st, "b"));
    size_t size = 0;
    CU_ASSERT_NSTRING_EQUAL(t2i_st_header(st, &size), "{\"b\":{\"dtype\"", 13);
    CU_ASSERT_EQUAL(size, sizeof header - 1);
    char bytes[4] = {0};
    OK(t2i_st_read(st, b, 2, 4, bytes, &err));
    CU_ASSERT(bytes[0] == 10 && bytes[3] == 13);
    FAILS(t2i_st_read(st, b, 3, 4, bytes, &err), T2I_BUG, "beyond");
    FAILS(t2i_st_read(st, b, UINT64_MAX, 4, bytes, &err), T2I_BUG, "beyond");
    float value[6];
    FAILS(t2i_st_floats(st, b, value, &err), T2I_DATA, "tensor b has dtype U8");
    CU_ASSERT(truncate(path, 20) == 0);
    FAILS(t2i_st_read(st, b, 0, 4, bytes, &err), T2I_DATA, "became shorter");
    t2i_st_close(st);
    put(OWN, "{}", 2, 0);
    OK(t2i_st_open(&st, path, &err));
    t2i_st_close(st);
}

/* What the format's own library (safetensors 0.8.0) reads, too. */
static void opens_what_the_library_opens(void)
{
    static const struct {
        const char *header;
        size_t data;
        uint64_t count;
    } sound[] = {
        {ONE("F4", "[4]", "[0,2]"), 2, 4},
        {ONE("F6_E2M3", "[2,2]", "[0,3]"), 3, 4},
        {ONE("F6_E3M2", "[4]", "[0,3]"), 3, 4},
        {ONE("F8_E8M0", "[1]", "[0,1]"), 1, 1},
        {ONE("F8_E4M3FNUZ", "[2]", "[0,2]"), 2, 2},
        {ONE("F8_E5M2FNUZ", "[2]", "[0,2]"), 2, 2},
        {ONE("C64", "[1]", "[0,8]"), 8, 1},
        {ONE("F4", "[0]", "[0,0]"), 0, 0},
        {ONE("U8", "[1,1,1,1,1,1,1,1,2]", "[0,2]"), 2, 2},
        {"{'w':{'dtype':'U8','note':'x','shape':[1],'more':[{'a':null}],'data_offsets':[0,1]}}", 1,
         1},
        {"{'__metadata__':null," T("w", "U8", "[1]", "[0,1]") "} \n\t ", 1, 1},
        {"{" T("", "U8", "[0]", "[0,0]") "," T("a\\nb", "U8", "[1]", "[0,1]") "}", 1, 0},
    };
    for (size_t i = 0; i < sizeof sound / sizeof *sound; i++) {
        t2i_st *st = NULL;
        float value[4];
        put(OWN, sound[i].header, strlen(sound[i].header), sound[i].data);
        OK(t2i_st_open(&st, path, &err));
        if (st == NULL) continue;
        CU_ASSERT_EQUAL(t2i_st_at(st, 0)->count, sound[i].count);
        FAILS(t2i_st_floats(st, t2i_st_at(st, 0), value, &err), T2I_DATA, "is needed");
        t2i_st_close(st);
    }
}

static void refuses_bad_lengths(void)
{
    put(OWN, "", 0, 0);
    refuse(T2I_DATA, "header is not a JSON object");
    CU_ASSERT(truncate(path, 7) == 0);
    refuse(T2I_DATA, "only 7 bytes");
    put(3, "{}", 2, 0);
    refuse(T2I_DATA, "longer than the file");
    put(100000001, "{}", 2, 0);
    CU_ASSERT(truncate(path, 200000000) == 0); /* sparse: long enough, and still refused */
    refuse(T2I_DATA, "100 MB");
    put(INT64_MAX, "{}", 2, 0);
    refuse(T2I_DATA, "100 MB");
    put(UINT64_MAX - 7, "{}", 2, 0); /* 8 more overflow */
    refuse(T2I_DATA, "100 MB");
    CU_ASSERT(unlink(path) == 0);
    refuse(T2I_NOINPUT, "cannot open");
    CU_ASSERT(mkfifo(path, 0600) == 0);
    refuse(T2I_NOINPUT, "not a regular file");
    CU_ASSERT(unlink(path) == 0 && mkdir(path, 0700) == 0);
    refuse(T2I_NOINPUT, "not a regular file");
    CU_ASSERT(rmdir(path) == 0);
}

static void refuses_bad_json(void)
{
    refuse_header(" {}", 0, "not a JSON object");
    refuse_header("[]", 0, "not a JSON object");
    refuse_header("{'a':", 0, "not valid JSON");
    refuse_header("{} x", 0, "not valid JSON");
    refuse_header("{'\xff':1}", 0, "not valid JSON");
    put(OWN, "{}\0", 3, 0);
    refuse(T2I_DATA, "not valid JSON");
    refuse_header("{" T("w", "U8", "[1]", "[0,1]") "," T("w", "U8", "[1]", "[1,2]") "}", 2,
                  "duplicate");
    refuse_header("{" T("w", "U8", "[1]", "[0,1]") "," T("\\u0077", "U8", "[1]", "[1,2]") "}", 2,
                  "duplicate");
    refuse_header("{'w':{'dtype':'U8','dtype':'I8','shape':[1],"
                  "'data_offsets':[0,1]}}",
                  1, "duplicate");
    refuse_header("{'__metadata__':{},'__metadata__':{}}", 0, "duplicate");
}

static void refuses_bad_entries(void)
{
    refuse_header("{'w':1}", 0, "tensor w: its entry is not an object");
    refuse_header("{'w':{}}", 0, "its entry is not");
    refuse_header("{'w':{'shape':[1],'data_offsets':[0,1]}}", 1, "its entry is not");
    refuse_header("{'w':{'dtype':'U8','data_offsets':[0,1]}}", 1, "its entry is not");
    refuse_header("{'w':{'dtype':'U8','shape':[1]}}", 1, "its entry is not");
    refuse_header("{'w':{'dtype':8,'shape':[1],'data_offsets':[0,1]}}", 1, "its entry is not");
    refuse_header("{'w':{'dtype':'U8','shape':[1],'data_offsets':[0,1],'x':0,'x':0}}", 1,
                  "duplicate");
    refuse_header(ONE("F31", "[1]", "[0,4]"), 4, "dtype is unknown");
    refuse_header(ONE("f32", "[1]", "[0,4]"), 4, "dtype is unknown");
    refuse_header(ONE("U8", "[-1]", "[0,1]"), 1, "not a list of integers");
    refuse_header(ONE("U8", "[1.0]", "[0,1]"), 1, "not a list of integers");
    refuse_header(ONE("U8", "['1']", "[0,1]"), 1, "not a list of integers");
    refuse_header(ONE("U8", "1", "[0,1]"), 1, "its entry is not");
    refuse_header(
        ONE("U8", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "[0,1]"),
        1, "more than 32 dimensions");
    refuse_header(ONE("F4", "[3]", "[0,1]"), 1, "do not fit");
    refuse_header(ONE("F4", "[3]", "[0,2]"), 2, "do not fit");
    refuse_header(ONE("F4", "[]", "[0,1]"), 1, "do not fit");
    refuse_header(ONE("U8", "[4294967296,4294967296]", "[0,0]"), 0, "too large");
    refuse_header(ONE("U8", "[4294967296,4294967296,0]", "[0,0]"), 0, "too large");
    refuse_header(ONE("F32", "[4611686018427387904]", "[0,0]"), 0, "too large");
    refuse_header(ONE("F64", "[2305843009213693952]", "[0,0]"), 0, "too large");
    refuse_header(ONE("U8", "[18446744073709551616]", "[0,0]"), 0, "too big integer");
    refuse_header("{'__metadata__':[]}", 0, "object of strings");
    refuse_header("{'__metadata__':{'a':1}}", 0, "object of strings");
    refuse_header("{'__metadata__':{'a':'b','c':null}}", 0, "object of strings");
}

static void refuses_bad_places(void)
{
    refuse_header(ONE("U8", "[1]", "[-1,0]"), 1, "not two ascending");
    refuse_header(ONE("U8", "[1]", "[0.0,1.0]"), 1, "not two ascending");
    refuse_header(ONE("U8", "[1]", "[1,0]"), 1, "not two ascending");
    refuse_header(ONE("U8", "[1]", "[0]"), 1, "not two ascending");
    refuse_header(ONE("U8", "[1]", "[0,1,2]"), 1, "not two ascending");
    refuse_header(ONE("U8", "[1]", "'01'"), 1, "its entry is not");
    refuse_header(ONE("U8", "[2]", "[0,1]"), 1, "do not fit");
    refuse_header(ONE("F32", "[]", "[0,0]"), 0, "do not fit");
    refuse_header(ONE("U8", "[9223372036854775807]", "[0,9223372036854775807]"), 1,
                  "beyond the end");
    refuse_header(ONE("U8", "[2]", "[0,2]"), 1, "beyond the end");
    refuse_header(ONE("U8", "[1]", "[9223372036854775806,9223372036854775807]"), 1, "hole");
    refuse_header(ONE("U8", "[1]", "[1,2]"), 2, "hole");
    refuse_header(ONE("U8", "[1]", "[0,1]"), 2, "1 bytes after the last tensor");
    refuse_header("{}", 1, "1 bytes after the last tensor");
    refuse_header("{" T("a", "U8", "[2]", "[0,2]") "," T("b", "U8", "[2]", "[1,3]") "}", 3,
                  "tensor b: it overlaps");
    refuse_header("{" T("a", "U8", "[2]", "[0,2]") "," T("b", "U8", "[2]", "[0,2]") "}", 2,
                  "tensor b: it overlaps");
    refuse_header("{" T("a", "U8", "[2]", "[0,2]") "," T("b", "U8", "[0]", "[1,1]") "}", 2,
                  "tensor b: it overlaps");
    refuse_header("{" T("a", "U8", "[1]", "[0,1]") "," T("b", "U8", "[1]", "[2,3]") "}", 3,
                  "tensor b: there is a hole");
    refuse_header("{" T("b", "U8", "[0]", "[9,9]") "}", 0, "hole");
}

static void converts(void)
{
    static const char header[] = "{'d':{'dtype':'F64','shape':[3],'data_offsets':[0,24]},"
                                 "'h':{'dtype':'F16','shape':[8],'data_offsets':[24,40]},"
                                 "'b':{'dtype':'BF16','shape':[2],'data_offsets':[40,44]}}";
    static const double d[3] = {1.0 / 3, -1e300, 2};
    static const uint16_t h[8] = {0x3c00, 0xc000, 0x0001, 0x03ff, 0x7bff, 0x7c00, 0xfc00, 0x7e00};
    static const uint16_t b[2] = {0x3f80, 0xc049};
    put(OWN, header, strlen(header), 0);
    FILE *file = fopen(path, "ab");
    CU_ASSERT_FATAL(file != NULL);
    CU_ASSERT(fwrite(d, 1, 24, file) + fwrite(h, 1, 16, file) + fwrite(b, 1, 4, file) == 44);
    CU_ASSERT(fclose(file) == 0);
    t2i_st *st = NULL;
    OK(t2i_st_open(&st, path, &err));
    if (st == NULL) return;
    float x[8];
    OK(t2i_st_floats(st, t2i_st_find(st, "d"), x, &err));
    CU_ASSERT(x[0] == 1 / 3.f && isinf(x[1]) && x[1] < 0 && x[2] == 2);
    OK(t2i_st_floats(st, t2i_st_find(st, "h"), x, &err));
    CU_ASSERT(x[0] == 1 && x[1] == -2 && x[2] == 0x1p-24f && x[3] == 0x1.ff8p-15f && x[4] == 65504);
    CU_ASSERT(isinf(x[5]) && x[5] > 0 && isinf(x[6]) && x[6] < 0 && isnan(x[7]));
    OK(t2i_st_floats(st, t2i_st_find(st, "b"), x, &err));
    CU_ASSERT(x[0] == 1 && x[1] == -3.140625f);
    t2i_st_close(st);
}

static void saves(void)
{
    static const float a[6] = {1, -2, 3.5f, 0, 1e-45f, 3e38f}, b[1] = {7};
    static const t2i_st_part part[] = {
        {"first \"one\"", 2, {2, 3}, a}, {"none", 1, {0}, NULL}, {"\xc3\xa9", 0, {0}, b}};
    t2i_json *metadata = t2i_json_object();
    t2i_json_set_string(metadata, "t2i.format", "1");
    OK(t2i_st_save(path, part, 3, metadata, &err));
    t2i_json_free(metadata);
    t2i_st *st = NULL;
    OK(t2i_st_open(&st, path, &err));
    if (st == NULL) return;
    size_t size;
    static const char wanted[] = "{\"__metadata__\":{\"t2i.format\":\"1\"},\"first \\\"one\\\"\":{"
                                 "\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
                                 "\"none\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":"
                                 "[24,24]},\"\xc3\xa9\":{\"dtype\":\"F32\",\"shape\":[],"
                                 "\"data_offsets\":[24,28]}}";
    const char *header = t2i_st_header(st, &size);
    CU_ASSERT_EQUAL((size + 8) % 64, 0);
    CU_ASSERT_NSTRING_EQUAL(header, wanted, sizeof wanted - 1);
    CU_ASSERT_EQUAL(strspn(header + sizeof wanted - 1, " "), size - (sizeof wanted - 1));
    float back[6];
    OK(t2i_st_floats(st, t2i_st_at(st, 0), back, &err));
    CU_ASSERT(memcmp(back, a, sizeof a) == 0);
    OK(t2i_st_floats(st, t2i_st_find(st, "\xc3\xa9"), back, &err));
    CU_ASSERT(back[0] == 7);
    t2i_st_close(st);
    OK(t2i_st_save(path, NULL, 0, NULL, &err));
    OK(t2i_st_open(&st, path, &err));
    CU_ASSERT_EQUAL(t2i_st_tensors(st), 0);
    t2i_st_close(st);
}

static void writes_only_what_it_reads(void)
{
    static const float a[1] = {1};
    static const t2i_st_part twice[] = {{"a", 1, {1}, a}, {"a", 1, {1}, a}};
    static const t2i_st_part reserved[] = {{"__metadata__", 1, {1}, a}};
    static const t2i_st_part huge[] = {{"a", 2, {UINT64_MAX, UINT64_MAX}, a}};
    static const t2i_st_part deep[] = {{"a", 33, {1}, a}};
    FAILS(t2i_st_save(path, twice, 2, NULL, &err), T2I_BUG, "duplicate");
    FAILS(t2i_st_save(path, reserved, 1, NULL, &err), T2I_BUG, "object of strings");
    FAILS(t2i_st_save(path, huge, 1, NULL, &err), T2I_BUG, "impossible shape");
    FAILS(t2i_st_save(path, deep, 1, NULL, &err), T2I_BUG, "impossible shape");
    t2i_json *metadata = t2i_json_object();
    t2i_json_set_integer(metadata, "a", 1);
    FAILS(t2i_st_save(path, twice, 1, metadata, &err), T2I_BUG, "object of strings");
    t2i_json_free(metadata);
    FAILS(t2i_st_save("/nowhere/at/all", twice, 1, NULL, &err), T2I_CANTCREATE, "/nowhere/at/all");
}

static void reads_golden_files(void)
{
    t2i_st *st = NULL;
    OK(t2i_st_open(&st, "tests/golden/seed/initial.safetensors", &err));
    if (st == NULL) return;
    CU_ASSERT_EQUAL(t2i_st_tensors(st), 38);
    const t2i_st_tensor *head = t2i_st_find(st, "head.weight");
    CU_ASSERT(head != NULL && head->dims == 2 && head->dim[0] == 512 && head->dim[1] == 64);
    uint64_t numbers = 0;
    for (size_t i = 0; i < t2i_st_tensors(st); i++) numbers += t2i_st_at(st, i)->count;
    CU_ASSERT_EQUAL(numbers, 185472);
    const char *config = t2i_st_meta(st, "t2i.config"), *vocab = t2i_st_meta(st, "t2i.vocab");
    CU_ASSERT(config != NULL && vocab != NULL);
    t2i_json *json = NULL;
    int64_t width = 0;
    if (config != NULL) OK(t2i_json_parse(&json, config, strlen(config), "t2i.config", &err));
    CU_ASSERT(t2i_json_as_integer(t2i_json_get(json, "vision_feature_dim"), &width));
    CU_ASSERT_EQUAL(width, 512);
    t2i_json_free(json);
    if (vocab != NULL) OK(t2i_json_parse(&json, vocab, strlen(vocab), "t2i.vocab", &err));
    CU_ASSERT_EQUAL(t2i_json_size(json), 42);
    t2i_json_free(json);
    t2i_st_close(st);
    static const char *const others[] = {"final", "steps", "edge", "features"};
    for (size_t i = 0; i < 4; i++) {
        char name[64];
        snprintf(name, sizeof name, "tests/golden/seed/%s.safetensors", others[i]);
        OK(t2i_st_open(&st, name, &err));
        t2i_st_close(st);
    }
}

int main(void)
{
    static const t2i_test tests[] = {
        {"opens what is sound, in file order", opens_what_is_sound},
        {"opens what the format's library opens", opens_what_the_library_opens},
        {"refuses header lengths that cannot be", refuses_bad_lengths},
        {"refuses a header that is no strict JSON object", refuses_bad_json},
        {"refuses entries that are not exact", refuses_bad_entries},
        {"refuses overlaps, holes and trailing bytes", refuses_bad_places},
        {"converts F64, F16 and BF16", converts},
        {"saves what it reads back, aligned and deterministic", saves},
        {"does not write what it would refuse", writes_only_what_it_reads},
        {"reads golden files", reads_golden_files},
    };
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/t2i-safetensors-XXXXXX", base == NULL ? "/tmp" : base);
    if (mkdtemp(folder) == NULL) return 1;
    snprintf(path, sizeof path, "%s/file", folder);
    int failed = t2i_test_main("safetensors", tests, sizeof tests / sizeof *tests);
    unlink(path);
    rmdir(folder);
    return failed;
}
