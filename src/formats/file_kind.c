#include "formats/file_kind.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "protobuf/tfevents.h"

typedef struct {
    const unsigned char *bytes;
    size_t size;
} head;

#define PICTURE "t2i-data build takes pictures through a list (--pairs)"
/* to PNG, by a command or by ImageMagick */
#define CONVERT_BY(command)                                                                        \
    "convert it to PNG (`" command "`), which t2i-data build takes through a list (--pairs)"
#define CONVERT CONVERT_BY("mogrify -format png FILE")
#define HEIF    CONVERT_BY("heif-convert FILE FILE.png")
#define VIDEO   "save the pictures that are wanted as PNG (`ffmpeg -i FILE FILE-%04d.png`)"
#define MODEL   "t2i-generate, t2i-eval and t2i-model take it"
#define DATASET "programs take it with --data, and t2i-data shows it"
#define TENSORS                                                                                    \
    "t2i-model show lists its tensors; t2i-data build takes it with --features or --weights"
#define FEATURES "t2i-data build takes it with --features"
#define LIST     "t2i-data build takes it with --pairs"
#define UNPACK   "unpack it first"
#define SHARD    "t2i-data build --pairs takes it if it is a WebDataset; else unpack it first"
#define TO_JSONL "convert it to JSON Lines (docs/datasets.md, Parquet)"
#define DOWNLOAD "the download has probably failed; download the file itself"
#define TO_TORCH "convert it to safetensors or PyTorch's .pt with the program that made it"

#define HDF5 "\x89HDF\r\n\x1a\n"

/* ---- signatures ---- */

typedef struct {
    size_t at, size;
    const char *magic, *name, *advice;
} signature;

#define SIGNED(at, magic, name, advice)                                                            \
    {                                                                                              \
        at, sizeof magic - 1, magic, name, advice                                                  \
    }

/* The first match counts, so a longer signature precedes one that begins it. */
static const signature signatures[] = {
    SIGNED(0, "\x89PNG\r\n\x1a\n", "a PNG picture", PICTURE),
    SIGNED(0, "\xff\xd8\xff", "a JPEG picture", PICTURE),
    SIGNED(0, "GIF8", "a GIF", PICTURE),
    SIGNED(0, "II*", "a TIFF (or a camera's raw file)", PICTURE),
    SIGNED(0, "II+", "a TIFF (or a camera's raw file)", PICTURE),
    SIGNED(0, "MM\0", "a TIFF (or a camera's raw file)", PICTURE),
    SIGNED(0, "IIU\0", "a camera's raw file", CONVERT_BY("darktable-cli FILE FILE.png")),
    SIGNED(4, "ftypavi", "an AVIF", CONVERT_BY("avifdec FILE FILE.png")),
    SIGNED(4, "ftyphe", "a HEIC", HEIF),
    SIGNED(4, "ftypmif1", "a HEIF (AVIF or HEIC)", HEIF),
    SIGNED(4, "ftypmsf1", "a HEIF (AVIF or HEIC)", HEIF),
    SIGNED(4, "ftypcrx", "a camera's raw file", CONVERT_BY("darktable-cli FILE FILE.png")),
    SIGNED(4, "ftyp", "a video", VIDEO),
    SIGNED(4, "JXL ", "a JPEG XL", CONVERT_BY("djxl FILE FILE.png")),
    SIGNED(0, "\xff\x0a", "a JPEG XL", CONVERT_BY("djxl FILE FILE.png")),
    SIGNED(4, "jP  ", "a JPEG 2000", CONVERT_BY("opj_decompress -i FILE -o FILE.png")),
    SIGNED(0, "\xff\x4f\xff\x51", "a JPEG 2000", CONVERT_BY("opj_decompress -i FILE -o FILE.png")),
    SIGNED(0, "8BPS", "a Photoshop file", CONVERT),
    SIGNED(0, "gimp xcf", "a GIMP file", CONVERT),
    SIGNED(0, "\0\0\1\0", "an icon (ICO)", CONVERT),
    SIGNED(0, "v/1\1", "an OpenEXR picture", CONVERT),
    SIGNED(0, "#?RADIANCE", "a Radiance HDR picture", CONVERT),
    SIGNED(0, "DDS ", "a DDS texture", CONVERT),
    SIGNED(0, "qoif", "a QOI picture", CONVERT),
    SIGNED(128, "DICM", "a DICOM file", CONVERT),
    SIGNED(0, "\x1a\x45\xdf\xa3", "a video", VIDEO),
    SIGNED(0, "OggS", "an audio or video file", ""),
    SIGNED(0, "fLaC", "an audio file", ""),
    SIGNED(0, "ID3", "an audio file", ""),
    SIGNED(0, "\x93NUMPY", "a NumPy array (.npy)", FEATURES),
    SIGNED(0, "\x1f\x8b", "a gzip archive",
           "t2i-data build --pairs takes lists and tar shards in gzip; unpack others"),
    SIGNED(0, "BZh", "a bzip2 archive", UNPACK " (bunzip2, or tar -xjf)"),
    SIGNED(0,
           "\xfd"
           "7zXZ\0",
           "an xz archive", UNPACK " (unxz, or tar -xJf)"),
    SIGNED(0, "\x28\xb5\x2f\xfd", "a zstd archive", UNPACK " (zstd -d)"),
    SIGNED(0, "\x04\x22\x4d\x18", "an lz4 archive", UNPACK " (lz4 -d)"),
    SIGNED(0, "LZIP", "an lzip archive", UNPACK " (lzip -d)"),
    SIGNED(0, "7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK " (7z x)"),
    SIGNED(0, "Rar!\x1a", "a RAR archive", UNPACK),
    SIGNED(0, "PK\5\6", "an empty zip archive", ""),
    SIGNED(257, "ustar", "a tar archive", SHARD),
    SIGNED(0, "MSCF", "a CAB archive", UNPACK),
    SIGNED(0, "!<arch>\n", "an ar archive (a library or a Debian package)", ""),
    SIGNED(0, "PAR1", "a Parquet table", TO_JSONL),
    SIGNED(0, "ARROW1", "an Arrow table", TO_JSONL),
    SIGNED(0, "FEA1", "a Feather table", TO_JSONL),
    SIGNED(0, "\xff\xff\xff\xff", "a stream of Arrow", TO_JSONL),
    SIGNED(0, "ORC", "an ORC table", TO_JSONL),
    SIGNED(0, "Obj\1", "an Avro table", TO_JSONL),
    SIGNED(0, "SQLite format 3", "an SQLite database", "export its table as CSV"),
    SIGNED(8, "DUCK", "a DuckDB database", "export its table as CSV"),
    SIGNED(16, "\xde\xc0\xef\xbe", "an LMDB database", "export its pictures as files"),
    SIGNED(0, "GGUF", "a GGUF model", TO_TORCH),
    SIGNED(0, "lmgg", "a GGML model", TO_TORCH),
    SIGNED(0, "tjgg", "a GGML model", TO_TORCH),
    SIGNED(4, "TFL3", "a TensorFlow Lite model", TO_TORCH),
    SIGNED(0, "MATLAB 5.0 MAT-file", "a MATLAB file", "save its arrays as .npy"),
    SIGNED(0, "RDX3\n", "a file of R", ""),
    SIGNED(0, "RDX2\n", "a file of R", ""),
    SIGNED(0, "%PDF", "a PDF", CONVERT_BY("pdftoppm -png FILE FILE")),
    SIGNED(0, "%!PS", "a PostScript file", CONVERT),
    SIGNED(0, "{\\rtf", "an RTF document", "save it as plain text"),
    SIGNED(0, "\xd0\xcf\x11\xe0\xa1\xb1", "an old Office document", "save its table as CSV"),
    SIGNED(0,
           "\x7f"
           "ELF",
           "an ELF program or library", ""),
    SIGNED(0, "MZ", "a Windows program", ""),
    SIGNED(0, "\xcf\xfa\xed\xfe", "a macOS program", ""),
    SIGNED(0, "\xca\xfe\xba\xbe", "a macOS program or a Java class", ""),
    SIGNED(0, "\0asm", "a WebAssembly program", ""),
    SIGNED(0, "OTTO", "a font", ""),
    SIGNED(0, "\0\1\0\0\0", "a font", ""),
    SIGNED(0, "ttcf", "a font", ""),
    SIGNED(0, "wOF", "a font", ""),
    SIGNED(0, "\x80\2\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20", "a torch file (older format)", TENSORS),
    SIGNED(0, "sys_info\0", "a torch file (oldest format)", TENSORS),
    SIGNED(0, "\x80\2", "a Python pickle", "save a state_dict with torch.save"),
    SIGNED(0, "\x80\3", "a Python pickle", "save a state_dict with torch.save"),
    SIGNED(0, "\x80\4", "a Python pickle", "save a state_dict with torch.save"),
    SIGNED(0, "\x80\5", "a Python pickle", "save a state_dict with torch.save"),
    SIGNED(0, "\xfe\xff", "text in UTF-16", "save it as UTF-8"),
    SIGNED(0, "\xff\xfe", "text in UTF-16", "save it as UTF-8"),
};

static int has_at(head h, size_t at, const char *magic, size_t size)
{
    return h.size >= size && at <= h.size - size && memcmp(h.bytes + at, magic, size) == 0;
}

/* Do the bytes occur in the first `within`? */
static int contains(head h, size_t within, const char *word)
{
    size_t size = strlen(word), end = h.size < within ? h.size : within;
    for (size_t i = 0; i + size <= end; i++)
        if (h.bytes[i] == (unsigned char)*word && memcmp(h.bytes + i, word, size) == 0) return 1;
    return 0;
}

static uint64_t number_at(head h, size_t at, size_t size)
{
    uint64_t value = 0;
    for (size_t i = size; i-- > 0;) value = value << 8 | h.bytes[at + i];
    return value;
}

/* ---- containers ---- */

static const char *name_zip(head h, const char **advice)
{
    static const struct {
        const char *entry, *name, *advice;
    } known[] = {
        {"[Content_Types].xml", "an Office document (.xlsx or .docx)", "save its table as CSV"},
        {"mimetype", "an OpenDocument or EPUB file", "save its table as CSV"},
        {"META-INF/", "a Java archive", ""},
        {"model.json", "a Keras model", TO_TORCH},
        {"metadata.json", "a Keras model", TO_TORCH},
    };
    size_t size = h.size < 30 ? 0 : (size_t)number_at(h, 26, 2);
    const char *entry = (const char *)h.bytes + 30;
    if (size == 0 || size > h.size - 30) size = 0;
    *advice = "";
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        *advice = known[i].advice;
        if (size >= strlen(known[i].entry) &&
            memcmp(entry, known[i].entry, strlen(known[i].entry)) == 0)
            return known[i].name;
    }
    *advice = "unpack it; the option takes one array (numpy.save)";
    if (size > 4 && memcmp(entry + size - 4, ".npy", 4) == 0) return "NumPy arrays in a zip (.npz)";
    *advice = TENSORS;
    if (size > 4 && (memcmp(entry + size - 4, ".pkl", 4) == 0 || contains(h, 1024, "/version") ||
                     contains(h, 1024, "/data/") || contains(h, 1024, "/byteorder")))
        return "a torch file";
    *advice = UNPACK;
    return "a zip archive";
}

static const char *name_hdf5(head h, const char **advice)
{
    *advice = DATASET;
    if (contains(h, T2I_FILE_KIND_HEAD, "t2i-dataset")) return "an HDF5 dataset";
    *advice = TO_TORCH;
    if (contains(h, T2I_FILE_KIND_HEAD, "keras_version")) return "an HDF5 model of Keras";
    *advice = "t2i-data build makes datasets from a list and pictures";
    return "an HDF5 file of another program";
}

static const char *name_riff(head h, const char **advice)
{
    *advice = PICTURE;
    if (has_at(h, 8, "WEBP", 4)) return "a WebP picture";
    *advice = "";
    return has_at(h, 8, "WAVE", 4) ? "an audio file" : "a video";
}

/* A length, its checksum, and that many bytes. */
static int is_tfrecord(head h)
{
    if (h.size < 16) return 0;
    uint32_t crc = t2i_tfevents_crc32c(h.bytes, 8);
    return number_at(h, 8, 4) == (uint32_t)((crc >> 15 | crc << 17) + 0xa282ead8u);
}

/* Protobuf: ir_version, then the producer's name. */
static int is_onnx(head h)
{
    if (h.size < 8 || h.bytes[0] != 8 || h.bytes[1] < 1 || h.bytes[1] > 30) return 0;
    if (h.bytes[2] == 0x3a) return 1; /* the graph */
    if (h.bytes[2] != 0x12 || h.bytes[3] == 0 || h.bytes[3] > 64 || h.size < 4u + h.bytes[3])
        return 0;
    for (size_t i = 0; i < h.bytes[3]; i++)
        if (h.bytes[4 + i] < ' ' || h.bytes[4 + i] > '~') return 0;
    return 1;
}

/* Is it UTF-8 without control characters? The last character may be cut off. */
static int is_text(head h)
{
    size_t valid = t2i_utf8_valid((const char *)h.bytes, h.size);
    if (valid < h.size && (valid + 4 <= h.size || h.size < T2I_FILE_KIND_HEAD)) return 0;
    for (size_t i = 0; i < valid; i++)
        if (h.bytes[i] == 0 || (h.bytes[i] < ' ' && strchr("\t\n\r\f\x1b", h.bytes[i]) == NULL))
            return 0;
    return 1;
}

/* Letters alone: a list may begin with the word ORC. */
static int is_word(const signature *s)
{
    for (size_t i = 0; i < s->size; i++)
        if (!isalnum((unsigned char)s->magic[i])) return 0;
    return 1;
}

static const char *name_binary(head h, const char **advice)
{
    int text = h.size > 0 && memchr(h.bytes, '\n', h.size) != NULL && is_text(h); /* lines */
    for (size_t at = 0; at <= 2048; at = at == 0 ? 512 : 2 * at)
        if (has_at(h, at, HDF5, 8)) return name_hdf5(h, advice);
    if (has_at(h, 0, "PK\3\4", 4)) return name_zip(h, advice);
    if (has_at(h, 0, "RIFF", 4) && h.size >= 12 && !text) return name_riff(h, advice);
    /* two letters are few: the bytes after the size are zero */
    if (has_at(h, 0, "BM", 2) && !text && (h.size < 10 || number_at(h, 6, 4) == 0)) {
        *advice = PICTURE;
        return "a BMP";
    }
    if (h.size > 8 && h.bytes[8] == '{' && number_at(h, 0, 8) <= 100000000) {
        int ours = contains(h, 4096, "\"t2i.format\"") || contains(h, 4096, "\"t2i.config\"");
        *advice = ours ? MODEL : TENSORS;
        return ours ? "a model of t2i-train" : "a safetensors file";
    }
    if (h.size >= 16 && is_tfrecord(h)) {
        int events = contains(h, 64, "brain.Event");
        *advice = events ? "TensorBoard shows it" : "convert it to WebDataset tar files or a list";
        return events ? "a file of events for TensorBoard" : "a TFRecord file";
    }
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++) {
        const signature *s = &signatures[i];
        *advice = s->advice;
        if (has_at(h, s->at, s->magic, s->size) && !(text && is_word(s))) return s->name;
    }
    int ours = contains(h, 32, "t2i-train");
    *advice = ours ? "give the model that it was exported from" : TO_TORCH;
    if (!is_onnx(h)) return NULL;
    return ours ? "an ONNX model of t2i-model export" : "an ONNX model";
}

/* ---- text ---- */

/* Without case. */
static int begins(const char *text, size_t size, const char *word)
{
    return size >= strlen(word) && strncasecmp(text, word, strlen(word)) == 0;
}

/* Counts a byte in a line. */
static size_t count_in(const char *line, size_t size, char wanted)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++) count += line[i] == wanted;
    return count;
}

/* Do the first lines have equally many separators? Or are all "key = value", with comments? */
static const char *name_lines(const char *text, size_t size, const char **advice)
{
    static const char separators[] = "\t,;|";
    size_t expected[4] = {0}, lines = 0, settings = 0, rows[4] = {0};
    for (const char *at = text, *end = text + size; at < end && lines < 20;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((newline == NULL ? end : newline) - at);
        if (newline == NULL && lines > 0 && size == T2I_FILE_KIND_HEAD) break;
        if (length > 0) {
            for (size_t i = 0; i < 4; i++) {
                size_t count = count_in(at, length, separators[i]);
                if (lines == 0) expected[i] = count;
                rows[i] += count > 0 && (count == expected[i] || separators[i] == ',');
            }
            const char *equal = memchr(at, '=', length);
            if (memchr(at, '\t', length) == NULL)
                settings += *at == '#' || *at == ';' || *at == '[' ||
                            (equal != NULL && strcspn(at, " =") + 1 >= (size_t)(equal - at));
            lines++;
        }
        at += length + 1;
    }
    *advice = "t2i-train and t2i-doctor take it as their first argument (JOB.ini)";
    if (lines > 0 && settings == lines && memchr(text, '=', size) != NULL) return "a job file";
    *advice = LIST;
    for (size_t i = 0; i < 4; i++)
        if (lines > 1 && rows[i] == lines && expected[i] > 0) return "a list (CSV or TSV)";
    *advice = "";
    return NULL;
}

static const char *name_json(head h, const char *text, size_t size, const char **advice)
{
    static const struct {
        const char *word, *name, *advice;
    } known[] = {
        {"\"nbformat\"", "a Jupyter notebook", ""},
        {"\"weight_map\"", "the index of a model in several files", "name one of these files"},
        {"\"architectures\"", "the configuration of a model", "name the file with its weights"},
        {"\"model_type\"", "the configuration of a model", "name the file with its weights"},
    };
    static const char *const messages[] = {"\"error", "\"message\"", "\"detail\"", "\"code\""};
    size_t at = 1;
    while (at < size && strchr(" \t\r\n", text[at]) != NULL) at++;
    *advice = "";
    if (at < size && strchr(*text == '{' ? "\"}" : "{[\"]-0123456789tfn", text[at]) == NULL)
        return NULL;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        *advice = known[i].advice;
        if (*text == '{' && contains(h, h.size, known[i].word)) return known[i].name;
    }
    *advice = DOWNLOAD;
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++)
        if (*text == '{' && size < 4096 && begins(text + at, size - at, messages[i]) &&
            !contains(h, h.size, "image") && !contains(h, h.size, "prompt") &&
            !contains(h, h.size, "caption"))
            return "an error message of a server (JSON)";
    const char *newline = memchr(text, '\n', size);
    *advice = LIST " if it lists prompts and pictures";
    return *text == '{' && newline != NULL && newline > text && strchr(",{", newline[-1]) == NULL &&
                   newline + 1 < text + size && newline[1] == '{'
               ? "a JSON Lines file"
               : "a JSON file";
}

static const char *name_text(head h, const char **advice)
{
    static const struct {
        const char *begin, *name, *advice;
    } known[] = {
        {"version https://git-lfs", "a Git LFS pointer", "`git lfs pull` fetches the file itself"},
        {"version https://hawser", "a Git LFS pointer", "`git lfs pull` fetches the file itself"},
        {"<!doctype html", "a web page", DOWNLOAD},
        {"<html", "a web page", DOWNLOAD},
        {"<head", "a web page", DOWNLOAD},
        {"<body", "a web page", DOWNLOAD},
        {"<script", "a web page", DOWNLOAD},
        {"<meta", "a web page", DOWNLOAD},
        {"<svg", "an SVG", CONVERT_BY("rsvg-convert -o FILE.png FILE")},
        {"<!doctype svg", "an SVG", CONVERT_BY("rsvg-convert -o FILE.png FILE")},
        {"<error>", "an error message of a server (XML)", DOWNLOAD},
        {"#!", "a script", ""},
        {"model_checkpoint_path:", "the index of a TensorFlow checkpoint", TO_TORCH},
    };
    t2i_span all = t2i_utf8_without_mark((t2i_span){(const char *)h.bytes, h.size});
    const char *text = all.data;
    size_t size = all.size;
    const char *lines = text, *end = text + size;
    while (size > 0 && strchr(" \t\r\n", *text) != NULL) text++, size--;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        *advice = known[i].advice;
        if (begins(text, size, known[i].begin)) return known[i].name;
    }
    if (begins(text, size, "<?xml") || begins(text, size, "<!--")) {
        *advice = CONVERT_BY("rsvg-convert -o FILE.png FILE");
        if (contains(h, 4096, "<svg")) return "an SVG";
        *advice = DOWNLOAD;
        if (contains(h, 4096, "<html")) return "a web page";
        if (contains(h, 4096, "<Error>")) return "an error message of a server (XML)";
        *advice = "";
        return "an XML file";
    }
    const char *name = NULL;
    if (size > 0 && (*text == '{' || *text == '[')) name = name_json(h, text, size, advice);
    if (name == NULL) name = name_lines(lines, (size_t)(end - lines), advice);
    if (name != NULL) return name;
    *advice = "";
    return size > 0 ? "a text file" : "a text file with only blanks";
}

/* ---- messages ---- */

const char *t2i_file_kind_name(const void *bytes, size_t size, const char **advice)
{
    head h = {bytes, size < T2I_FILE_KIND_HEAD ? size : T2I_FILE_KIND_HEAD};
    size_t zeros = 0;
    *advice = "fetch or make it again";
    if (size == 0) return "an empty file";
    while (zeros < h.size && h.bytes[zeros] == 0) zeros++;
    *advice = "it is damaged, or was never completely written; fetch or make it again";
    if (zeros == h.size && h.size >= 64) return "filled with zeros";
    const char *name = name_binary(h, advice);
    if (name != NULL) return name;
    *advice = "";
    return is_text(h) ? name_text(h, advice) : NULL;
}

t2i_status t2i_file_kind_refuse(const void *bytes, size_t size, const char *name,
                                const char *wanted, t2i_error *err)
{
    const char *advice, *kind = t2i_file_kind_name(bytes, size, &advice);
    if (kind == NULL)
        return t2i_fail(err, T2I_DATA, "%s is not %s (or it is truncated or damaged)", name,
                        wanted);
    if (strcmp(kind, "a text file") == 0) { /* its first line may be a message */
        size_t shown = 0;
        while (shown < size && shown < 80 && ((const char *)bytes)[shown] != '\n') shown++;
        while (shown > 0 && t2i_utf8_valid(bytes, shown) != shown) shown--;
        return t2i_fail(err, T2I_DATA, "%s is a text file, not %s: it begins with '%.*s'", name,
                        wanted, (int)shown, (const char *)bytes);
    }
    return t2i_fail(err, T2I_DATA, "%s is %s, not %s%s%s", name, kind, wanted,
                    *advice == '\0' ? "" : ": ", advice);
}

static t2i_status refuse_folder(const char *path, const char *wanted, t2i_error *err)
{
    static const struct {
        const char *file, *name, *advice;
    } known[] = {
        {"job.ini", "a run folder", MODEL},
        {"saved_model.pb", "a TensorFlow model", TO_TORCH},
        {"dataset_info.json", "a folder of Hugging Face's save_to_disk", TO_JSONL},
        {"config.json", "a folder of a model", "name the file with its weights"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        char *file = t2i_fs_join(path, known[i].file, err);
        if (file == NULL) return T2I_SYSTEM;
        int there = t2i_fs_exists(file);
        t2i_free(file);
        if (there)
            return t2i_fail(err, T2I_NOINPUT, "%s is %s, not %s: %s", path, known[i].name, wanted,
                            known[i].advice);
    }
    return t2i_fail(err, T2I_NOINPUT, "%s is a folder, not %s: name a file", path, wanted);
}

/* Reads the first bytes. Returns their number, or -1 with errno. */
static ssize_t read_head(const char *path, unsigned char *bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* opening a FIFO must not block */
    ssize_t size = 0, got = fd < 0 ? -1 : 1;
    while (got > 0 && size < T2I_FILE_KIND_HEAD) {
        got = read(fd, bytes + size, (size_t)(T2I_FILE_KIND_HEAD - size));
        if (got > 0) size += got;
        if (got < 0 && errno == EINTR) got = 1; /* again */
    }
    int why = errno;
    if (fd >= 0) close(fd);
    errno = why;
    return got < 0 ? -1 : size;
}

t2i_status t2i_file_kind_check(const char *path, const char *own, const char *wanted,
                               t2i_error *err)
{
    const char *advice;
    if (t2i_fs_is_folder(path)) return refuse_folder(path, wanted, err);
    unsigned char *bytes = t2i_alloc(T2I_FILE_KIND_HEAD, 1);
    if (bytes == NULL) return t2i_fail_memory(err, T2I_FILE_KIND_HEAD, "reading");
    ssize_t size = read_head(path, bytes);
    t2i_status status = T2I_OK;
    if (size < 0)
        status = t2i_fail(err, T2I_NOINPUT, "cannot open %s: %s", path, strerror(errno));
    else {
        const char *name = t2i_file_kind_name(bytes, (size_t)size, &advice);
        if (own == NULL || name == NULL || strncmp(name, own, strlen(own)) != 0)
            status = t2i_file_kind_refuse(bytes, (size_t)size, path, wanted, err);
    }
    t2i_free(bytes);
    return status;
}
