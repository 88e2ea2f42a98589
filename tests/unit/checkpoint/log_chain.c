/* The chain of a log tells every edit: of any byte, lines that are removed, added, swapped, and
 * files of the folder that are not those of the log. */
#include "test.h"

#include <sys/stat.h>
#include <unistd.h>

#include "scratch.h"
#include "unit/checkpoint/tiny_checkpoint.h"
#include "base/commit.h"
#include "base/fs.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/log_chain.h"
#include "checkpoint/run_folder.h"

static t2i_error err;

enum { LINES = 5 };

/* A log of LINES lines. more: further keys of the head; digest: that of the checkpoint of the last
 * line, and further keys. */
static t2i_text make_log(const char *more, const char *digest)
{
    static const char *const lines[] = {
        "{\"step\":0,\"dataset\":\"d\",\"shards\":8,\"options\":{\"lr\":\"0.1\"}",
        "{\"step\":1,\"loss\":3.0", "{\"step\":2,\"loss\":2.5", "{\"step\":2,\"val_loss\":2.75",
        "{\"step\":2,\"checkpoint\":\""};
    t2i_text log = {0};
    char chain[T2I_CHAIN];
    t2i_log_chain_begin("", 0, chain);
    for (size_t i = 0; i < LINES; i++) {
        t2i_text line = {0};
        OK(t2i_text_addf(&line, &err, "%s%s", lines[i],
                         i == 0           ? more
                         : i + 1 == LINES ? digest
                                          : ""));
        t2i_log_chain_next(chain, line.data, line.size);
        OK(t2i_log_chain_line(line.data, line.size, chain, &log, &err));
        t2i_text_free(&line);
    }
    return log;
}

static void put(const char *text, size_t size)
{
    OK(t2i_commit_file(in_scratch("log.jsonl"), text, size, &err));
}

static t2i_status verify(void)
{
    t2i_text said = {0};
    t2i_status status = t2i_log_chain_verify(scratch, &said, &err);
    t2i_text_free(&said);
    return status;
}

/* The line with this number, from 1, and its size with the newline. */
static const char *line_of(const t2i_text *log, size_t number, size_t *size)
{
    const char *at = log->data;
    while (--number > 0) at = strchr(at, '\n') + 1;
    *size = (size_t)(strchr(at, '\n') + 1 - at);
    return at;
}

/* The lines with these numbers, in this order; 0 ends the list. */
static void put_lines(const t2i_text *log, const size_t *number)
{
    t2i_text text = {0};
    size_t size;
    for (; *number > 0; number++) {
        const char *line = line_of(log, *number, &size);
        OK(t2i_text_add(&text, line, size, &err));
    }
    put(text.data, text.size);
    t2i_text_free(&text);
}

static void test_edits(void)
{
    t2i_text log = make_log("", "x\""), said = {0};
    put(log.data, log.size);
    OK(t2i_log_chain_verify(scratch, &said, &err));
    size_t size;
    const char *last = line_of(&log, LINES, &size);
    CU_ASSERT_PTR_NOT_NULL(strstr(said.data, "no line was edited (5 lines, 0 checkpoints)"));
    /* its chain is told: the 64 digits before `"}` and newline */
    CU_ASSERT_EQUAL(strncmp(said.data + said.size - 65, last + size - 67, 64), 0);
    t2i_text_free(&said);
    for (size_t i = 0; i + 1 < log.size; i++) { /* any byte but the last newline */
        char was = log.data[i];
        log.data[i] = was == '7' ? '8' : '7';
        put(log.data, log.size);
        CU_ASSERT_EQUAL(verify(), T2I_DATA);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "edited or damaged: line "));
        log.data[i] = was;
    }
    static const struct {
        size_t line[LINES + 2];
        const char *said;
    } cases[] = {
        {{1, 3, 4, 5}, "line 2 does not follow"},       /* one is removed */
        {{2, 3, 4, 5}, "line 1 does not follow"},       /* the first */
        {{1, 2, 4, 3, 5}, "line 3 does not follow"},    /* two are swapped */
        {{1, 2, 2, 3, 4, 5}, "line 3 does not follow"}, /* one is there twice */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_lines(&log, cases[i].line);
        FAILS(verify(), T2I_DATA, cases[i].said);
    }
    static const char *const added[] = {"{\"step\":3,\"loss\":0.1}\n", "\n", "x\n"};
    for (size_t i = 0; i < sizeof added / sizeof *added; i++) { /* at the end, without a chain */
        t2i_text more = {0};
        OK(t2i_text_add(&more, log.data, log.size, &err));
        OK(t2i_text_addf(&more, &err, "%s", added[i]));
        put(more.data, more.size);
        FAILS(verify(), T2I_DATA, "line 6 has no chain");
        put(more.data, more.size - 1); /* without its newline it is a line that was not finished */
        OK(t2i_log_chain_verify(scratch, &said, &err));
        CU_ASSERT_EQUAL(strstr(said.data, "bytes are no whole line") != NULL, i != 1);
        t2i_text_free(&said);
        t2i_text_free(&more);
    }
    for (size_t lines = 1; lines < LINES; lines++) { /* what is cut is still a chain */
        static const size_t all[] = {1, 2, 3, 4, 5};
        size_t some[LINES + 1] = {0};
        memcpy(some, all, lines * sizeof *some);
        put_lines(&log, some);
        OK(verify());
    }
    t2i_text_free(&log);
    log = make_log("", "x\",\"lost_after\":1"); /* a resume found that they were cut off */
    put(log.data, log.size);
    FAILS(verify(), T2I_DATA, "the lines between steps 1 and 2 are missing");
    t2i_text_free(&log);
    unlink(in_scratch("log.jsonl"));
}

/* Without a single chain it is not simply a log of an older version. */
static void test_stripped(void)
{
    static const char *const stripped[] = {
        "{\"step\":0,\"dataset\":\"d\",\"shards\":8,\"options\":{}}\n",
        "{\"step\":1,\"loss\":3.0,\"chain\":\"0\"}\n", "{\"step\":1,\"loss\":3.0}\r\n",
        "{\"step\":1,\"checkpoint\":\"x\"}\n"};
    for (size_t i = 0; i < sizeof stripped / sizeof *stripped; i++) {
        put(stripped[i], strlen(stripped[i]));
        FAILS(verify(), T2I_DATA, "line 1 has no chain");
    }
    unlink(in_scratch("log.jsonl"));
    OK(t2i_fs_mkdir(in_scratch("log.jsonl"), &err));
    FAILS(verify(), T2I_NOINPUT, "log.jsonl is not a regular file");
    rmdir(in_scratch("log.jsonl"));
    CU_ASSERT_EQUAL(mkfifo(in_scratch("log.jsonl"), 0600), 0); /* nobody writes to it */
    FAILS(verify(), T2I_NOINPUT, "log.jsonl is not a regular file");
    unlink(in_scratch("log.jsonl"));
}

static void test_old(void)
{
    static const char old[] = "{\"step\":1,\"loss\":3.0}\n";
    t2i_text said = {0};
    OK(t2i_log_chain_verify(scratch, &said, &err)); /* no log */
    CU_ASSERT_EQUAL(said.size, 0);
    put(old, strlen(old));
    OK(t2i_log_chain_verify(scratch, &said, &err));
    CU_ASSERT_PTR_NOT_NULL(strstr(said.data, "no chain: written by an older version"));
    t2i_text_free(&said);
    unlink(in_scratch("log.jsonl"));
}

static t2i_checkpoint make_checkpoint(void)
{
    t2i_checkpoint c = tiny_checkpoint(2);
    strcpy(c.run.dataset, "d");
    float **const block[] = {&c.weights, &c.m, &c.v};
    for (size_t b = 0; b < 3; b++) {
        *block[b] = t2i_block_new(&c.model.layout);
        for (size_t i = 0; i < c.model.layout.floats; i++) (*block[b])[i] = (float)(i + b);
    }
    c.run.options = t2i_strdup("{\"lr\":\"0.1\"}");
    return c;
}

/* A copy without moments, as the model of a run. */
static void save_model(const t2i_checkpoint *c, const char *name)
{
    t2i_checkpoint model = *c;
    model.m = model.v = NULL;
    OK(t2i_checkpoint_save(&model, in_scratch(name), &err));
}

/* The model, or the best one, is another's. */
static void test_models(t2i_checkpoint *c, const char *name)
{
    char wanted[80];
    float *value = &c->weights[c->model.layout.tensor[0].offset];
    t2i_text said = {0};
    save_model(c, name);
    OK(verify());
    *value += 0.5f;
    save_model(c, name);
    snprintf(wanted, sizeof wanted, "%s has other weights than the checkpoint of its step 2", name);
    FAILS(verify(), T2I_DATA, wanted);
    c->run.step = 1;
    save_model(c, name);
    OK(t2i_log_chain_verify(scratch, &said, &err));
    snprintf(wanted, sizeof wanted, "%s: of step 1, whose checkpoint is gone", name);
    CU_ASSERT_PTR_NOT_NULL(strstr(said.data, wanted));
    t2i_text_free(&said);
    c->run.shards = 4;
    save_model(c, name);
    FAILS(verify(), T2I_DATA, "its shards is 4, not 8");
    c->run.shards = 8;
    c->run.step = 2;
    *value -= 0.5f;
    save_model(c, name);
    OK(verify());
}

/* Checkpoint and models with other contents, whose own checksums match. */
static void test_files(void)
{
    char digest[T2I_HEX + 1], network[T2I_HEX], head[80];
    t2i_checkpoint c = make_checkpoint();
    OK(t2i_fs_mkdir(in_scratch("checkpoints"), &err));
    char *path = t2i_run_folder_checkpoint(scratch, 2, &err);
    OK(t2i_checkpoint_digest(&c, digest, &err));
    strcat(digest, "\"");
    t2i_text log = make_log("", digest); /* a head without network, as in an older version */
    put(log.data, log.size);
    OK(t2i_checkpoint_save(&c, path, &err));
    OK(verify());
    test_models(&c, "model.safetensors");
    test_models(&c, "best.safetensors");
    float *const value[] = {&c.weights[c.model.layout.tensor[0].offset],
                            &c.m[c.model.layout.tensor[3].offset],
                            &c.v[c.model.layout.tensor[5].offset]};
    for (size_t i = 0; i < sizeof value / sizeof *value; i++) {
        *value[i] += 0.5f;
        OK(t2i_checkpoint_save(&c, path, &err));
        FAILS(verify(), T2I_DATA, "step-2.safetensors has other values than");
        *value[i] -= 0.5f;
    }
    c.run.shards = 4;
    OK(t2i_checkpoint_save(&c, path, &err));
    FAILS(verify(), T2I_DATA, "its shards is 4, not 8");
    c.run.shards = 8;
    c.run.options[7] = '2';
    OK(t2i_checkpoint_save(&c, path, &err));
    FAILS(verify(), T2I_DATA, "its options is {\"lr\":\"2.1\"}, not {\"lr\":\"0.1\"}");
    c.run.options[7] = '0';
    strcpy(c.run.dataset, "e");
    OK(t2i_checkpoint_save(&c, path, &err));
    FAILS(verify(), T2I_DATA, "its dataset is \"e\", not \"d\"");
    strcpy(c.run.dataset, "d");
    OK(t2i_checkpoint_save(&c, path, &err));
    OK(verify());
    put_lines(&log, (const size_t[]){1, 2, 3, 4, 0}); /* the end is cut off */
    FAILS(verify(), T2I_DATA, "has no line of the checkpoint");
    put("", 0);
    FAILS(verify(), T2I_DATA, "has no lines, but");
    unlink(in_scratch("log.jsonl"));
    FAILS(verify(), T2I_DATA, "has no lines, but");
    t2i_text_free(&log);
    /* a network with the same values: it has another vocabulary, or divides its width otherwise */
    OK(t2i_checkpoint_network(&c, network, &err));
    snprintf(head, sizeof head, ",\"network\":\"%s\"", network);
    log = make_log(head, digest);
    put(log.data, log.size);
    OK(verify());
    char *name = (char *)c.vocab.name[1];
    name[0] ^= 1;
    OK(t2i_checkpoint_save(&c, path, &err));
    FAILS(verify(), T2I_DATA, "its network is \"");
    name[0] ^= 1;
    size_t heads = c.model.config.n_heads;
    c.model.config.n_heads = heads == 1 ? 2 : 1;
    OK(t2i_checkpoint_save(&c, path, &err));
    FAILS(verify(), T2I_DATA, "its network is \"");
    c.model.config.n_heads = heads;
    OK(t2i_checkpoint_save(&c, path, &err));
    OK(verify());
    /* one that was listed, and removed before it was opened */
    char *gone = t2i_run_folder_checkpoint(scratch, 1, &err);
    CU_ASSERT_EQUAL(symlink("nowhere", gone), 0);
    OK(verify());
    t2i_text_free(&log);
    t2i_free(gone);
    t2i_free(path);
    t2i_checkpoint_free(&c);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"every edit is told", test_edits},
        {"a log without its chain", test_stripped},
        {"logs of older versions", test_old},
        {"the files are those of the log", test_files},
    };
    if (scratch_begin("log_chain") != 0) return 1;
    int failed = t2i_test_main("log_chain", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return failed;
}
