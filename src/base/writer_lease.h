/* writer_lease.h - the lease of a run folder: it names the process that may write there.
 *
 * A job that was assumed to be dead (its node came back, its launcher lost a rank) may still write
 * while its successor continues from its checkpoint. Therefore the writer records itself in the
 * folder's file .writer, and checks this file before every rename and unlink in the folder;
 * t2i_commit (commit.h) does so for every file below the folder. A process has at most one lease,
 * which is the state of this module.
 */
#ifndef T2I_WRITER_LEASE_H
#define T2I_WRITER_LEASE_H

#include "base/error.h"

/* Takes the lease of a folder, which must exist. The previous holder loses it, unless that is a
 * live process of this host: then waits up to 15 seconds for its end, and fails with
 * T2I_CANTCREATE. T2I_CANTCREATE and T2I_IO also if .writer cannot be written. */
T2I_CHECKED t2i_status t2i_writer_lease_take(const char *folder, t2i_error *err);

/* T2I_CANTCREATE if another process has taken the lease since, T2I_IO if .writer cannot be read.
 * T2I_OK if this process has no lease. */
T2I_CHECKED t2i_status t2i_writer_lease_check(t2i_error *err);
/* The same for a path; T2I_OK if it is not below the folder of the lease. */
T2I_CHECKED t2i_status t2i_writer_lease_check_path(const char *path, t2i_error *err);

/* Returns the lease: removes .writer if it still names this process. */
void t2i_writer_lease_end(void);

#endif
