/* encode_images.h - encodes pictures (encode_picture.h) on all ranks, into journals
 * (build_journal.h). */
#ifndef T2I_ENCODE_IMAGES_H
#define T2I_ENCODE_IMAGES_H

#include <stddef.h>
#include "comm/comm.h"
#include "base/error.h"
#include "base/string_table.h"
#include "prepare/build_journal.h"
#include "prepare/encode_picture.h"
#include "model/resnet.h"

/* Collective. Encodes every picture of `names` (the same on all ranks) once. net: ResNet-18, or
 * NULL when only pixels are needed. resume: keep the results in the folder and encode the rest;
 * otherwise the folder is emptied first. A picture that cannot be used gets a reason in the journal
 * and is no error. T2I_CANTCREATE, T2I_IO, T2I_SYSTEM; T2I_USAGE when all journals are of another
 * encoder; T2I_STOPPED when a rank got a stop signal. */
T2I_CHECKED t2i_status t2i_encode_images(t2i_comm *comm, const t2i_build_journal_kind *kind,
                                         const t2i_string_table *names,
                                         const t2i_picture_form *form, t2i_resnet *net, int resume,
                                         t2i_error *err);

#endif
