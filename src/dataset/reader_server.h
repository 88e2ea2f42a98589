/* reader_server.h - all of t2i-reader, which opens dataset files for another process (reader.h).
 *
 * Standard input, output and error are /dev/null, descriptor 3 is the socket (reader_protocol.h).
 * It confines itself, then serves until the other end of the socket is closed, as it is when that
 * process ends.
 */
#ifndef T2I_READER_SERVER_H
#define T2I_READER_SERVER_H

/* argv: the version of who started it, then a dataset's name, which only tells people in a list of
 * processes what is read. Returns an exit code: T2I_USAGE when it was not started by this version's
 * reader.c. */
int t2i_reader_server_run(int argc, char **argv);

#endif
