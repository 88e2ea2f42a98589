/* pickle: what each instruction makes, and each way in which a pickle can ask for more. */
#include "formats/pickle.h"

#include "formats/pickle_reader.h"
#include "formats/pickle_torch.h"
#include "py_print.h"
#include "test.h"
#include "base/text.h"

static t2i_error err;
static t2i_pickle pickle;

/* Bytes of a literal, which may hold NULs. */
#define B(literal) literal, sizeof literal - 1
#define PROTO      "\x80\x02"
#define TEXT(text) "\x8c" text /* with its length before it */
#define STORAGE    "((X\7\0\0\0storagectorch\nFloatStorage\n"
#define KEY_CPU    TEXT("\1k") TEXT("\3cpu")
#define ODICT      "ccollections\nOrderedDict\n"
#define REBUILD    "ctorch._utils\n_rebuild_tensor_v2\n"
/* A tensor of a storage of 6: what comes between "tQ" and the end. */
#define TENSOR(offset_size_stride)                                                                 \
    REBUILD STORAGE KEY_CPU "K\6tQ" offset_size_stride "\x89" ODICT ")RtR"

/* Reads from a fresh arena; *root is good until the next call. */
static t2i_status read_as(t2i_pickle_kind kind, const void *bytes, size_t size, t2i_py **root)
{
    t2i_byte_source source;
    uint64_t at = 0;
    t2i_pickle_free(&pickle);
    OK(t2i_pickle_new(&pickle, &err));
    void *copy = malloc(size + 1); /* of exactly its size, so that a sanitizer sees more */
    if (copy == NULL) return T2I_SYSTEM;
    memcpy(copy, bytes, size);
    OK(t2i_byte_source_memory(&source, copy, size, "FILE", &err));
    t2i_status status = t2i_pickle_read(&pickle, kind, &source, &at, size, root, &err);
    if (status == T2I_OK) CU_ASSERT_EQUAL(at, size);
    t2i_byte_source_close(&source);
    free(copy);
    return status;
}

/* The value, or NULL when it was refused: then the test fails. */
static t2i_py *value_of(t2i_pickle_kind kind, const char *bytes, size_t size)
{
    t2i_py *root = NULL;
    err = (t2i_error){0};
    t2i_status status = read_as(kind, bytes, size, &root);
    if (status != T2I_OK) fprintf(stderr, "%s\n", err.text);
    CU_ASSERT_EQUAL(status, T2I_OK);
    return status == T2I_OK ? root : NULL;
}

static void refuse_as(t2i_pickle_kind kind, const char *bytes, size_t size, const char *why)
{
    t2i_py *root = NULL;
    FAILS(read_as(kind, bytes, size, &root), T2I_DATA, why);
    CU_ASSERT_PTR_NULL(root);
}
#define PLAIN(code)       value_of(T2I_PICKLE_PLAIN, B(PROTO code "."))
#define ZIP(code)         value_of(T2I_PICKLE_ZIP, B(PROTO code "."))
#define REFUSE(code, why) refuse_as(T2I_PICKLE_ZIP, B(PROTO code "."), why)

static void gives(const t2i_py *value, const char *wanted)
{
    t2i_text out = {0};
    if (value == NULL) return;
    CU_ASSERT(py_print(&out, value));
    if (out.data == NULL || strcmp(out.data, wanted) != 0)
        fprintf(stderr, "%s instead of %s\n", out.data, wanted);
    CU_ASSERT(out.data != NULL && strcmp(out.data, wanted) == 0);
    t2i_text_free(&out);
}

static void reads_plain_values(void)
{
    gives(PLAIN("N"), "None");
    gives(PLAIN("(\x88\x89t"), "(True,False)");
    gives(PLAIN("(K\xffM\xff\xffJ\xff\xff\xff\xffJ\xff\xff\xff\x7ft"), "(255,65535,-1,2147483647)");
    gives(PLAIN("(\x8a\0\x8a\1\xff\x8a\2\0\x80\x8a\x8\xff\xff\xff\xff\xff\xff\xff\x7ft"),
          "(0,-1,-32768,9223372036854775807)");
    gives(PLAIN("\x8a\x8\0\0\0\0\0\0\0\x80"), "-9223372036854775808");
    gives(PLAIN("(I-12\nI9223372036854775807\nt"), "(-12,9223372036854775807)");
    gives(PLAIN("G\x3f\xf8\0\0\0\0\0\0"), "1.5");
    gives(PLAIN("X\2\0\0\0\xc3\xa9"), "'\xc3\xa9'");
    gives(PLAIN("(\x8c\1a\x8d\2\0\0\0\0\0\0\0bcU\1dT\1\0\0\0et"), "('a','bc','d','e')");
    gives(PLAIN("](K\1K\2e"), "[1,2]");
    gives(PLAIN("]K\1aK\2a"), "[1,2]");
    gives(PLAIN("](e"), "[]");
    gives(PLAIN("}(K\1K\2X\1\0\0\0aNu"), "{1:2,'a':None}");
    gives(PLAIN("}K\1K\2sK\0]s"), "{1:2,0:[]}");
}

static void reads_tuples_and_memory(void)
{
    gives(PLAIN("()K\1\x85K\1K\2\x86K\1K\2K\3\x87(t(K\1K\2K\3K\4tt"),
          "((),(1),(1,2),(1,2,3),(),(1,2,3,4))");
    gives(PLAIN("(]q\0K\7ah\0h\0t"), "([7],[7],[7])");
    gives(PLAIN("(]r\0\1\0\0j\0\1\0\0t"), "([],[])");
    gives(PLAIN("(]\x94K\1\x94h\0h\1t"), "([],1,[],1)");
    gives(PLAIN("K\1K\x02"
                "0"),
          "1");
    gives(PLAIN("K\1(K\2K\x03"
                "1"),
          "1");
    gives(PLAIN("K\1(0"), "1"); /* POP takes a mark with nothing above it */
    gives(value_of(T2I_PICKLE_PLAIN, B("\x80\4\x95\2\0\0\0\0\0\0\0N.")), "None");
    gives(value_of(T2I_PICKLE_PLAIN, B("\x80\3N.")), "None");
}

static void refuses_broken_instructions(void)
{
    refuse_as(T2I_PICKLE_ZIP, B("N."), "does not begin as protocols 2 to 4 do");
    refuse_as(T2I_PICKLE_ZIP, B("\x80\1N."), "protocol 1 is not one of");
    refuse_as(T2I_PICKLE_ZIP, B("\x80\5N."), "protocol 5 is not one of");
    REFUSE("\xff", "(at byte 2): the instruction 0xff is not allowed");
    REFUSE("N\x98", "(at byte 3): the instruction 0x98");
    REFUSE("i", "the instruction 0x69"); /* INST */
    REFUSE("o", "the instruction 0x6f"); /* OBJ */
    REFUSE("\x82\1", "the instruction 0x82");
    REFUSE("P1\n", "the instruction 0x50");
    REFUSE("B\0\0\0\0", "the instruction 0x42"); /* bytes */
    REFUSE("", "it ends with 0 values instead of one");
    REFUSE("NN", "it ends with 2 values instead of one");
    REFUSE("N(", "it ends with 1 values instead of one");
    REFUSE("I12x\n", "an integer is malformed");
    REFUSE("I\n", "an integer is malformed");
    REFUSE("I9223372036854775808\n", "more than 64 bits");
    REFUSE("X\2\0\0\0\xc3(", "a string is not UTF-8");
    REFUSE("X\xff\xff\xff\xff", "it is cut");
    REFUSE("\x8d\xff\xff\xff\xff\xff\xff\xff\xff", "it is cut");
    REFUSE("\x95\xff\xff\xff\xff\xff\xff\xff\xff", "it is cut");
    refuse_as(T2I_PICKLE_ZIP, B("\x80\2J\1\1"), "it is cut");
    refuse_as(T2I_PICKLE_ZIP, B("\x80\2N"), "it is cut");
    refuse_as(T2I_PICKLE_ZIP, B(""), "it is cut");
}

static void refuses_values_that_are_not_there(void)
{
    static const char *const empty[] = {"0", "1",    "a",       "e",          "s",   "u",
                                        "t", "\x85", "K\1\x86", "K\1K\2\x87", "R",   "NR",
                                        "b", "Q",    "q\1",     "\x94",       "\x93"};
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) {
        char code[16];
        int size = snprintf(code, sizeof code, PROTO "%s.", empty[i]);
        refuse_as(T2I_PICKLE_ZIP, code, (size_t)size, "it takes more values than its stack has");
    }
    REFUSE("](K\1\x86t", "it takes more values than its stack has"); /* not beneath a mark */
    REFUSE("N(a", "it takes more values than its stack has");
    REFUSE("K\1(q\1", "it takes more values than its stack has");
    REFUSE("h\0", "a memo entry that it never wrote");
    REFUSE("Nq\5h\4", "a memo entry that it never wrote");
    REFUSE("j\xff\xff\xff\xff", "a memo entry that it never wrote");
    REFUSE("Nr\xff\xff\xff\xff", "its memo has too many values");
    REFUSE("Nr\xff\xff\x1f\0", "its memo has gaps");
    REFUSE("Nr\x0a\1\0\0", "its memo has gaps");
}

static void refuses_wrong_types(void)
{
    REFUSE("}K\1a", "APPEND adds to a dict");
    REFUSE(")(K\1e", "APPENDS adds to a tuple");
    REFUSE("]K\1K\2s", "SETITEM adds to a list");
    REFUSE("N(K\1K\2u", "SETITEMS adds to a None");
    REFUSE(ODICT "K\1K\2s", "SETITEM adds to a function");
    REFUSE("}(K\1u", "SETITEMS has a key without a value");
    REFUSE("}]Ns", "a dict has a list as key");
    REFUSE("}}Ns", "a dict has a dict as key");
    REFUSE("}(G?\xf8\0\0\0\0\0\0NG?\xf8\0\0\0\0\0\0Nu", "a dict has a key twice");
    gives(ZIP("}(G?\xf8\0\0\0\0\0\0K\1)K\2K\1\x85K\3\x8c\1aK\4u"), "{1.5:1,():2,(1):3,'a':4}");
    REFUSE("}(\x8c\1aN\x8c\1aNu", "a dict has the key a twice");
    REFUSE("}(K\1N\x88Nu", "a dict has a key twice"); /* 1 == True */
    REFUSE("}(NNNNu", "a dict has a key twice");
    gives(ZIP("}(NN\x8c\1aN\x8c\2aaNJ\xff\xff\xff\xffNK\0Nu"),
          "{None:None,'a':None,'aa':None,-1:None,0:None}");
    REFUSE("NNR", "a function's arguments are a None");
    REFUSE("N)R", "it calls a None");
    REFUSE("ctorch\nFloatStorage\n)R", "it calls a function");
    REFUSE("N}b", "it sets attributes of a None");
    REFUSE("}}b", "it sets attributes of a dict");
    REFUSE(ODICT ")RNb", "the attributes of an OrderedDict are not a dict");
    gives(ZIP(ODICT ")R}\x8c\5__x__Nsb"), "O{}");
    REFUSE(ODICT, "a function stands in place of a value");
    REFUSE("]" ODICT "a", "a function stands in place of a value");
}

static void refuses_functions_by_name(void)
{
    REFUSE("cbuiltins\neval\n", "it uses builtins.eval, which is not allowed");
    REFUSE("cos\nsystem\n", "it uses os.system, which is not allowed");
    REFUSE("ctorch\nOrderedDict\n", "it uses torch.OrderedDict, which");
    REFUSE("ctorch._utils\n_rebuild_wrapper_subclass\n", "it uses torch._utils._rebuild_wrapper");
    REFUSE("cnumpy.core.multiarray\nscalar\n", "it uses numpy.core.multiarray.scalar");
    REFUSE("cbuiltins\nfrozenset\n", "it uses builtins.frozenset");
    REFUSE("ctorch\nload\n", "it uses torch.load");
    REFUSE("ctorch.cuda\nFloatStorage\n", "it uses torch.cuda.FloatStorage");
    REFUSE("\x8c\2os\x8c\6system\x93", "it uses os.system, which is not allowed");
    REFUSE("\x8c\2osK\1\x93", "a function's name is not a string");
    REFUSE("\x8c\14collections\0\x8c\13OrderedDict\x93", "a function's name is not a string");
    refuse_as(T2I_PICKLE_ZIP, B("\x80\2ccollections\nOrdered"), "it is cut");
    refuse_as(T2I_PICKLE_ZIP, B("\x80\2cos\0\nsystem\n."), "a line is too long");
    refuse_as(T2I_PICKLE_ZIP, B("\x80\2cos\xff\nsystem\n."), "a line is not UTF-8");
    char line[400] = "\x80\2c";
    memset(line + 3, 'a', sizeof line - 3);
    refuse_as(T2I_PICKLE_ZIP, line, sizeof line, "a line is too long");
    gives(ZIP("\x8c\13collections\x8c\13OrderedDict\x93)R"), "O{}");
}

/* What torch.load(weights_only=True) allows besides tensors, in plain form. */
static void reads_what_torch_allows(void)
{
    gives(ZIP("ccollections\nCounter\n}\x8c\1aK\2s\x85R"), "{'a':2}");
    gives(ZIP("ccollections\nCounter\n)R"), "{}");
    gives(ZIP("ctorch\nSize\nK\2K\3\x86\x85R"), "(2,3)");
    gives(ZIP("ctorch\ndevice\n\x8c\4cudaK\1\x86R"), "'cuda:1'");
    gives(ZIP("ctorch\ndevice\n\x8c\3cpu\x85R"), "'cpu'");
    gives(ZIP("ctorch\nfloat32\n"), "'torch.float32'");
    gives(ZIP("ctorch\nFloatTensor\n"), "'torch.FloatTensor'");
    gives(ZIP("}ctorch\nbfloat16\nctorch\nbool\ns"), "{'torch.bfloat16':'torch.bool'}");
    gives(ZIP("c__builtin__\nset\n](K\1K\2e\x85R"), "[1,2]");
    gives(ZIP("cbuiltins\nset\n]\x85R"), "[]");
    gives(ZIP("c_codecs\nencode\n\x8c\2ab\x8c\6latin1\x86R"), "'ab'");
    gives(ZIP("c__builtin__\nbytearray\n\x8c\1a\x8c\7latin-1\x86R"), "'a'");
    gives(ZIP("c__builtin__\nbytearray\n)R"), "''");
    gives(ZIP("c__builtin__\ncomplex\nG?\xf8\0\0\0\0\0\0G\xbf\xf8\0\0\0\0\0\0\x86R"),
          "'(1.5-1.5j)'");
    gives(ZIP("ctorch.serialization\n_get_layout\n\x8c\015torch.strided\x85R"), "'torch.strided'");
    gives(ZIP("ctorch._utils\n_rebuild_meta_tensor_no_storage\n)R"), "None");
    gives(ZIP("ctorch._utils\n_rebuild_sparse_tensor\nNK\1K\2\x86\x86R"), "(1,2)");
    gives(ZIP("\x8a\x9\0\0\0\0\0\0\0\0\0"), "'0x0'");
    gives(ZIP("\x8a\x9\xff\xff\xff\xff\xff\xff\xff\xff\0"), "'0xffffffffffffffff'");
    gives(ZIP("\x8a\x9\0\0\0\0\0\0\0\0\x80"), "'-0x800000000000000000'");
    gives(ZIP("\x8a\x9\1\0\0\0\0\0\0\0\xff"), "'-0xffffffffffffffff'");
    REFUSE("ccollections\nCounter\nN\x85R", "collections.Counter has unexpected arguments");
    REFUSE("ctorch\nSize\n]\x85R", "torch.Size has unexpected arguments");
    REFUSE("ctorch\ndevice\n)R", "torch.device has unexpected arguments");
    REFUSE("cbuiltins\nset\n)\x85R", "builtins.set has unexpected arguments");
    REFUSE("c__builtin__\ncomplex\nK\1K\2\x86R", "complex has unexpected arguments");
    REFUSE("c_codecs\nencode\nK\1\x85R", "_codecs.encode has unexpected arguments");
    REFUSE("ctorch\nSize\n", "a function stands in place of a value");
    REFUSE("ctorch\nfloat32\n)R", "it calls a function");
}

static void reads_ordered_dicts(void)
{
    gives(ZIP(ODICT ")R"), "O{}");
    gives(ZIP(ODICT ")R(K\1K\2u}\x8c\x9_metadata" ODICT ")R\x8c\0}\x8c\7versionK\1sssb"), "O{1:2}");
    gives(ZIP(ODICT "]](\x8c\1aK\1ea(\x8c\1bK\2ta\x85R"), "O{'a':1,'b':2}"); /* of Python 2 */
    REFUSE(ODICT "K\1\x85R", "an OrderedDict is not made of pairs");
    REFUSE(ODICT "]K\1a\x85R", "an OrderedDict is not made of pairs");
    REFUSE(ODICT "])a\x85R", "an OrderedDict is not made of pairs");
    REFUSE(ODICT "]]\x86R", "an OrderedDict is not made of pairs");
}

static void check_tensor(const t2i_py *v, size_t dims, uint64_t count, uint64_t offset)
{
    CU_ASSERT(v != NULL && v->kind == T2I_PY_TENSOR);
    if (v == NULL || v->kind != T2I_PY_TENSOR) return;
    CU_ASSERT_STRING_EQUAL(v->tensor.dtype, "F32");
    CU_ASSERT(v->tensor.dims == dims && v->tensor.count == count && v->tensor.offset == offset);
    CU_ASSERT(v->tensor.storage == 0 && v->tensor.data == NULL);
    CU_ASSERT(pickle.storages == 1 && pickle.storage[0].count == 6);
    CU_ASSERT_EQUAL(t2i_pickle_torch_find(&pickle, "k", 1), 0);
    CU_ASSERT_EQUAL(t2i_pickle_torch_find(&pickle, "x", 1), SIZE_MAX);
}

static void reads_tensors(void)
{
    const t2i_py *v = ZIP(TENSOR("K\0K\2K\3\x86K\3K\1\x86"));
    check_tensor(v, 2, 6, 0);
    if (v != NULL) CU_ASSERT(v->tensor.dim[1] == 3 && v->tensor.stride[0] == 3);
    check_tensor(ZIP(TENSOR("K\5))")), 0, 1, 5);
    check_tensor(ZIP(TENSOR("K\1K\5\x85K\1\x85")), 1, 5, 1);
    check_tensor(ZIP(TENSOR("K\0K\7\x85K\0\x85")), 1, 7, 0); /* stride 0 repeats a number */
    check_tensor(ZIP(TENSOR("K\xffK\0K\7\x86K\xffK\xff\x86")), 2, 0, 0); /* nothing is nowhere */
    check_tensor(ZIP(TENSOR("K\5K\1\x85K\xff\x85")), 1, 1, 5);           /* one number: no stride */
    check_tensor(ZIP("ctorch._utils\n_rebuild_parameter\n(" TENSOR("K\0K\6\x85K\1\x85") //
                     "\x88" ODICT ")RtR"),
                 1, 6, 0);
    check_tensor(ZIP("ctorch._utils\n_rebuild_tensor\n" STORAGE KEY_CPU "K\6tQK\0K\6\x85K\1\x85tR"),
                 1, 6, 0);
    /* parameters of 2017 and 2016 */
    check_tensor(ZIP("ctorch.nn.parameter\nParameter\n" TENSOR("K\0K\6\x85K\1\x85") //
                     "\x85R\x88\x89" ODICT ")R\x87"
                     "b"),
                 1, 6, 0);
    check_tensor(ZIP("ctorch.nn.parameter\nParameter\n)\x81(" TENSOR("K\0K\6\x85K\1\x85") //
                     "N" ODICT ")R\x88\x89tb"),
                 1, 6, 0);
}

#define BYTES4   "((\x8c\7storagectorch.storage\nUntypedStorage\n" KEY_CPU "K\4tQ"
#define TYPED(d) "ctorch._utils\n_rebuild_tensor_v3\n" BYTES4 d "\x89}"

/* Tensors of types that are no types of weights, and tensors with attributes. */
static void reads_other_tensors(void)
{
    const t2i_py *v = ZIP(TYPED("K\0K\2\x85K\1\x85") "ctorch\nuint16\ntR");
    CU_ASSERT(v != NULL && v->kind == T2I_PY_TENSOR && v->tensor.count == 2 &&
              strcmp(v->tensor.dtype, "U16") == 0);
    v = ZIP(TYPED("K\0K\4\x85K\1\x85") "ctorch\nfloat8_e4m3fn\n}tR");
    CU_ASSERT(v != NULL && strcmp(v->tensor.dtype, "F8_E4M3") == 0);
    REFUSE(TYPED("K\0K\3\x85K\1\x85") "ctorch\nuint16\ntR", "a tensor extends beyond its storage");
    REFUSE(TYPED("K\0K\1\x85K\1\x85") "ctorch\nuint64\ntR", "a tensor extends beyond its storage");
    REFUSE(TYPED("K\0K\1\x85K\1\x85") "ctorch\nfloat32\ntR", "arguments of wrong types");
    REFUSE(TYPED("K\0K\1\x85K\1\x85") "NtR", "arguments of wrong types");
    REFUSE("ctorch._utils\n_rebuild_tensor_v3\n" STORAGE KEY_CPU
           "K\6tQK\0K\1\x85K\1\x85\x89}ctorch\nuint16\ntR",
           "arguments of wrong types");
    v = ZIP("ctorch._utils\n_rebuild_qtensor\n((\x8c\7storagectorch\nQInt8Storage\n" KEY_CPU
            "K\4tQK\0K\4\x85K\1\x85(ctorch\nper_tensor_affine\nG?\xf8\0\0\0\0\0\0K\0t\x89}tR");
    CU_ASSERT(v != NULL && v->tensor.count == 4 && strcmp(v->tensor.dtype, "I8") == 0);
    check_tensor(ZIP("ctorch._tensor\n_rebuild_from_type_v2\n(" REBUILD
                     "ctorch\nTensor\n" STORAGE KEY_CPU "K\6tQK\0K\6\x85K\1\x85\x89}t}\x8c\1aNstR"),
                 1, 6, 0);
    check_tensor(ZIP("(\x8c\7storagectorch\nFloatStorage\n" KEY_CPU "K\6tQ"), 1, 6,
                 0); /* a storage alone */
    REFUSE("ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._tensor\n_rebuild_from_type_v2\n"
           "ctorch\nTensor\n)NtR",
           "arguments of wrong types");
    check_tensor(
        ZIP("ctorch._utils\n_rebuild_parameter_with_state\n(" TENSOR("K\0K\6\x85K\1\x85") //
            "\x88" ODICT ")R}tR"),
        1, 6, 0);
    check_tensor(ZIP("ctorch._utils\n_rebuild_device_tensor_from_cpu_tensor\n(" //
                     TENSOR("K\0K\6\x85K\1\x85") "ctorch\nfloat32\n\x8c\3xla\x89tR"),
                 1, 6, 0);
}

static void refuses_tensors(void)
{
    REFUSE(TENSOR("K\0K\7\x85K\1\x85"), "a tensor extends beyond its storage");
    REFUSE(TENSOR("K\1K\6\x85K\1\x85"), "a tensor extends beyond its storage");
    REFUSE(TENSOR("K\6))"), "a tensor extends beyond its storage");
    REFUSE(TENSOR("K\0K\3\x85K\3\x85"), "a tensor extends beyond its storage");
    REFUSE(TENSOR("K\0K\3K\2\x86K\2K\2\x86"), "a tensor extends beyond its storage");
    REFUSE(TENSOR("\x8a\x8\xff\xff\xff\xff\xff\xff\xff\x7fK\2\x85"
                  "\x8a\x8\xff\xff\xff\xff\xff\xff\xff\x7f\x85"),
           "a tensor extends beyond its storage");
    REFUSE(TENSOR("K\2K\3K\3\x86\x8a\x8\xff\xff\xff\xff\xff\xff\xff\x7f"
                  "\x8a\x8\xff\xff\xff\xff\xff\xff\xff\x7f\x86"),
           "a tensor extends beyond its storage"); /* 2 + 2 * (2^63 - 1) * 2 is 2^65 - 2 */
    REFUSE(TENSOR("K\0\x8a\5\0\0\0\0\1\x8a\5\0\0\0\0\1\x86K\0K\0\x86"),
           "the shape of a tensor is impossible"); /* 2^32 * 2^32 */
    REFUSE(TENSOR("J\xff\xff\xff\xffK\1\x85K\1\x85"),
           "the shape or strides of a tensor are impossible");
    REFUSE(TENSOR("K\0J\xff\xff\xff\xff\x85K\1\x85"),
           "the shape or strides of a tensor are impossible");
    REFUSE(TENSOR("K\0K\1\x85J\xff\xff\xff\xff\x85"),
           "the shape or strides of a tensor are impossible");
    REFUSE(TENSOR("NK\1\x85K\1\x85"), "the shape or strides of a tensor are impossible");
    REFUSE(TENSOR("K\0N\x85K\1\x85"), "the shape or strides of a tensor are impossible");
    REFUSE(TENSOR("K\0\x88\x85K\1\x85"), "the shape or strides of a tensor are impossible");
    REFUSE(TENSOR("K\0K\1\x85)"), "a tensor has 1 dimensions and 0 strides");
    REFUSE(TENSOR("K\0(K\1K\1K\1K\1K\1K\1K\1K\1K\1tq\1h\1"), "9 dimensions and 9 strides");
    REFUSE(TENSOR("K\0K\1K\1"), "arguments of wrong types");
    REFUSE(TENSOR("K\0)"), "a tensor has 5 arguments");
    REFUSE(REBUILD "(NK\0))\x89}tR", "arguments of wrong types");
    REFUSE(REBUILD STORAGE KEY_CPU "K\6tQK\0))N}tR", "arguments of wrong types");
    REFUSE(REBUILD STORAGE KEY_CPU "K\6tQK\0))\x89}K\1NstR", "a tensor has hooks");
    REFUSE(REBUILD STORAGE KEY_CPU "K\6tQK\0))\x89}}\x8c\3neg\x88stR", "negated or conjugated");
    REFUSE("ctorch._utils\n_rebuild_parameter\n(N\x88}tR", "has unexpected arguments");
    REFUSE("ctorch._utils\n_rebuild_parameter\n)R", "has unexpected arguments");
    REFUSE("ctorch.nn.parameter\nParameter\nN\x85R", "has unexpected arguments");
    REFUSE("ctorch.nn.parameter\nParameter\n)\x81", "a parameter without data stands");
    REFUSE("ctorch.nn.parameter\nParameter\n)\x81(NN}\x88\x89tb", "has unexpected attributes");
    REFUSE("ctorch.nn.parameter\nParameter\n)\x81}b", "has unexpected attributes");
    REFUSE(TENSOR("K\0))") "K\1b", "has unexpected attributes");
}

static void refuses_storages(void)
{
#define ID(content) "(" content "tQ"
#define ELSE        "a persistent id is not that of a storage"
    REFUSE("NQ", ELSE);
    REFUSE("\x8c\1kQ", ELSE);
    REFUSE(ID("\x8c\7storagectorch\nFloatStorage\n" KEY_CPU), ELSE);
    REFUSE(ID("\x8c\7storagectorch\nFloatStorage\n" KEY_CPU "K\6N"), ELSE);
    REFUSE(ID("\x8c\6modulectorch\nFloatStorage\n" KEY_CPU "K\6"), ELSE);
    REFUSE(ID("Nctorch\nFloatStorage\n" KEY_CPU "K\6"), ELSE);
    REFUSE(ID("\x8c\7storage" ODICT KEY_CPU "K\6"), ELSE);
    REFUSE(ID("\x8c\7storageN" KEY_CPU "K\6"), ELSE);
    REFUSE(ID("\x8c\7storagectorch\nFloatStorage\nK\1\x8c\3cpuK\6"), ELSE);
    REFUSE(ID("\x8c\7storagectorch\nFloatStorage\n\x8c\1kNK\6"), ELSE);
    REFUSE(ID("\x8c\7storagectorch\nFloatStorage\n" KEY_CPU "N"),
           "the size of a storage is impossible");
    REFUSE(ID("\x8c\7storagectorch\nFloatStorage\n" KEY_CPU "J\xff\xff\xff\xff"),
           "the size of a storage is impossible");
    REFUSE(ID("\x8c\7storagectorch\nFloatStorage\n" KEY_CPU "\x8a\x8\0\0\0\0\0\0\0\x40"),
           "the size of a storage is impossible"); /* 2^62 * 4 */
    REFUSE("(" TENSOR("K\0))") REBUILD STORAGE KEY_CPU "K\7tQK\0))\x89}tRt",
           "storage k has two types or sizes");
    REFUSE("(" TENSOR("K\0))") REBUILD "((\x8c\7storagectorch\nIntStorage\n" KEY_CPU
                                       "K\6tQK\0))\x89}tRt",
           "storage k has two types or sizes");
    refuse_as(T2I_PICKLE_PLAIN, B(PROTO TENSOR("K\0))") "."),
              "tensors where only plain values are allowed");
    /* of a stream: with a view or None */
#define VIEWED(view)                                                                               \
    PROTO REBUILD STORAGE KEY_CPU "K\6" view "tQK\1K\2\x85K\1\x85\x89" ODICT ")RtR."
    refuse_as(T2I_PICKLE_STREAM, B(VIEWED("")), ELSE);
    refuse_as(T2I_PICKLE_STREAM, B(VIEWED("K\1")), "a view of a storage extends beyond it");
    refuse_as(T2I_PICKLE_STREAM, B(VIEWED("(\x8c\1vK\3K\4t")),
              "a view of a storage extends beyond");
    refuse_as(T2I_PICKLE_STREAM, B(VIEWED("(\x8c\1vK\7K\0t")),
              "a view of a storage extends beyond");
    refuse_as(T2I_PICKLE_STREAM, B(VIEWED("(\x8c\1vJ\xff\xff\xff\xffK\1t")), "a view of a storage");
    refuse_as(T2I_PICKLE_STREAM, B(VIEWED("(\x8c\1vK\3K\2t")),
              "a tensor extends beyond its storage");
    check_tensor(value_of(T2I_PICKLE_STREAM, B(VIEWED("N"))), 1, 2, 1);
    check_tensor(value_of(T2I_PICKLE_STREAM, B(VIEWED("(\x8c\1vK\2K\3t"))), 1, 2, 3);
}

/* ---- bounds ---- */

/* `piece` so many times between a beginning and an end. */
static void refuse_many(const char *begin, const char *piece, size_t piece_size, size_t times,
                        const char *end, const char *why)
{
    t2i_text code = {0};
    OK(t2i_text_add(&code, PROTO, 2, &err));
    OK(t2i_text_add(&code, begin, strlen(begin), &err));
    for (size_t i = 0; i < times; i++) OK(t2i_text_add(&code, piece, piece_size, &err));
    OK(t2i_text_add(&code, end, strlen(end), &err));
    refuse_as(T2I_PICKLE_ZIP, code.data, code.size, why);
    t2i_text_free(&code);
}

static void bounds_what_it_holds(void)
{
    refuse_many("", B("]"), 1000001, ".", "it has more than 1000000 values");
    refuse_many("", B("N"), 2100000, ".", "its stack is too deep");
    refuse_many("", B("("), 1025, ".", "it is nested too deeply");
    refuse_many("]q\1", B("Na"), 4000001, ".", "its containers have more than 4000000 items");
    size_t size = ((size_t)1 << 26) + 100; /* a text just short of the longest, and what follows */
    char *bytes = calloc(size, 1);
    CU_ASSERT_PTR_NOT_NULL(bytes);
    if (bytes == NULL) return;
    memcpy(bytes, B(PROTO "X\xff\xff\xff\3"));
    memset(bytes + size - 94, 'N', 94);
    refuse_as(T2I_PICKLE_ZIP, bytes, size, "it is too long");
    memcpy(bytes, B(PROTO "X\1\0\0\4"));
    refuse_as(T2I_PICKLE_ZIP, bytes, size, "a string is too long");
    free(bytes);
    /* one list of 2,000 pairs, made into a dict again and again */
    t2i_text code = {0};
    OK(t2i_text_add(&code, B(PROTO ODICT "q\1]q\2("), &err));
    for (int i = 0; i < 2000; i++) OK(t2i_text_add(&code, B("NN\x86"), &err));
    OK(t2i_text_add(&code,
                    B("e\x85q\3"
                      "0"),
                    &err));
    for (int i = 0; i < 2100; i++) OK(t2i_text_add(&code, B("h\1h\3R0"), &err));
    refuse_as(T2I_PICKLE_ZIP, code.data, code.size, "parts of it occur too often");
    t2i_text_free(&code);
}

#define NONES                                                                                      \
    "None,None,None,None,None,None,None,None,None,None,None,None,None,None,None,None,None,None,"   \
    "None,None"

static void bounds_the_tree(void)
{
    /* lists in lists: 64 are fine */
    char deep[70 + 70 + 4] = PROTO;
    for (size_t levels = 64; levels <= 65; levels++) {
        memset(deep + 2, ']', levels);
        memset(deep + 2 + levels, 'a', levels - 1);
        deep[2 + 2 * levels - 1] = '.';
        if (levels == 64) {
            CU_ASSERT_PTR_NOT_NULL(value_of(T2I_PICKLE_ZIP, deep, 2 + 2 * levels));
        } else {
            refuse_as(T2I_PICKLE_ZIP, deep, 2 + 2 * levels, "deeper than 64 levels");
        }
    }
    REFUSE("]q\0h\0a", "it is deeper than 64 levels, or contains itself");
    REFUSE("}q\0K\1h\0s", "or contains itself");
    REFUSE("]q\1(h\1ta", "or contains itself");
    /* each list holds the one before twice: 2^30 values as a tree */
    t2i_text code = {0};
    OK(t2i_text_add(&code, B(PROTO "]q\1"), &err));
    for (int i = 0; i < 30; i++) OK(t2i_text_add(&code, B("](h\1h\1eq\1"), &err));
    for (int i = 0; i < 30; i++) OK(t2i_text_add(&code, B("\x86"), &err));
    OK(t2i_text_add(&code, B("."), &err));
    refuse_as(T2I_PICKLE_ZIP, code.data, code.size, "parts of it occur too often");
    /* a list of 20 that occurs four times is fine */
    gives(PLAIN("(](NNNNNNNNNNNNNNNNNNNNeq\1h\1h\1h\1t"),
          "([" NONES "],[" NONES "],[" NONES "],[" NONES "])");
    code.size = 0;
    OK(t2i_text_add(&code, B(PROTO "("), &err));
    for (int i = 0; i < 1000000; i++) OK(t2i_text_add(&code, "N", 1, &err));
    OK(t2i_text_add(&code, B("t."), &err));
    refuse_as(T2I_PICKLE_ZIP, code.data, code.size, "its tree has more than 1000000 values");
    t2i_text_free(&code);
}

/* Tensors that were read before are named by numbers or their texts. */
static void finds_named_tensors(void)
{
    static const char *const code[] = {PROTO "\x8c\2"
                                             "12Q.",
                                       PROTO "K\x0cQ.", PROTO "K\x0dQ.",
                                       PROTO "\x8c\3"
                                             "12xQ.",
                                       PROTO "NQ."};
    for (size_t i = 0; i < sizeof code / sizeof *code; i++) {
        t2i_byte_source source;
        t2i_py *root = NULL;
        uint64_t at = 0;
        t2i_pickle_free(&pickle);
        OK(t2i_pickle_new(&pickle, &err));
        pickle.named = t2i_alloc(3, sizeof *pickle.named);
        pickle.names = 3;
        for (int k = 0; k < 3; k++)
            pickle.named[k] = (t2i_pickle_named){10 + 2 * k, t2i_py_int(pickle.arena, 100 + k)};
        OK(t2i_byte_source_memory(&source, code[i], strlen(code[i]), "FILE", &err));
        t2i_status status =
            t2i_pickle_read(&pickle, T2I_PICKLE_NAMED, &source, &at, source.size, &root, &err);
        CU_ASSERT_EQUAL(status, i < 2 ? T2I_OK : T2I_DATA);
        if (i < 2) CU_ASSERT(root != NULL && root->integer == 101);
        t2i_byte_source_close(&source);
    }
}

static void ends(void)
{
    t2i_pickle_free(&pickle);
    t2i_pickle_free(&pickle); /* an empty one is legal */
}

int main(void)
{
    static const t2i_test tests[] = {
        {"reads plain values", reads_plain_values},
        {"reads tuples, and recalls what it remembered", reads_tuples_and_memory},
        {"refuses broken and unknown instructions", refuses_broken_instructions},
        {"refuses to take what is not there", refuses_values_that_are_not_there},
        {"refuses wrong types", refuses_wrong_types},
        {"refuses functions by name", refuses_functions_by_name},
        {"reads state_dicts", reads_ordered_dicts},
        {"reads what torch allows by default", reads_what_torch_allows},
        {"reads other tensors", reads_other_tensors},
        {"reads tensors", reads_tensors},
        {"refuses tensors that cannot be", refuses_tensors},
        {"refuses storages that cannot be", refuses_storages},
        {"bounds what it holds", bounds_what_it_holds},
        {"bounds the tree", bounds_the_tree},
        {"finds tensors by number", finds_named_tensors},
        {"frees twice", ends},
    };
    return t2i_test_main("pickle", tests, sizeof tests / sizeof *tests);
}
