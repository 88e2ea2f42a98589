/* encode_images.h - decodes, resizes and encodes pictures on all ranks, into journals
 * (build_journal.h).
 *
 * A picture is resized so that its shorter side is 64 pixels, then the middle 64 x 64 pixels are
 * cut out, as torchvision does. ResNet-18 gets the same with 256 and 224 pixels. */
#ifndef T2I_ENCODE_IMAGES_H
#define T2I_ENCODE_IMAGES_H

#include <stddef.h>
#include "comm/comm.h"
#include "base/error.h"
#include "base/string_table.h"
#include "prepare/build_journal.h"
#include "model/resnet.h"

/* Collective. Encodes every picture of `names` (the same on all ranks) once. net: ResNet-18, or
 * NULL when only pixels are needed. resume: keep the results in the folder and encode the rest;
 * otherwise the folder is emptied first. A picture that cannot be used gets a reason in the journal
 * and is no error. T2I_CANTCREATE, T2I_IO, T2I_SYSTEM; T2I_USAGE when all journals are of another
 * encoder; T2I_STOPPED when a rank got a stop signal. */
T2I_CHECKED t2i_status t2i_encode_images(t2i_comm *comm, const t2i_build_journal_kind *kind,
                                         const t2i_string_table *names, t2i_resnet *net, int resume,
                                         t2i_error *err);

#endif
