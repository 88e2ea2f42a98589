/* reader.h - the process that reads dataset files for this one.
 *
 * HDF5 1.10 crashes on about one of 400 damaged files, and can loop forever. Therefore a rank never
 * reads by HDF5 itself. A separate program, t2i-reader (reader_server.h), opens the files and sends
 * blocks through a socket; it is started by posix_spawn when a dataset is first opened. Its limits:
 * no core file, 1 GiB of memory beyond its initial use, and 10 s of processor time per request (to
 * read blocks or to open a file). If it crashes or exceeds its processor time, that is T2I_DATA
 * ("FILE is damaged: ..."); if it does not answer for 60 s, T2I_IO. T2I_READER_SECONDS in the
 * environment replaces the 60 s, and a sixth of it the 10 s.
 *
 * The reader cannot open files: this process opens them and hands over descriptors. Before the
 * first one, the reader gives up what it does not need (reader_confinement.h). What the kernel or
 * the build lacks for that is no error: t2i_reader_look tells it.
 *
 * One reader per process serves all open datasets (at most 8), one request at a time under a lock:
 * HDF5 itself serves one thread at a time. The reader ignores signals that are sent to the job, and
 * ends when its parent process ends and thereby closes the socket; the end of a single thread has
 * no effect. Threads, signals, rounding mode and files of the caller remain unchanged.
 *
 * The program is searched in this order:
 *   1. the path in T2I_READER in the environment;
 *   2. relative to the file that contains this code (libt2i.so or the program): its folder,
 *      ../libexec/t2i and ../../libexec/t2i;
 *   3. the same relative to the running program.
 * It must have the same version.
 */
#ifndef T2I_READER_H
#define T2I_READER_H

#include "base/error.h"

/* What confines the reader: the filter of system calls, and Landlock. 0: it does; else the errno of
 * why it does not, or T2I_READER_NOT_BUILT: built without libseccomp, or with sanitizers. */
enum { T2I_READER_NOT_BUILT = -1 };
typedef struct {
    int filter, landlock;
} t2i_reader_confinement;

/* Starts the reader if there is none. T2I_SYSTEM: it cannot be started. */
T2I_CHECKED t2i_status t2i_reader_look(t2i_reader_confinement *out, t2i_error *err);

/* Ends the reader, and waits up to 0.1 s for its end, so that it does not remain as a zombie.
 * Datasets that are still open can no longer be read; opening another dataset starts a new reader.
 * Has no effect without a reader. Without this call the reader ends with its parent. */
void t2i_reader_end(void);

#endif
