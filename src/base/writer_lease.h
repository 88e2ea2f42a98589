/* writer_lease.h - which process writes to a run folder.
 *
 * Why: a job that was thought dead (a node that came back, a launcher that lost a rank) may still
 * write while its successor goes on from its checkpoint. So who writes leaves its name in the
 * folder, and looks before every rename and unlink there whether it still is the one; what is
 * committed (commit.h) below a claimed folder does so by itself. A process has one claim at most:
 * this module's state.
 */
#ifndef T2I_WRITER_LEASE_H
#define T2I_WRITER_LEASE_H

#include "base/error.h"

/* Makes this process the one that writes to the folder, which is there. Whoever wrote to it before
 * has lost it, unless it is a live process of this host: that is waited for, for some seconds, and
 * then T2I_CANTCREATE tells of it. T2I_CANTCREATE and T2I_IO also when it cannot be written down.
 */
T2I_CHECKED t2i_status t2i_writer_lease_take(const char *folder, t2i_error *err);

/* T2I_CANTCREATE when another process has taken the folder since, T2I_IO when that cannot be read.
 * T2I_OK without a claim. */
T2I_CHECKED t2i_status t2i_writer_lease_check(t2i_error *err);
/* The same for a path; T2I_OK for those that do not lie in the claimed folder. */
T2I_CHECKED t2i_status t2i_writer_lease_check_path(const char *path, t2i_error *err);

/* Gives it back: what was written down is removed, if it still is this process's. */
void t2i_writer_lease_end(void);

#endif
