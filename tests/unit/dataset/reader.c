/* reader: the process that reads, with another HDF5 in it (this file's t2i_h5_*, which the linker
 * takes before the library's): one that crashes, loops, hangs and lies, as the name of the file
 * tells it to. Nothing of it may hurt who asks. */
#include "dataset/reader.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dataset/dataset_h5.h"
#include "scratch.h"
#include "test.h"
#include "base/fs.h"
#include "base/hash.h"

static t2i_error err;

/* What a sanitizer does about too much memory is not of interest here. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

/* ---- the other HDF5: a dataset of 3 pairs, 2 pictures, 2 features, without pixels ---- */

enum { PAIRS = 3, IMAGES = 2, WIDE = 2 };

static const uint64_t prompt_offset[] = {0, 1, 2, 3}, name_offset[] = {0, 1, 2};
static const uint32_t image[] = {0, 1, 0}, row[] = {0, 1, 2}, group[] = {0, 1};
static const uint8_t split[] = {0, 0, 1};
static const float feature[] = {0, 1, 2, 3};

static const struct {
    const void *values;
    uint64_t rows, wide, bytes;
} column[PIXELS] = {
    [PROMPT_BYTES] = {"abc", 3, 1, 3},
    [PROMPT_OFFSETS] = {prompt_offset, PAIRS + 1, 1, sizeof prompt_offset},
    [PAIR_IMAGE] = {image, PAIRS, 1, sizeof image},
    [PAIR_ROW] = {row, PAIRS, 1, sizeof row},
    [PAIR_SPLIT] = {split, PAIRS, 1, sizeof split},
    [FEATURES] = {feature, IMAGES, WIDE, sizeof feature},
    [NAME_BYTES] = {"xy", 2, 1, 2},
    [NAME_OFFSETS] = {name_offset, IMAGES + 1, 1, sizeof name_offset},
    [GROUPS] = {group, IMAGES, 1, sizeof group},
};

struct t2i_h5_file {
    char lie[64];
    t2i_column column[PIXELS];
};

static int told_to(const char *lie, const char *what)
{
    return strncmp(lie, what, strlen(what)) == 0;
}

/* What a name that begins with "open-" or "block-" asks for after that. */
static t2i_status misbehave(const char *how, t2i_error *why)
{
    if (told_to(how, "crash")) raise(SIGSEGV);
    if (told_to(how, "abort")) raise(SIGABRT);
    if (told_to(how, "leave")) _exit(0);
    if (told_to(how, "killed")) raise(SIGKILL);
    if (told_to(how, "stopped")) raise(SIGSTOP);
    for (volatile unsigned turn = 0; told_to(how, "endless"); turn++) {
    }
    if (told_to(how, "greedy")) { /* more than the limit, and not by too much */
        void *much = t2i_alloc((size_t)1500 << 20, 1);
        t2i_free(much);
        return much == NULL ? t2i_fail_memory(why, (size_t)1500 << 20, "greed") : T2I_OK;
    }
    if (told_to(how, "unknown")) return (t2i_status)1;
    if (told_to(how, "bug")) return T2I_BUG;
    if (told_to(how, "babble")) {
        memset(why->text, 'x', sizeof why->text);
        why->text[0] = '\n';
        return T2I_DATA;
    }
    return T2I_OK;
}

/* A sound claim, but for what the name of the file says. */
static void claim(const char *lie, t2i_claims *claims)
{
    snprintf(claims->tool, sizeof claims->tool, "%ld", (long)getpid());
    memset(claims->digest, 'a', sizeof claims->digest - 1);
    strcpy(claims->encoder, "{\"name\":\"features\",\"dim\":2,\"height\":0,\"width\":0,\"scale\":1,"
                            "\"weights_xxh3\":\"\"}");
    for (int i = 0; i < PIXELS; i++)
        claims->column[i] = (t2i_column_claims){.present = 1,
                                                .dim = {column[i].rows, column[i].wide, 1, 1},
                                                .chunk = {column[i].rows, column[i].wide, 1, 1},
                                                .block_rows = column[i].rows,
                                                .sums = 1,
                                                .sum_bytes = 8};
    t2i_column_claims *first = &claims->column[PAIR_IMAGE];
    if (told_to(lie, "tool")) memset(claims->tool, 'x', sizeof claims->tool);
    if (told_to(lie, "latin")) strcpy(claims->tool, "\xff");
    if (told_to(lie, "digest")) claims->digest[T2I_HEX - 1] = 'a';
    if (told_to(lie, "short-digest")) claims->digest[3] = '\0';
    if (told_to(lie, "encoder")) memset(claims->encoder, ' ', sizeof claims->encoder);
    if (told_to(lie, "wide")) first->dim[1] = first->dim[2] = first->dim[3] = UINT32_MAX;
    if (told_to(lie, "empty")) first->dim[1] = 0;
    if (told_to(lie, "none")) first->dim[0] = 0;
    if (told_to(lie, "long")) first->dim[0] = UINT64_MAX;
    if (told_to(lie, "many"))
        first->dim[0] = first->sums = 1u << 20, first->sum_bytes = 8u << 20,
        first->block_rows = first->chunk[0] = 1;
    if (told_to(lie, "zero-block")) first->block_rows = 0;
    if (told_to(lie, "huge-block")) first->block_rows = UINT64_MAX;
    if (told_to(lie, "no-sums")) first->sums = 0;
    if (told_to(lie, "sums")) first->sums = UINT64_MAX;
    if (told_to(lie, "unstored")) first->sum_bytes = 0;
    if (told_to(lie, "chunk")) first->chunk[0]++;
    if (told_to(lie, "absent")) *first = (t2i_column_claims){.present = 0};
    if (told_to(lie, "pixels")) claims->column[PIXELS].present = 1;
    if (told_to(lie, "decoder")) claims->column[BASIS].present = 1;
}

t2i_status t2i_h5_open(t2i_h5_file **out, const char *path, uint64_t file_size, t2i_claims *claims,
                       t2i_error *why)
{
    t2i_h5_file *file = t2i_alloc(1, sizeof *file);
    if (file == NULL) return T2I_SYSTEM;
    snprintf(file->lie, sizeof file->lie, "%s", strrchr(path, '/') + 1);
    memset(claims, 0, sizeof *claims);
    claim("", claims);
    for (int i = 0; i < PIXELS; i++)
        T2I_TRY(
            t2i_column_accept(&file->column[i], file->lie, i, &claims->column[i], file_size, why));
    claim(file->lie, claims);
    *out = file;
    return told_to(file->lie, "open-") ? misbehave(file->lie + 5, why) : T2I_OK;
}

const t2i_column *t2i_h5_column(const t2i_h5_file *file, unsigned which)
{
    return &file->column[which];
}

void t2i_h5_close(t2i_h5_file *file)
{
    t2i_error none;
    if (told_to(file->lie, "close-") && misbehave(file->lie + 6, &none) != T2I_OK) _exit(9);
    t2i_free(file);
}

t2i_status t2i_h5_read_block(const t2i_column *asked, uint64_t block, void *out, t2i_error *why)
{
    size_t which = (size_t)(asked->spec - t2i_columns);
    memcpy(out, column[which].values, column[which].bytes);
    if (which != PAIR_IMAGE || block != 0) return T2I_OK;
    if (told_to(asked->file, "values")) memset(out, 1, column[which].bytes);
    return told_to(asked->file, "block-") ? misbehave(asked->file + 6, why) : T2I_OK;
}

t2i_status t2i_h5_read_sums(const t2i_column *asked, uint64_t first, uint64_t count, uint64_t *out,
                            t2i_error *why)
{
    size_t which = (size_t)(asked->spec - t2i_columns);
    if (first != 0 || count != 1) return t2i_fail(why, T2I_DATA, "which sums?");
    *out = t2i_hash_64(column[which].values, column[which].bytes);
    return T2I_OK;
}

/* ---- asking it ---- */

static const char *name_of(const char *lie)
{
    const char *path = in_scratch(lie);
    char bytes[4096] = "";
    if (!t2i_fs_exists(path)) OK(t2i_fs_write(path, bytes, sizeof bytes, &err));
    return path;
}

static t2i_dataset *open_one(const char *lie)
{
    t2i_dataset *dataset = NULL;
    OK(t2i_dataset_open(&dataset, name_of(lie), &err));
    return dataset;
}

static int is_sound(t2i_dataset *dataset)
{
    uint32_t images[PAIRS];
    return dataset != NULL &&
           t2i_dataset_pairs(dataset, 0, PAIRS, images, NULL, NULL, &err) == T2I_OK &&
           memcmp(images, image, sizeof image) == 0;
}

/* That everything is as it should be again. */
static void sound(void)
{
    t2i_dataset *dataset = open_one("sound");
    CU_ASSERT(is_sound(dataset));
    t2i_dataset_close(dataset);
}

static pid_t reader_of(t2i_dataset *dataset)
{
    return (pid_t)atol(t2i_dataset_get_info(dataset)->tool);
}

/* Not there, or only still to be waited for. */
static int is_gone(pid_t pid)
{
    char path[64], line[512] = "";
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    FILE *file = fopen(path, "r");
    if (file == NULL) return 1;
    char *got = fgets(line, sizeof line, file);
    fclose(file);
    return got == NULL || strstr(line, ") Z ") != NULL || strstr(line, ") X ") != NULL;
}

/* Killed, it may take a moment. */
static int goes(pid_t pid)
{
    for (int i = 0; i < 1000 && !is_gone(pid); i++) poll(NULL, 0, 10);
    return is_gone(pid);
}

static void refuses_lies(void)
{
    static const struct {
        const char *lie, *why;
    } bad[] = {
        {"tool", "tool is missing, too long"},
        {"latin", "no text"},
        {"digest", "digest is missing, too long"},
        {"short-digest", "not 32 hex digits"},
        {"encoder", "encoder is missing, too long"},
        {"wide", "is empty or larger than 16 MiB"},
        {"empty", "is empty or larger than 16 MiB"},
        {"none", "another number of checksums"},
        {"long", "another number of checksums"},
        {"many", "another number of checksums"},
        {"zero-block", "impossible block_rows"},
        {"huge-block", "impossible block_rows"},
        {"no-sums", "another number of checksums"},
        {"sums", "another number of checksums"},
        {"unstored", "another number of checksums"},
        {"chunk", "other chunks"},
        {"absent", "is empty or larger"},
        {"pixels", "is empty or larger"},
        {"decoder", "is empty or larger"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        t2i_dataset *dataset;
        FAILS(t2i_dataset_open(&dataset, name_of(bad[i].lie), &err), T2I_DATA, bad[i].why);
        CU_ASSERT_PTR_NULL(dataset);
        sound();
    }
    t2i_dataset *dataset = open_one("values");
    uint32_t images[PAIRS];
    FAILS(t2i_dataset_pairs(dataset, 0, PAIRS, images, NULL, NULL, &err), T2I_DATA,
          "is damaged: block 0 of /pairs/image");
    t2i_dataset_close(dataset);
}

static const struct {
    const char *how;
    t2i_status status;
    const char *why;
} deaths[] = {
    {"crash", T2I_DATA, "is damaged: HDF5 crashes on it (signal 11)"},
    {"abort", T2I_DATA, "is damaged: HDF5 crashes on it (signal 6)"},
    {"leave", T2I_DATA, "is damaged: HDF5 crashes on it (signal 0)"},
    {"unknown", T2I_DATA, "is damaged: HDF5 crashes on it (signal 0)"},
    {"bug", T2I_DATA, "is damaged: HDF5 crashes on it (signal 0)"},
    {"killed", T2I_IO, "was killed"},
    {"stopped", T2I_IO, "nothing came for 4 s"},
    {"endless", T2I_DATA, "is damaged: HDF5 comes to no end"},
    {"greedy", T2I_SYSTEM, "greed"},
    {"babble", T2I_DATA, "?xxxx"},
};

/* On a machine that is so busy that an endless loop gets too little of a core to be known as one,
 * it is a reader that does not answer. */
static int was_too_slow(size_t i)
{
    return strcmp(deaths[i].how, "endless") == 0 && err.status == T2I_IO &&
           strstr(err.text, "nothing came for") != NULL;
}

/* As FAILS; call is made once. */
static void dies(size_t i, t2i_status got)
{
    int as_told = got == deaths[i].status && strstr(err.text, deaths[i].why) != NULL;
    if (!as_told)
        fprintf(stderr, "%s: status %d, text \"%s\"\n", deaths[i].how, (int)got, err.text);
    CU_ASSERT(as_told || was_too_slow(i));
}

static void survives_its_death(void)
{
    for (size_t i = 0; i < sizeof deaths / sizeof *deaths; i++) {
        char lie[64];
        t2i_dataset *dataset;
        snprintf(lie, sizeof lie, "open-%s", deaths[i].how);
        err = (t2i_error){0};
        dies(i, t2i_dataset_open(&dataset, name_of(lie), &err));
        CU_ASSERT_PTR_NULL(dataset);
        CU_ASSERT(strlen(err.text) < sizeof err.text);
        sound();
        snprintf(lie, sizeof lie, "block-%s", deaths[i].how);
        dataset = open_one(lie);
        pid_t reader = reader_of(dataset);
        uint32_t images[PAIRS];
        err = (t2i_error){0};
        dies(i, t2i_dataset_pairs(dataset, 0, PAIRS, images, NULL, NULL, &err));
        int lives = deaths[i].status == T2I_SYSTEM || deaths[i].why[0] == '?';
        CU_ASSERT(lives ? !is_gone(reader) : goes(reader));
        t2i_dataset_close(dataset);
        sound();
    }
    t2i_dataset_close(open_one("close-crash"));
    sound();
}

static void others_are_told(void)
{
    t2i_dataset *other = open_one("sound"), *bad = open_one("block-crash");
    uint32_t images[PAIRS];
    CU_ASSERT_EQUAL(reader_of(other), reader_of(bad));
    FAILS(t2i_dataset_pairs(bad, 0, 1, images, NULL, NULL, &err), T2I_DATA, "crashes");
    FAILS(t2i_dataset_pairs(bad, 0, 1, images, NULL, NULL, &err), T2I_IO, "is gone");
    t2i_dataset *later = open_one("sound"); /* by another reader, in the same place of it */
    FAILS(t2i_dataset_pairs(other, 0, 1, images, NULL, NULL, &err), T2I_IO, "is gone");
    t2i_dataset_close(other);
    t2i_dataset_close(bad);
    CU_ASSERT(is_sound(later));
    t2i_dataset_close(later);
}

static void serves_eight(void)
{
    t2i_dataset *dataset[9] = {NULL};
    for (int i = 0; i < 8; i++) dataset[i] = open_one("sound");
    FAILS(t2i_dataset_open(&dataset[8], name_of("sound"), &err), T2I_SYSTEM, "8 are open");
    t2i_dataset_close(dataset[3]);
    dataset[3] = open_one("sound");
    for (int i = 0; i < 8; i++) CU_ASSERT(is_sound(dataset[i]));
    for (int i = 0; i < 9; i++) t2i_dataset_close(dataset[i]);
}

/* ---- the process ---- */

static void ignores_signals_to_the_job(void)
{
    static const int number[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};
    t2i_dataset *dataset = open_one("sound");
    for (size_t i = 0; i < sizeof number / sizeof *number; i++)
        CU_ASSERT(kill(reader_of(dataset), number[i]) == 0);
    CU_ASSERT(is_sound(dataset));
    t2i_dataset_close(dataset);
}

/* Somebody who waits for the end of a pipe of ours does not wait for the reader. */
static void holds_no_files(void)
{
    int end[2];
    char byte;
    CU_ASSERT_FATAL(pipe(end) == 0);
    t2i_dataset *dataset;
    FAILS(t2i_dataset_open(&dataset, name_of("open-crash"), &err), T2I_DATA, "crashes");
    sound(); /* by a new reader */
    close(end[1]);
    struct pollfd wait = {.fd = end[0], .events = POLLIN};
    CU_ASSERT(poll(&wait, 1, 10000) == 1 && read(end[0], &byte, 1) == 0);
    close(end[0]);
}

static void ends_when_told(void)
{
    t2i_dataset *dataset = open_one("sound");
    pid_t reader = reader_of(dataset);
    t2i_reader_end();
    CU_ASSERT(kill(reader, 0) == -1); /* waited for, too */
    t2i_dataset_close(dataset);
    t2i_reader_end(); /* of none */
    sound();
}

/* A fork of this process has a reader of its own, and takes it along when it dies. */
static void goes_with_its_parent(void)
{
    int end[2];
    pid_t reader = 0;
    t2i_dataset *dataset = open_one("sound");
    CU_ASSERT_FATAL(pipe(end) == 0);
    pid_t child = fork();
    if (child == 0) {
        uint32_t images[PAIRS];
        t2i_dataset *own = NULL;
        int told = t2i_dataset_pairs(dataset, 0, 1, images, NULL, NULL, &err) == T2I_IO;
        if (t2i_dataset_open(&own, name_of("sound"), &err) == T2I_OK) reader = reader_of(own);
        if (!told || !is_sound(own) || reader == reader_of(dataset)) reader = 0;
        if (write(end[1], &reader, sizeof reader) == sizeof reader) raise(SIGKILL);
        _exit(1);
    }
    CU_ASSERT(read(end[0], &reader, sizeof reader) == sizeof reader && reader > 0);
    CU_ASSERT(waitpid(child, NULL, 0) == child);
    CU_ASSERT(goes(reader));
    CU_ASSERT(is_sound(dataset)); /* ours is as it was */
    t2i_dataset_close(dataset);
    close(end[0]);
    close(end[1]);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"what it claims is not believed", refuses_lies},
        {"its death is an error of the file", survives_its_death},
        {"other datasets that it had open are told", others_are_told},
        {"it serves eight datasets", serves_eight},
        {"signals to the job do not end it", ignores_signals_to_the_job},
        {"it holds no file of its parent", holds_no_files},
        {"it ends when told", ends_when_told},
        {"it ends when its parent does", goes_with_its_parent},
    };
    setenv("T2I_READER_SECONDS", "4", 1);
    if (scratch_begin("reader") != 0) return 1;
    t2i_reader_begin();
    int code = t2i_test_main("reader", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return code;
}
