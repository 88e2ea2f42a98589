/* Shared by the sources of the report: the contents of a run folder (report_read.c), and the parts
 * of a page (report.c, report_samples.c, report_compare.c). */
#ifndef T2I_REPORT_INTERNAL_H
#define T2I_REPORT_INTERNAL_H

#include "draw/chart.h"
#include "formats/json.h"
#include "record/report.h"

enum {
    REPORT_EVENTS = 200, /* maximum kept: */
    REPORT_FIRST = 20,   /* this many of the first, and the last */
    REPORT_OPTIONS = 128,
    REPORT_STRIPS = 7, /* maximum sheets of samples shown, */
    REPORT_ROWS = 8,   /* and maximum rows of each */
    REPORT_TEXT = 400  /* bytes of an event's text */
};

typedef enum {
    CURVE_LOSS,
    CURVE_VALIDATION,
    CURVE_R1,
    CURVE_R10,
    CURVE_MRR,
    CURVE_NORM,
    CURVE_RATE,
    CURVE_SPEED,
    CURVE_DATA, /* seconds, these four in the order of t2i_seconds */
    CURVE_COMPUTE,
    CURVE_SYNC,
    CURVE_CHECKPOINT,
    CURVES
} report_curve;

typedef struct {
    char time[32], kind[16], text[REPORT_TEXT];
    long step;
} report_event;

/* A growing file and how far it was read. */
typedef struct {
    char *path; /* owned */
    long at;    /* offset of the first unread line */
} report_file;

typedef struct {
    const char *key, *value, *origin; /* pointers into `ini`; origin "": the default */
} report_option;

/* A sheet of samples as its pictures, each a piece of a page. */
typedef struct {
    long step;
    size_t rows, columns;
    t2i_html picture[REPORT_ROWS][3];
} report_strip;

struct t2i_report {
    char *run; /* owned, like all below */
    report_file log, happened;
    t2i_curve curve[CURVES];
    long step, lines, skipped, strange; /* of log.jsonl; strange: unreadable lines of both files */
    long best;                          /* step of best.safetensors; 0: not logged */
    double best_loss, best_mrr;         /* of its validation */
    double tokens, saved;               /* of the logged steps */
    double own, shared;                 /* latest memory use */
    double before, elapsed;             /* seconds of earlier sessions, and of the latest */
    report_event event[REPORT_EVENTS];
    size_t events, left_out;
    t2i_json *start, *ranks, *prompts; /* the latest line of each kind; NULL: none */
    char state[16], message[REPORT_TEXT], dataset[40]; /* of status.json; "" */
    long told, exit;                                   /* its step and exit code */
    t2i_text ini;
    report_option option[REPORT_OPTIONS];
    size_t options;
    report_strip strip[REPORT_STRIPS];
    size_t strips, sheets; /* sheets in samples/ */
};

/* Reads the new lines of log.jsonl and events.jsonl, and all of the small files. status NULL: read
 * status.json. */
t2i_status t2i_report_read(t2i_report *report, const t2i_run_status *status, t2i_error *err);
/* NULL if there is no such option. */
const report_option *t2i_report_find(const t2i_report *report, const char *key);
/* Total seconds of all sessions, as recorded. */
double t2i_report_seconds(const t2i_report *report);

/* Chooses sheets of samples/ and extracts the pictures of those not yet held. */
t2i_status t2i_report_read_samples(t2i_report *report, t2i_error *err);
void t2i_report_free_samples(t2i_report *report);
/* several: the page has samples of several runs. */
void t2i_report_put_samples(t2i_html *page, const t2i_report *report, int several);

/* Is the best model that of the highest MRR? Else it is that of the lowest loss. */
int t2i_report_by_mrr(const t2i_report *report);

/* A visible list of words and what they mean (trusted markup). */
void t2i_report_words_begin(t2i_html *page);
void t2i_report_put_word(t2i_html *page, const char *word, const char *meaning);
void t2i_report_words_end(t2i_html *page);

/* Adds one of the figures at the top of a page. The formatted value is markup and is not
 * escaped. */
void t2i_report_put_tile(t2i_html *page, const char *name, const char *format, ...)
    T2I_PRINTF(3, 4);

#endif
