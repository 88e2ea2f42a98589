/* The run folder's records: lines that are whole, cut back at a resume, and what status.json
 * remembers. */
#include "test.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "scratch.h"
#include "base/commit.h"
#include "base/fs.h"
#include "checkpoint/log_chain.h"
#include "image/image.h"
#include "formats/json.h"
#include "picture.h"
#include "record/runlog.h"
#include "unit/checkpoint/tiny_checkpoint.h"

static t2i_error err;

static t2i_text contents(const char *name)
{
    t2i_text text = {0};
    OK(t2i_fs_read(in_scratch(name), 1 << 20, &text, &err));
    return text;
}

static void log_is(const char *wanted)
{
    t2i_text text = contents("log.jsonl");
    CU_ASSERT_STRING_EQUAL(text.data, wanted);
    t2i_text_free(&text);
}

static t2i_runlog *open_log(long last_step)
{
    t2i_runlog *log = NULL;
    OK(t2i_runlog_open(&log, scratch, last_step, &err));
    return log;
}

static void write_log(const char *text)
{
    OK(t2i_commit_file(in_scratch("log.jsonl"), text, strlen(text), &err));
}

static const t2i_log_line sample = {.step = 10,
                                    .loss = 2.7759428024,
                                    .lr = 1e-4,
                                    .grad_norm = 0.5,
                                    .samples_per_s = 438,
                                    .tokens = 120,
                                    .tokens_saved = 40,
                                    .seconds = {0.125, 0.25, 0.5, 0},
                                    .memory = {1000, 2000},
                                    .sent = {30, 4000}};

static const t2i_recall scores = {.prompts = 8, .r1 = 0.25, .r10 = 0.5, .mrr = 1.0 / 3};

#define NUMBERS                                                                                    \
    "\"lr\":0.0001,\"grad_norm\":0.5,\"samples_per_s\":438.0,\"seconds\":{\"data\":0.125,"         \
    "\"compute\":0.25,"                                                                            \
    "\"sync\":0.5,\"checkpoint\":0.0},\"tokens\":120,\"tokens_saved\":40,"                         \
    "\"memory\":{\"own\":1000,\"shared\":2000},\"sent\":{\"messages\":30,\"bytes\":4000},"         \
    "\"chain\":\""

static void test_lines(void)
{
    t2i_runlog *log = open_log(0);
    if (log == NULL) return;
    t2i_log_line line = sample;
    OK(t2i_runlog_step(log, &line, &err));
    line.step = 20;
    line.skipped = 3;
    line.loss = NAN;
    line.grad_norm = INFINITY;
    OK(t2i_runlog_step(log, &line, &err));
    OK(t2i_runlog_validation(log, 20, 1.0 / 3, &scores, 0, 0, &err));
    CU_ASSERT_EQUAL(t2i_runlog_best(log), -1);
    OK(t2i_runlog_validation(log, 30, 0.25, &scores, 1, 0, &err));
    OK(t2i_runlog_validation(log, 40, 0.5, &scores, 0, 2, &err));
    CU_ASSERT_EQUAL(t2i_runlog_best(log), 30);
    t2i_runlog_close(log);
    t2i_text text = contents("log.jsonl");
    const char *first = "{\"step\":10,\"loss\":2.7759428," NUMBERS; /* 9 digits */
    CU_ASSERT_EQUAL(strncmp(text.data, first, strlen(first)), 0);
    CU_ASSERT_PTR_NOT_NULL(
        strstr(text.data, "\n{\"step\":20,\"skipped\":3,\"lr\":0.0001,\"grad_norm\":null,"));
    CU_ASSERT_PTR_NULL(strstr(text.data, "nan"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text.data, "\n{\"step\":20,\"val_loss\":0.333333333,\"r1\":0.25,"
                                             "\"r10\":0.5,\"mrr\":0.333333333,\"chain\":\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(text.data, "\"mrr\":0.333333333,\"best\":30,\"chain\":\""));
    CU_ASSERT_PTR_NOT_NULL(
        strstr(text.data, "\"mrr\":0.333333333,\"best\":30,\"waited\":2,\"chain\":\""));
    for (char *at = text.data, *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
        t2i_json *json = NULL;
        OK(t2i_json_parse(&json, at, (size_t)(end - at), "a line", &err));
        t2i_json_free(json);
    }
    t2i_text_free(&text);
    log = open_log(35); /* from the lines that are left */
    CU_ASSERT_EQUAL(t2i_runlog_best(log), 30);
    t2i_runlog_close(log);
    log = open_log(25);
    CU_ASSERT_EQUAL(t2i_runlog_best(log), -1);
    t2i_runlog_close(log);
    CU_ASSERT_EQUAL(t2i_runlog_best(NULL), -1);
    unlink(in_scratch("log.jsonl"));
}

static void test_cut_back(void)
{
    static const char whole[] =
        "{\"step\":1,\"loss\":3.0}\n{\"step\":2,\"loss\":2.5}\n{\"step\":2,\"val_loss\":2.0}\n"
        "{\"step\":3,\"skipped\":1}\n{\"step\":4,\"loss\":1.5}\n";
    static const char three[] =
        "{\"step\":1,\"loss\":3.0}\n{\"step\":2,\"loss\":2.5}\n{\"step\":2,\"val_loss\":2.0}\n"
        "{\"step\":3,\"skipped\":1}\n";
    write_log(whole);
    t2i_runlog_close(open_log(4));
    log_is(whole);
    t2i_runlog_close(open_log(100));
    log_is(whole);
    t2i_runlog *log = open_log(3); /* and goes on from there */
    log_is(three);
    OK(t2i_runlog_validation(log, 4, 0.5, &scores, 0, 0, &err));
    t2i_runlog_close(log);
    t2i_text text = contents("log.jsonl");
    CU_ASSERT_TRUE(text.size > strlen(three) && strncmp(text.data, three, strlen(three)) == 0);
    const char *added =
        "{\"step\":4,\"val_loss\":0.5,\"r1\":0.25,\"r10\":0.5,\"mrr\":0.333333333,\"chain\":\"";
    CU_ASSERT_EQUAL(strncmp(text.data + strlen(three), added, strlen(added)), 0);
    t2i_text_free(&text);
    t2i_runlog_close(open_log(0)); /* a fresh run */
    log_is("");
    CU_ASSERT_EQUAL(entries(scratch), 1);
    unlink(in_scratch("log.jsonl"));
}

static void chain_is_whole(size_t lines)
{
    char wanted[80];
    t2i_text said = {0};
    OK(t2i_log_chain_verify(scratch, &said, &err));
    snprintf(wanted, sizeof wanted, "no line was edited (%zu line", lines);
    CU_ASSERT_PTR_NOT_NULL(strstr(said.data == NULL ? "" : said.data, wanted));
    t2i_text_free(&said);
}

static void log_steps(t2i_runlog *log, long first, long last)
{
    t2i_log_line line = sample;
    for (line.step = first; line.step <= last; line.step++) OK(t2i_runlog_step(log, &line, &err));
}

/* The state in which a session of a run begins. */
static t2i_checkpoint make_start(void)
{
    t2i_checkpoint c = tiny_checkpoint(0);
    c.run.options = t2i_strdup("{\"lr\":\"0.1\"}");
    memcpy(c.run.dataset, "0123456789abcdef0123456789abcdef", T2I_HEX);
    c.weights = t2i_block_new(&c.model.layout);
    c.m = t2i_block_new(&c.model.layout);
    return c;
}

/* The chain of a run goes on after a cut, wherever it is, and begins after lines without one. */
static void test_chain(void)
{
    t2i_checkpoint start = make_start();
    char head[400], network[T2I_HEX], weights[T2I_HEX];
    t2i_runlog *log = open_log(0);
    OK(t2i_runlog_begin(log, &start, &err));
    OK(t2i_runlog_begin(log, &start, &err)); /* there is one */
    log_steps(log, 1, 5);
    t2i_runlog_close(log);
    t2i_text text = contents("log.jsonl");
    OK(t2i_checkpoint_network(&start, network, &err));
    t2i_checkpoint model = start;
    model.m = NULL;
    OK(t2i_checkpoint_digest(&model, weights, &err)); /* without moments */
    snprintf(head, sizeof head,
             "{\"step\":0,\"dataset\":\"0123456789abcdef0123456789abcdef\",\"shards\":8,"
             "\"options\":{\"lr\":\"0.1\"},\"network\":\"%s\",\"weights\":\"%s\",\"chain\":\"",
             network, weights);
    CU_ASSERT_EQUAL(strncmp(text.data, head, strlen(head)), 0);
    chain_is_whole(6);
    for (long cut = 5; cut >= 1; cut--) {
        text.data[text.size - 7] ^= (char)(cut % 2); /* the last line is cut off: nothing is told */
        OK(t2i_commit_file(in_scratch("log.jsonl"), text.data, text.size, &err));
        log = open_log(cut - 1);
        OK(t2i_runlog_begin(log, &start, &err));
        log_steps(log, cut, 8);
        t2i_runlog_close(log);
        chain_is_whole(9);
    }
    t2i_text_free(&text);
    write_log("{\"step\":1,\"loss\":3.0}\n{\"step\":2,\"loss\":2.5}\n"); /* of an older version */
    start.run.step = 2;
    log = open_log(2);
    OK(t2i_runlog_begin(log, &start, &err));
    log_steps(log, 3, 4);
    t2i_runlog_close(log);
    chain_is_whole(6);
    text = contents("log.jsonl");
    CU_ASSERT_PTR_NULL(strstr(text.data, "lost_after"));
    text.data[8] = '2'; /* from there on it covers the old lines, too */
    OK(t2i_commit_file(in_scratch("log.jsonl"), text.data, text.size, &err));
    t2i_text said = {0};
    FAILS(t2i_log_chain_verify(scratch, &said, &err), T2I_DATA, "line 3 does not follow");
    t2i_text_free(&said);
    t2i_text_free(&text);
    t2i_checkpoint_free(&start);
    unlink(in_scratch("log.jsonl"));
}

/* The line of the checkpoint from which a run resumes was cut off, with those before it. */
static void test_lost(void)
{
    t2i_checkpoint start = make_start();
    t2i_text said = {0};
    t2i_runlog *log = open_log(0);
    OK(t2i_runlog_begin(log, &start, &err));
    log_steps(log, 1, 3);
    start.run.step = 3;
    OK(t2i_runlog_checkpoint(log, &start, &err));
    t2i_runlog_close(log);
    log = open_log(3);
    OK(t2i_runlog_begin(log, &start, &err)); /* it is there */
    t2i_runlog_close(log);
    chain_is_whole(5);
    log = open_log(2); /* as if it was cut after step 2 */
    OK(t2i_runlog_begin(log, &start, &err));
    t2i_runlog_close(log);
    t2i_text text = contents("log.jsonl");
    CU_ASSERT_PTR_NOT_NULL(strstr(text.data, "\n{\"step\":3,\"checkpoint\":\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(text.data, "\",\"lost_after\":2,\"chain\":\""));
    FAILS(t2i_log_chain_verify(scratch, &said, &err), T2I_DATA,
          "between steps 2 and 3 are missing");
    t2i_text_free(&said);
    t2i_text_free(&text);
    t2i_checkpoint_free(&start);
    unlink(in_scratch("log.jsonl"));
}

/* The log is moved away, or another put in its place, while it is written: no line is lost. */
static void test_moved(void)
{
    t2i_checkpoint checkpoint = {.run = {.shards = 8, .options = t2i_strdup("{}")}};
    t2i_runlog *log = open_log(0);
    OK(t2i_runlog_begin(log, &checkpoint, &err));
    log_steps(log, 1, 3);
    CU_ASSERT_EQUAL(rename(in_scratch("log.jsonl"), in_scratch("moved")), 0);
    log_steps(log, 4, 5);
    checkpoint.run.step = 5;
    OK(t2i_runlog_checkpoint(log, &checkpoint, &err));
    chain_is_whole(7);
    log_steps(log, 6, 6);
    write_log("");
    CU_ASSERT_EQUAL(rename(in_scratch("moved"), in_scratch("log.jsonl")), 0);
    checkpoint.run.step = 6;
    OK(t2i_runlog_checkpoint(log, &checkpoint, &err));
    log_steps(log, 7, 7);
    t2i_runlog_close(log);
    chain_is_whole(10);
    t2i_free(checkpoint.run.options);
    unlink(in_scratch("log.jsonl"));
}

/* A line that a killed program left, wherever it was torn, and lines that are none. */
static void test_torn(void)
{
    static const char line[] = "{\"step\":2,\"loss\":2.5}\n";
    char text[100];
    for (size_t size = 0; size + 1 < sizeof line; size++) {
        snprintf(text, sizeof text, "{\"step\":1,\"loss\":3.0}\n%.*s", (int)size, line);
        write_log(text);
        t2i_runlog_close(open_log(5));
        log_is("{\"step\":1,\"loss\":3.0}\n");
    }
    write_log("{\"step\":1,\"lo{\"step\":2,\"loss\":2.5}\n\n[1]\n{\"loss\":1}\n{\"step\":\"x\"}\n{"
              "\"step\":3}\n");
    t2i_runlog_close(open_log(5));
    log_is("{\"step\":3}\n");
    unlink(in_scratch("log.jsonl"));
}

/* In a process of its own: the disk is full. */
static int append_to_full_disk(void)
{
    signal(SIGXFSZ, SIG_IGN);
    t2i_runlog *log = NULL;
    t2i_status status = t2i_runlog_open(&log, scratch, 9, &err);
    if (status != T2I_OK || setrlimit(RLIMIT_FSIZE, &(struct rlimit){30, 30}) != 0) return 1;
    status = t2i_runlog_step(log, &sample, &err); /* a part of it fits */
    int said = strstr(err.text, "log.jsonl") != NULL;
    t2i_runlog_close(log);
    return status == T2I_IO && said ? 0 : 2;
}

static void test_failures(void)
{
    t2i_runlog *log;
    FAILS(t2i_runlog_open(&log, in_scratch("none"), 3, &err), T2I_CANTCREATE, "none/log.jsonl");
    CU_ASSERT_PTR_NULL(log);
    t2i_runlog_close(NULL);
    write_log("{\"step\":1,\"loss\":3.0}\n");
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) _exit(append_to_full_disk());
    int status = -1;
    CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
    CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    t2i_runlog_close(open_log(100)); /* what was torn then goes */
    log_is("{\"step\":1,\"loss\":3.0}\n");
    unlink(in_scratch("log.jsonl"));
}

static void test_plot(void)
{
    t2i_image image;
    t2i_runlog *log = open_log(0);
    OK(t2i_runlog_plot(log, &err)); /* before the first line */
    for (long step = 1; step <= 600; step++) {
        t2i_log_line line = sample;
        line.step = step;
        line.loss = 3.0 / (double)step;
        OK(t2i_runlog_step(log, &line, &err));
        if (step % 100 == 0)
            OK(t2i_runlog_validation(log, step, 4.0 / (double)step, &scores, 0, 0, &err));
    }
    OK(t2i_runlog_plot(log, &err));
    t2i_runlog_close(log);
    t2i_text before = contents("loss.png"), after;
    OK(read_picture(&image, in_scratch("loss.png"), &err));
    CU_ASSERT_TRUE(image.width > 100 && image.height > 100);
    t2i_image_free(&image);
    log = open_log(600); /* the lines that are there are drawn again */
    OK(t2i_runlog_plot(log, &err));
    t2i_runlog_close(log);
    after = contents("loss.png");
    CU_ASSERT_TRUE(before.size == after.size && memcmp(before.data, after.data, before.size) == 0);
    t2i_text_free(&after);
    log = open_log(300);
    OK(t2i_runlog_plot(log, &err));
    t2i_runlog_close(log);
    after = contents("loss.png");
    CU_ASSERT_FALSE(before.size == after.size && memcmp(before.data, after.data, before.size) == 0);
    t2i_text_free(&after);
    t2i_text_free(&before);
    unlink(in_scratch("loss.png"));
    unlink(in_scratch("log.jsonl"));
}

/* ---- status.json ---- */

static void owner_is(const char *dataset, const char *options)
{
    char *d, *o;
    OK(t2i_runlog_owner(scratch, &d, &o, &err));
    CU_ASSERT_STRING_EQUAL(d == NULL ? "(none)" : d, dataset == NULL ? "(none)" : dataset);
    CU_ASSERT_STRING_EQUAL(o == NULL ? "(none)" : o, options == NULL ? "(none)" : options);
    t2i_free(d);
    t2i_free(o);
}

static void test_status(void)
{
    t2i_run_status status = {"stopped",
                             41,
                             75,
                             "told to \"stop\"",
                             "0123456789abcdef0123456789abcdef",
                             "{\"lr\":\"0.1\",\"batch\":\"4\"}",
                             30};
    owner_is(NULL, NULL); /* no file yet */
    OK(t2i_runlog_status(scratch, &status, &err));
    owner_is(status.dataset, status.options);
    t2i_text text = contents("status.json");
    t2i_json *json = NULL;
    const char *said = "";
    int64_t number = 0;
    OK(t2i_json_parse(&json, text.data, text.size, "status.json", &err));
    CU_ASSERT_TRUE(t2i_json_as_string(t2i_json_get(json, "state"), &said, NULL) &&
                   strcmp(said, "stopped") == 0);
    CU_ASSERT_TRUE(t2i_json_as_string(t2i_json_get(json, "message"), &said, NULL) &&
                   strcmp(said, status.message) == 0);
    CU_ASSERT_TRUE(t2i_json_as_integer(t2i_json_get(json, "step"), &number) && number == 41);
    CU_ASSERT_TRUE(t2i_json_as_integer(t2i_json_get(json, "exit"), &number) && number == 75);
    CU_ASSERT_TRUE(t2i_json_as_integer(t2i_json_get(json, "best"), &number) && number == 30);
    t2i_json_free(json);
    t2i_text_free(&text);
    status = (t2i_run_status){.state = "failed", .message = ""};
    OK(t2i_runlog_status(scratch, &status, &err)); /* replaced as a whole */
    owner_is(NULL, NULL);
    CU_ASSERT_EQUAL(entries(scratch), 1);
    status.options = "{";
    FAILS(t2i_runlog_status(scratch, &status, &err), T2I_DATA, "options");
    FAILS(t2i_runlog_status(in_scratch("none"), &(t2i_run_status){.state = "failed", .message = ""},
                            &err),
          T2I_CANTCREATE, "none/status.json");
    static const char *const odd[] = {"", "{", "[]", "{\"dataset\":3,\"options\":\"x\"}",
                                      "{\"options\":[]}"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) { /* says nothing */
        OK(t2i_commit_file(in_scratch("status.json"), odd[i], strlen(odd[i]), &err));
        owner_is(NULL, NULL);
    }
    unlink(in_scratch("status.json"));
}

int main(void)
{
    static const t2i_test tests[] = {
        {"a line a step, in JSON", test_lines},
        {"a resumed run cuts the log back", test_cut_back},
        {"the chain goes on after a cut", test_chain},
        {"a resume tells that lines were lost", test_lost},
        {"a log that is moved away is written anew", test_moved},
        {"torn lines go", test_torn},
        {"no folder, no room", test_failures},
        {"the loss is drawn, also after a resume", test_plot},
        {"what status.json remembers", test_status},
    };
    if (scratch_begin("runlog") != 0) return 1;
    int failed = t2i_test_main("runlog", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return failed;
}
