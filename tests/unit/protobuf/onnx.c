/* ONNX files, byte for byte as onnx.proto encodes them; files that are too large; failures. */
#include "test.h"

#include "base/fs.h"
#include "base/opts.h"
#include "protobuf/onnx.h"
#include "scratch.h"

static t2i_error err;

/* y = x W, after a list of integers has given x its shape */
static void add_graph(t2i_onnx *o, const float *weight, size_t zeros)
{
    const size_t dim[] = {1, 2};
    const int64_t shape[] = {-1, 3}, one = 1;
    t2i_onnx_input(o, "x", T2I_ONNX_INT64, "batch 300");
    t2i_onnx_floats(o, "s.W", 2, dim, weight, zeros);
    t2i_onnx_integers(o, "n", 2, shape);
    t2i_onnx_integers(o, "i", 0, &one);
    strcpy(o->scope, "s");
    t2i_onnx_node(o, "MatMul", "x  .W", ".y", NULL);
    t2i_onnx_node(o, "Split", ".y", "a b", &(t2i_onnx_attribute){"axis", 0, {-1}});
    t2i_onnx_node(o, "Op", "a", "c", &(t2i_onnx_attribute){"perm", 2, {1, 0}});
    t2i_onnx_output(o, "c", T2I_ONNX_FLOAT, "bat");
    t2i_onnx_meta(o, "k", "value");
}

#define ADD(text, bytes) OK(t2i_text_add(text, bytes, sizeof bytes - 1, &err))

/* What onnx.proto makes of add_graph, from the graph's first field on. */
static void add_expected(t2i_text *out)
{
    ADD(out, "\x12\x01g"); /* name */
    ADD(out, "\x5a\x19\x0a\x01x\x12\x14\x0a\x12\x08\x07\x12\x0e\x0a\x07\x12\x05"
             "batch\x0a\x03\x08\xac\x02");
    /* (1 + 2 zeros, 2) floats */
    ADD(out, "\x2a\x25\x08\x03\x08\x02\x10\x01\x42\x03s.W\x4a\x18"
             "\0\0\x80\x3f\0\0\0\xc0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    ADD(out, "\x2a\x19\x08\x02\x10\x07\x42\x01n\x4a\x10"
             "\xff\xff\xff\xff\xff\xff\xff\xff\x03\0\0\0\0\0\0\0");
    ADD(out, "\x2a\x0f\x10\x07\x42\x01i\x4a\x08\x01\0\0\0\0\0\0\0");
    ADD(out, "\x0a\x1a\x0a\x01x\x0a\x03s.W\x12\x03s.y\x1a\x03s.y\x22\x06MatMul");
    ADD(out, "\x0a\x2b\x0a\x03s.y\x12\x01"
             "a\x12\x01"
             "b\x1a\x01"
             "a\x22\x05Split"
             "\x2a\x14\x0a\x04"
             "axis\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\xa0\x01\x02");
    ADD(out, "\x0a\x1c\x0a\x01"
             "a\x12\x01"
             "c\x1a\x01"
             "c\x22\x02Op"
             "\x2a\x0d\x0a\x04perm\x40\x01\x40\0\xa0\x01\x07");
    ADD(out, "\x62\x12\x0a\x01"
             "c\x12\x0d\x0a\x0b\x08\x01\x12\x07\x0a\x05\x12\x03"
             "bat");
}

static void test_bytes(void)
{
    static const float weight[] = {1.0f, -2.0f};
    t2i_onnx o = {.err = &err};
    t2i_text file = {0}, expected = {0}, graph = {0};
    add_graph(&o, weight, 2);
    OK(t2i_onnx_save(&o, in_scratch("m.onnx"), "g", "doc"));
    t2i_onnx_free(&o);
    OK(t2i_fs_read(in_scratch("m.onnx"), 1 << 20, &file, &err));
    add_expected(&graph);
    ADD(&expected, "\x08\x08\x12\x09t2i-train\x1a");
    OK(t2i_text_addf(&expected, &err, "%c%s", (int)strlen(T2I_VERSION), T2I_VERSION));
    ADD(&expected, "\x32\x03"
                   "doc\x42\x02\x10\x11\x72\x0a\x0a\x01k\x12\x05value\x3a");
    OK(t2i_text_addf(&expected, &err, "%c%c", (int)(128 + graph.size % 128),
                     (int)(graph.size / 128)));
    OK(t2i_text_add(&expected, graph.data, graph.size, &err));
    CU_ASSERT_EQUAL(file.size, expected.size);
    CU_ASSERT(file.size == expected.size && memcmp(file.data, expected.data, file.size) == 0);
    t2i_text_free(&file);
    t2i_text_free(&expected);
    t2i_text_free(&graph);
}

/* Zeros beyond the buffer that they are written from. */
static void test_zeros(void)
{
    static const float weight[] = {1.0f, -2.0f};
    t2i_onnx o = {.err = &err};
    t2i_text file = {0};
    size_t zeros = 0;
    add_graph(&o, weight, 5000);
    OK(t2i_onnx_save(&o, in_scratch("z.onnx"), "g", "doc"));
    t2i_onnx_free(&o);
    OK(t2i_fs_read(in_scratch("z.onnx"), 1 << 20, &file, &err));
    for (size_t i = 0, row = 0; i < file.size; i++) {
        row = file.data[i] == 0 ? row + 1 : 0;
        zeros = row > zeros ? row : zeros;
    }
    CU_ASSERT_EQUAL(zeros, 5000 * 2 * sizeof(float));
    t2i_text_free(&file);
}

/* The limit is that of the whole file; nothing is written or read before it is known. */
static void test_limit(void)
{
    const size_t fits = (1u << 29) - 100, dim[] = {fits, 1}, one = 1000;
    t2i_onnx o = {.err = &err};
    t2i_onnx_floats(&o, "W", 2, dim, NULL, 0);
    t2i_onnx_floats(&o, "V", 1, &one, NULL, 0);
    FAILS(t2i_onnx_save(&o, in_scratch("large.onnx"), "g", ""), T2I_DATA, "more than 2 GiB");
    CU_ASSERT(!t2i_fs_exists(in_scratch("large.onnx")));
    CU_ASSERT(!t2i_fs_exists(in_scratch("large.onnx.tmp")));
    t2i_onnx_free(&o);
}

static void test_failures(void)
{
    static const float weight[] = {1.0f, -2.0f};
    t2i_onnx o = {.err = &err};
    add_graph(&o, weight, 0);
    FAILS(t2i_onnx_save(&o, in_scratch("none/m.onnx"), "g", ""), T2I_CANTCREATE, "none/m.onnx");
    t2i_onnx_free(&o);
    t2i_onnx_free(&o);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"a graph, byte for byte", test_bytes},
        {"rows of zeros", test_zeros},
        {"a file over 2 GiB", test_limit},
        {"a file that cannot be created", test_failures},
    };
    if (scratch_begin("onnx") != 0) return 1;
    int failed = t2i_test_main("onnx", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return failed;
}
