/* reader_confinement.h - what the reader process may still ask of the kernel.
 *
 * Code that a hostile dataset got executed in HDF5 has the rights of the user. Before the reader
 * receives its first file it gives up all that it does not need: it can read and close the files
 * that it is handed, answer through its socket, allocate memory, and end. It can open, create or
 * remove no file, start no thread or program, reach no other process and no network.
 * Private to dataset.
 */
#ifndef T2I_READER_CONFINEMENT_H
#define T2I_READER_CONFINEMENT_H

#include "dataset/reader.h"

/* Confines all threads of this process for good, as far as the kernel and this build allow. */
t2i_reader_confinement t2i_reader_confinement_begin(void);

#endif
