/* The files of a run folder are listed, found and swept. */
#include "test.h"

#include <unistd.h>

#include "scratch.h"
#include "unit/checkpoint/tiny_checkpoint.h"
#include "base/commit.h"
#include "base/fs.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/run_folder.h"

static t2i_error err;

static void save(const char *path, long step)
{
    t2i_checkpoint c = tiny_checkpoint(step);
    c.weights = t2i_block_new(&c.model.layout);
    c.run.options = t2i_strdup("{}");
    OK(t2i_checkpoint_save(&c, path, &err));
    t2i_checkpoint_free(&c);
}

static void touch(const char *name)
{
    OK(t2i_commit_file(in_scratch(name), "x", 1, &err));
}

static void test_list(void)
{
    long *steps;
    size_t count = 9;
    const char *run = in_scratch("run");
    OK(t2i_run_folder_checkpoints(run, &steps, &count, &err));
    CU_ASSERT_TRUE(count == 0 && steps == NULL);
    OK(t2i_fs_mkdir(in_scratch("run/checkpoints"), &err));
    OK(t2i_run_folder_checkpoints(run, &steps, &count, &err));
    CU_ASSERT_TRUE(count == 0 && steps == NULL);
    static const char *const files[] = {"step-9.safetensors",
                                        "step-100.safetensors",
                                        "step-10.safetensors",
                                        "step-11.safetensors.tmp",
                                        "step-012.safetensors",
                                        "step--3.safetensors",
                                        "step-.safetensors",
                                        "step-13.safetensors.h5",
                                        "step-14",
                                        "Step-15.safetensors",
                                        "step-0.safetensors",
                                        "step-+4.safetensors",
                                        "step-99999999999999999999.safetensors"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char name[100];
        snprintf(name, sizeof name, "run/checkpoints/%s", files[i]);
        touch(name);
    }
    OK(t2i_run_folder_checkpoints(run, &steps, &count, &err));
    static const long right[] = {100, 10, 9, 0};
    CU_ASSERT_TRUE(count == 4 && memcmp(steps, right, sizeof right) == 0);
    t2i_free(steps);
    char *path = t2i_run_folder_checkpoint("a/b", 42, &err);
    CU_ASSERT_STRING_EQUAL(path, "a/b/checkpoints/step-42.safetensors");
    t2i_free(path);
    scratch_remove(run);
    OK(t2i_fs_mkdir(run, &err));
    touch("run/checkpoints"); /* a file in its place */
    FAILS(t2i_run_folder_checkpoints(run, &steps, &count, &err), T2I_NOINPUT,
          "run/checkpoints: Not a directory");
    CU_ASSERT_TRUE(count == 0 && steps == NULL);
    scratch_remove(run);
}

static void test_samples(void)
{
    long *steps;
    size_t count;
    OK(t2i_fs_mkdir(in_scratch("run/samples"), &err));
    touch("run/samples/step-3.png");
    touch("run/samples/step-20.png");
    touch("run/samples/step-20.png.tmp");
    touch("run/samples/step-4.safetensors");
    OK(t2i_run_folder_samples(in_scratch("run"), &steps, &count, &err));
    CU_ASSERT_TRUE(count == 2 && steps[0] == 20 && steps[1] == 3);
    t2i_free(steps);
    scratch_remove(in_scratch("run"));
}

/* Temporary files of names that a run writes go; others stay. */
static void test_sweep(void)
{
    static const char *const gone[] = {"run/checkpoints/step-4.safetensors.tmp",
                                       "run/samples/step-4.png.tmp",
                                       "run/model.safetensors.tmp",
                                       "run/log.jsonl.4711-01234567.tmp",
                                       "run/status.json.1.tmp",
                                       "run/best.safetensors.tmp"};
    static const char *const kept[] = {"run/checkpoints/step-4.safetensors",
                                       "run/checkpoints/notes.tmp",
                                       "run/samples/step-4.png",
                                       "run/model.safetensors",
                                       "run/notes.tmp",
                                       "run/report.html.4711-01234567.tmp"};
    t2i_run_folder_sweep(in_scratch("run")); /* which is not there */
    OK(t2i_fs_mkdir(in_scratch("run/checkpoints"), &err));
    OK(t2i_fs_mkdir(in_scratch("run/samples"), &err));
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) touch(kept[i]);
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) touch(gone[i]);
    t2i_run_folder_sweep(in_scratch("run"));
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        CU_ASSERT_TRUE(t2i_fs_exists(in_scratch(kept[i])));
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++)
        CU_ASSERT_FALSE(t2i_fs_exists(in_scratch(gone[i])));
    scratch_remove(in_scratch("run"));
}

static void found_is(const char *run, const char *wanted)
{
    char *path = NULL;
    OK(t2i_run_folder_model(run, &path, &err));
    CU_ASSERT_STRING_EQUAL(path == NULL ? "" : path, wanted);
    t2i_free(path);
}

static void test_find(void)
{
    char run[600], *path = NULL;
    snprintf(run, sizeof run, "%s", in_scratch("run"));
    FAILS(t2i_run_folder_model(run, &path, &err), T2I_NOINPUT, "no such run folder or model file");
    OK(t2i_fs_mkdir(in_scratch("run/checkpoints"), &err));
    FAILS(t2i_run_folder_model(run, &path, &err), T2I_NOINPUT, "holds no model yet");
    save(in_scratch("run/checkpoints/step-9.safetensors"), 9);
    save(in_scratch("run/checkpoints/step-10.safetensors"), 10);
    found_is(run, in_scratch("run/checkpoints/step-10.safetensors"));
    CU_ASSERT_EQUAL(truncate(in_scratch("run/checkpoints/step-10.safetensors"), 500), 0);
    found_is(run, in_scratch("run/checkpoints/step-9.safetensors")); /* the newest is damaged */
    CU_ASSERT_EQUAL(truncate(in_scratch("run/checkpoints/step-9.safetensors"), 0), 0);
    FAILS(t2i_run_folder_model(run, &path, &err), T2I_DATA, "no checkpoint in");
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "step-9.safetensors"));
    touch("run/model.safetensors"); /* it is looked into when it is loaded */
    found_is(run, in_scratch("run/model.safetensors"));
    found_is(in_scratch("run/model.safetensors"), in_scratch("run/model.safetensors"));
    scratch_remove(run);
}

static void test_run_dataset(void)
{
    char *path = NULL, *start = NULL;
    const char *run = in_scratch("run"), *job = in_scratch("run/job.ini");
    FAILS(t2i_run_folder_dataset(run, &path, &start, &err), T2I_NOINPUT, "job.ini");
    CU_ASSERT_PTR_NULL(path);
    OK(t2i_fs_mkdir(run, &err));
    static const char text[] =
        "; from the command line\nout = runs/data = 1\n; data = old\ndata = some where/a b.h5\r\n";
    OK(t2i_commit_file(job, text, sizeof text - 1, &err));
    OK(t2i_run_folder_dataset(run, &path, &start, &err));
    CU_ASSERT_STRING_EQUAL(path, "some where/a b.h5");
    CU_ASSERT_PTR_NULL(start);
    t2i_free(path);
    static const char started[] = "; started in /a b/c\n; from the command line\ndata = x.h5\n";
    OK(t2i_commit_file(job, started, sizeof started - 1, &err));
    OK(t2i_run_folder_dataset(run, &path, &start, &err));
    CU_ASSERT_STRING_EQUAL(path, "x.h5");
    CU_ASSERT(start != NULL && strcmp(start, "/a b/c") == 0);
    t2i_free(path);
    t2i_free(start);
    OK(t2i_run_folder_dataset(run, &path, NULL, &err));
    t2i_free(path);
    OK(t2i_commit_file(job, "data = x", 8, &err)); /* first and last line */
    OK(t2i_run_folder_dataset(run, &path, &start, &err));
    CU_ASSERT_STRING_EQUAL(path, "x");
    t2i_free(path);
    OK(t2i_commit_file(job, "out = y\n", 8, &err));
    FAILS(t2i_run_folder_dataset(run, &path, &start, &err), T2I_DATA, "give it with --data");
    CU_ASSERT_PTR_NULL(path);
    scratch_remove(run);
}

static void test_run_init(void)
{
    static const struct {
        const char *job, *init;
    } cases[] = {{"data = x\n", NULL},
                 {"; started in /a b\ninit = \n", NULL},
                 {"; started in /a b\ninit = c/d\n", "/a b/c/d"},
                 {"; started in /a b\ninit = /c/d\n", "/c/d"},
                 {"init = c/d\n", "c/d"}}; /* of a version that does not say where */
    char *path = NULL;
    const char *run = in_scratch("run"), *job = in_scratch("run/job.ini");
    FAILS(t2i_run_folder_init(run, &path, &err), T2I_NOINPUT, "job.ini");
    OK(t2i_fs_mkdir(run, &err));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        OK(t2i_commit_file(job, cases[i].job, strlen(cases[i].job), &err));
        OK(t2i_run_folder_init(run, &path, &err));
        CU_ASSERT_STRING_EQUAL(path == NULL ? "none" : path,
                               cases[i].init == NULL ? "none" : cases[i].init);
        t2i_free(path);
    }
    scratch_remove(run);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"steps of checkpoints, newest first", test_list},
        {"steps of samples", test_samples},
        {"temporary files are swept", test_sweep},
        {"the model", test_find},
        {"the dataset", test_run_dataset},
        {"the model that it began with", test_run_init},
    };
    if (scratch_begin("run_folder") != 0) return 1;
    int failed = t2i_test_main("run_folder", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return failed;
}
