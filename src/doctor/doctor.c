#include "doctor/doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "dataset/dataset.h"
#include "formats/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "train/rows.h"
#include "train/initial_state.h"
#include "train/step.h"

/* ---- data of all ranks ---- */

static int count_hosts(const t2i_exam *e)
{
    int hosts = 0;
    for (int r = 0; r < e->size; r++) {
        int known = 0;
        for (int i = 0; i < r && !known; i++) known = strcmp(e->info[i].host, e->info[r].host) == 0;
        hosts += !known;
    }
    return hosts;
}

/* Collective. threads: per rank. */
static t2i_status begin(t2i_exam *e, t2i_comm *comm, const t2i_train_options *options, int threads,
                        t2i_error *err)
{
    *e = (t2i_exam){.options = options, .rank = t2i_comm_rank(comm), .size = t2i_comm_size(comm)};
    e->info = t2i_alloc((size_t)e->size, sizeof *e->info);
    t2i_status mine =
        e->info == NULL ? t2i_fail_memory(err, sizeof *e->info, "the data of the ranks") : T2I_OK;
    T2I_TRY(t2i_comm_agree(comm, mine, err));
    t2i_host_info *own = &e->info[e->rank];
    t2i_host_info_look(own);
    own->node_first = t2i_comm_node_first(comm);
    own->threads = threads;
    own->crowded = t2i_comm_crowded(comm);
    t2i_comm_allgather(comm, e->info, sizeof *e->info, (size_t)e->size);
    e->hosts = count_hosts(e);
    for (int r = 0; r < e->size; r++) e->nodes += e->info[r].node_first == r;
    if (e->rank == 0) t2i_fs_probe_look(&e->probe, options->out);
    return T2I_OK;
}

/* ---- sizes of the run ---- */

/* A run, prepared as far as needed for its sizes. */
typedef struct {
    t2i_dataset *dataset;
    char *result_options; /* owned */
    t2i_initial_state initial;
    t2i_sampler sampler;
    t2i_run_sizes sizes;
} study;

/* An upper bound of the longest prompt in characters. */
static t2i_status find_longest(study *s, t2i_error *err)
{
    enum { BLOCK = 4096 };
    uint64_t offset[BLOCK + 1], pairs = t2i_dataset_get_info(s->dataset)->pairs;
    size_t most = s->initial.checkpoint.model.config.block_size, longest = 1;
    for (uint64_t first = 0; first < pairs; first += BLOCK) {
        uint64_t count = pairs - first < BLOCK ? pairs - first : BLOCK;
        T2I_TRY(t2i_dataset_prompt_offsets(s->dataset, first, count, offset, err));
        for (uint64_t i = 0; i < count; i++)
            if (offset[i + 1] - offset[i] > longest) longest = (size_t)(offset[i + 1] - offset[i]);
    }
    s->sizes.longest = longest < most ? longest : most;
    return T2I_OK;
}

/* Collective. */
static t2i_status look_at_run(study *s, t2i_comm *comm, const t2i_train_options *options,
                              int threads, t2i_error *err)
{
    uint64_t counts[T2I_SPLITS] = {0};
    int size = t2i_comm_size(comm);
    t2i_status mine = t2i_dataset_open(&s->dataset, options->data, err);
    if (mine == T2I_OK) mine = t2i_rows_count(s->dataset, counts, err);
    if (mine == T2I_OK)
        mine = t2i_train_options_result_options(options, options->word.sampler, &s->result_options,
                                                err);
    T2I_TRY(t2i_comm_agree(comm, mine, err));
    T2I_TRY(t2i_initial_state_make(&s->initial, comm, options, s->dataset, s->result_options, err));
    const t2i_dataset_info *info = t2i_dataset_get_info(s->dataset);
    s->sampler = (t2i_sampler){.batch = (size_t)options->batch, .rows = counts[T2I_TRAIN]};
    if (s->initial.resumed)
        s->sampler.shards = (size_t)s->initial.checkpoint.run.shards;
    else
        mine = t2i_sampler_shards(&s->sampler.shards, (size_t)options->shards, (size_t)size,
                                  (size_t)(size * threads), s->sampler.batch, s->sampler.rows, err);
    s->sizes = (t2i_run_sizes){.options = options,
                               .model = &s->initial.checkpoint.model,
                               .sampler = &s->sampler,
                               .size = size,
                               .prompt_bytes = (double)info->prompt_bytes,
                               .pictures = (double)info->images,
                               .validation = (double)counts[T2I_VALIDATION]};
    if (mine == T2I_OK) {
        s->sizes.threads = t2i_step_threads(&s->sampler, size, threads);
        mine = find_longest(s, err);
    }
    return t2i_comm_agree(comm, mine, err);
}

/* Collective. An error of the run is recorded as a finding. */
static void study_run(study *s, t2i_exam *e, t2i_comm *comm, const t2i_train_options *options)
{
    t2i_error why = {0};
    *s = (study){0};
    if (options->data == NULL) return;
    e->start_status = look_at_run(s, comm, options, e->info[e->rank].threads, &why);
    snprintf(e->start_problem, sizeof e->start_problem, "%.*s", (int)sizeof e->start_problem - 1,
             why.text);
    if (e->start_status == T2I_OK) e->run = &s->sizes;
}

static void end_study(study *s)
{
    t2i_dataset_close(s->dataset);
    t2i_free(s->result_options);
    t2i_initial_state_free(&s->initial);
}

/* ---- the report ---- */

static const char *const grade_name[] = {"ok", "warning", "failure"};

typedef struct {
    t2i_json *json, *list; /* owned; NULL: text */
    t2i_text text;
    int count[3];
    const char *first; /* name of the first failing check */
    t2i_status status; /* its status */
} report;

static t2i_status add_finding(report *r, const char *name, const char *why, const t2i_finding *f,
                              t2i_error *err)
{
    r->count[f->grade]++;
    if (f->grade == T2I_FAILING && r->first == NULL) {
        r->first = name;
        r->status = f->status;
    }
    if (r->list != NULL) {
        t2i_json *row = t2i_json_object();
        t2i_json_set_string(row, "name", name);
        t2i_json_set_string(row, "verdict", grade_name[f->grade]);
        t2i_json_set_string(row, "found", f->found);
        t2i_json_set_string(row, "why", why);
        t2i_json_set_string(row, "todo", f->todo);
        t2i_json_append(r->list, row);
        return T2I_OK;
    }
    T2I_TRY(t2i_text_addf(&r->text, err, "%-8s %-14s %s\n", grade_name[f->grade], name, f->found));
    if (f->grade == T2I_FINE) return T2I_OK;
    return t2i_text_addf(&r->text, err, "%23s why: %s\n%23s do:  %s\n", "", why, "", f->todo);
}

/* Figures of each rank. */
static t2i_json *list_ranks(const t2i_exam *e)
{
    t2i_json *list = t2i_json_array();
    for (int r = 0; r < e->size; r++) {
        const t2i_host_info *f = &e->info[r];
        t2i_json *row = t2i_json_object();
        t2i_json_set_integer(row, "rank", r);
        t2i_json_set_string(row, "host", f->host);
        t2i_json_set_integer(row, "node_first", f->node_first);
        t2i_json_set_integer(row, "cores", f->cores);
        t2i_json_set_real(row, "cores_granted", f->limits.cores);
        t2i_json_set_string(row, "cores_limit", f->limits.cores_by);
        t2i_json_set_integer(row, "threads", f->threads);
        t2i_json_set_string(row, "vectors", f->cpu);
        t2i_json_set_real(row, "gflops", f->gflops);
        t2i_json_set_real(row, "memory", f->limits.memory);
        t2i_json_set_real(row, "memory_free", f->limits.memory_free);
        t2i_json_set_string(row, "memory_limit", f->limits.memory_by);
        t2i_json_set_real(row, "shared_memory_free", f->shared);
        t2i_json_set_real(row, "clock_ahead_s", f->clock);
        t2i_json_append(list, row);
    }
    return list;
}

static t2i_json *list_sums(const t2i_exam *e)
{
    t2i_json *list = t2i_json_array();
    for (int i = 0; i < T2I_EXAM_SUMS && e->size > 1; i++) {
        t2i_json *row = t2i_json_object();
        t2i_json_set_real(row, "bytes", e->sum[i].bytes);
        t2i_json_set_real(row, "seconds", e->sum[i].seconds);
        t2i_json_append(list, row);
    }
    return list;
}

static void begin_report(report *r, int json)
{
    *r = (report){0};
    if (json) {
        r->json = t2i_json_object();
        r->list = t2i_json_array();
    }
}

/* Prints and frees the report. exam NULL: nothing was measured. */
static t2i_status end_report(report *r, const t2i_exam *e, t2i_error *err)
{
    static const char form[] = "%d check%s: %d ok, %d warning%s, %d failure%s\n";
    int ok = r->count[T2I_FINE], warned = r->count[T2I_DOUBTFUL], failed = r->count[T2I_FAILING];
    char *text = NULL;
    t2i_status status;
    if (r->list != NULL) {
        t2i_json_set_integer(r->json, "ranks", e != NULL ? e->size : 0);
        t2i_json_set_integer(r->json, "hosts", e != NULL ? e->hosts : 0);
        t2i_json_set_integer(r->json, "ok", ok);
        t2i_json_set_integer(r->json, "warnings", warned);
        t2i_json_set_integer(r->json, "failures", failed);
        t2i_json_set(r->json, "checks", r->list);
        if (e != NULL) t2i_json_set(r->json, "rank", list_ranks(e));
        if (e != NULL) t2i_json_set(r->json, "sum", list_sums(e));
        status = t2i_json_text(r->json, 2, &text, err);
        if (status == T2I_OK) status = t2i_text_addf(&r->text, err, "%s\n", text);
    } else
        status = t2i_text_addf(&r->text, err, form, ok + warned + failed,
                               ok + warned + failed == 1 ? "" : "s", ok, warned,
                               warned == 1 ? "" : "s", failed, failed == 1 ? "" : "s");
    if (status == T2I_OK) status = t2i_log_print(r->text.data, err);
    t2i_free(text);
    t2i_json_free(r->json);
    t2i_text_free(&r->text);
    if (status == T2I_OK && failed > 0)
        status = t2i_fail(err, r->status, "%d of %d checks failed, the first of them %s", failed,
                          ok + warned + failed, r->first);
    return status;
}

/* Rank 0. */
static t2i_status print_report(const t2i_exam *e, int json, t2i_error *err)
{
    report r;
    t2i_status status = T2I_OK;
    begin_report(&r, json);
    for (size_t i = 0; i < t2i_doctor_checks_count && status == T2I_OK; i++) {
        const t2i_check *check = &t2i_doctor_checks[i];
        t2i_finding finding = {0};
        if (!t2i_doctor_checks_applies(check, e, 0)) continue;
        check->judge(e, &finding);
        status = add_finding(&r, check->name, check->why, &finding, err);
    }
    t2i_error why = {0};
    t2i_status printed = end_report(&r, e, &why);
    if (status == T2I_OK && printed != T2I_OK) *err = why;
    return status == T2I_OK ? printed : status;
}

t2i_status t2i_doctor_refused(const t2i_error *why, int json, t2i_error *err)
{
    report r;
    t2i_finding finding = {.grade = T2I_FAILING, .status = why->status};
    snprintf(finding.found, sizeof finding.found, "%.*s", (int)sizeof finding.found - 1, why->text);
    snprintf(finding.todo, sizeof finding.todo,
             "correct the start command and run t2i-doctor again: no other check was made");
    begin_report(&r, json);
    t2i_status status =
        add_finding(&r, t2i_doctor_checks[0].name, t2i_doctor_checks[0].why, &finding, err);
    t2i_error failed = {0};
    t2i_status printed = end_report(&r, NULL, &failed);
    if (status == T2I_OK && printed != T2I_OK) *err = failed;
    return status == T2I_OK ? printed : status;
}

t2i_status t2i_doctor(t2i_comm *comm, const t2i_train_options *options, int json, t2i_error *err)
{
    t2i_exam e;
    study s = {0};
    int threads = t2i_comm_threads(comm, (int)options->threads);
    t2i_status status = begin(&e, comm, options, threads, err);
    if (status == T2I_OK) study_run(&s, &e, comm, options);
    if (status == T2I_OK) status = t2i_doctor_measure(&e, comm, err);
    if (status == T2I_OK)
        status = t2i_comm_agree(comm, e.rank == 0 ? print_report(&e, json, err) : T2I_OK, err);
    end_study(&s);
    t2i_free(e.info);
    return status;
}

/* The first failure that refuses the run, before anything is warned of. */
static t2i_status refuse(const t2i_exam *e, t2i_error *err)
{
    for (size_t i = 0; i < t2i_doctor_checks_count; i++) {
        const t2i_check *check = &t2i_doctor_checks[i];
        t2i_finding finding = {0};
        if ((check->needs & T2I_REFUSES) == 0 || !t2i_doctor_checks_applies(check, e, 1)) continue;
        check->judge(e, &finding);
        if (finding.grade == T2I_FAILING)
            return t2i_fail(err, finding.status, "%s: %s; %s", check->name, finding.found,
                            finding.todo);
    }
    return T2I_OK;
}

t2i_status t2i_doctor_brief(t2i_comm *comm, const t2i_run_sizes *run, t2i_error *err)
{
    t2i_exam e;
    T2I_TRY(begin(&e, comm, run->options, run->threads, err));
    t2i_status mine = T2I_OK;
    e.run = run;
    if (e.rank == 0) mine = refuse(&e, err);
    for (size_t i = 0; mine == T2I_OK && e.rank == 0 && i < t2i_doctor_checks_count; i++) {
        const t2i_check *check = &t2i_doctor_checks[i];
        t2i_finding finding = {0};
        if (!t2i_doctor_checks_applies(check, &e, 1)) continue;
        check->judge(&e, &finding);
        if (finding.grade != T2I_FINE)
            t2i_log_warn("%s: %s; %s", check->name, finding.found, finding.todo);
    }
    t2i_free(e.info);
    return t2i_comm_agree(comm, mine, err);
}
