/* build_journal.c - a journal is a head with the key, then records: head, name, body. The digest in
 * the head of a record covers the rest of it, so that torn and damaged records are found. Numbers
 * are in the byte order of the machine, which is part of the key. */
#include "prepare/build_journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"

enum { NAME_BYTES = 4096, REASON_BYTES = 1024, GOOD = 1, BAD = 2 };
#define MAGIC "t2i parts 2\n"
#define LOCK  "lock" /* locked by the running build */
#define STOP  "stop" /* exists when one of its ranks failed or was stopped */

typedef struct {
    char magic[16];
    char key[T2I_HEX + 15];
} journal_head;

typedef struct {
    uint64_t digest; /* XXH3-64 of the rest of the record */
    uint32_t state, name_bytes;
    uint64_t body_bytes;
    t2i_file_stamp stamp; /* of the picture's file */
    uint64_t found;       /* of a result */
} record_head;

/* ---- writing ---- */

struct t2i_build_journal_writer {
    const t2i_build_journal_kind *kind;
    char *path;
    FILE *file;
    t2i_text record;
};

static char *journal_path(const char *folder, size_t number, t2i_error *err)
{
    char name[64];
    snprintf(name, sizeof name, "%06zu.part", number);
    return t2i_fs_join(folder, name, err);
}

static t2i_status write_failed(const t2i_build_journal_writer *journal, t2i_error *err)
{
    return t2i_fail(err, T2I_IO, "cannot write %s: %s", journal->path, strerror(errno));
}

static void free_journal(t2i_build_journal_writer *journal)
{
    t2i_text_free(&journal->record);
    t2i_free(journal->path);
    t2i_free(journal);
}

static t2i_status begin_journal(t2i_build_journal_writer *journal, t2i_error *err)
{
    journal_head head = {.magic = MAGIC};
    memcpy(head.key, journal->kind->key, T2I_HEX);
    int fd = open(journal->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    journal->file = fd < 0 ? NULL : fdopen(fd, "wb");
    if (journal->file == NULL)
        return t2i_fail(err, T2I_CANTCREATE, "cannot create %s: %s", journal->path,
                        strerror(errno));
    return fwrite(&head, sizeof head, 1, journal->file) == 1 ? T2I_OK : write_failed(journal, err);
}

t2i_status t2i_build_journal_writer_new(t2i_build_journal_writer **out,
                                        const t2i_build_journal_kind *kind, size_t number,
                                        t2i_error *err)
{
    t2i_build_journal_writer *journal = *out = t2i_alloc(1, sizeof *journal);
    if (journal == NULL) return t2i_fail_memory(err, sizeof *journal, "a journal");
    journal->kind = kind;
    journal->path = journal_path(kind->folder, number, err);
    t2i_status status = journal->path == NULL ? T2I_SYSTEM : begin_journal(journal, err);
    if (status == T2I_OK) return T2I_OK;
    if (journal->file != NULL) fclose(journal->file);
    free_journal(journal);
    *out = NULL;
    return status;
}

t2i_status t2i_build_journal_stamp_file(t2i_file_stamp *out, const t2i_build_journal_kind *kind,
                                        const char *name, t2i_error *err)
{
    struct stat info;
    char *path = t2i_fs_join(kind->images, name, err);
    if (path == NULL) return T2I_SYSTEM;
    t2i_status status = T2I_OK;
    if (stat(path, &info) != 0)
        status = t2i_fail(err, T2I_DATA, "cannot open %s: %s", path, strerror(errno));
    t2i_free(path);
    if (status == T2I_OK)
        *out = (t2i_file_stamp){(uint64_t)info.st_size, (int64_t)info.st_mtim.tv_sec,
                                (int64_t)info.st_mtim.tv_nsec};
    return status;
}

static t2i_status put(t2i_build_journal_writer *journal, record_head *head, const char *name,
                      const void *first, size_t first_bytes, const void *second,
                      size_t second_bytes, t2i_error *err)
{
    t2i_text *record = &journal->record;
    head->name_bytes = (uint32_t)strlen(name);
    head->body_bytes = first_bytes + second_bytes;
    record->size = 0;
    T2I_TRY(t2i_text_add(record, head, sizeof *head, err));
    T2I_TRY(t2i_text_add(record, name, head->name_bytes, err));
    T2I_TRY(t2i_text_add(record, first, first_bytes, err));
    T2I_TRY(t2i_text_add(record, second, second_bytes, err));
    head->digest =
        t2i_hash_64(record->data + sizeof head->digest, record->size - sizeof head->digest);
    memcpy(record->data, &head->digest, sizeof head->digest);
    if (fwrite(record->data, record->size, 1, journal->file) != 1)
        return write_failed(journal, err);
    return T2I_OK;
}

t2i_status t2i_build_journal_writer_put(t2i_build_journal_writer *journal, const char *name,
                                        const t2i_file_stamp *stamp, unsigned found,
                                        const uint8_t *pixels, const float *features,
                                        t2i_error *err)
{
    record_head head = {.state = GOOD, .stamp = *stamp, .found = found};
    return put(journal, &head, name, pixels, journal->kind->pixels, features,
               journal->kind->features * sizeof *features, err);
}

t2i_status t2i_build_journal_writer_put_reason(t2i_build_journal_writer *journal, const char *name,
                                               const char *reason, t2i_error *err)
{
    record_head head = {.state = BAD};
    size_t size = strlen(reason);
    return put(journal, &head, name, reason, size < REASON_BYTES ? size : REASON_BYTES, "", 0, err);
}

t2i_status t2i_build_journal_writer_flush(t2i_build_journal_writer *journal, t2i_error *err)
{
    return fflush(journal->file) != 0 ? write_failed(journal, err) : T2I_OK;
}

t2i_status t2i_build_journal_writer_close(t2i_build_journal_writer *journal, t2i_error *err)
{
    if (journal == NULL) return T2I_OK;
    t2i_status status = fclose(journal->file) != 0 ? write_failed(journal, err) : T2I_OK;
    free_journal(journal);
    return status;
}

/* ---- reading ---- */

typedef struct {
    uint32_t file; /* index of the journal + 1; 0: none */
    uint8_t state, found;
    uint64_t at; /* offset of the record */
} place;

typedef struct {
    int fd;
    long number;
} open_journal;

struct t2i_build_journal {
    const t2i_build_journal_kind *kind;
    const t2i_string_table *names;
    place *place; /* one per picture */
    open_journal *journal;
    size_t journals, next, foreign;
    int resume;
};

static int read_at(int fd, uint64_t at, void *out, size_t size)
{
    return t2i_fs_read_at(fd, out, size, at) == (ssize_t)size ? 0 : -1;
}

static int plausible(const t2i_build_journal_kind *kind, const record_head *head)
{
    uint64_t good = kind->pixels + kind->features * sizeof(float);
    return head->name_bytes >= 1 && head->name_bytes <= NAME_BYTES &&
           ((head->state == GOOD && head->body_bytes == good) ||
            (head->state == BAD && head->body_bytes <= REASON_BYTES));
}

/* Reads the record at offset `at` into *record: head, name, body. Returns 0 if it is sound, -1 if
 * not. */
static int read_record(const t2i_build_journal_kind *kind, int fd, uint64_t at, record_head *head,
                       t2i_text *record)
{
    size_t size;
    if (read_at(fd, at, head, sizeof *head) != 0 || !plausible(kind, head)) return -1;
    size = sizeof *head + head->name_bytes + (size_t)head->body_bytes;
    if (record->room <= size) {
        if (t2i_grow(&record->data, record->room, size + 1, 1) != 0) return -1;
        record->room = size + 1;
    }
    record->size = size;
    if (read_at(fd, at, record->data, size) != 0) return -1;
    return t2i_hash_64(record->data + sizeof head->digest, size - sizeof head->digest) ==
                   head->digest
               ? 0
               : -1;
}

/* True if the picture's file has the size and time of the record. A reason has no stamp, so never
 * for a reason. */
static int is_as_it_was(const t2i_build_journal_kind *kind, const char *name,
                        const record_head *head)
{
    t2i_file_stamp now;
    return t2i_build_journal_stamp_file(&now, kind, name, NULL) == T2I_OK &&
           now.bytes == head->stamp.bytes && now.seconds == head->stamp.seconds &&
           now.nanoseconds == head->stamp.nanoseconds;
}

/* Reads the records of the journal that was opened last. */
static void scan_records(t2i_build_journal *results, t2i_text *record)
{
    const open_journal *journal = &results->journal[results->journals - 1];
    char name[NAME_BYTES + 1];
    record_head head;
    uint64_t at = sizeof(journal_head);
    for (; read_record(results->kind, journal->fd, at, &head, record) == 0; at += record->size) {
        memcpy(name, record->data + sizeof head, head.name_bytes);
        name[head.name_bytes] = '\0';
        size_t number = t2i_string_table_find(results->names, name);
        if (number == SIZE_MAX) continue;
        if (results->resume && !is_as_it_was(results->kind, name, &head)) continue;
        /* of several records of a picture, the last one in the newest journal counts */
        place *p = &results->place[number];
        if (p->file > 0 && results->journal[p->file - 1].number > journal->number) continue;
        *p = (place){(uint32_t)results->journals, (uint8_t)head.state, (uint8_t)head.found, at};
    }
}

/* Opens a journal, unless its key is another one; *mine says whether. */
static t2i_status open_one(t2i_build_journal *results, const char *path, long number, int *mine,
                           t2i_error *err)
{
    journal_head head;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return t2i_fail(err, T2I_IO, "cannot read %s: %s", path, strerror(errno));
    if (read_at(fd, 0, &head, sizeof head) != 0 || memcmp(head.magic, MAGIC, sizeof MAGIC) != 0 ||
        memcmp(head.key, results->kind->key, T2I_HEX) != 0) {
        results->foreign++;
        *mine = 0;
        close(fd);
        return T2I_OK;
    }
    if (t2i_grow(&results->journal, results->journals, results->journals + 1,
                 sizeof *results->journal) != 0) {
        close(fd);
        return t2i_fail_memory(err, (results->journals + 1) * sizeof *results->journal, "journals");
    }
    results->journal[results->journals++] = (open_journal){fd, number};
    *mine = 1;
    return T2I_OK;
}

static t2i_status scan_journal(t2i_build_journal *results, const char *path, long number,
                               t2i_text *record, t2i_error *err)
{
    int mine;
    T2I_TRY(open_one(results, path, number, &mine, err));
    if (mine) scan_records(results, record);
    return T2I_OK;
}

/* Number in the file name of a journal, or -1. */
static long number_of(const char *name)
{
    char *end;
    if (name[0] < '0' || name[0] > '9') return -1;
    long number = strtol(name, &end, 10);
    return number >= 0 && number < 1000000000 && strcmp(end, ".part") == 0 ? number : -1;
}

/* One journal per rank and build may exceed the soft limit of open files. */
static void allow_many_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static t2i_status scan_folder(t2i_build_journal *results, t2i_error *err)
{
    t2i_text record = {0};
    allow_many_files();
    DIR *folder = opendir(results->kind->folder);
    if (folder == NULL && errno == ENOENT) return T2I_OK;
    if (folder == NULL)
        return t2i_fail(err, T2I_IO, "cannot read %s: %s", results->kind->folder, strerror(errno));
    t2i_status status = T2I_OK;
    for (struct dirent *entry; status == T2I_OK && (entry = readdir(folder)) != NULL;) {
        long number = number_of(entry->d_name);
        if (number < 0) continue;
        if ((size_t)number >= results->next) results->next = (size_t)number + 1;
        char *path = t2i_fs_join(results->kind->folder, entry->d_name, err);
        status = path == NULL ? T2I_SYSTEM : scan_journal(results, path, number, &record, err);
        t2i_free(path);
    }
    closedir(folder);
    t2i_text_free(&record);
    return status;
}

t2i_status t2i_build_journal_open(t2i_build_journal **out, const t2i_build_journal_kind *kind,
                                  const t2i_string_table *names, int resume, t2i_error *err)
{
    t2i_build_journal *results = *out = t2i_alloc(1, sizeof *results);
    if (results == NULL) return t2i_fail_memory(err, sizeof *results, "the journals");
    results->kind = kind;
    results->names = names;
    results->resume = resume;
    results->place = t2i_alloc(names->count, sizeof *results->place);
    t2i_status status =
        results->place == NULL
            ? t2i_fail_memory(err, names->count * sizeof *results->place, "pictures")
            : scan_folder(results, err);
    if (status == T2I_OK) return T2I_OK;
    t2i_build_journal_close(results);
    *out = NULL;
    return status;
}

void t2i_build_journal_close(t2i_build_journal *results)
{
    if (results == NULL) return;
    for (size_t i = 0; i < results->journals; i++) close(results->journal[i].fd);
    t2i_free(results->journal);
    t2i_free(results->place);
    t2i_free(results);
}

int t2i_build_journal_state(const t2i_build_journal *results, size_t number)
{
    unsigned state = results->place[number].state;
    return state == GOOD ? 1 : state == BAD ? -1 : 0;
}

unsigned t2i_build_journal_found(const t2i_build_journal *results, size_t number)
{
    return results->place[number].found;
}

size_t t2i_build_journal_next(const t2i_build_journal *results)
{
    return results->next;
}

size_t t2i_build_journal_foreign(const t2i_build_journal *results)
{
    return results->foreign;
}

/* Reads the record of a picture; its body is in record->data from *at on. */
static t2i_status read_body(const t2i_build_journal *results, size_t number, t2i_text *record,
                            size_t *at, t2i_error *err)
{
    const place *p = &results->place[number];
    record_head head;
    T2I_ASSERT(p->file > 0);
    if (read_record(results->kind, results->journal[p->file - 1].fd, p->at, &head, record) != 0)
        return t2i_fail(
            err, T2I_IO, "cannot read the result of %s in %s: the journal changed or is damaged",
            results->names == NULL ? "a picture" : t2i_string_table_at(results->names, number),
            results->kind->folder);
    *at = sizeof head + head.name_bytes;
    return T2I_OK;
}

t2i_status t2i_build_journal_pack(const t2i_build_journal *results, const size_t *number,
                                  size_t count, t2i_text *out, t2i_error *err)
{
    uint64_t journals = results->journals;
    T2I_TRY(t2i_text_add(out, &journals, sizeof journals, err));
    for (size_t i = 0; i < results->journals; i++)
        T2I_TRY(
            t2i_text_add(out, &results->journal[i].number, sizeof results->journal[i].number, err));
    for (size_t i = 0; i < count; i++)
        T2I_TRY(t2i_text_add(out, &results->place[number[i]], sizeof *results->place, err));
    return T2I_OK;
}

static t2i_status unpack(t2i_build_journal *results, const t2i_text *packed, t2i_error *err)
{
    uint64_t journals;
    long number;
    const char *at = packed->data + sizeof journals;
    memcpy(&journals, packed->data, sizeof journals);
    allow_many_files();
    for (uint64_t i = 0; i < journals; i++, at += sizeof number) {
        int mine;
        memcpy(&number, at, sizeof number);
        char *path = journal_path(results->kind->folder, (size_t)number, err);
        if (path == NULL) return T2I_SYSTEM;
        t2i_status status = open_one(results, path, number, &mine, err);
        if (status == T2I_OK && !mine)
            status = t2i_fail(err, T2I_DATA, "%s is of another encoder", path);
        t2i_free(path);
        if (status != T2I_OK) return status;
    }
    size_t bytes = packed->size - (size_t)(at - packed->data);
    results->place = t2i_alloc(bytes, 1);
    if (results->place == NULL) return t2i_fail_memory(err, bytes, "pictures");
    memcpy(results->place, at, bytes);
    return T2I_OK;
}

t2i_status t2i_build_journal_unpack(t2i_build_journal **out, const t2i_build_journal_kind *kind,
                                    const t2i_text *packed, t2i_error *err)
{
    t2i_build_journal *results = *out = t2i_alloc(1, sizeof *results);
    if (results == NULL) return t2i_fail_memory(err, sizeof *results, "the journals");
    results->kind = kind;
    t2i_status status = unpack(results, packed, err);
    if (status == T2I_OK) return T2I_OK;
    t2i_build_journal_close(results);
    *out = NULL;
    return status;
}

t2i_status t2i_build_journal_read(const t2i_build_journal *results, size_t number, uint8_t *pixels,
                                  float *features, t2i_error *err)
{
    t2i_text record = {0};
    size_t at = 0;
    t2i_status status = read_body(results, number, &record, &at, err);
    if (status == T2I_OK && pixels != NULL) memcpy(pixels, record.data + at, results->kind->pixels);
    if (status == T2I_OK && features != NULL)
        memcpy(features, record.data + at + results->kind->pixels,
               results->kind->features * sizeof *features);
    t2i_text_free(&record);
    return status;
}

t2i_status t2i_build_journal_reason(const t2i_build_journal *results, size_t number, char **out,
                                    t2i_error *err)
{
    t2i_text record = {0};
    size_t at = 0;
    t2i_status status = read_body(results, number, &record, &at, err);
    *out = NULL;
    if (status == T2I_OK) {
        *out = t2i_alloc(record.size - at + 1, 1);
        if (*out == NULL)
            status = t2i_fail_memory(err, record.size - at, "a message");
        else
            memcpy(*out, record.data + at, record.size - at);
    }
    t2i_text_free(&record);
    return status;
}

static void remove_file(const char *folder, const char *name)
{
    char *path = t2i_fs_join(folder, name, NULL);
    if (path != NULL) unlink(path);
    t2i_free(path);
}

void t2i_build_journal_clear(const char *path)
{
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;)
        if (number_of(entry->d_name) >= 0 || strstr(entry->d_name, T2I_ROWS_SUFFIX) != NULL)
            unlinkat(dirfd(folder), entry->d_name, 0);
    if (folder != NULL) closedir(folder);
}

void t2i_build_journal_remove(const char *path)
{
    t2i_build_journal_clear(path);
    remove_file(path, STOP);
    remove_file(path, LOCK);
    rmdir(path);
}

/* ---- lock and stop file ---- */

t2i_status t2i_build_journal_lock(const char *folder, int *lock, t2i_error *err)
{
    char *path = t2i_fs_join(folder, LOCK, err);
    *lock = -1;
    t2i_status status = path == NULL ? T2I_SYSTEM : T2I_OK;
    /* a build that ends may remove the folder between the two calls */
    for (int left = 100; status == T2I_OK && *lock < 0; left--) {
        status = t2i_fs_mkdir(folder, err);
        if (status == T2I_OK) *lock = t2i_fs_lock(path);
        if (status != T2I_OK || *lock >= 0 || (errno == ENOENT && left > 0)) continue;
        status = errno == EWOULDBLOCK
                     ? t2i_fail(err, T2I_CANTCREATE,
                                "another build is running in %s: wait for its end, or give another "
                                "--out",
                                folder)
                     : t2i_fail(err, T2I_CANTCREATE, "cannot create %s: %s", path, strerror(errno));
    }
    t2i_free(path);
    if (status == T2I_OK) remove_file(folder, STOP); /* left by an earlier build */
    return status;
}

void t2i_build_journal_stop(const char *folder)
{
    char *path = t2i_fs_join(folder, STOP, NULL);
    int fd = path == NULL ? -1 : open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (fd >= 0) close(fd);
    t2i_free(path);
}

int t2i_build_journal_stopped(const char *folder)
{
    char *path = t2i_fs_join(folder, STOP, NULL);
    int there = path != NULL && t2i_fs_exists(path);
    t2i_free(path);
    return there;
}
