/* encode_images.h - pictures decoded, fitted and encoded by all ranks, into journals
 * (build_journal.h). */
#ifndef T2I_ENCODE_IMAGES_H
#define T2I_ENCODE_IMAGES_H

#include <stddef.h>
#include "comm/comm.h"
#include "base/error.h"
#include "base/string_table.h"
#include "prepare/build_journal.h"
#include "model/resnet.h"

/* Collective. Takes every picture of the names (the same on all ranks) once; net: NULL where only
 * pixels are wanted. resume: keep what is in the folder already and take the rest; else the folder
 * is emptied first. A picture that cannot be used gets a reason, not an error. T2I_CANTCREATE,
 * T2I_IO, T2I_SYSTEM; T2I_STOPPED when a rank was told to stop. */
T2I_CHECKED t2i_status t2i_encode_images(t2i_comm *comm, const t2i_build_journal_kind *kind,
                                         const t2i_string_table *names, t2i_resnet *net, int resume,
                                         t2i_error *err);

#endif
