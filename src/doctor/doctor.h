/* doctor.h - checks of machine, launcher, file system and network before a run.
 *
 * Every rank examines its own host (host_info.h), all ranks measure together (doctor_measure.c),
 * and pure functions judge the collected data, one per row of the table in doctor_checks.c.
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
    t2i_status status; /* T2I_FAILING: the exit status of the program */
    char found[400], todo[400];
} t2i_finding;

enum { T2I_EXAM_SUMS = 3 };

/* The collected data. */
typedef struct {
    const t2i_train_options *options; /* any option may be missing */
    const t2i_run_sizes *run;         /* the run to be started; NULL: unknown */
    int rank, size;
    int hosts, nodes;        /* number of hosts; number of groups of ranks that share memory */
    t2i_host_info *info;     /* owned: of all ranks */
    t2i_fs_probe probe;      /* rank 0: of the run folder, or of the current folder */
    int hosts_looked;        /* measured: all hosts looked there for a file of rank 0 (result:
                                info[].blind) */
    t2i_status start_status; /* not T2I_OK: the run would fail at its start, with start_problem */
    char start_problem[400];
    double meeting; /* measured: seconds of a barrier */
    struct {
        double bytes, seconds;
    } sum[T2I_EXAM_SUMS]; /* measured: the sum of a gradient of this size over all ranks */
} t2i_exam;

enum {
    T2I_IN_SHORT = 1,   /* also checked when a run starts */
    T2I_WITH_RANKS = 2, /* applies only with more than one rank */
    T2I_WITH_HOSTS = 4, /* applies only with more than one host */
    T2I_WITH_DATA = 8,  /* applies only with a dataset */
    T2I_WITH_OUT = 16,  /* when a run starts, applies only with a run folder */
    T2I_REFUSES = 32    /* a failure refuses the run that starts */
};

typedef struct {
    const char *name, *why;
    unsigned needs;
    void (*judge)(const t2i_exam *exam,
                  t2i_finding *finding); /* *finding: T2I_FINE and empty on entry */
} t2i_check;

extern const t2i_check t2i_doctor_checks[];
extern const size_t t2i_doctor_checks_count;
int t2i_doctor_checks_applies(const t2i_check *check, const t2i_exam *exam, int in_short);

/* Collective. All measurements; takes some seconds. T2I_SYSTEM: out of memory, or no threads. */
T2I_CHECKED t2i_status t2i_doctor_measure(t2i_exam *exam, t2i_comm *comm, t2i_error *err);

/* Collective. Makes all checks and prints the report as text or JSON on the standard output of rank
 * 0. Returns the status of the first check that fails; the error has the number of failures. */
T2I_CHECKED t2i_status t2i_doctor(t2i_comm *comm, const t2i_train_options *options, int json,
                                  t2i_error *err);

/* Collective. The short form at the start of a run: rank 0 warns of findings that are not T2I_FINE.
 * T2I_SYSTEM: out of memory, or the run needs more than the job may use. */
T2I_CHECKED t2i_status t2i_doctor_brief(t2i_comm *comm, const t2i_run_sizes *run, t2i_error *err);

/* Prints the report if MPI could not start, for the reason `why`. */
T2I_CHECKED t2i_status t2i_doctor_refused(const t2i_error *why, int json, t2i_error *err);

#endif
