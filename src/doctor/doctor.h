/* doctor.h - what this machine, launcher, file system and network will do to a run, before a night
 * is lost to them.
 *
 * Every rank looks at its own machine (host_info.h), some things are measured together
 * (doctor_measure.c), and functions that need no machine judge what came together: a row of the
 * table in doctor_checks.c each.
 */
#ifndef T2I_DOCTOR_H
#define T2I_DOCTOR_H

#include "comm/comm.h"
#include "base/error.h"
#include "host/host_info.h"
#include "host/fs_probe.h"
#include "train/train_options.h"
#include "train/resource_estimate.h"

typedef enum { T2I_FINE, T2I_DOUBTFUL, T2I_FAILING } t2i_grade;

typedef struct {
    t2i_grade grade;
    t2i_status status; /* of what is failing: what the program exits with */
    char found[400], todo[400];
} t2i_finding;

enum { T2I_EXAM_SUMS = 3 };

/* Everything that is judged. */
typedef struct {
    const t2i_train_options *options; /* data, out and the others may be missing */
    const t2i_run_sizes *run;         /* what it will train; NULL: not known */
    int rank, size;
    int hosts, nodes;    /* different machines; groups of ranks that share memory */
    t2i_host_info *info; /* owned: of all ranks */
    t2i_fs_probe probe;  /* rank 0: of the run folder, or the present one */
    int hosts_looked;    /* measured: all hosts looked for a file of rank 0 there (info: blind) */
    t2i_status start_status; /* not T2I_OK: why the run would not start */
    char start_problem[400];
    double meeting; /* measured: seconds of a barrier */
    struct {
        double bytes, seconds;
    } sum[T2I_EXAM_SUMS]; /* measured: a gradient of so many bytes over all ranks */
} t2i_exam;

enum {
    T2I_IN_SHORT = 1,   /* looked at whenever a run starts */
    T2I_WITH_RANKS = 2, /* needs: more than one rank; */
    T2I_WITH_HOSTS = 4, /* more than one host; */
    T2I_WITH_DATA = 8,  /* a dataset; */
    T2I_WITH_OUT = 16   /* a run folder that was named, when a run starts */
};

typedef struct {
    const char *name, *why;
    unsigned needs;
    void (*judge)(const t2i_exam *exam, t2i_finding *finding); /* *finding is fine and empty */
} t2i_check;

extern const t2i_check t2i_doctor_checks[];
extern const size_t t2i_doctor_checks_count;
int t2i_doctor_checks_applies(const t2i_check *check, const t2i_exam *exam, int in_short);

/* Collective. All of doctor_measure.c; takes some seconds. T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_doctor_measure(t2i_exam *exam, t2i_comm *comm, t2i_error *err);

/* Collective. All checks, as text or JSON on rank 0's standard output. Not T2I_OK with the status
 * of the first check that fails; the error counts them. */
T2I_CHECKED t2i_status t2i_doctor(t2i_comm *comm, const t2i_train_options *options, int json,
                                  t2i_error *err);

/* Collective. The short form, when a run starts: rank 0 warns of what is not fine. T2I_SYSTEM when
 * there is no memory. */
T2I_CHECKED t2i_status t2i_doctor_brief(t2i_comm *comm, const t2i_run_sizes *run, t2i_error *err);

/* The report of a run whose ranks did not even come together, for this reason. */
T2I_CHECKED t2i_status t2i_doctor_refused(const t2i_error *why, int json, t2i_error *err);

#endif
