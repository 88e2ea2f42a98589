#include "formats/zip.h"

#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "base/mem.h"
#include "base/text.h"

enum {
    LOCAL = 30, /* bytes of the fixed part of each record */
    CENTRAL = 46,
    END = 22,
    LOCATOR = 20,
    END64 = 56,
    DIRECTORY_MAX = 1 << 26, /* bytes; the directory is read as a whole */
    NAME_MAX_BYTES = 1024,
    STREAMED = 8, /* flag: sizes and CRC follow the data */
    UTF8 = 0x800  /* flag: the name is UTF-8 */
};
#define FULL32 0xffffffffu /* the true value is in the zip64 field */

struct t2i_zip {
    const t2i_byte_source *source;
    char *root; /* with its slash */
    size_t root_size;
    t2i_zip_entry *entry;
    size_t entries;
};

/* Contents of the end record. */
typedef struct {
    uint64_t entries, begin, size; /* of the central directory */
} directory;

static uint32_t u16(const unsigned char *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8;
}

static uint32_t u32(const unsigned char *at)
{
    return u16(at) | u16(at + 2) << 16;
}

static uint64_t u64(const unsigned char *at)
{
    return u32(at) | (uint64_t)u32(at + 4) << 32;
}

static int is_record(const unsigned char *at, char a, char b)
{
    return at[0] == 'P' && at[1] == 'K' && at[2] == (unsigned char)a && at[3] == (unsigned char)b;
}

static t2i_status unsound(const t2i_zip *zip, const char *what, t2i_error *err)
{
    return t2i_fail(err, T2I_DATA, "%s is not a valid zip archive: %s", zip->source->name, what);
}

static t2i_status bad_entry(const t2i_zip *zip, const char *name, const char *what, t2i_error *err)
{
    return t2i_fail(err, T2I_DATA, "%s is not a valid zip archive: entry %.*s: %s",
                    zip->source->name, 200, name, what);
}

/* Reads the zip64 end record if there is a locator before the plain one. *limit: offset at which
 * the central directory must end. */
static t2i_status read_end64(const t2i_zip *zip, const unsigned char *end, directory *out,
                             uint64_t *limit, t2i_error *err)
{
    unsigned char locator[LOCATOR], end64[END64];
    uint64_t at = zip->source->size - END;
    if (at < LOCATOR + END64) return T2I_OK;
    T2I_TRY(t2i_byte_source_read(zip->source, at - LOCATOR, locator, LOCATOR, err));
    if (!is_record(locator, 6, 7)) return T2I_OK;
    at -= LOCATOR + END64;
    if (u32(locator + 4) != 0 || u64(locator + 8) != at || u32(locator + 16) > 1)
        return unsound(zip, "its zip64 end is not where the locator says", err);
    T2I_TRY(t2i_byte_source_read(zip->source, at, end64, END64, err));
    if (!is_record(end64, 6, 6) || u64(end64 + 4) != END64 - 12 || u32(end64 + 16) != 0 ||
        u32(end64 + 20) != 0 || u64(end64 + 24) != u64(end64 + 32))
        return unsound(zip, "its zip64 end record is damaged", err);
    *limit = at;
    *out = (directory){u64(end64 + 32), u64(end64 + 48), u64(end64 + 40)};
    if ((u16(end + 10) != 0xffff && u16(end + 10) != out->entries) ||
        (u32(end + 12) != FULL32 && u32(end + 12) != out->size) ||
        (u32(end + 16) != FULL32 && u32(end + 16) != out->begin))
        return unsound(zip, "its two end records contradict each other", err);
    return T2I_OK;
}

static t2i_status read_end(const t2i_zip *zip, directory *out, t2i_error *err)
{
    unsigned char end[END];
    if (zip->source->size < END) return unsound(zip, "it is too short", err);
    uint64_t limit = zip->source->size - END;
    T2I_TRY(t2i_byte_source_read(zip->source, limit, end, END, err));
    if (!is_record(end, 5, 6) || u16(end + 20) != 0)
        return unsound(zip, "it does not end with an end record (the file may be cut off)", err);
    if (u16(end + 4) != 0 || u16(end + 6) != 0 || u16(end + 8) != u16(end + 10))
        return unsound(zip, "it is a part of a multi-disk archive", err);
    *out = (directory){u16(end + 10), u32(end + 16), u32(end + 12)};
    T2I_TRY(read_end64(zip, end, out, &limit, err));
    if (out->begin > limit || out->size != limit - out->begin)
        return unsound(zip, "its directory does not lie right before its end", err);
    if (out->size > DIRECTORY_MAX || out->entries > out->size / CENTRAL)
        return unsound(zip, "its number of entries is impossible", err);
    return T2I_OK;
}

/* The zip64 field among the extra fields; NULL if there is none. *broken: 1 if the fields do not
 * fill their space exactly. */
static const unsigned char *find_zip64(const unsigned char *extra, size_t size, size_t *field_size,
                                       int *broken)
{
    const unsigned char *found = NULL;
    *broken = 0;
    *field_size = 0;
    while (size >= 4) {
        size_t length = u16(extra + 2);
        if (length > size - 4) break;
        if (u16(extra) == 1 && found == NULL) {
            found = extra + 4;
            *field_size = length;
        }
        extra += 4 + length;
        size -= 4 + length;
    }
    *broken = size != 0;
    return found;
}

/* Replaces values that are too large for 32 bits by those of the zip64 field, which has only these,
 * in order. */
static int widen(uint64_t *value, const unsigned char **field, size_t *size)
{
    if (*value != FULL32) return 1;
    if (*size < 8) return 0;
    *value = u64(*field);
    *field += 8;
    *size -= 8;
    return 1;
}

/* Returns what is wrong with a name, or NULL. A name is one folder, then parts that are not empty,
 * "." or "..". */
static const char *check_name(const char *name, size_t size)
{
    if (size == 0 || size > NAME_MAX_BYTES) return "its name is empty or too long";
    if (memchr(name, '\0', size) != NULL || memchr(name, '\\', size) != NULL ||
        t2i_utf8_valid(name, size) != size)
        return "its name contains a character that is not allowed";
    size_t parts = 0;
    for (size_t begin = 0, end; begin <= size; begin = end + 1, parts++) {
        for (end = begin; end < size && name[end] != '/';) end++;
        size_t length = end - begin;
        if (length == 0 || (length == 1 && name[begin] == '.') ||
            (length == 2 && name[begin] == '.' && name[begin + 1] == '.'))
            return "its name points outside its folder";
    }
    return parts < 2 ? "it is not in a folder" : NULL;
}

/* Stores the name without the root folder, which is that of the first entry. */
static t2i_status take_name(t2i_zip *zip, t2i_zip_entry *entry, const unsigned char *bytes,
                            size_t size, t2i_error *err)
{
    char name[NAME_MAX_BYTES + 1];
    size_t kept = size < NAME_MAX_BYTES ? size : NAME_MAX_BYTES;
    memcpy(name, bytes, kept);
    name[kept] = '\0';
    const char *problem = check_name((const char *)bytes, size);
    if (t2i_utf8_valid(name, kept) != kept) name[0] = '\0'; /* not printable */
    if (problem != NULL) return bad_entry(zip, name, problem, err);
    if (zip->root == NULL) {
        zip->root_size = (size_t)(strchr(name, '/') + 1 - name);
        zip->root = t2i_alloc(zip->root_size + 1, 1);
        if (zip->root == NULL) return t2i_fail_memory(err, zip->root_size, "a name");
        memcpy(zip->root, name, zip->root_size);
    }
    if (strncmp(name, zip->root, zip->root_size) != 0)
        return bad_entry(zip, name, "it lies outside the folder of the others", err);
    entry->name = t2i_strdup(name + zip->root_size);
    return entry->name != NULL ? T2I_OK : t2i_fail_memory(err, size, "a name");
}

/* Reads one entry of the central directory at *at, and advances *at. */
static t2i_status read_central(t2i_zip *zip, const unsigned char **at, size_t *left, t2i_error *err)
{
    const unsigned char *c = *at;
    if (*left < CENTRAL || !is_record(c, 1, 2))
        return unsound(zip, "its directory is damaged", err);
    size_t name_size = u16(c + 28), extra_size = u16(c + 30), field_size;
    size_t total = CENTRAL + name_size + extra_size + u16(c + 32);
    if (total > *left) return unsound(zip, "its directory is damaged", err);
    t2i_zip_entry *entry = &zip->entry[zip->entries++];
    T2I_TRY(take_name(zip, entry, c + CENTRAL, name_size, err));
    entry->flags = u16(c + 8);
    entry->crc = u32(c + 16);
    entry->size = u32(c + 24);
    entry->header = u32(c + 42);
    uint64_t stored = u32(c + 20);
    int broken;
    const unsigned char *field =
        find_zip64(c + CENTRAL + name_size, extra_size, &field_size, &broken);
    if (broken || !widen(&entry->size, &field, &field_size) ||
        !widen(&stored, &field, &field_size) || !widen(&entry->header, &field, &field_size))
        return bad_entry(zip, entry->name, "its extra fields are damaged", err);
    if (entry->flags & 0x2041) return bad_entry(zip, entry->name, "it is encrypted", err);
    if (entry->flags & ~(unsigned)(STREAMED | UTF8))
        return bad_entry(zip, entry->name, "it has unknown flags", err);
    if (u16(c + 10) != 0)
        return bad_entry(zip, entry->name,
                         "it is compressed, as in TorchScript archives, which hold programs: save "
                         "a state_dict() with torch.save",
                         err);
    if (stored != entry->size || u16(c + 34) != 0)
        return bad_entry(zip, entry->name, "its sizes contradict each other", err);
    *at += total;
    *left -= total;
    return T2I_OK;
}

/* Does a size or CRC of the local header match the central directory? A streamed entry may have 0
 * there. */
static int agrees(uint64_t local, uint64_t central, unsigned flags)
{
    return local == central || ((flags & STREAMED) && local == 0);
}

/* Finds the beginning of the data and compares the local header with the central directory, which
 * begins at `end`. */
static t2i_status read_local(const t2i_zip *zip, t2i_zip_entry *entry, uint64_t end, t2i_error *err)
{
    unsigned char head[LOCAL], rest[0x10000];
    char name[2 * NAME_MAX_BYTES + 1];
    size_t name_size = zip->root_size + strlen(entry->name), field_size;
    if (entry->header > end || end - entry->header < LOCAL)
        return bad_entry(zip, entry->name, "it begins beyond the directory", err);
    T2I_TRY(t2i_byte_source_read(zip->source, entry->header, head, LOCAL, err));
    if (!is_record(head, 3, 4))
        return bad_entry(zip, entry->name, "there is no local header where it should be", err);
    if (u16(head + 6) != entry->flags || u16(head + 8) != 0 || u16(head + 26) != name_size)
        return bad_entry(zip, entry->name, "its local header contradicts the directory", err);
    uint64_t at = entry->header + LOCAL;
    size_t extra_size = u16(head + 28);
    if (end - at < name_size + extra_size)
        return bad_entry(zip, entry->name, "it lies beyond the directory", err);
    T2I_TRY(t2i_byte_source_read(zip->source, at, name, name_size, err));
    if (memcmp(name, zip->root, zip->root_size) != 0 ||
        memcmp(name + zip->root_size, entry->name, name_size - zip->root_size) != 0)
        return bad_entry(zip, entry->name, "its local header has another name", err);
    T2I_TRY(t2i_byte_source_read(zip->source, at + name_size, rest, extra_size, err));
    entry->begin = at + name_size + extra_size;
    if (entry->size > end - entry->begin)
        return bad_entry(zip, entry->name, "it lies beyond the directory", err);
    uint64_t stored = u32(head + 18), size = u32(head + 22);
    int broken; /* ignored: padding that aligns data need not be well-formed */
    const unsigned char *field = find_zip64(rest, extra_size, &field_size, &broken);
    if (!widen(&size, &field, &field_size) || !widen(&stored, &field, &field_size) ||
        !agrees(size, entry->size, entry->flags) || !agrees(stored, entry->size, entry->flags) ||
        !agrees(u32(head + 14), entry->crc, entry->flags))
        return bad_entry(zip, entry->name, "its local header contradicts the directory", err);
    return T2I_OK;
}

/* Finds the end of the entry: after its data descriptor, if it has one, which lies before `next`.
 * The descriptor may begin with a signature, and has sizes of 32 or 64 bits. */
static t2i_status find_end(const t2i_zip *zip, const t2i_zip_entry *entry, uint64_t next,
                           uint64_t *out, t2i_error *err)
{
    unsigned char d[24] = {0};
    uint64_t at = entry->begin + entry->size;
    *out = at;
    if (!(entry->flags & STREAMED) || at > next) return T2I_OK;
    size_t room = next - at < sizeof d ? (size_t)(next - at) : sizeof d;
    T2I_TRY(t2i_byte_source_read(zip->source, at, d, room, err));
    for (int form = 0; form < 4; form++) {
        size_t skip = form & 1 ? 0 : 4, wide = form & 2 ? 8 : 4, length = skip + 4 + 2 * wide;
        const unsigned char *crc = d + skip, *sizes = crc + 4;
        if (length > room || (skip != 0 && !is_record(d, 7, 8)) || u32(crc) != entry->crc) continue;
        uint64_t first = wide == 8 ? u64(sizes) : u32(sizes);
        uint64_t second = wide == 8 ? u64(sizes + 8) : u32(sizes + 4);
        if (first != entry->size || second != entry->size) continue;
        *out = at + length;
        return T2I_OK;
    }
    return bad_entry(zip, entry->name, "what follows its data contradicts the directory", err);
}

static int by_place(const void *a, const void *b)
{
    const t2i_zip_entry *x = a, *y = b;
    return (x->header > y->header) - (x->header < y->header);
}

static int by_name(const void *a, const void *b)
{
    const t2i_zip_entry *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static t2i_status check_places(t2i_zip *zip, uint64_t end, t2i_error *err)
{
    qsort(zip->entry, zip->entries, sizeof *zip->entry, by_place);
    for (size_t i = 0; i < zip->entries; i++) {
        t2i_zip_entry *entry = &zip->entry[i];
        uint64_t next = i + 1 < zip->entries ? zip->entry[i + 1].header : end, after;
        T2I_TRY(read_local(zip, entry, end, err));
        T2I_TRY(find_end(zip, entry, next, &after, err));
        if (after > next || next == entry->header)
            return bad_entry(zip, entry->name, "it overlaps another one", err);
    }
    qsort(zip->entry, zip->entries, sizeof *zip->entry, by_name);
    for (size_t i = 0; i + 1 < zip->entries; i++)
        if (strcmp(zip->entry[i].name, zip->entry[i + 1].name) == 0)
            return bad_entry(zip, zip->entry[i].name, "the name occurs twice", err);
    return T2I_OK;
}

static t2i_status read_directory(t2i_zip *zip, const directory *where, t2i_error *err)
{
    if (where->entries == 0) return unsound(zip, "it is empty", err);
    size_t left = (size_t)where->size;
    unsigned char *bytes = t2i_alloc(left, 1);
    zip->entry = t2i_alloc((size_t)where->entries, sizeof *zip->entry);
    t2i_status status = T2I_OK;
    if (bytes == NULL || zip->entry == NULL)
        status = t2i_fail_memory(err, left, "the directory of a zip archive");
    if (status == T2I_OK)
        status = t2i_byte_source_read(zip->source, where->begin, bytes, left, err);
    const unsigned char *at = bytes;
    while (status == T2I_OK && zip->entries < where->entries)
        status = read_central(zip, &at, &left, err);
    if (status == T2I_OK && left != 0) status = unsound(zip, "its directory is damaged", err);
    t2i_free(bytes);
    return status;
}

t2i_status t2i_zip_open(t2i_zip **out, const t2i_byte_source *source, t2i_error *err)
{
    directory where = {0};
    *out = NULL;
    t2i_zip *zip = t2i_alloc(1, sizeof *zip);
    if (zip == NULL) return t2i_fail_memory(err, sizeof *zip, "a zip archive");
    zip->source = source;
    t2i_status status = read_end(zip, &where, err);
    if (status == T2I_OK) status = read_directory(zip, &where, err);
    if (status == T2I_OK) status = check_places(zip, where.begin, err);
    if (status == T2I_OK)
        *out = zip;
    else
        t2i_zip_close(zip);
    return status;
}

void t2i_zip_close(t2i_zip *zip)
{
    if (zip == NULL) return;
    for (size_t i = 0; i < zip->entries; i++) t2i_free(zip->entry[i].name);
    t2i_free(zip->entry);
    t2i_free(zip->root);
    t2i_free(zip);
}

size_t t2i_zip_entries(const t2i_zip *zip)
{
    return zip->entries;
}

const t2i_zip_entry *t2i_zip_at(const t2i_zip *zip, size_t index)
{
    return index < zip->entries ? &zip->entry[index] : NULL;
}

const t2i_zip_entry *t2i_zip_find(const t2i_zip *zip, const char *name)
{
    size_t low = 0, high = zip->entries;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, zip->entry[middle].name);
        if (order == 0) return &zip->entry[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const char *t2i_zip_root(const t2i_zip *zip)
{
    return zip->root;
}

t2i_status t2i_zip_check(const t2i_zip *zip, const t2i_zip_entry *entry, t2i_error *err)
{
    unsigned char piece[1 << 16];
    uLong crc = crc32(0, NULL, 0);
    for (uint64_t done = 0; done < entry->size;) {
        uint64_t left = entry->size - done;
        size_t size = left < sizeof piece ? (size_t)left : sizeof piece;
        T2I_TRY(t2i_byte_source_read(zip->source, entry->begin + done, piece, size, err));
        crc = crc32(crc, piece, (uInt)size);
        done += size;
    }
    if (crc == entry->crc) return T2I_OK;
    return t2i_fail(err, T2I_DATA, "%s is damaged: the checksum of its entry %s does not match",
                    zip->source->name, entry->name);
}
