/* writer_lease.h - the lease of a run folder: it names the process that may write there.
 *
 * RUN/.writer is a folder with one file, which is empty; its name is the process that owns RUN. The
 * one rule: who owns RUN is decided by renaming or removing this file under the name that was seen,
 * and a file system does that for one process only. So there are no locks to be left over, no
 * moment between a look and a change, and every spelling of RUN leads to the same file.
 *
 *   take     .writer does not exist or is empty: a new one, with the file `nobody`, is renamed to
 *            it, which fails unless that is still so. Then nobody, or the name of an owner that is
 *            dead or cannot be seen from here, is renamed to the own name. Fails: look again.
 *   check    is the file with the own name still there, the same one and no copy, and does the path
 *            by which the caller writes still lead to it?
 *   end      the file with the own name is removed; then .writer, if it is empty.
 *
 * Other programs leave files anywhere (.DS_Store). They hide no owner: one that lives counts before
 * all others. Where nobody is named they are removed, one by one, until .writer is empty.
 *
 * A job that was assumed to be dead (its node came back, its launcher lost a rank) may still write
 * while its successor continues from its checkpoint. Therefore t2i_commit (commit.h) checks before
 * every rename in the folder, and so does every unlink. A process has at most one lease, which is
 * the state of this module. tests/unit/base/writer_lease_interleavings.c runs two processes through
 * every order of their steps.
 */
#ifndef T2I_WRITER_LEASE_H
#define T2I_WRITER_LEASE_H

#include "base/error.h"

/* Takes the lease of a folder, which is created if it does not exist. The owner loses it, unless it
 * is a live process of this host: then waits up to 15 seconds for its end, and fails with
 * T2I_CANTCREATE, having changed nothing. What the folder holds is to be looked at afterwards. Also
 * T2I_CANTCREATE and T2I_IO if the folder or .writer cannot be written. */
T2I_CHECKED t2i_status t2i_writer_lease_take(const char *folder, t2i_error *err);

/* T2I_CANTCREATE if another process has taken the lease since, T2I_IO if .writer cannot be read.
 * T2I_OK if this process has no lease. May be called by several threads. */
T2I_CHECKED t2i_status t2i_writer_lease_check(t2i_error *err);

/* Returns the lease, if it is still held. Folders that t2i_writer_lease_take created are removed if
 * they are empty. */
void t2i_writer_lease_end(void);

#endif
