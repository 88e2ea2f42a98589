/* t2i-train - trains a model. Options are read before MPI starts, so that --help and usage errors
 * need no launcher. */
#include "tools/cli.h"
#include "comm/comm.h"
#include "base/cpu.h"
#include "doctor/doctor.h"
#include "train/train_options.h"
#include "base/log.h"
#include "base/stop_signal.h"
#include "train/train.h"

/* Collective. A run in its stages, and what the doctor warns of before it takes memory. */
static t2i_status train(t2i_comm *comm, const t2i_train_options *options, t2i_error *err)
{
    t2i_train *run;
    T2I_TRY(t2i_train_open(&run, comm, options, err));
    const t2i_run_sizes *sizes = t2i_train_sizes(run);
    t2i_status status = sizes != NULL ? t2i_doctor_brief(comm, sizes, err) : T2I_OK;
    if (status == T2I_OK) status = t2i_train_run(run, comm, err);
    t2i_train_close(run, comm);
    return status;
}

int main(int argc, char **argv)
{
    t2i_train_options options;
    t2i_error err = {0};
    t2i_comm *comm = NULL;
    t2i_log_program("t2i-train");
    t2i_stop_signal_begin();
    t2i_stop_signal_prepare();
    t2i_status status = t2i_train_options_parse(&options, argc, argv, &err);
    options.opts.git = T2I_GIT;
    t2i_log_set_level(options.opts.level);
    if (status == T2I_OK && options.opts.asked != T2I_ASK_NOTHING) {
        status = t2i_cli_answer(&options.opts, &err);
    } else if (status == T2I_OK) {
        status = t2i_cpu_check_vectors(&err);
        if (status == T2I_OK) status = t2i_comm_open(&comm, &argc, &argv, &err);
        if (status == T2I_OK) {
            t2i_log_rank(t2i_comm_rank(comm));
            status = train(comm, &options, &err);
        }
    }
    t2i_train_options_free(&options);
    return t2i_cli_end(comm, status, &err);
}
