/* cli.h - what all programs do with their command line: read it, then answer what is asked (--help,
 * --version) or do the work. MPI is not started for either.
 */
#ifndef T2I_CLI_H
#define T2I_CLI_H

#include "comm/comm.h"
#include "base/error.h"
#include "base/opts.h"

/* Answers on standard output, by rank 0 alone, what opts->asked says. T2I_IO when that fails. */
T2I_CHECKED t2i_status t2i_cli_answer(const t2i_opts *opts, t2i_error *err);

/* Parses, sets how much is said, then answers or lets the command (or program) run; frees opts. */
T2I_CHECKED t2i_status t2i_cli_run(t2i_opts *opts, int argc, char **argv, void *settings,
                                   t2i_error *err);

/* The end of a program: tells what went wrong, once for all ranks, closes comm (NULL: MPI was not
 * started; else collective), ends the reader of datasets. Returns the exit code. */
int t2i_cli_end(t2i_comm *comm, t2i_status status, const t2i_error *err);

#endif
