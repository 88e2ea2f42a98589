/* torchfile: what the zip archive, the stream and the tar archive must hold; numbers of all types;
 * what is written. tests/golden/torch.c reads files of PyTorch. */
#include "formats/torchfile.h"

#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/torchfile_common.h"
#include "formats/torchfile_out.h"
#include "formats/torchfile_tar.h"
#include "py_print.h"
#include "scratch.h"
#include "test.h"
#include "base/commit.h"
#include "base/fs.h"
#include "base/hash.h"
#include "formats/byte_source.h"
#include "formats/zip.h"
#include "unit/formats/zip_sample.h"

static t2i_error err;

#define B(literal) literal, sizeof literal - 1
#define ODICT      "ccollections\nOrderedDict\n"
/* One tensor of `count` numbers, storage k, as torch.save writes it; `view`: nothing, or "N". */
#define TENSOR(type, count, view)                                                                  \
    "ctorch._utils\n_rebuild_tensor_v2\n((X\7\0\0\0storagectorch\n" type "Storage\n"               \
    "X\1\0\0\0kX\3\0\0\0cpuK" count view "tQK\0K" count "\x85K\1\x85\x89" ODICT ")RtR"

/* ---- the zip archive ---- */

static zip_sample z;
static const unsigned char two_floats[8] = {0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0}; /* 1, -2 */

static zip_part part(const char *name, const void *data, size_t size)
{
    return (zip_part){.name = name, .data = data, .size = size};
}

/* An archive of a pickle, a storage k and up to two other entries. */
static void build(const void *code, size_t size, const void *storage, size_t bytes,
                  const zip_part *more, size_t others)
{
    zip_part parts[4] = {part("a/data.pkl", code, size), part("a/data/k", storage, bytes)};
    for (size_t i = 0; i < others; i++) parts[2 + i] = more[i];
    zip_build(&z, parts, 2 + others, STREAMED | END64);
}

static void refuse_bytes(const void *bytes, size_t size, const char *why)
{
    t2i_torchfile *file;
    void *copy = malloc(size + 1); /* so that a sanitizer sees a byte too many */
    if (copy == NULL) return;
    memcpy(copy, bytes, size);
    FAILS(t2i_torchfile_parse(&file, copy, size, "FILE", &err), T2I_DATA, why);
    CU_ASSERT_PTR_NULL(file);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "FILE"));
    free(copy);
}

static void refuse_zip(const char *why)
{
    refuse_bytes(z.bytes, z.size, why);
}

#define SIMPLE "\x80\2" TENSOR("Float", "\2", "") "."

static void reads_archives(void)
{
    static const char *const fine[] = {".format_version", ".storage_alignment", "version",
                                       ".data/serialization_id", "whatever"};
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) {
        t2i_torchfile *file = NULL;
        char name[64];
        float number[2] = {0};
        snprintf(name, sizeof name, "a/%s", fine[i]);
        const zip_part more[] = {part(name, "x", 1), part("a/byteorder", "little", 6)};
        build(B(SIMPLE), two_floats, 8, more, 2);
        OK(t2i_torchfile_parse(&file, z.bytes, z.size, "FILE", &err));
        if (file == NULL) continue;
        const t2i_py *root = t2i_torchfile_root(file);
        CU_ASSERT(root->kind == T2I_PY_TENSOR && root->tensor.count == 2);
        OK(t2i_torchfile_floats(file, &root->tensor, "w", number, &err));
        CU_ASSERT(number[0] == 1.0f && number[1] == -2.0f);
        t2i_torchfile_close(file);
    }
    t2i_torchfile_close(NULL);
}

static void refuses_archives(void)
{
    const zip_part constants = part("a/constants.pkl", "x", 1), code = part("a/code/x.py", "x", 1);
    const zip_part big = part("a/byteorder", "bigend", 6), odd = part("a/byteorder", "lit", 3);
    build(B(SIMPLE), two_floats, 8, &constants, 1);
    refuse_zip("is a TorchScript archive, a program: save its state_dict()");
    build(B(SIMPLE), two_floats, 8, &code, 1);
    refuse_zip("is a TorchScript archive");
    build(B(SIMPLE), two_floats, 8, &big, 1);
    refuse_zip("its byte order is not little-endian");
    build(B(SIMPLE), two_floats, 8, &odd, 1);
    refuse_zip("its byte order is not little-endian");
    const zip_part longer = part("a/byteorder", "littlest", 8);
    build(B(SIMPLE), two_floats, 8, &longer, 1);
    refuse_zip("its byte order is not little-endian");
    zip_patch(&z, z.data[2], 1, 'L');
    refuse_zip("the checksum of its entry byteorder does not match");
    build(B(SIMPLE "N"), two_floats, 8, NULL, 0);
    refuse_zip("bytes follow the pickle in its data.pkl");
    build(B(SIMPLE), two_floats, 8, NULL, 0);
    zip_patch(&z, z.data[0] + 10, 1, 'x');
    refuse_zip("the checksum of its entry data.pkl does not match");
    build(B("\x80\2cos\nsystem\n."), two_floats, 8, NULL, 0);
    refuse_zip("it uses os.system, which is not allowed");
    const zip_part alone = part("a/data/k", two_floats, 8);
    zip_build(&z, &alone, 1, PLAIN);
    refuse_zip("it has no data.pkl");
    const zip_part pickle = part("a/data.pkl", SIMPLE, sizeof SIMPLE - 1);
    zip_build(&z, &pickle, 1, PLAIN);
    refuse_zip("it has no data/k, which a tensor needs");
    build(B(SIMPLE), two_floats, 7, NULL, 0);
    refuse_zip("data/k has 7 bytes where 2 numbers of type F32 are needed");
    build(B("\x80\2" TENSOR("Double", "\2", "") "."), two_floats, 8, NULL, 0);
    refuse_zip("data/k has 8 bytes where 2 numbers of type F64 are needed");
    build(B("\x80\2"
            "ctorch._utils\n_rebuild_tensor_v2\n((X\7\0\0\0storagectorch\nFloatStorage\n"
            "X\2\0\0\0k\0X\3\0\0\0cpuK\2tQK\0K\2\x85K\1\x85\x89" ODICT ")RtR."),
          two_floats, 8, NULL, 0);
    refuse_zip("it has no data/k"); /* the key has a NUL */
}

static void checks_storages_when_they_are_read(void)
{
    t2i_torchfile *file = NULL;
    float number[2];
    build(B(SIMPLE), two_floats, 8, NULL, 0);
    zip_patch(&z, z.data[1], 1, 1);
    OK(t2i_torchfile_parse(&file, z.bytes, z.size, "FILE", &err));
    if (file == NULL) return;
    for (int i = 0; i < 2; i++)
        FAILS(t2i_torchfile_floats(file, &t2i_torchfile_root(file)->tensor, "w", number, &err),
              T2I_DATA, "the checksum of its entry data/k does not match");
    t2i_torchfile_close(file);
}

/* ---- numbers ---- */

static void converts(const char *code, size_t size, const void *bytes, size_t count, size_t wide,
                     const float *wanted)
{
    t2i_torchfile *file = NULL;
    float number[8];
    build(code, size, bytes, count * wide, NULL, 0);
    OK(t2i_torchfile_parse(&file, z.bytes, z.size, "FILE", &err));
    if (file == NULL) return;
    const t2i_py *root = t2i_torchfile_root(file);
    OK(t2i_torchfile_floats(file, &root->tensor, "w", number, &err));
    for (size_t i = 0; i < count; i++)
        CU_ASSERT(number[i] == wanted[i] || (isnan(number[i]) && isnan(wanted[i])));
    t2i_torchfile_close(file);
}

static void reads_all_types(void)
{
    static const double f64[2] = {1.5, -1e300};
    static const uint16_t f16[8] = {0, 0x3c00, 0xc000, 0x7bff, 1, 0x7c00, 0xfc00, 0x7e00};
    static const uint16_t bf16[3] = {0x3f80, 0xc000, 0x7f80};
    converts(B("\x80\2" TENSOR("Double", "\2", "") "."), f64, 2, 8, (float[]){1.5f, -INFINITY});
    converts(B("\x80\2" TENSOR("Half", "\x8", "") "."), f16, 8, 2,
             (float[]){0, 1, -2, 65504, 0x1p-24f, INFINITY, -INFINITY, NAN});
    converts(B("\x80\2" TENSOR("BFloat16", "\3", "") "."), bf16, 3, 2, (float[]){1, -2, INFINITY});
    static const struct {
        const char *code;
        size_t size, wide;
        const char *dtype;
    } other[] = {{B("\x80\2" TENSOR("Long", "\1", "") "."), 8, "I64"},
                 {B("\x80\2" TENSOR("Int", "\1", "") "."), 4, "I32"},
                 {B("\x80\2" TENSOR("Short", "\1", "") "."), 2, "I16"},
                 {B("\x80\2" TENSOR("Char", "\1", "") "."), 1, "I8"},
                 {B("\x80\2" TENSOR("Byte", "\1", "") "."), 1, "U8"},
                 {B("\x80\2" TENSOR("Bool", "\1", "") "."), 1, "BOOL"}};
    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        t2i_torchfile *file = NULL;
        float number;
        build(other[i].code, other[i].size, "\0\0\0\0\0\0\0\0", other[i].wide, NULL, 0);
        OK(t2i_torchfile_parse(&file, z.bytes, z.size, "FILE", &err));
        if (file == NULL) continue;
        const t2i_py *root = t2i_torchfile_root(file);
        CU_ASSERT_STRING_EQUAL(root->tensor.dtype, other[i].dtype);
        FAILS(t2i_torchfile_floats(file, &root->tensor, "w", &number, &err), T2I_DATA,
              "tensor w has dtype");
        t2i_torchfile_close(file);
    }
}

/* ---- the stream ---- */

#define MAGIC_PICKLE "\x80\2\x8a\n\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
#define PROTOCOL_IS  "\x80\2M\xe9\3."
#define LITTLE       "\x80\2}(X\r\0\0\0little_endian\x88u."
#define KEYS         "\x80\2]X\1\0\0\0ka."
#define DATA         "\2\0\0\0\0\0\0\0\0\0\x80\x3f\0\0\0\xc0"
#define STREAM_TREE  "\x80\2" TENSOR("Float", "\2", "N") "."

static void reads_streams(void)
{
    t2i_torchfile *file = NULL;
    float number[2] = {0};
    OK(t2i_torchfile_parse(&file, B(MAGIC_PICKLE PROTOCOL_IS LITTLE STREAM_TREE KEYS DATA), "FILE",
                           &err));
    if (file == NULL) return;
    OK(t2i_torchfile_floats(file, &t2i_torchfile_root(file)->tensor, "w", number, &err));
    CU_ASSERT(number[0] == 1.0f && number[1] == -2.0f);
    t2i_torchfile_close(file);
    OK(t2i_torchfile_parse(&file, B(MAGIC_PICKLE PROTOCOL_IS LITTLE "\x80\2N.\x80\2]."), "FILE",
                           &err));
    t2i_torchfile_close(file);
}

#define AFTER_LITTLE MAGIC_PICKLE PROTOCOL_IS LITTLE

static void refuses_streams(void)
{
    refuse_bytes(B(MAGIC_PICKLE "\x80\2M\xe8\3." LITTLE), "its protocol is not 1001");
    refuse_bytes(B(MAGIC_PICKLE "\x80\2N." LITTLE), "its protocol is not 1001");
    refuse_bytes(B(MAGIC_PICKLE PROTOCOL_IS "\x80\2}(X\r\0\0\0little_endian\x89u."),
                 "its byte order is not little-endian");
    refuse_bytes(B(MAGIC_PICKLE PROTOCOL_IS "\x80\2}."), "its byte order is not little-endian");
    refuse_bytes(B(MAGIC_PICKLE PROTOCOL_IS "\x80\2N."), "its byte order is not little-endian");
    refuse_bytes(B(AFTER_LITTLE STREAM_TREE "\x80\2N." DATA), "its list of storages is not a list");
    refuse_bytes(B(AFTER_LITTLE STREAM_TREE "\x80\2]."), "it lacks a storage");
    refuse_bytes(B(AFTER_LITTLE STREAM_TREE "\x80\2]X\1\0\0\0xa." DATA), "that no tensor needs");
    refuse_bytes(B(AFTER_LITTLE STREAM_TREE "\x80\2]K\1a." DATA), "that no tensor needs");
    refuse_bytes(B(AFTER_LITTLE "\x80\2N." KEYS DATA), "that no tensor needs");
    refuse_bytes(B(AFTER_LITTLE STREAM_TREE "\x80\2](X\1\0\0\0kX\1\0\0\0ke." DATA DATA),
                 "it lists a storage twice");
    refuse_bytes(B(AFTER_LITTLE STREAM_TREE KEYS "\3\0\0\0\0\0\0\0xxxxxxxxxxxx"),
                 "the size of a storage differs from what its tensors need");
    refuse_bytes(B(AFTER_LITTLE STREAM_TREE KEYS "\2\0\0\0\0\0\0\0xxxxxxx"), "it is cut");
    refuse_bytes(B(AFTER_LITTLE STREAM_TREE KEYS "\2\0\0"), "is cut");
    refuse_bytes(B(AFTER_LITTLE STREAM_TREE KEYS DATA "x"), "bytes follow its last storage");
    refuse_bytes(B(AFTER_LITTLE "\x80\2cos\nsystem\n." KEYS DATA), "it uses os.system");
}

/* ---- the tar archive ---- */

typedef struct {
    const char *name;
    const char *data;
    size_t size;
    char type;
} tar_part;

static unsigned char tar[1 << 15];
static size_t tar_size;

static void tar_sum(unsigned char *block)
{
    unsigned sum = 0;
    memset(block + 148, ' ', 8);
    for (int i = 0; i < 512; i++) sum += block[i];
    snprintf((char *)block + 148, 8, "%06o", sum);
}

static void build_tar(const tar_part *parts, size_t count)
{
    memset(tar, 0, sizeof tar);
    tar_size = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned char *block = tar + tar_size;
        snprintf((char *)block, 100, "%s", parts[i].name);
        snprintf((char *)block + 124, 12, "%011o", (unsigned)parts[i].size);
        block[156] = (unsigned char)parts[i].type;
        memcpy(block + 257,
               "ustar\0"
               "00",
               8);
        tar_sum(block);
        memcpy(block + 512, parts[i].data, parts[i].size);
        tar_size += 512 + (parts[i].size + 511) / 512 * 512;
    }
    tar_size += 1024;
}

/* A storage 5 of two floats, a view 6 of its second, a tensor 7 of that. */
#define TAR_STORAGES                                                                               \
    "\x80\2K\1.\x80\2K\5X\3\0\0\0cpuctorch\nFloatStorage\n\x87." DATA "\x80\2](K\6K\5K\1K\1tq\1a."
#define TAR_ROW     "\x80\2K\7K\6ctorch\nFloatTensor\n\x87."
#define EIGHT(byte) byte "\0\0\0\0\0\0\0"
#define TAR_TENSORS "\x80\2K\1." TAR_ROW "\1\0\0\0zzzz" EIGHT("\1") EIGHT("\1") EIGHT("\0")
#define TAR_TREE                                                                                   \
    "\x80\2X\1\0\0\0"                                                                              \
    "7Q."
static const tar_part sound[5] = {{"./@PaxHeader", B("30 mtime=1487000000.250000000\n"), 'x'},
                                  {"sys_info", B(LITTLE), '0'},
                                  {"pickle", B(TAR_TREE), '0'},
                                  {"tensors", B(TAR_TENSORS), '0'},
                                  {"storages", B(TAR_STORAGES), 0}};

static void reads_tars(void)
{
    t2i_torchfile *file = NULL;
    float number[2] = {0};
    build_tar(sound, 5);
    OK(t2i_torchfile_parse(&file, tar, tar_size, "FILE", &err));
    if (file == NULL) return;
    const t2i_py_tensor *t = &t2i_torchfile_root(file)->tensor;
    CU_ASSERT(t->dims == 1 && t->count == 1 && t->offset == 1);
    OK(t2i_torchfile_floats(file, t, "w", number, &err));
    CU_ASSERT_EQUAL(number[0], -2.0f);
    t2i_torchfile_close(file);
}

/* The sound archive with one part replaced. */
static void refuse_part(size_t which, const char *data, size_t size, const char *why)
{
    tar_part parts[5];
    memcpy(parts, sound, sizeof parts);
    parts[which].data = data;
    parts[which].size = size;
    build_tar(parts, 5);
    refuse_bytes(tar, tar_size, why);
}

static void refuses_tars(void)
{
    tar_part parts[6];
    memcpy(parts, sound, sizeof sound);
    for (size_t i = 1; i < 5; i++) {
        parts[i].name = "other";
        build_tar(parts, 5);
        refuse_bytes(tar, tar_size,
                     "is a tar archive, but not of torch.save: it has an entry other");
        parts[i] = sound[i];
    }
    parts[4].type = '2';
    build_tar(parts, 5);
    refuse_bytes(tar, tar_size, "but not of torch.save"); /* a link */
    build_tar(sound, 4);
    refuse_bytes(tar, tar_size, "its archive lacks an entry");
    memcpy(parts, sound, sizeof sound);
    parts[5] = sound[2];
    build_tar(parts, 6);
    refuse_bytes(tar, tar_size, "an entry occurs twice");
    build_tar(sound, 5);
    tar[1024] ^= 1;
    refuse_bytes(tar, tar_size, "a header of its archive is damaged");
    build_tar(sound, 5);
    memcpy(tar + 1024 + 124, "77777777777", 11);
    tar_sum(tar + 1024);
    refuse_bytes(tar, tar_size, "it is cut");
    build_tar(sound, 5);
    memcpy(tar + 1024 + 124, "0000000008 ", 11);
    tar_sum(tar + 1024);
    refuse_bytes(tar, tar_size, "a header of its archive is damaged");
    build_tar(sound, 5);
    refuse_bytes(tar, tar_size - 1024 - 500, "it is cut");
    refuse_part(0, B("15 path=storage\n"), "an extended header has a key that is not allowed");
    refuse_part(0, B("11 size=12\n"), "an extended header has a key that is not allowed");
    refuse_part(0, B("9 a=\0b=1\n"), "an extended header has a key that is not allowed");
    static const char longest[1 << 14 | 1];
    refuse_part(0, longest, sizeof longest, "an extended header is too long");
}

enum { SYS = 1, TREE = 2, TENSORS = 3, STORAGES = 4 }; /* of the sound archive */

static void refuses_storages_of_tars(void)
{
    refuse_part(STORAGES, B("\x80\2N."), "the length of a table is impossible");
    refuse_part(STORAGES, B("\x80\2J\xff\xff\xff\xff."), "the length of a table is impossible");
    refuse_part(STORAGES, B("\x80\2J\1\0\1\0."), "the length of a table is impossible");
    refuse_part(STORAGES, B("\x80\2K\1.\x80\2N."), "a row of its storages is damaged");
    refuse_part(STORAGES, B("\x80\2K\1.\x80\2NNctorch\nFloatStorage\n\x87."),
                "a row of its storages is damaged");
    refuse_part(STORAGES, B("\x80\2K\1.\x80\2K\5NN\x87."), "a row of its storages is damaged");
    refuse_part(STORAGES, B("\x80\2K\1.\x80\2K\5Nctorch\nFloatTensor\n\x87."),
                "a row of its storages is damaged");
    refuse_part(STORAGES, B("\x80\2K\1.\x80\2K\5Nctorch\nFloatStorage\n\x87.\1\0"),
                "a table is cut");
    refuse_part(
        STORAGES,
        B("\x80\2K\1.\x80\2K\5Nctorch\nFloatStorage\n\x87.\xff\xff\xff\xff\xff\xff\xff\xff"),
        "a table holds a negative number");
    refuse_part(
        STORAGES,
        B("\x80\2K\1.\x80\2K\5Nctorch\nFloatStorage\n\x87.\xff\xff\xff\xff\xff\xff\xff\x7f"),
        "a table is cut");
    refuse_part(STORAGES,
                B("\x80\2K\2.\x80\2K\5Nctorch\nFloatStorage\n\x87." DATA
                  "\x80\2K\5Nctorch\nFloatStorage\n\x87." DATA "\x80\2]."),
                "two storages have the same number");
#define VIEW(row) "\x80\2K\1.\x80\2K\5Nctorch\nFloatStorage\n\x87." DATA "\x80\2](" row "ta."
    refuse_part(STORAGES, B(VIEW("K\6K\5K\2K\1")), "a view of a storage extends beyond it");
    refuse_part(STORAGES, B(VIEW("K\6K\5K\3K\0")), "a view of a storage extends beyond it");
    refuse_part(STORAGES, B(VIEW("K\6K\5J\xff\xff\xff\xffK\1")),
                "a view of a storage extends beyond");
    refuse_part(STORAGES, B(VIEW("K\6K\4K\0K\1")), "a view of a storage extends beyond it");
    refuse_part(STORAGES, B(VIEW("K\6K\6K\0K\1")), "a view of a storage extends beyond it");
    refuse_part(STORAGES, B(VIEW("K\6K\5K\0")), "a view of a storage extends beyond it");
    refuse_part(STORAGES, B(VIEW("K\5K\5K\0K\1")), "two tensors have the same number");
    refuse_part(STORAGES, B(VIEW("K\6K\5K\0K\1") "x"), "the end of its storages is damaged");
}

static void refuses_the_rest_of_tars(void)
{
    refuse_part(SYS, B("\x80\2}."), "its byte order is not little-endian");
    refuse_part(SYS, B(LITTLE "x"), "bytes follow the contents of an entry");
    refuse_part(TREE,
                B("\x80\2X\1\0\0\0"
                  "8Q."),
                "it refers to a tensor that does not exist");
    refuse_part(TREE, B("\x80\2cos\nsystem\n."), "it uses os.system");
    refuse_part(TREE, B(TAR_TREE "x"), "bytes follow the contents of an entry");
    refuse_part(TENSORS, B("\x80\2K\1.\x80\2N."), "a row of its tensors is damaged");
#define ROW(dims, rest) "\x80\2K\1." TAR_ROW dims "zzzz" rest
    refuse_part(TENSORS, B(ROW("\1\0\0\0", EIGHT("\2") EIGHT("\1") EIGHT("\0"))),
                "a tensor extends beyond its storage");
    refuse_part(TENSORS, B(ROW("\1\0\0\0", EIGHT("\1") EIGHT("\1") EIGHT("\1"))),
                "a tensor extends beyond its storage");
    refuse_part(TENSORS, B(ROW("\1\0\0\0", EIGHT("\1") EIGHT("\1"))), "a table is cut");
    refuse_part(TENSORS, B("\x80\2K\1." TAR_ROW "\1\0\0\0zz"), "a table is cut");
    refuse_part(TENSORS, B(ROW("\x9\0\0\0", "")), "more than 8 dimensions");
    refuse_part(TENSORS,
                B("\x80\2K\1.\x80\2K\7K\x8"
                  "ctorch\nFloatTensor\n\x87.\0\0\0\0zzzz" //
                  EIGHT("\0")),
                "a tensor has no storage");
    refuse_part(TENSORS,
                B("\x80\2K\1.\x80\2K\7Nctorch\nFloatTensor\n\x87.\0\0\0\0zzzz" EIGHT("\0")),
                "a tensor has no storage");
    refuse_part(TENSORS,
                B("\x80\2K\1.\x80\2K\6K\6ctorch\nFloatTensor\n\x87.\0\0\0\0zzzz" EIGHT("\0")),
                "two tensors have the same number");
    refuse_part(TENSORS, B(TAR_TENSORS "x"), "bytes follow the contents of an entry");
}

/* ---- kinds and paths ---- */

static void knows_the_kinds(void)
{
    CU_ASSERT(t2i_torchfile_is(B("PK\3\4")));
    CU_ASSERT(t2i_torchfile_is(B(MAGIC_PICKLE)));
    CU_ASSERT(t2i_torchfile_is("sys_info\0\0\0\0\0\0\0", 16));
    CU_ASSERT(t2i_torchfile_is("././@PaxHeader\0\0", 16));
    CU_ASSERT_FALSE(t2i_torchfile_is(B("PK\5\6")));
    CU_ASSERT_FALSE(t2i_torchfile_is(B("PK\3")));
    CU_ASSERT_FALSE(t2i_torchfile_is(MAGIC_PICKLE, 14));
    CU_ASSERT_FALSE(t2i_torchfile_is("\x8\0\0\0\0\0\0\0{", 9));
    CU_ASSERT_FALSE(t2i_torchfile_is("", 0));
    refuse_bytes("", 0, "is not a file of torch.save (or it is cut off)");
    refuse_bytes(B("PK\5\6"), "is not a file of torch.save");
    refuse_bytes(B("PK\3\4"), "is not a valid zip archive");
    refuse_bytes(B("\x80\2N."), "is not a file of torch.save");
}

static void opens_paths(void)
{
    t2i_torchfile *file;
    const char *path = in_scratch("a.pt");
    FAILS(t2i_torchfile_open(&file, path, &err), T2I_NOINPUT, "cannot open");
    CU_ASSERT_PTR_NULL(file);
    FAILS(t2i_torchfile_open(&file, scratch, &err), T2I_NOINPUT, "not a regular file");
    CU_ASSERT(mkfifo(path, 0600) == 0);
    FAILS(t2i_torchfile_open(&file, path, &err), T2I_NOINPUT, "not a regular file");
    CU_ASSERT(unlink(path) == 0);
    build(B(SIMPLE), two_floats, 8, NULL, 0);
    OK(t2i_commit_file(path, z.bytes, z.size, &err));
    OK(t2i_torchfile_open(&file, path, &err));
    if (file == NULL) return;
    float number[2] = {0};
    OK(t2i_torchfile_floats(file, &t2i_torchfile_root(file)->tensor, "w", number, &err));
    CU_ASSERT_EQUAL(number[1], -2.0f);
    t2i_torchfile_close(file);
    OK(t2i_torchfile_open(&file, path, &err));
    if (file == NULL) return;
    CU_ASSERT(truncate(path, 50) == 0);
    FAILS(t2i_torchfile_floats(file, &t2i_torchfile_root(file)->tensor, "w", number, &err),
          T2I_DATA, "became shorter while it was read");
    t2i_torchfile_close(file);
}

/* ---- writing ---- */

static const float table[6] = {0, 1, -2, 3.5f, 4, 5};

static t2i_py *sample(t2i_py_arena *a)
{
    t2i_py *root = t2i_py_dict(a, 0), *config = t2i_py_dict(a, 0), *list = t2i_py_list(a);
    t2i_py *names = t2i_py_dict(a, 0), *state = t2i_py_dict(a, 1), *tuples = t2i_py_list(a);
    static const int64_t ints[] = {0,          255,         256,       65535,
                                   65536,      -1,          -70000,    2147483647,
                                   2147483648, -2147483649, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++)
        t2i_py_append(a, list, t2i_py_int(a, ints[i]));
    t2i_py_append(a, list, t2i_py_float(a, -1.5e-4));
    t2i_py_append(a, list, t2i_py_none(a));
    t2i_py_append(a, list, t2i_py_bool(a, 1));
    t2i_py_append(a, list, t2i_py_bool(a, 0));
    for (size_t n = 0; n < 5; n++) {
        t2i_py *tuple = t2i_py_tuple(a);
        for (size_t i = 0; i < n; i++) t2i_py_append(a, tuple, t2i_py_int(a, (int64_t)i));
        t2i_py_append(a, tuples, tuple);
    }
    t2i_py_set_pair(a, names, t2i_py_int(a, 36), t2i_py_text(a, "<IMG>", 5));
    t2i_py_set_pair(a, names, t2i_py_bool(a, 1), t2i_py_text(a, "\xc3\xa9", 2));
    t2i_py_set_pair(a, names, t2i_py_none(a), t2i_py_text(a, "", 0));
    t2i_py_set(a, state, "weight", t2i_py_floats(a, 2, (uint64_t[]){2, 3}, table));
    t2i_py_set(a, state, "bias", t2i_py_floats(a, 1, (uint64_t[]){2}, table + 3));
    t2i_py_set(a, config, "d_model", t2i_py_int(a, 64));
    t2i_py_set(a, root, "config", config);
    t2i_py_set(a, root, "list", list);
    t2i_py_set(a, root, "tuples", tuples);
    t2i_py_set(a, root, "int_to_char", names);
    t2i_py_set(a, root, "layer", state);
    t2i_py_set(a, root, "scalar", t2i_py_floats(a, 0, NULL, table + 4));
    t2i_py_set(a, root, "empty", t2i_py_floats(a, 3, (uint64_t[]){2, 0, 3}, NULL));
    t2i_py_set(a, root, "nothing", t2i_py_dict(a, 0));
    return root;
}

static const char sample_text[] =
    "{'config':{'d_model':64},'list':[0,255,256,65535,65536,-1,-70000,2147483647,2147483648,"
    "-2147483649,9223372036854775807,-9223372036854775808,-0.00014999999999999999,None,True,False],"
    "'tuples':[(),(0),(0,1),(0,1,2),(0,1,2,3)],'int_to_char':{36:'<IMG>',True:'\xc3\xa9',None:''},"
    "'layer':O{'weight':F32 2*3 3*1,'bias':F32 2*1},'scalar':F32,'empty':F32 2*3 0*3 3*1,"
    "'nothing':{}}";

static void writes_what_it_reads(void)
{
    t2i_py_arena *arena = t2i_py_arena_new();
    t2i_torchfile *file = NULL;
    t2i_text text = {0};
    float number[6] = {0};
    const char *path = in_scratch("model.pt");
    OK(t2i_torchfile_out_save(path, arena, sample(arena), &err));
    OK(t2i_torchfile_open(&file, path, &err));
    if (file != NULL) {
        const t2i_py *root = t2i_torchfile_root(file);
        CU_ASSERT(py_print(&text, root));
        CU_ASSERT_STRING_EQUAL(text.data, sample_text);
        const t2i_py *layer = t2i_py_get(root, "layer");
        const t2i_py *weight = t2i_py_get(layer, "weight"), *bias = t2i_py_get(layer, "bias");
        OK(t2i_torchfile_floats(file, &weight->tensor, "weight", number, &err));
        CU_ASSERT(memcmp(number, table, sizeof table) == 0);
        OK(t2i_torchfile_floats(file, &bias->tensor, "bias", number, &err));
        CU_ASSERT(memcmp(number, table + 3, 8) == 0);
        OK(t2i_torchfile_floats(file, &t2i_py_get(root, "scalar")->tensor, "s", number, &err));
        CU_ASSERT_EQUAL(number[0], 4.0f);
        OK(t2i_torchfile_floats(file, &t2i_py_get(root, "empty")->tensor, "e", number, &err));
    }
    t2i_torchfile_close(file);
    t2i_text_free(&text);
    t2i_py_arena_free(arena);
}

/* The layout: names, sizes and alignment as PyTorch's, and all bytes. */
static void keeps_its_layout(void)
{
    static const struct {
        const char *name;
        uint64_t size;
    } entry[] = {{"data.pkl", 0},  {".format_version", 1}, {".storage_alignment", 2},
                 {"byteorder", 6}, {"data/0", 24},         {"data/1", 8},
                 {"data/2", 4},    {"data/3", 0},          {"version", 2}};
    t2i_py_arena *arena = t2i_py_arena_new();
    t2i_text bytes = {0};
    t2i_zip *zip = NULL;
    t2i_byte_source source = {0};
    char hex[T2I_HEX] = "";
    OK(t2i_torchfile_out_save(in_scratch("model.pt"), arena, sample(arena), &err));
    OK(t2i_fs_read(in_scratch("model.pt"), 1 << 20, &bytes, &err));
    OK(t2i_byte_source_memory(&source, bytes.data, bytes.size, "FILE", &err));
    OK(t2i_zip_open(&zip, &source, &err));
    uint64_t before = 0;
    for (size_t i = 0; zip != NULL && i < sizeof entry / sizeof *entry; i++) {
        const t2i_zip_entry *e = t2i_zip_find(zip, entry[i].name);
        CU_ASSERT(e != NULL);
        if (e == NULL) continue;
        CU_ASSERT(e->begin % 64 == 0 && e->begin > before);
        CU_ASSERT(i == 0 || e->size == entry[i].size);
        CU_ASSERT_EQUAL(e->flags, e->size > 0 ? 0x808u : 0x800u);
        OK(t2i_zip_check(zip, e, &err));
        before = e->begin;
    }
    if (zip != NULL) CU_ASSERT_STRING_EQUAL(t2i_zip_root(zip), "model/");
    if (zip != NULL) CU_ASSERT_EQUAL(t2i_zip_entries(zip), sizeof entry / sizeof *entry);
    if (bytes.data != NULL) t2i_hash_hex(bytes.data, bytes.size, hex);
    CU_ASSERT_STRING_EQUAL(hex, "396234ea091690495f00604e985b56aa");
    t2i_zip_close(zip);
    t2i_byte_source_close(&source);
    t2i_text_free(&bytes);
    t2i_py_arena_free(arena);
}

static void names_its_root(void)
{
    static const struct {
        const char *file, *root;
    } names[] = {{"a.b.pt", "a.b/"},         {"plain", "plain/"}, {".pt", "archive/"},
                 {"..pt", "archive/"},       {"a b.pt", "a b/"},  {"a\\b.pt", "archive/"},
                 {"\xc3\xa9.pt", "archive/"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        t2i_py_arena *arena = t2i_py_arena_new();
        t2i_byte_source source = {0};
        t2i_zip *zip = NULL;
        OK(t2i_torchfile_out_save(in_scratch(names[i].file), arena, t2i_py_none(arena), &err));
        OK(t2i_byte_source_open(&source, in_scratch(names[i].file), &err));
        OK(t2i_zip_open(&zip, &source, &err));
        if (zip != NULL) CU_ASSERT_STRING_EQUAL(t2i_zip_root(zip), names[i].root);
        t2i_zip_close(zip);
        t2i_byte_source_close(&source);
        t2i_py_arena_free(arena);
    }
}

static void refuses_to_write(void)
{
    t2i_py_arena *arena = t2i_py_arena_new();
    const char *path = in_scratch("bad.pt");
    t2i_py *list = t2i_py_list(arena), *dict = t2i_py_dict(arena, 0);
    t2i_py_append(arena, list, list);
    FAILS(t2i_torchfile_out_save(path, arena, list, &err), T2I_BUG, "deeper than 64");
    t2i_py_set_pair(arena, dict, t2i_py_float(arena, 1), t2i_py_none(arena));
    FAILS(t2i_torchfile_out_save(path, arena, dict, &err), T2I_BUG, "a float as key");
    dict = t2i_py_dict(arena, 0);
    t2i_py_set_pair(arena, dict, t2i_py_tuple(arena), t2i_py_none(arena));
    FAILS(t2i_torchfile_out_save(path, arena, dict, &err), T2I_BUG, "a tuple as key");
    FAILS(t2i_torchfile_out_save(path, arena, t2i_py_floats(arena, 1, (uint64_t[]){1}, NULL), &err),
          T2I_BUG, "has no numbers");
    FAILS(t2i_torchfile_out_save(path, arena, NULL, &err), T2I_SYSTEM, "what is to be written");
    FAILS(t2i_torchfile_out_save(in_scratch("no/where.pt"), arena, t2i_py_none(arena), &err),
          T2I_CANTCREATE, "cannot create");
    t2i_py_append(arena, t2i_py_list(arena), NULL);
    CU_ASSERT(t2i_py_arena_failed(arena));
    FAILS(t2i_torchfile_out_save(path, arena, t2i_py_list(arena), &err), T2I_SYSTEM,
          "cannot allocate");
    CU_ASSERT_FALSE(t2i_fs_exists(path));
    t2i_py_arena_free(arena);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"reads archives", reads_archives},
        {"refuses archives", refuses_archives},
        {"checks storages when they are read", checks_storages_when_they_are_read},
        {"reads numbers of all types", reads_all_types},
        {"reads streams", reads_streams},
        {"refuses streams", refuses_streams},
        {"reads tar archives", reads_tars},
        {"refuses tar archives", refuses_tars},
        {"refuses tables of storages", refuses_storages_of_tars},
        {"refuses tables of tensors, and trees", refuses_the_rest_of_tars},
        {"knows the kinds", knows_the_kinds},
        {"opens paths", opens_paths},
        {"writes what it reads", writes_what_it_reads},
        {"keeps its layout", keeps_its_layout},
        {"names the root folder as PyTorch does", names_its_root},
        {"refuses to write what it would not read", refuses_to_write},
    };
    if (scratch_begin("torchfile") != 0) return 1;
    int failed = t2i_test_main("torchfile", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return failed;
}
