/* reader_server.h - the program t2i-reader, which reads dataset files for another process
 * (reader.h).
 *
 * Standard input, output and error are /dev/null; descriptor 3 is the socket (reader_protocol.h).
 * The program limits its memory and time, confines itself (reader_confinement.h), then answers
 * requests until the other end of the socket is closed, at the latest by the end of the other
 * process.
 */
#ifndef T2I_READER_SERVER_H
#define T2I_READER_SERVER_H

/* argv: the version of the parent, then the path of a dataset, which is only informative in a list
 * of processes. Returns the exit code; T2I_USAGE if the program was not started by reader.c of the
 * same version. */
int t2i_reader_server_run(int argc, char **argv);

#endif
