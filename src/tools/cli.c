#include "tools/cli.h"

#include <string.h>

#include "comm/comm.h"
#include "base/cpu.h"
#include "dataset/dataset.h"
#include "tools/help.h"
#include "kernels/blas.h"
#include "base/log.h"
#include "dataset/reader.h"

static t2i_status add_version(const t2i_opts *opts, t2i_text *out, t2i_error *err)
{
    char mpi[T2I_MPI_NAME], mpi_built[T2I_MPI_NAME];
    unsigned hdf5[3], hdf5_built[3];
    const char *blas = t2i_blas_version();
    size_t name = strcspn(blas, " ");
    name += strspn(blas + name, " ");
    name += strcspn(blas + name, " ");
    t2i_comm_library(mpi, mpi_built);
    t2i_dataset_hdf5(hdf5, hdf5_built);
    T2I_TRY(t2i_text_addf(out, err, "%s %s\ngit:  %s\nMPI:  %s\n", opts->program, T2I_VERSION,
                          opts->git, mpi));
    T2I_TRY(t2i_text_addf(out, err, "HDF5: %u.%u.%u\n", hdf5[0], hdf5[1], hdf5[2]));
    return t2i_text_addf(out, err, "BLAS: %.*s, kernels %s; own kernels: %s\n", (int)name, blas,
                         t2i_blas_core(), t2i_cpu_vectors_name());
}

t2i_status t2i_cli_answer(const t2i_opts *opts, t2i_error *err)
{
    if (t2i_comm_rank_before_start() != 0) return T2I_OK;
    t2i_text text = {0};
    t2i_status status = opts->asked == T2I_ASK_VERSION ? add_version(opts, &text, err)
                        : opts->asked == T2I_ASK_MAN   ? t2i_help_man(opts, &text, err)
                        : opts->asked == T2I_ASK_COMPLETION
                            ? t2i_help_completion(opts, &text, err)
                            : t2i_help(opts, opts->asked == T2I_ASK_ALL, &text, err);
    if (status == T2I_OK) status = t2i_log_print(text.data, err);
    t2i_text_free(&text);
    return status;
}

static t2i_status run_command(const t2i_opts *opts, void *settings, t2i_error *err)
{
    const t2i_command *c = opts->chosen;
    int shared = c != NULL ? c->shared : opts->shared;
    if (!shared && t2i_comm_rank_before_start() > 0) return T2I_OK;
    return (c != NULL ? c->run : opts->run)(opts, settings, err);
}

t2i_status t2i_cli_run(t2i_opts *opts, int argc, char **argv, void *settings, t2i_error *err)
{
    t2i_status status = t2i_opts_parse(opts, argc, argv, err);
    t2i_log_set_level(opts->level);
    if (status == T2I_OK && opts->asked != T2I_ASK_NOTHING)
        status = t2i_cli_answer(opts, err);
    else if (status == T2I_OK)
        status = run_command(opts, settings, err);
    t2i_opts_free(opts);
    return status;
}

int t2i_cli_end(t2i_comm *comm, t2i_status status, const t2i_error *err)
{
    if (status != T2I_OK && comm == NULL) t2i_log_rank(t2i_comm_prints_before_start() ? 0 : 1);
    if (status != T2I_OK) t2i_log_error(err);
    t2i_comm_close(comm); /* after the message: the launcher ends all ranks when the first exits */
    t2i_reader_end();
    return (int)status;
}
