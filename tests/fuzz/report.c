/* report: a run folder. An input is log.jsonl, events.jsonl, job.ini and status.json, parted by the
 * line "====".
 *
 * Whatever is in them, a page comes out, the same one when the log is read in two goes, and nothing
 * of them is taken for HTML. And a run can go on in that folder.
 */
#include "base/fs.h"
#include "checkpoint/log_chain.h"
#include "record/report.h"

#include "scratch.h"
#include "fuzz/fuzz.h"

enum { FILES = 4 };
static const char parting[] = "====\n";

static void write_file(const char *name, const char *mode, const uint8_t *bytes, size_t size)
{
    FILE *file = fopen(in_scratch(name), mode);
    T2I_ASSERT(file != NULL && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
}

/* The size of the part that begins there. */
static size_t part(const uint8_t *bytes, size_t size)
{
    size_t mark = sizeof parting - 1;
    for (size_t i = 0; i + mark <= size; i++)
        if (memcmp(bytes + i, parting, mark) == 0) return i;
    return size;
}

static void write_page(t2i_report *report, const char *name, t2i_text *page)
{
    t2i_error err = {0};
    char path[700];
    snprintf(path, sizeof path, "%s", in_scratch(name));
    T2I_ASSERT(t2i_report_write(report, NULL, path, &err) == T2I_OK);
    T2I_ASSERT(t2i_fs_read(path, (size_t)1 << 30, page, &err) == T2I_OK);
    T2I_ASSERT(strstr(page->data, "<fuzz") == NULL);
}

/* The page of a report that has read all, against one that begins. */
static int same_pages(t2i_report *report)
{
    t2i_error err = {0};
    t2i_text page = {0}, other = {0};
    t2i_report *again;
    write_page(report, "page.html", &page);
    T2I_ASSERT(t2i_report_open(&again, scratch, &err) == T2I_OK);
    write_page(again, "other.html", &other);
    int same = page.size == other.size && memcmp(page.data, other.data, page.size) == 0;
    t2i_report_close(again);
    t2i_text_free(&page);
    t2i_text_free(&other);
    return same;
}

static void verify_chain(void)
{
    t2i_error err = {0};
    t2i_text said = {0};
    t2i_status status = t2i_log_chain_verify(scratch, &said, &err);
    T2I_ASSERT(status == T2I_OK || status == T2I_DATA);
    t2i_text_free(&said);
}

static void go_on(void)
{
    t2i_error err = {0};
    t2i_runlog *log;
    const char *runs[] = {scratch, scratch};
    T2I_ASSERT(t2i_report_compare(runs, 2, in_scratch("both.html"), &err) == T2I_OK);
    t2i_status status = t2i_runlog_open(&log, scratch, 2, &err);
    T2I_ASSERT(status == T2I_OK);
    t2i_runlog_close(log);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char *const name[FILES] = {"log.jsonl", "events.jsonl", "job.ini", "status.json"};
    t2i_error err = {0};
    t2i_text page = {0};
    t2i_report *report;
    T2I_ASSERT(scratch_begin("fuzz-report") == 0);
    size_t log = part(bytes, size);
    write_file(name[0], "wb", bytes, log / 2);
    for (size_t i = 1, at = log; i < FILES && at < size; i++) {
        at += sizeof parting - 1;
        size_t more = part(bytes + at, size - at);
        write_file(name[i], "wb", bytes + at, more);
        at += more;
    }
    T2I_ASSERT(t2i_report_open(&report, scratch, &err) == T2I_OK);
    write_page(report, "page.html", &page);
    t2i_text_free(&page);
    write_file(name[0], "ab", bytes + log / 2, log - log / 2);
    /* the page tells the minute in which it was made, which may have passed in between */
    T2I_ASSERT(same_pages(report) || same_pages(report));
    t2i_report_close(report);
    verify_chain();
    go_on();
    scratch_end();
    return 0;
}

T2I_FUZZ_MAIN("report");
