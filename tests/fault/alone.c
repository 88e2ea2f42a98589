/* alone.c - t2i-train on one rank without MPI, whose start takes ten times as long as these runs:
 * for faults by the thousand. */
#include "comm/comm.h"
#include "doctor/doctor.h"
#include "train/train_options.h"
#include "base/log.h"
#include "dataset/reader.h"
#include "base/stop_signal.h"
#include "train/train.h"

/* Collective. As in src/tools/t2i-train.c. */
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
    t2i_status status = t2i_train_options_parse(&options, argc, argv, &err);
    if (status == T2I_OK) status = t2i_comm_alone(&comm, &err);
    if (status == T2I_OK) status = train(comm, &options, &err);
    if (status != T2I_OK) t2i_log_error(&err);
    t2i_comm_close(comm);
    t2i_train_options_free(&options);
    t2i_reader_end();
    return (int)status;
}
