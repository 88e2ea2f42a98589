/* reader.h - the process that reads dataset files for this one.
 *
 * Why: HDF5 1.10 crashes on about one of 400 damaged files, and can loop without end. So it is
 * never called to read in a process that would be missed, as a rank of a job: t2i-reader
 * (reader_server.h), started by posix_spawn when a dataset is first opened, opens the files, and
 * hands over blocks by a socket. It is confined: no core file, 1 GiB of memory beyond what it
 * began with, 10 s of processor time a request (a block, or opening a file). When it crashes, or
 * comes to no end, that is one error of the file ("FILE is damaged: ..."); when it gives no answer
 * for 60 s, one of the disk. T2I_READER_SECONDS in the environment changes the 60 (and the 10,
 * which is a sixth of it).
 *
 * One reader per process serves all datasets that are open (at most 8), and one thread at a time:
 * a lock is simpler than a reader per dataset, and HDF5 works for one thread at a time, too. It
 * ignores the signals that are meant for the job, and ends when its parent has, whose end of the
 * socket is then closed; that a thread ends changes nothing. Threads, signals, rounding and files
 * of the caller are left as they are. A relative name is of the caller's current folder.
 *
 * The program is looked for in this order:
 *   1. what T2I_READER in the environment names;
 *   2. from the folder of the file that holds this code, libt2i.so or the program: there, in
 *      ../libexec/t2i and in ../../libexec/t2i;
 *   3. the same from the folder of the running program.
 * It must be of the same version.
 */
#ifndef T2I_READER_H
#define T2I_READER_H

/* Ends the reader, and waits a moment so that no zombie is left to whoever adopts it. Datasets that
 * are still open cannot be read any more. Legal where there is none; the next dataset that is
 * opened starts another. Without this call it goes with its parent. */
void t2i_reader_end(void);

#endif
