/* cli.h - common main program of the tools: parses the command line, then answers --help or
 * --version, or runs the command. Nothing here starts MPI.
 */
#ifndef T2I_CLI_H
#define T2I_CLI_H

#include "comm/comm.h"
#include "base/error.h"
#include "base/opts.h"

/* Prints the answer to opts->asked (help, version, ...) on standard output, by rank 0. T2I_IO. */
T2I_CHECKED t2i_status t2i_cli_answer(const t2i_opts *opts, t2i_error *err);

/* Parses the command line and sets the log level; then answers, or runs the command (or program).
 * Frees opts. */
T2I_CHECKED t2i_status t2i_cli_run(t2i_opts *opts, int argc, char **argv, void *settings,
                                   t2i_error *err);

/* Ends a program: prints the error, once for all ranks; closes comm (NULL: MPI was not started;
 * else collective); ends the reader of datasets. Returns the exit code. */
int t2i_cli_end(t2i_comm *comm, t2i_status status, const t2i_error *err);

#endif
