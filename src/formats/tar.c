#include "formats/tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/mem.h"

enum { BLOCK = 256 << 10, PIECE = 32 << 10, HEAD_MAX = 64 << 10 };

struct t2i_tar {
    struct archive *archive;
    gzFile file; /* plain files pass through it unchanged */
    uint64_t bytes;
    size_t got, given; /* bytes in block; of these libarchive has got */
    uint64_t unpacked; /* bytes of all blocks */
    t2i_tar_member member;
    uint64_t may_get; /* bytes that libarchive may get until it returns */
    int begun;        /* there is a present member */
    int sparse;       /* the present member has holes, which take no bytes of the file */
    t2i_error why;    /* why the last read of the file failed */
    char block[BLOCK], content[BLOCK];
};

/* Reads the next block of the file: its bytes, 0 at the end, -1 with the reason in tar->why. */
static int read_block(t2i_tar *tar)
{
    int got = gzread(tar->file, tar->block, BLOCK), code = Z_OK;
    const char *message = gzerror(tar->file, &code);
    tar->got = got > 0 ? (size_t)got : 0;
    tar->given = 0;
    tar->unpacked += tar->got;
    if (got > 0 || (got == 0 && code != Z_BUF_ERROR)) return got; /* truncated: told at the end */
    if (code == Z_ERRNO)
        t2i_fail(&tar->why, T2I_IO, "%s", strerror(errno));
    else if (code == Z_BUF_ERROR)
        t2i_fail(&tar->why, T2I_DATA, "its gzip data are truncated");
    else
        t2i_fail(&tar->why, T2I_DATA, "its gzip data are damaged (%s)", message);
    return -1;
}

/* In pieces, so that little of a member's head comes with what was before. */
static la_ssize_t read_file(struct archive *archive, void *context, const void **piece)
{
    t2i_tar *tar = context;
    int got = tar->given < tar->got ? 1 : read_block(tar);
    size_t size = tar->got - tar->given < PIECE ? tar->got - tar->given : PIECE;
    *piece = tar->block + tar->given;
    if (got == 0) return 0;
    if (got > 0 && size > tar->may_get) {
        t2i_fail(&tar->why, T2I_DATA,
                 "the attributes of a member are longer than 64 KB: make it without them (tar "
                 "--no-acls --no-xattrs)");
        got = -1;
    }
    if (got < 0) {
        archive_set_error(archive, EIO, "%s", tar->why.text);
        return -1;
    }
    tar->given += size;
    tar->may_get -= size;
    return (la_ssize_t)size;
}

static t2i_status open_file(t2i_tar *tar, const char *path, t2i_error *err)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return t2i_fail(err, T2I_NOINPUT, "cannot open %s: %s", path, strerror(errno));
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        close(fd);
        return t2i_fail(err, T2I_NOINPUT, "%s is not a regular file", path);
    }
    tar->bytes = (uint64_t)info.st_size;
    tar->file = gzdopen(fd, "rb");
    if (tar->file == NULL) {
        close(fd);
        return t2i_fail_memory(err, BLOCK, "an archive");
    }
    gzbuffer(tar->file, BLOCK);
    tar->archive = archive_read_new();
    if (tar->archive == NULL || archive_read_support_format_tar(tar->archive) != ARCHIVE_OK)
        return t2i_fail_memory(err, BLOCK, "an archive");
    return T2I_OK;
}

/* The status of a failed call, with the reason in *err. */
static t2i_status failed(const t2i_tar *tar, t2i_error *err)
{
    if (tar->why.status != T2I_OK) {
        if (err != NULL) *err = tar->why;
        return tar->why.status;
    }
    const char *text = archive_error_string(tar->archive);
    if (archive_errno(tar->archive) == ENOMEM) return t2i_fail_memory(err, BLOCK, "an archive");
    return t2i_fail(err, T2I_DATA, "%s", text == NULL ? "it is damaged" : text);
}

t2i_status t2i_tar_open(t2i_tar **out, const char *path, t2i_error *err)
{
    t2i_tar *tar = *out = t2i_alloc(1, sizeof *tar);
    if (tar == NULL) return t2i_fail_memory(err, sizeof *tar, "an archive");
    tar->may_get = UINT64_MAX;
    t2i_status status = open_file(tar, path, err);
    if (status == T2I_OK &&
        archive_read_open(tar->archive, tar, NULL, read_file, NULL) != ARCHIVE_OK)
        status = failed(tar, err);
    if (status == T2I_OK) return T2I_OK;
    t2i_tar_close(tar);
    *out = NULL;
    return status;
}

void t2i_tar_close(t2i_tar *tar)
{
    if (tar == NULL) return;
    if (tar->archive != NULL) archive_read_free(tar->archive);
    if (tar->file != NULL) gzclose_r(tar->file);
    t2i_free(tar);
}

/* The name as stored. Names of pax headers are UTF-8, which libarchive converts to the character
 * set of the locale unless it is asked for UTF-8. */
static const char *stored_name(struct archive_entry *entry)
{
    const char *name = archive_entry_pathname(entry);
    if (name == NULL) name = archive_entry_pathname_utf8(entry);
    return name == NULL ? "" : name;
}

/* Reads what follows the mark of the archive's end: only zeros may, and a sound end of gzip. */
static t2i_status read_rest(t2i_tar *tar, t2i_error *err)
{
    uint64_t used = (uint64_t)archive_filter_bytes(tar->archive, 0);
    size_t rest = (size_t)(tar->unpacked - used); /* of the present block */
    if (rest > tar->got) rest = tar->got;
    for (size_t at = tar->got - rest;; at = 0) {
        for (size_t i = at; i < tar->got; i++)
            if (tar->block[i] != 0)
                return t2i_fail(err, T2I_DATA,
                                "data follow the mark of its end: were archives joined by cat?");
        int got = read_block(tar);
        if (got < 0) return failed(tar, err);
        if (got == 0) return T2I_OK;
    }
}

/* Goes past the present member, and reads the head of the next one: libarchive compares each access
 * right that a head lists with all before it, so that few bytes may come. */
static int read_head(t2i_tar *tar, struct archive_entry **entry)
{
    int code = tar->begun ? archive_read_data_skip(tar->archive) : ARCHIVE_OK;
    tar->begun = 0;
    if (code != ARCHIVE_OK && code != ARCHIVE_WARN) return ARCHIVE_FATAL;
    tar->may_get = HEAD_MAX;
    code = archive_read_next_header(tar->archive, entry);
    tar->may_get = UINT64_MAX;
    tar->begun = code == ARCHIVE_OK || code == ARCHIVE_WARN;
    return code;
}

t2i_status t2i_tar_next(t2i_tar *tar, t2i_tar_member *out, t2i_error *err)
{
    struct archive_entry *entry;
    *out = (t2i_tar_member){.kind = T2I_TAR_END};
    int code = read_head(tar, &entry);
    if (code == ARCHIVE_EOF) {
        /* libarchive takes the end of the file for the end of the archive */
        if (archive_filter_bytes(tar->archive, 0) > archive_read_header_position(tar->archive))
            return read_rest(tar, err);
        return t2i_fail(err, T2I_DATA, "the mark of its end is missing: it is truncated");
    }
    /* a warning is about a name or an attribute that cannot be restored on this machine */
    if (code != ARCHIVE_OK && code != ARCHIVE_WARN) return failed(tar, err);
    unsigned type = archive_entry_filetype(entry);
    out->name = stored_name(entry);
    out->bytes = archive_entry_size_is_set(entry) ? (uint64_t)archive_entry_size(entry) : 0;
    if (archive_entry_hardlink(entry) != NULL || type == AE_IFLNK)
        out->kind = T2I_TAR_LINK;
    else
        out->kind = type == AE_IFREG ? T2I_TAR_FILE : T2I_TAR_OTHER;
    tar->member = *out;
    tar->sparse = archive_entry_sparse_count(entry) > 0;
    return T2I_OK;
}

t2i_status t2i_tar_read(t2i_tar *tar, size_t limit, t2i_text *text, t2i_error *err)
{
    const t2i_tar_member *member = &tar->member;
    if (member->bytes > limit)
        return t2i_fail(err, T2I_DATA, "%s has %llu bytes; the limit is %zu", member->name,
                        (unsigned long long)member->bytes, limit);
    if (tar->sparse)
        return t2i_fail(err, T2I_DATA, "%s is stored as a sparse file, which no picture is",
                        member->name);
    for (uint64_t left = member->bytes; left > 0;) {
        la_ssize_t got =
            archive_read_data(tar->archive, tar->content,
                              left < sizeof tar->content ? (size_t)left : sizeof tar->content);
        if (got < 0) return failed(tar, err);
        if (got == 0) return t2i_fail(err, T2I_DATA, "%s is truncated", member->name);
        T2I_TRY(t2i_text_add(text, tar->content, (size_t)got, err));
        left -= (uint64_t)got;
    }
    return T2I_OK;
}

double t2i_tar_position(const t2i_tar *tar)
{
    z_off_t at = gzoffset(tar->file);
    return at < 0 || tar->bytes == 0 ? 1 : (double)at / (double)tar->bytes;
}
