/* h5_descriptor.h - HDF5 reads a file that is already open.
 *
 * Why: the reader may open no file (reader_confinement.h). HDF5's own drivers take a name and open
 * it. This one has nothing but a descriptor, and refuses all names but its own: HDF5 opens the
 * files that a dataset names, in links and virtual datasets, by the same driver. Private to
 * dataset.
 */
#ifndef T2I_H5_DESCRIPTOR_H
#define T2I_H5_DESCRIPTOR_H

#include "dataset/dataset_h5.h"

/* Opens, to read, the HDF5 file of descriptor fd, which stays the caller's and must outlive it.
 * Negative on failure. access: file access properties, which are changed. */
hid_t t2i_h5_descriptor_open(int fd, hid_t access);

#endif
