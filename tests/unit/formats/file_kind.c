/* What a file is by its first bytes, and the refusal of one of the wrong kind. */
#include "test.h"

#include "scratch.h"

#include "base/commit.h"
#include "base/fs.h"
#include "formats/file_kind.h"

/* Bytes and the beginning of the name of their kind; NULL: unknown. */
typedef struct {
    const char *bytes;
    size_t size;
    const char *name;
} sample;

#define S(bytes, name)                                                                             \
    {                                                                                              \
        bytes, sizeof bytes - 1, name                                                              \
    }

static const sample samples[] = {
    S("", "an empty file"),
    S("\x89PNG\r\n\x1a\n....", "a PNG"),
    S("\xff\xd8\xff\xe0..", "a JPEG"),
    S("RIFF\1\0\0\0WEBPVP8 ", "a WebP"),
    S("RIFF\1\0\0\0WAVEfmt ", "an audio file"),
    S("GIF89a\1\0", "a GIF"),
    S("BM\x46\0\0\0\0\0\0\0\x36\0", "a BMP"),
    S("BMW is a car\n", "a text file"),
    S("MM\0*", "a TIFF"),
    S("\0\0\0 ftypavif", "an AVIF"),
    S("\0\0\0 ftypheic", "a HEIC"),
    S("\0\0\0 ftypisom", "a video"),
    S("\x93NUMPY\1\0", "a NumPy array"),
    S("\x1f\x8b\x08", "a gzip"),
    S("\x28\xb5\x2f\xfd", "a zstd"),
    S("7z\xbc\xaf\x27\x1c", "a 7z"),
    S("\xfd"
      "7zXZ\0",
      "an xz"),
    S("PAR1\25\4", "a Parquet"),
    S("ORC sword\ta.png\nMZ\tb.png\n", "a list"),
    S("{\"code\": 1, \"prompt\": \"a\", \"image\": \"b\"}", "a JSON"),
    S("ARROW1\0\0", "an Arrow"),
    S("SQLite format 3\0", "an SQLite"),
    S("%PDF-1.4", "a PDF"),
    S("\x7f"
      "ELF\2",
      "an ELF"),
    S("GGUF\3", "a GGUF"),
    S("\x89HDF\r\n\x1a\n", "an HDF5 file of another program"),
    S("\x89HDF\r\n\x1a\n....t2i-dataset....", "an HDF5 dataset"),
    S("\x89HDF\r\n\x1a\n....keras_version....", "an HDF5 model of Keras"),
    S("PK\3\4\24\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\5\0\0\0a.npy", "NumPy arrays in a zip"),
    S("PK\3\4\24\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\5\0\0\0a.jpg", "a zip archive"),
    S("PK\3\4\24\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\20\0\0\0archive/data.pkl",
      "a torch file"),
    S("PK\3\4\24\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\23\0\0\0[Content_Types].xml",
      "an Office"),
    S("PK\3\4\24\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\377\377\0\0a", "a zip archive"),
    S("PK\3\4", "a zip archive"),
    S("\x80\2\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a", "a torch file"),
    S("\x80\4\x95", "a Python pickle"),
    S("\2\0\0\0\0\0\0\0{}", "a safetensors file"),
    S("\x40\0\0\0\0\0\0\0{\"__metadata__\":{\"t2i.format\":\"1\"}}", "a model of t2i-train"),
    /* a record of TensorFlow: length 24, its masked CRC32C, then the event */
    S("\x18\0\0\0\0\0\0\0\xa3\x7f\x4b\x22........", "a TFRecord"),
    S("\x08\7\x12\7pytorch\x1a", "an ONNX model"),
    S("\x08\x08\x12\x09t2i-train\x1a", "an ONNX model of t2i-model export"),
    S("\xff\xfe"
      "a\0",
      "text in UTF-16"),
    S("version https://git-lfs.github.com/spec/v1\noid sha256:", "a Git LFS pointer"),
    S("<!DOCTYPE html>", "a web page"),
    S("\xef\xbb\xbf \n <HTML lang=en>", "a web page"),
    S("<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code>", "an error message of a server"),
    S("<?xml version=\"1.0\"?><svg xmlns=", "an SVG"),
    S("<?xml version=\"1.0\"?><note>", "an XML file"),
    S("{\"message\":\"Not Found\"}", "an error message of a server"),
    S("{\"cells\": [],\n \"nbformat\": 4}", "a Jupyter notebook"),
    S("{\"metadata\": {}, \"weight_map\": {}}", "the index of a model"),
    S("{\"architectures\": [\"CLIPModel\"]}", "the configuration of a model"),
    S("{\"prompt\": \"a\"}\n{\"prompt\": \"b\"}\n", "a JSON Lines"),
    S("{\n  \"images\": []\n}", "a JSON file"),
    S("[{\"a\": 1}]", "a JSON file"),
    S("{brace} in a text", "a text file"),
    S("# job\n[run]\nsteps = 5\nlr=3\n", "a job file"),
    S("[run]\nsteps = 5\n", "a job file"),
    S("prompt\timage\na cat\tcat.png\n", "a list"),
    S("a,b\n\"x, y\",2\n", "a list"),
    S("model_checkpoint_path: \"x\"\n", "the index of a TensorFlow"),
    S("#!/bin/sh\n", "a script"),
    S("Entry not found", "a text file"),
    S(" \n\n", "a text file with only blanks"),
    S("a\0b", NULL),
    S("\xc3\x28 is not UTF-8", NULL),
    S("\0\0", NULL),
};

static void test_names(void)
{
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        const sample *s = &samples[i];
        const char *advice = NULL, *name = t2i_file_kind_name(s->bytes, s->size, &advice);
        int fits = (name == NULL) == (s->name == NULL) &&
                   (name == NULL || strncmp(name, s->name, strlen(s->name)) == 0);
        if (!fits)
            fprintf(stderr, "sample %zu: %s, not %s\n", i, name == NULL ? "unknown" : name,
                    s->name == NULL ? "unknown" : s->name);
        CU_ASSERT_TRUE(fits);
        CU_ASSERT_PTR_NOT_NULL(advice);
        /* every beginning is named without a read beyond it */
        for (size_t size = 0; size <= s->size; size++) {
            char *copy = malloc(size + 1);
            if (copy == NULL) continue;
            memcpy(copy, s->bytes, size);
            copy = realloc(copy, size > 0 ? size : 1);
            t2i_file_kind_name(copy, size, &advice);
            free(copy);
        }
    }
}

static void test_long_files(void)
{
    static char bytes[T2I_FILE_KIND_HEAD + 10];
    const char *advice;
    CU_ASSERT_STRING_EQUAL(t2i_file_kind_name(bytes, 100, &advice), "filled with zeros");
    memcpy(bytes + 257, "ustar", 5);
    CU_ASSERT_STRING_EQUAL(t2i_file_kind_name(bytes, 512, &advice), "a tar archive");
    memset(bytes, 0, sizeof bytes);
    memcpy(bytes + 1024, "\x89HDF\r\n\x1a\n", 8);
    CU_ASSERT_STRING_EQUAL(t2i_file_kind_name(bytes, 2000, &advice),
                           "an HDF5 file of another program");
    /* a character that is cut in two by the end of the head */
    memset(bytes, 'a', sizeof bytes);
    memcpy(bytes + T2I_FILE_KIND_HEAD - 1, "\xc3\xa4", 2);
    CU_ASSERT_STRING_EQUAL(t2i_file_kind_name(bytes, sizeof bytes, &advice), "a text file");
}

static void test_refusals(void)
{
    t2i_error err;
    FAILS(t2i_file_kind_refuse("<html>", 6, "f.pt", "a model", &err), T2I_DATA,
          "f.pt is a web page, not a model: the download has probably failed");
    FAILS(t2i_file_kind_refuse("Not Found\nat all", 16, "f.pt", "a model", &err), T2I_DATA,
          "f.pt is a text file, not a model: it begins with 'Not Found'");
    FAILS(t2i_file_kind_refuse("\1\2\3", 3, "f.pt", "a model", &err), T2I_DATA,
          "f.pt is not a model (or it is truncated or damaged)");
    /* a first line that is cut within a character */
    char line[200];
    for (size_t i = 0; i < sizeof line; i += 2) memcpy(line + i, "\xc3\xa4", 2);
    FAILS(t2i_file_kind_refuse(line + 1, 0, "f.pt", "a model", &err), T2I_DATA, "an empty file");
    line[0] = 'x', line[1] = 'y', line[2] = 'z', line[3] = '.', line[4] = 'a';
    line[5] = 'b';
    FAILS(t2i_file_kind_refuse(line, sizeof line, "f.pt", "a model", &err), T2I_DATA, "'xyz.ab");
}

static void test_paths(void)
{
    t2i_error err;
    FAILS(t2i_file_kind_check(in_scratch("none"), NULL, "a model", &err), T2I_NOINPUT,
          "cannot open");
    FAILS(t2i_file_kind_check(scratch, NULL, "a model", &err), T2I_NOINPUT,
          "is a folder, not a model: name a file");
    OK(t2i_fs_mkdir(in_scratch("run"), &err));
    OK(t2i_commit_file(in_scratch("run/job.ini"), "x", 1, &err));
    FAILS(t2i_file_kind_check(in_scratch("run"), NULL, "a dataset", &err), T2I_NOINPUT,
          "run is a run folder, not a dataset: t2i-generate");
    OK(t2i_commit_file(in_scratch("a.pt"), "PAR1", 4, &err));
    FAILS(t2i_file_kind_check(in_scratch("a.pt"), NULL, "a model", &err), T2I_DATA,
          "a.pt is a Parquet table, not a model");
    OK(t2i_file_kind_check(in_scratch("a.pt"), "a Parquet", "a model", &err));
    FAILS(t2i_file_kind_check(in_scratch("a.pt"), "an HDF5", "a model", &err), T2I_DATA,
          "a.pt is a Parquet table, not a model");
}

int main(void)
{
    static const t2i_test tests[] = {
        {"kinds by the first bytes", test_names},
        {"signatures further on, and the end of the head", test_long_files},
        {"messages", test_refusals},
        {"files and folders", test_paths},
    };
    if (scratch_begin("file_kind") != 0) return 1;
    int bad = t2i_test_main("file_kind", tests, sizeof tests / sizeof *tests);
    scratch_remove(scratch);
    return bad;
}
