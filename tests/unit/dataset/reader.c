/* reader: the process that reads, with another HDF5 in it (tests/helper/fake_reader.c): one that
 * crashes, loops, hangs and lies, as the name of the file tells it to. Nothing of it may hurt who
 * asks. */
#define _GNU_SOURCE /* prlimit */
#include "base/commit.h"
#include "dataset/reader.h"

#include <fcntl.h>
#include <fenv.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "dataset/dataset.h"
#include "scratch.h"
#include "test.h"

static t2i_error err;

/* What the other HDF5 says of the pairs of a sound file. */
enum { PAIRS = 3 };
static const uint32_t image[PAIRS] = {0, 1, 0};

/* ---- asking it ---- */

static const char *name_of(const char *lie)
{
    const char *path = in_scratch(lie);
    char bytes[4096] = "\x89HDF\r\n\x1a\n";
    if (!t2i_fs_exists(path)) OK(t2i_commit_file(path, bytes, sizeof bytes, &err));
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
        {"latin", "not a string"},
        {"digest", "digest is missing, too long"},
        {"short-digest", "not 32 hex digits"},
        {"encoder", "encoder is missing, too long"},
        {"wide", "is empty or larger than 16 MiB"},
        {"empty", "is empty or larger than 16 MiB"},
        {"none", "does not have one checksum per block"},
        {"long", "does not have one checksum per block"},
        {"many", "does not have one checksum per block"},
        {"zero-block", "impossible block_rows"},
        {"huge-block", "impossible block_rows"},
        {"no-sums", "does not have one checksum per block"},
        {"sums", "does not have one checksum per block"},
        {"unstored", "does not have one checksum per block"},
        {"chunk", "chunks that do not match"},
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

static void refuses_answers_of_another_size(void)
{
    static const char *const lie[] = {"fewer", "more"};
    for (size_t i = 0; i < sizeof lie / sizeof *lie; i++) {
        t2i_dataset *dataset = open_one(lie[i]);
        uint32_t images[PAIRS];
        FAILS(t2i_dataset_pairs(dataset, 0, PAIRS, images, NULL, NULL, &err), T2I_DATA,
              "is damaged: its reader answers what cannot be");
        t2i_dataset_close(dataset);
        sound();
    }
}

static const struct {
    const char *how;
    t2i_status status;
    const char *why;
} deaths[] = {
    {"crash", T2I_DATA, "is damaged: HDF5 crashes on it (signal 11)"},
    {"abort", T2I_DATA, "is damaged: HDF5 crashes on it (signal 6)"},
    {"leave", T2I_DATA, "is damaged: its reader ends (exit code "},
    {"unknown", T2I_DATA, "is damaged: its reader answers what cannot be"},
    {"bug", T2I_DATA, "is damaged: its reader answers what cannot be"},
    {"killed", T2I_IO, "was killed"},
    {"stopped", T2I_IO, "no answer for 4 s"},
    {"endless", T2I_DATA, "is damaged: HDF5 does not finish"},
    {"greedy", T2I_SYSTEM, "greed"},
    {"babble", T2I_DATA, "?xxxx"},
};

/* On a machine that is so busy that an endless loop gets too little of a core to be known as one,
 * it is a reader that does not answer. */
static int was_too_slow(size_t i)
{
    return strcmp(deaths[i].how, "endless") == 0 && err.status == T2I_IO &&
           strstr(err.text, "no answer for") != NULL;
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
    FAILS(t2i_dataset_pairs(bad, 0, 1, images, NULL, NULL, &err), T2I_IO, "has ended");
    t2i_dataset *later = open_one("sound"); /* by another reader, in the same place of it */
    FAILS(t2i_dataset_pairs(other, 0, 1, images, NULL, NULL, &err), T2I_IO, "has ended");
    t2i_dataset_close(other);
    t2i_dataset_close(bad);
    CU_ASSERT(is_sound(later));
    t2i_dataset_close(later);
}

static void serves_eight(void)
{
    t2i_dataset *dataset[9] = {NULL};
    for (int i = 0; i < 8; i++) dataset[i] = open_one("sound");
    FAILS(t2i_dataset_open(&dataset[8], name_of("sound"), &err), T2I_SYSTEM, "8 datasets are open");
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

/* On a busy machine an endless loop is told as a reader that does not answer (was_too_slow),
 * whether or not this limit is there. */
static void has_little_time(void)
{
    struct rlimit limit;
    t2i_dataset *dataset = open_one("sound");
    CU_ASSERT(prlimit(reader_of(dataset), RLIMIT_CPU, NULL, &limit) == 0 && limit.rlim_cur < 60);
    t2i_dataset_close(dataset);
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

/* ---- the caller ---- */

static void *open_and_end(void *dataset)
{
    *(t2i_dataset **)dataset = open_one("sound");
    return NULL;
}

/* A thread that ends does not take the reader along. */
static void outlives_a_thread(void)
{
    pthread_t thread;
    t2i_dataset *dataset = NULL;
    t2i_reader_end();
    CU_ASSERT_FATAL(pthread_create(&thread, NULL, open_and_end, &dataset) == 0);
    pthread_join(thread, NULL);
    poll(NULL, 0, 100);
    CU_ASSERT(is_sound(dataset) && !is_gone(reader_of(dataset)));
    t2i_dataset_close(dataset);
}

static void *read_often(void *result)
{
    const char *path = result;
    int bad = 0;
    for (int i = 0; i < 50; i++) {
        uint32_t got[PAIRS];
        t2i_error why;
        t2i_dataset *dataset = NULL;
        bad += t2i_dataset_open(&dataset, path, &why) != T2I_OK ||
               t2i_dataset_pairs(dataset, 0, PAIRS, got, NULL, NULL, &why) != T2I_OK ||
               memcmp(got, image, sizeof image) != 0;
        t2i_dataset_close(dataset);
    }
    return bad == 0 ? NULL : result;
}

static void serves_threads(void)
{
    enum { THREADS = 4 };
    pthread_t thread[THREADS];
    void *bad = NULL;
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s", name_of("sound"));
    for (int i = 0; i < THREADS; i++)
        CU_ASSERT_FATAL(pthread_create(&thread[i], NULL, read_often, path) == 0);
    for (int i = 0; i < THREADS; i++) CU_ASSERT(pthread_join(thread[i], &bad) == 0 && bad == NULL);
}

static void never(int number)
{
    (void)number;
}

/* Signal mask, handlers and rounding mode are as they were. */
static void leaves_the_caller_alone(void)
{
    sigset_t mine, before, after;
    struct sigaction action = {.sa_handler = never}, was, is;
    t2i_reader_end();
    sigemptyset(&mine);
    sigaddset(&mine, SIGUSR2);
    sigprocmask(SIG_BLOCK, &mine, &before);
    sigaction(SIGTERM, &action, &was);
    fesetround(FE_UPWARD);
    t2i_dataset *dataset = open_one("sound");
    CU_ASSERT(fegetround() == FE_UPWARD);
    fesetround(FE_TONEAREST);
    sigaction(SIGTERM, &was, &is);
    CU_ASSERT(is.sa_handler == never);
    sigprocmask(SIG_SETMASK, &before, &after);
    CU_ASSERT(sigismember(&after, SIGUSR2) == 1 && sigismember(&after, SIGTERM) == 0);
    t2i_dataset_close(dataset);
}

static void finds_relative_names(void)
{
    char home[PATH_MAX];
    t2i_dataset *dataset = open_one("sound"), *other = NULL; /* the reader is there */
    CU_ASSERT_FATAL(getcwd(home, sizeof home) != NULL && chdir(in_scratch("")) == 0);
    OK(t2i_dataset_open(&other, "./sound", &err));
    CU_ASSERT(chdir(home) == 0 && is_sound(other));
    t2i_dataset_close(other);
    t2i_dataset_close(dataset);
}

/* Whatever T2I_READER names. */
static void tells_what_cannot_be_started(void)
{
    char usual[PATH_MAX];
    t2i_dataset *dataset;
    snprintf(usual, sizeof usual, "%s", getenv("T2I_READER"));
    t2i_reader_end();
    setenv("T2I_READER", "/no/such/reader", 1);
    FAILS(t2i_dataset_open(&dataset, name_of("sound"), &err), T2I_SYSTEM,
          "cannot start /no/such/reader, which reads datasets: No such file");
    setenv("T2I_FAKE_VERSION", "0", 1);
    setenv("T2I_READER", usual, 1);
    FAILS(t2i_dataset_open(&dataset, name_of("sound"), &err), T2I_SYSTEM, "is not of version");
    unsetenv("T2I_FAKE_VERSION");
    /* the exit code of a loader that misses a library: no fault of the file */
    static const char script[] = "#!/bin/sh\nexit 127\n";
    const char *loader = in_scratch("loader");
    OK(t2i_commit_file(loader, script, sizeof script - 1, &err));
    CU_ASSERT(chmod(loader, 0700) == 0);
    setenv("T2I_READER", loader, 1);
    FAILS(t2i_dataset_open(&dataset, name_of("sound"), &err), T2I_SYSTEM, "does not start");
    setenv("T2I_READER", usual, 1);
    sound();
}

/* The program with the other HDF5: ../../helper/fake_reader from here. */
static void choose_reader(void)
{
    char path[PATH_MAX] = "";
    ssize_t size = readlink("/proc/self/exe", path, sizeof path - 64);
    for (int up = 0; up < 3 && size > 0; up++) *strrchr(path, '/') = '\0';
    strcat(path, "/helper/fake_reader");
    setenv("T2I_READER", path, 1);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"what it claims is not believed", refuses_lies},
        {"its answers have the size that was asked for", refuses_answers_of_another_size},
        {"its death is an error of the file", survives_its_death},
        {"other datasets that it had open are told", others_are_told},
        {"it serves eight datasets", serves_eight},
        {"signals to the job do not end it", ignores_signals_to_the_job},
        {"it holds no file of its parent", holds_no_files},
        {"its processor time is limited", has_little_time},
        {"it ends when told", ends_when_told},
        {"it ends when its parent does", goes_with_its_parent},
        {"it does not end with a thread", outlives_a_thread},
        {"it serves several threads", serves_threads},
        {"signals and rounding of the caller stay", leaves_the_caller_alone},
        {"relative names are of the current folder", finds_relative_names},
        {"a reader that cannot be started is told", tells_what_cannot_be_started},
    };
    setenv("T2I_READER_SECONDS", "4", 1);
    if (scratch_begin("reader") != 0) return 1;
    choose_reader();
    int code = t2i_test_main("reader", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return code;
}
