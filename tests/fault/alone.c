/* alone.c - t2i-train on one rank without MPI, whose start takes ten times as long as these runs:
 * for faults by the thousand. */
#include "comm/comm.h"
#include "train/train_options.h"
#include "base/log.h"
#include "dataset/reader.h"
#include "base/stop_signal.h"
#include "train/train.h"

int main(int argc, char **argv)
{
    t2i_train_options options;
    t2i_error err = {0};
    t2i_comm *comm = NULL;
    t2i_log_program("t2i-train");
    t2i_stop_signal_begin();
    t2i_status status = t2i_train_options_parse(&options, argc, argv, &err);
    if (status == T2I_OK) status = t2i_comm_alone(&comm, &err);
    if (status == T2I_OK) status = t2i_train(comm, &options, &err);
    if (status != T2I_OK) t2i_log_error(&err);
    t2i_comm_close(comm);
    t2i_train_options_free(&options);
    t2i_reader_end();
    return (int)status;
}
