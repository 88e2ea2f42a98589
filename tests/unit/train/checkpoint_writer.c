/* Checkpoints that are written at once, and while the weights change. */
#include "test.h"

#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scratch.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/run_folder.h"
#include "base/commit.h"
#include "base/fs.h"
#include "train/checkpoint_writer.h"

static t2i_error err;

/* Weights of some megabytes, so that writing them takes longer than changing them. */
static t2i_train_state sample(void)
{
    static const char *const names[] = {"a", "<PAD>"};
    const t2i_config config = {.vocab_size = 2,
                               .d_model = 256,
                               .n_heads = 1,
                               .n_layers = 2,
                               .d_ff = 512,
                               .block_size = 4,
                               .vision_feature_dim = 2};
    t2i_train_state c = {.weights = NULL};
    OK(t2i_model_new(&c.model, &config, &err));
    OK(t2i_vocab_new(&c.vocab, names, 2, &err));
    c.weights = c.own = t2i_block_new(&c.model.layout);
    c.m = t2i_block_new(&c.model.layout);
    c.v = t2i_block_new(&c.model.layout);
    c.run = (t2i_run_state){.shards = 1, .best = -1, .options = t2i_strdup("{}")};
    return c;
}

static void set_weights(t2i_train_state *c, float value)
{
    for (size_t i = 0; i < c->model.layout.tensors; i++)
        for (size_t k = 0; k < t2i_tensor_count(&c->model.layout.tensor[i]); k++)
            c->weights[c->model.layout.tensor[i].offset + k] = value;
}

static void expect(const char *run, long step, float value)
{
    t2i_checkpoint c;
    char *path = t2i_run_folder_checkpoint(run, step, &err);
    OK(t2i_checkpoint_load(&c, path, 1, 0, &err));
    CU_ASSERT_EQUAL(c.run.step, step);
    size_t last = c.model.layout.tensors - 1;
    CU_ASSERT_EQUAL(c.weights[c.model.layout.tensor[0].offset], value);
    CU_ASSERT_EQUAL(c.weights[c.model.layout.tensor[last].offset], value);
    t2i_checkpoint_free(&c);
    t2i_free(path);
}

static void save_some(t2i_write_mode mode)
{
    static const char *const name[] = {"run", "aside", "in-place"};
    const char *run = in_scratch(name[mode]), *folder;
    t2i_train_state c = sample();
    t2i_checkpoint_writer *checkpoint_writer;
    char path[800];
    snprintf(path, sizeof path, "%s/checkpoints", run);
    folder = path;
    OK(t2i_fs_mkdir(folder, &err));
    OK(t2i_checkpoint_writer_new(&checkpoint_writer, &c, run, 2, mode, &err));
    CU_ASSERT_FALSE(t2i_checkpoint_writer_done(checkpoint_writer));
    for (long step = 1; step <= 4; step++) {
        c.run.step = step;
        set_weights(&c, (float)step);
        t2i_checkpoint_writer_begin(checkpoint_writer);
        if (mode == T2I_WRITE_IN_PLACE) t2i_checkpoint_writer_wait(checkpoint_writer);
        if (mode != T2I_WRITE_COPY) CU_ASSERT_TRUE(t2i_checkpoint_writer_done(checkpoint_writer));
        c.run.step = 99; /* training goes on */
        set_weights(&c, -1);
        OK(t2i_checkpoint_writer_end(checkpoint_writer, &err));
        CU_ASSERT_FALSE(t2i_checkpoint_writer_done(checkpoint_writer));
        expect(run, step, (float)step);
        CU_ASSERT_EQUAL(entries(folder), step < 2 ? 1 : 2);
    }
    scratch_remove(folder);
    t2i_checkpoint_writer_begin(checkpoint_writer);
    FAILS(t2i_checkpoint_writer_end(checkpoint_writer, &err), T2I_CANTCREATE, "step-99");
    OK(t2i_fs_mkdir(folder, &err));
    t2i_checkpoint_writer_begin(checkpoint_writer);
    t2i_checkpoint_writer_free(checkpoint_writer); /* of a run that is given up */
    CU_ASSERT_EQUAL(entries(folder), 1);
    t2i_train_state_free(&c);
}

static void test_at_once(void)
{
    save_some(T2I_WRITE_SYNC);
}

static void test_aside(void)
{
    save_some(T2I_WRITE_COPY);
}

static void test_in_place(void)
{
    save_some(T2I_WRITE_IN_PLACE);
}

/* Checkpoints of later steps, which are there after a resume from an older one: they do not count,
 * and stay. */
static void test_later(void)
{
    char folder[800], later[900];
    snprintf(folder, sizeof folder, "%s/checkpoints", in_scratch("later"));
    OK(t2i_fs_mkdir(folder, &err));
    for (int step = 50; step <= 52; step++) {
        snprintf(later, sizeof later, "%s/step-%d.safetensors", folder, step);
        OK(t2i_commit_file(later, "", 0, &err));
    }
    t2i_train_state c = sample();
    t2i_checkpoint_writer *writer;
    OK(t2i_checkpoint_writer_new(&writer, &c, in_scratch("later"), 2, T2I_WRITE_SYNC, &err));
    for (long step = 1; step <= 3; step++) {
        c.run.step = step;
        t2i_checkpoint_writer_begin(writer);
        OK(t2i_checkpoint_writer_end(writer, &err));
        CU_ASSERT_EQUAL(entries(folder), 3 + (step < 2 ? 1 : 2));
    }
    t2i_checkpoint_writer_free(writer);
    t2i_train_state_free(&c);
}

/* The signals that the other thread of this process blocks, in hexadecimal; 0: there is none. */
static int read_blocked(char mask[32])
{
    char path[100], line[200];
    int found = 0;
    DIR *dir = opendir("/proc/self/task");
    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] == '.' || strtol(e->d_name, NULL, 10) == (long)getpid()) continue;
        snprintf(path, sizeof path, "/proc/self/task/%.50s/status", e->d_name);
        FILE *file = fopen(path, "r");
        while (file != NULL && fgets(line, sizeof line, file) != NULL)
            found |= sscanf(line, "SigBlk: %31s", mask) == 1;
        if (file != NULL) fclose(file);
    }
    if (dir != NULL) closedir(dir);
    return found;
}

/* Is there a file that is being written? */
static int is_writing(const char *folder)
{
    int found = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;)
        found |= strstr(e->d_name, ".tmp") != NULL;
    if (dir != NULL) closedir(dir);
    return found;
}

/* Stop signals are the main thread's. A thread that has not begun to write is not looked at: the C
 * library blocks all signals while it starts. */
static void test_signals(void)
{
    char folder[800], mask[32] = "";
    const char *run = in_scratch("signals");
    t2i_train_state c = sample();
    t2i_checkpoint_writer *writer;
    snprintf(folder, sizeof folder, "%s/checkpoints", run);
    OK(t2i_fs_mkdir(folder, &err));
    OK(t2i_checkpoint_writer_new(&writer, &c, run, 1, T2I_WRITE_COPY, &err));
    int seen = 0;
    for (int i = 0; i < 100 && !seen; i++) { /* it may be too fast to be looked at */
        t2i_checkpoint_writer_begin(writer);
        for (int j = 0; j < 1000 && !seen; j++) {
            seen = is_writing(folder) && read_blocked(mask);
            sched_yield();
        }
        OK(t2i_checkpoint_writer_end(writer, &err));
    }
    unsigned long long blocked = strtoull(mask, NULL, 16);
    CU_ASSERT_TRUE(seen);
    CU_ASSERT(blocked >> (SIGTERM - 1) & blocked >> (SIGINT - 1) & blocked >> (SIGUSR1 - 1) & 1);
    t2i_checkpoint_writer_free(writer);
    t2i_train_state_free(&c);
}

static void test_large(void)
{
    CU_ASSERT_FALSE(t2i_checkpoint_writer_aside(63999999));
    CU_ASSERT_TRUE(t2i_checkpoint_writer_aside(64000000));
}

int main(void)
{
    static const t2i_test tests[] = {
        {"at once", test_at_once},
        {"while training goes on", test_aside},
        {"from the state itself", test_in_place},
        {"later ones stay, and do not count", test_later},
        {"its thread takes no signals", test_signals},
        {"which are large", test_large},
    };
    if (scratch_begin("saver") != 0) return 1;
    int failed = t2i_test_main("saver", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return failed;
}
