/* The report and the events of a run: everything that the files say, nothing that they could do to
 * the page, and bounded whatever they hold. */
#include "test.h"

#include <expat.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "scratch.h"
#include "draw/canvas.h"
#include "image/image_file.h"
#include "record/events.h"
#include "base/commit.h"
#include "base/fs.h"
#include "base/log.h"
#include "record/report.h"
#include "retrieval/contact_sheet.h"

static t2i_error err;

static void put(const char *name, const char *text)
{
    OK(t2i_commit_file(in_scratch(name), text, strlen(text), &err));
}

static t2i_text contents(const char *name)
{
    t2i_text text = {0};
    OK(t2i_fs_read(in_scratch(name), 100 << 20, &text, &err));
    return text;
}

/* An empty run folder of that name. */
static void new_run(const char *name)
{
    char path[100];
    scratch_remove(in_scratch(name));
    mkdir(in_scratch(name), 0777);
    snprintf(path, sizeof path, "%s/samples", name);
    mkdir(in_scratch(path), 0777);
}

/* ---- looking at a page ---- */

/* Scripts and styles are no XML; everything else is. */
static void blank_out(char *text, const char *begin, const char *end)
{
    for (char *from = text, *to; (from = strstr(from, begin)) != NULL; from = to) {
        from += strlen(begin);
        to = strstr(from, end);
        if (to == NULL) return;
        memset(from, ' ', (size_t)(to - from));
    }
}

static void well_formed(const t2i_text *page)
{
    char *copy = t2i_strdup(page->data);
    XML_Parser parser = XML_ParserCreate("UTF-8");
    blank_out(copy, "<style>", "</style>");
    blank_out(copy, "<script>", "</script>");
    if (XML_Parse(parser, copy, (int)strlen(copy), 1) != XML_STATUS_OK) {
        fprintf(stderr, "line %lu: %s\n", (unsigned long)XML_GetCurrentLineNumber(parser),
                XML_ErrorString(XML_GetErrorCode(parser)));
        CU_FAIL("the page is not well-formed");
    }
    XML_ParserFree(parser);
    t2i_free(copy);
}

static size_t times(const t2i_text *page, const char *word)
{
    size_t count = 0;
    for (const char *at = page->data; at != NULL && (at = strstr(at, word)) != NULL; at++) count++;
    return count;
}

/* Written, well-formed, and by itself: no address, and no script but ours. */
static t2i_text report_of(const char *name)
{
    char page[100];
    t2i_report *report = NULL;
    OK(t2i_report_open(&report, in_scratch(name), &err));
    OK(t2i_report_write(report, NULL, NULL, &err));
    t2i_report_close(report);
    snprintf(page, sizeof page, "%s/report.html", name);
    t2i_text text = contents(page);
    well_formed(&text);
    CU_ASSERT(times(&text, "://") == 0 && times(&text, "<script") == 1);
    CU_ASSERT(times(&text, "src=\"") == times(&text, "src=\"data:image/png;base64,"));
    return text;
}

/* ---- tests ---- */

#define STEP(n, loss)                                                                              \
    "{\"step\":" #n ",\"loss\":" #loss ",\"lr\":0.001,\"grad_norm\":0.5,\"samples_per_s\":123,"    \
    "\"seconds\":{\"data\":0.1,\"compute\":0.5,\"sync\":0.3,\"checkpoint\":0.1},\"tokens\":100,"   \
    "\"tokens_saved\":25,\"memory\":{\"own\":1e8,\"shared\":5e6}}\n"

static void tells_all(void)
{
    new_run("run");
    put("run/log.jsonl",
        STEP(10,
             1.23457) "{\"step\":10,\"val_loss\":0.98765,\"r1\":0.125,\"r10\":0.5,\"mrr\":0.25}\n"
                      "{\"step\":15,\"skipped\":7,\"lr\":0.001}\n" STEP(20, 0.76543));
    put("run/events.jsonl",
        "{\"time\":\"2026-01-02T03:04:05Z\",\"event\":\"start\",\"step\":0,\"ranks\":2,\"threads\":"
        "3,"
        "\"shards\":8,\"version\":\"9.8.7\",\"processor\":\"Abacus\",\"nodes\":[{\"host\":\"n1\","
        "\"ranks\":2}]}\n"
        "{\"time\":\"2026-01-02T03:05:05Z\",\"event\":\"warning\",\"step\":15,\"text\":\"the loss "
        "is "
        "not finite\"}\n"
        "{\"event\":\"ranks\",\"step\":20,\"elapsed\":60,\"seconds\":[[0,1,40.5,10,5],[1,1,30.25,"
        "20,"
        "5]]}\n"
        "{\"time\":\"2026-01-02T03:06:05Z\",\"event\":\"end\",\"step\":20,\"state\":\"stopped\","
        "\"exit\":75,\"text\":\"run again\"}\n");
    put("run/job.ini", "; a comment\n; from the command line\nlr = 0.001\nsteps = 40\nempty =\n");
    put("run/status.json", "{\"state\":\"stopped\",\"step\":20,\"exit\":75,\"message\":\"run the "
                           "same command\",\"dataset\":\"abcdef\"}");
    t2i_text page = report_of("run");
    static const char *const wanted[] = {"1.2346",
                                         "0.76543",
                                         "0.98765",
                                         "12.5, 50.0 %",
                                         "0.250",
                                         "25 %",
                                         "2 ranks x 3",
                                         "not finite",
                                         "40.5",
                                         "30.2",
                                         "9.8.7",
                                         "Abacus",
                                         ">12.5<",
                                         "n1 (2)",
                                         "command line",
                                         "run again",
                                         "abcdef",
                                         "1 min",
                                         "2026-01-02 03:04:05",
                                         ">7<",
                                         "same command"};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if (times(&page, wanted[i]) == 0) {
            fprintf(stderr, "the page lacks \"%s\"\n", wanted[i]);
            CU_FAIL("something is missing");
        }
    CU_ASSERT(times(&page, "class=\"state stopped\"") == 1 && times(&page, "of 40") == 1);
    CU_ASSERT(times(&page, "2 options with default values") == 1);
    t2i_text_free(&page);
}

static void is_not_fooled(void)
{
    static const char evil[] = "</td><script>alert(1)</script>\\u0001\\u202e&<img src=x>\\\"'";
    char text[4096], *end = text;
    new_run("evil");
    end += snprintf(text, sizeof text,
                    "{\"event\":\"warning\",\"time\":\"%s\",\"step\":-5,\"text\":\"%s\"}\n", evil,
                    evil);
    end += snprintf(end, sizeof text - (size_t)(end - text),
                    "{\"event\":\"start\",\"nodes\":[{\"host\":\"%s\"}],\"processor\":\"%s\","
                    "\"ranks\":\"%s\"}\n",
                    evil, evil, evil);
    end +=
        snprintf(end, sizeof text - (size_t)(end - text),
                 "{\"event\":\"ranks\",\"seconds\":[[0,-1,2,3,1e300],[\"x\"],7,{},[0,1,2,3,4]]}\n"
                 "{\"event\":\"%s\"}\n{\"event\":\"samples\",\"prompts\":[1,{},\"%s\"]}\n[]\nx\n",
                 evil, evil);
    put("evil/events.jsonl", text);
    put("evil/log.jsonl",
        "\n\nnot "
        "json\n[1,2]\n{\"step\":1e99,\"loss\":1}\n{\"step\":3,\"loss\":1e308}\n{\"loss\":4}\n"
        "{\"step\":5,\"loss\":-1,\"seconds\":[],\"memory\":7}\n{\"step\":4,\"loss\":9}\n"
        "{\"step\":6,\"loss\":\"<b>\"}\n{\"step\":9223372036854775807,\"loss\":2}\n{\"step\":7,");
    put("evil/job.ini", "=\n<b>=</td><script>\n; from the <i>\nx = \"&\n\xff\xfe = \x01\n");
    snprintf(text, sizeof text, "{\"state\":\"%s\",\"message\":\"%s\"}", evil, evil);
    put("evil/status.json", text);
    put("evil/samples/step-1.png", "no picture");
    t2i_text page = report_of("evil");
    CU_ASSERT(times(&page, "<img") == 0 && times(&page, "<b>=") == 0 && times(&page, "<i>\"") == 0);
    CU_ASSERT(times(&page, "alert(1)") > 0); /* shown, as text */
    CU_ASSERT(times(&page, "lines of the logs could not be read") == 1);
    CU_ASSERT(times(&page, "nan") + times(&page, "inf,") == 0);
    t2i_text_free(&page);
}

static void nothing_yet(void)
{
    t2i_report *report = NULL;
    new_run("empty");
    FAILS(t2i_report_open(&report, in_scratch("empty"), &err), T2I_NOINPUT, "not a run folder");
    FAILS(t2i_report_open(&report, in_scratch("missing"), &err), T2I_NOINPUT, "no such folder");
    CU_ASSERT(report == NULL);
    put("empty/log.jsonl", "");
    t2i_text page = report_of("empty");
    CU_ASSERT(times(&page, "nothing logged yet") > 3);
    t2i_text_free(&page);
}

/* A torn end is read when it is whole; a line is read once. */
static void reads_on(void)
{
    t2i_report *report = NULL;
    new_run("grows");
    put("grows/log.jsonl", STEP(1, 0.5) "{\"step\":2,\"lo");
    OK(t2i_report_open(&report, in_scratch("grows"), &err));
    OK(t2i_report_write(report, NULL, NULL, &err));
    int fd = open(in_scratch("grows/log.jsonl"), O_WRONLY | O_APPEND);
    CU_ASSERT(write(fd, "ss\":0.25}\n", 10) == 10);
    close(fd);
    const t2i_run_status ends = {.state = "finished", .step = 2, .message = "all steps done"};
    OK(t2i_report_write(report, &ends, in_scratch("other.html"), &err));
    t2i_text page = contents("other.html");
    CU_ASSERT(times(&page, "data-v=\"1 0.5;2 0.25\"") == 1);
    CU_ASSERT(times(&page, "class=\"state finished\"") == 1);
    CU_ASSERT(times(&page, "could not be read") == 0);
    FAILS(t2i_report_write(report, NULL, in_scratch("no/such/folder.html"), &err), T2I_CANTCREATE,
          "folder.html");
    t2i_text_free(&page);
    t2i_report_close(report);
}

/* 100,000 lines, one of them a megabyte long, and 5,000 events. */
static void stays_small(void)
{
    t2i_text text = {0};
    new_run("long");
    for (long i = 1; i <= 100000; i++)
        OK(t2i_text_addf(&text, &err, "{\"step\":%ld,\"loss\":%g,\"lr\":1,\"samples_per_s\":5}\n",
                         i, 1.0 / (double)i));
    for (int i = 0; i < 1 << 20; i++) OK(t2i_text_add(&text, "x", 1, &err));
    OK(t2i_text_addf(&text, &err, "\n" STEP(100001, 0.125)));
    OK(t2i_commit_file(in_scratch("long/log.jsonl"), text.data, text.size, &err));
    text.size = 0;
    for (int i = 0; i < 5000; i++)
        OK(t2i_text_addf(&text, &err, "{\"event\":\"warning\",\"step\":%d,\"text\":\"no. %d.\"}\n",
                         i, i));
    OK(t2i_commit_file(in_scratch("long/events.jsonl"), text.data, text.size, &err));
    t2i_text_free(&text);
    t2i_text page = report_of("long");
    CU_ASSERT(page.size < 400000);
    CU_ASSERT(times(&page, "0.125") > 0); /* what came after the long line */
    CU_ASSERT(times(&page, "1 line of the logs could not be read") == 1);
    CU_ASSERT(times(&page, "no. 0.") == 1 && times(&page, "no. 4999.") == 1);
    CU_ASSERT(times(&page, "no. 1000.") == 0 && times(&page, "4800 events omitted") == 1);
    t2i_text_free(&page);
}

static void shows_samples(void)
{
    t2i_image picture;
    char name[64];
    new_run("drawn");
    put("drawn/job.ini", "steps = 5\n");
    put("drawn/events.jsonl", "{\"event\":\"samples\",\"prompts\":[\"a <red> circle\",\"\"]}\n");
    OK(t2i_image_new(&picture, 64, 64, &err));
    t2i_canvas_fill(&picture, 0, 0, 64, 64, 0xff0000);
    const t2i_tile tile = {&picture, "x.png", "distance 1"};
    const t2i_tile tiles[] = {tile, tile, tile, tile, tile, tile};
    static const char *const heading[] = {"decoded", "nearest", "true"}, *const label[] = {"a",
                                                                                           "b"};
    const t2i_contact_sheet sheet = {"After step 1", heading, 3, 2, label, tiles};
    for (int i = 1; i <= 20; i++) {
        snprintf(name, sizeof name, "drawn/samples/step-%d.png", i * 10);
        OK(t2i_contact_sheet_write(&sheet, in_scratch(name), &err));
    }
    t2i_text page = report_of("drawn");
    CU_ASSERT(times(&page, "a &lt;red&gt; circle") == 1 && times(&page, "(empty prompt)") == 1);
    CU_ASSERT(times(&page, "step 10<") == 1 && times(&page, "step 200<") == 1);
    CU_ASSERT(times(&page, "6 of 20 sheets") == 1);
    CU_ASSERT(times(&page, "<img") == (6 + 2) * 2);
    t2i_text_free(&page);
    /* sheets of version 1.0 do not tell their grid */
    new_run("older");
    put("older/job.ini", "steps = 5\n");
    OK(t2i_image_file_write(&picture, in_scratch("older/samples/step-10.png"), &err));
    page = report_of("older");
    CU_ASSERT(times(&page, "<img") == 0 && times(&page, "1 sheet in samples/, not shown") == 1);
    t2i_text_free(&page);
    t2i_image_free(&picture);
    const char *const twice[] = {in_scratch("drawn"), in_scratch("drawn")};
    OK(t2i_report_compare(twice, 2, in_scratch("both.html"), &err));
    page = contents("both.html");
    CU_ASSERT(times(&page, "<h2>Samples of ") == 2 && times(&page, "id=\"samples\"") == 0);
    t2i_text_free(&page);
}

static void compares(void)
{
    new_run("a&b");
    put("a&b/log.jsonl", STEP(10, 0.5));
    put("a&b/job.ini", "lr = 0.1\nbatch = 4\nonly = here\n");
    new_run("c");
    put("c/log.jsonl", STEP(10, 0.25) STEP(20, 0.125) "{\"step\":20,\"r1\":0.125,\"r10\":0.5}\n");
    put("c/job.ini", "lr = 0.2\nbatch = 4\n");
    const char *const run[] = {in_scratch("a&b"), in_scratch("c")};
    OK(t2i_report_compare(run, 2, in_scratch("both.html"), &err));
    t2i_text page = contents("both.html");
    well_formed(&page);
    CU_ASSERT(times(&page, "a&amp;b") > 2 && times(&page, "://") == 0);
    CU_ASSERT(times(&page, ">0.1</td>") == 1 && times(&page, ">0.2</td>") == 1 &&
              times(&page, ">batch<") == 0);
    CU_ASSERT(times(&page, ">here</td>") == 1);
    CU_ASSERT(times(&page, "10 0.25;20 0.125") == 1);
    CU_ASSERT(
        times(&page, "data-name=\"R@1, %\">12.5</td><td class=\"n\" data-name=\"R@10, %\">50.0<") ==
        1);
    const char *const bad[] = {in_scratch("c"), in_scratch("none")};
    FAILS(t2i_report_compare(bad, 2, in_scratch("bad.html"), &err), T2I_NOINPUT, "none");
    CU_ASSERT(!t2i_fs_exists(in_scratch("bad.html")));
    t2i_text_free(&page);
}

#define VALIDATION(n, loss, mrr, best)                                                             \
    "{\"step\":" #n ",\"val_loss\":" #loss ",\"r1\":0,\"r10\":0,\"mrr\":" #mrr ",\"best\":" #best  \
    "}\n"

/* Only what means the same is drawn on one axis. */
static void keeps_apart(void)
{
    static const struct {
        const char *job, *status;
        size_t losses, scores, notices;
    } known[] = {
        {"loss = mse\n", "{\"dataset\":\"a\"}", 1, 1, 0},
        {"loss = contrastive\ntemperature = 0.1\n", "{\"dataset\":\"a\"}", 2, 1, 1},
        {"loss = mse\n", "{\"dataset\":\"b\"}", 2, 2, 1},
    };
    new_run("one");
    put("one/log.jsonl", STEP(10, 0.5) VALIDATION(10, 0.5, 0.5, 10));
    put("one/job.ini", "loss = mse\ntemperature = 0.05\n");
    put("one/status.json", known[0].status);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        new_run("two");
        put("two/log.jsonl", STEP(10, 0.25) VALIDATION(10, 0.25, 0.5, 10));
        put("two/job.ini", known[i].job);
        put("two/status.json", known[i].status);
        const char *const run[] = {in_scratch("one"), in_scratch("two")};
        OK(t2i_report_compare(run, 2, in_scratch("both.html"), &err));
        t2i_text page = contents("both.html");
        well_formed(&page);
        CU_ASSERT_EQUAL(times(&page, "<b>Training loss</b>"), known[i].losses);
        CU_ASSERT_EQUAL(times(&page, "<b>Validation loss</b>"), known[i].losses);
        CU_ASSERT_EQUAL(times(&page, "per batch, contrastive<"), i == 1);
        CU_ASSERT_EQUAL(times(&page, "all rows, contrastive<"), i == 1);
        CU_ASSERT_EQUAL(times(&page, "<b>Validation MRR</b>"), known[i].scores);
        CU_ASSERT_EQUAL(times(&page, "<b>Validation R@10</b>"), known[i].scores);
        CU_ASSERT_EQUAL(times(&page, "<b>Throughput</b>"), 1);
        CU_ASSERT_EQUAL(times(&page, "class=\"notice\""), known[i].notices);
        t2i_text_free(&page);
    }
    new_run("two"); /* two contrastive losses with different temperatures */
    put("one/job.ini", "loss = contrastive\ntemperature = 0.05\n");
    put("two/job.ini", "loss = contrastive\ntemperature = 0.1\n");
    put("two/status.json", known[0].status);
    const char *const run[] = {in_scratch("one"), in_scratch("two")};
    OK(t2i_report_compare(run, 2, in_scratch("both.html"), &err));
    t2i_text page = contents("both.html");
    CU_ASSERT_EQUAL(times(&page, "<b>Training loss</b>"), 2);
    t2i_text_free(&page);
}

/* The best step is that of best.safetensors, whatever was validated besides. */
static void names_the_best(void)
{
    static const struct {
        const char *loss, *last, *tile;
        size_t passed_over;
    } known[] = {
        {"mse", VALIDATION(25, 0.25, 0.5, 20), "best step</dt><dd>20 <small>loss 0.5<", 1},
        {"mse", VALIDATION(25, 0.5, 0.9, 20), "best step</dt><dd>20 <small>loss 0.5<", 0},
        {"mse", VALIDATION(30, 0.25, 0.1, 30), "best step</dt><dd>30 <small>loss 0.25<", 0},
        {"contrastive", VALIDATION(25, 0.25, 0.5, 10), "best step</dt><dd>10 <small>MRR 0.500<", 0},
        {"contrastive", VALIDATION(25, 0.9, 0.6, 10), "best step</dt><dd>10 <small>MRR 0.500<", 1},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        char log[800], job[64];
        int mrr = known[i].loss[0] == 'c';
        snprintf(log, sizeof log, "%s%s%s", VALIDATION(10, 0.75, 0.5, 10),
                 mrr ? VALIDATION(20, 0.5, 0.4, 10) : VALIDATION(20, 0.5, 0.4, 20), known[i].last);
        snprintf(job, sizeof job, "loss = %s\n", known[i].loss);
        new_run("best");
        put("best/log.jsonl", log);
        put("best/job.ini", job);
        t2i_text page = report_of("best");
        CU_ASSERT_EQUAL(times(&page, known[i].tile), 1);
        CU_ASSERT_EQUAL(times(&page, "The last validation is better"), known[i].passed_over);
        CU_ASSERT_EQUAL(times(&page, "<dt>best step</dt> <dd>its model is in"), 1);
        t2i_text_free(&page);
    }
}

/* Warnings of before there was a file come first; a torn line is ended; a resume adds. */
static void writes_events(void)
{
    t2i_comm *comm = NULL;
    t2i_events events;
    long step = 3;
    new_run("told");
    put("told/job.ini", "");
    put("told/events.jsonl", "{\"torn");
    OK(t2i_comm_alone(&comm, &err));
    t2i_events_begin(&events, &step);
    t2i_log_warn("before \"%d\"", 1);
    OK(t2i_events_open(&events, comm, in_scratch("told"), 2, 8, &err));
    step = 4;
    t2i_log_warn("after");
    t2i_events_ranks(&events, comm, &(t2i_seconds){1, 2, 3, 4}, 0); /* too soon */
    t2i_events_ranks(&events, comm, &(t2i_seconds){1, 2, 3, 4}, 1);
    t2i_events_stop(&events, &(t2i_run_status){.state = "finished", .message = "done"});
    t2i_events_end(&events);
    t2i_log_warn("nobody hears this");
    t2i_comm_close(comm);
    t2i_text text = contents("told/events.jsonl");
    CU_ASSERT(strncmp(text.data, "{\"torn\n{\"time\":\"20", 18) == 0);
    CU_ASSERT(times(&text, "\"step\":3,\"text\":\"before \\\"1\\\"\"") == 1);
    CU_ASSERT(times(&text, "\"event\":\"start\",\"step\":3,\"ranks\":1,\"threads\":2") == 1);
    CU_ASSERT(times(&text, "\"step\":4,\"text\":\"after\"") == 1 && times(&text, "nobody") == 0);
    CU_ASSERT(times(&text, "\"seconds\":[[0,1.0,2.0,3.0,4.0]]") == 1);
    CU_ASSERT(times(&text, "\n") == 6);
    t2i_text_free(&text);
    t2i_text page = report_of("told");
    CU_ASSERT(times(&page, "before &quot;1&quot;") == 1 && times(&page, "finished: done") == 1);
    t2i_text_free(&page);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"what the files say is there", tells_all},
        {"hostile files are shown as text", is_not_fooled},
        {"a run of which there is nothing yet", nothing_yet},
        {"a report goes on where it was", reads_on},
        {"a long log", stays_small},
        {"samples side by side", shows_samples},
        {"several runs", compares},
        {"what cannot be compared", keeps_apart},
        {"the best step", names_the_best},
        {"events", writes_events},
    };
    if (scratch_begin("report") != 0) return 1;
    int failed = t2i_test_main("report", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return failed;
}
