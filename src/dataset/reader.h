/* reader.h - the process that reads dataset files for this one.
 *
 * Why: HDF5 1.10 crashes on about one of 400 damaged files, and can loop without end. So it is
 * never called in a process that would be missed, as a rank of a job: a reader, forked first thing
 * in main, before MPI starts, opens the files, and hands over blocks in shared memory. It is
 * confined: no core file, 1 GiB of memory beyond what it began with, 10 s of processor time a
 * request (a block, or opening a file). When it crashes, or comes to no end, that is one
 * error of the file ("FILE is damaged: ..."); when it gives no answer for 60 s, one of the disk.
 * T2I_READER_SECONDS in the environment changes the 60 (and the 10, which is a sixth of it).
 *
 * One reader a process; it serves all datasets that are open (at most 8) to one thread at a time.
 * It ignores the signals that are meant for the job, and ends when its parent has. Relative names
 * are of the folder in which it was started.
 */
#ifndef T2I_READER_H
#define T2I_READER_H

/* First thing in main, of every program that opens datasets. Does nothing when it cannot fork:
 * opening a dataset tries again where no reader is, and tells. */
void t2i_reader_begin(void);

/* Last thing in main: ends it, and waits a moment so that no zombie is left to whoever adopts it.
 * It goes with its parent in any case. */
void t2i_reader_end(void);

#endif
