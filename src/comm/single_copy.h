/* single_copy.h - reading the memory of another process (Linux's cross memory attach).
 *
 * Why: Open MPI sends large messages between the ranks of a node so. Where a container forbids it,
 * each attempt prints "Read -1, expected N, errno = 1", which users take for an error of ours; the
 * messages arrive by another way.
 */
#ifndef T2I_SINGLE_COPY_H
#define T2I_SINGLE_COPY_H

#include <stdint.h>

/* Called before MPI starts. Where a process cannot even read its own memory in this way (seccomp),
 * sets OMPI_MCA_btl_vader_single_copy_mechanism=none, unless the user has set it. */
void t2i_single_copy_prepare(void);
/* Is Open MPI told not to do it? */
int t2i_single_copy_is_off(void);
/* Reads a byte at this address of a process. Returns 0 or the errno. */
int t2i_single_copy_read(int64_t pid, uint64_t address);

#endif
