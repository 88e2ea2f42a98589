/* t2i-doctor - checks machine, launcher, file system and network for a training run. */
#include "tools/cli.h"
#include "comm/comm.h"
#include "base/cpu.h"
#include "doctor/doctor.h"
#include "train/train_options.h"
#include "kernels/blas.h"
#include "base/log.h"
#include "base/stop_signal.h"

/* Starts MPI as a run would, then runs the checks. */
static t2i_status run_checks(const t2i_train_options *options, int json, int *argc, char ***argv,
                             t2i_comm **comm, t2i_error *err)
{
    t2i_error refusal = {0};
    int speaks = t2i_comm_rank_before_start() == 0;
    T2I_TRY(t2i_cpu_check_vectors(err));
    if (t2i_comm_open(comm, argc, argv, &refusal) != T2I_OK) {
        *err = refusal;
        return speaks ? t2i_doctor_refused(&refusal, json, err) : refusal.status;
    }
    t2i_log_rank(t2i_comm_rank(*comm));
    return t2i_doctor(*comm, options, json, err);
}

int main(int argc, char **argv)
{
    t2i_train_options options;
    t2i_error err = {0};
    t2i_comm *comm = NULL;
    int json = 0;
    t2i_log_program("t2i-doctor");
    t2i_stop_signal_begin();
    t2i_cpu_set_rounding();
    t2i_blas_begin();
    t2i_log_rank(t2i_comm_rank_before_start());
    t2i_status status = t2i_train_options_parse_exam(&options, &json, argc, argv, &err);
    options.opts.git = T2I_GIT;
    t2i_log_set_level(options.opts.level);
    if (status == T2I_OK && options.opts.asked != T2I_ASK_NOTHING)
        status = t2i_cli_answer(&options.opts, &err);
    else if (status == T2I_OK)
        status = run_checks(&options, json, &argc, &argv, &comm, &err);
    t2i_train_options_free(&options);
    return t2i_cli_end(comm, status, &err);
}
