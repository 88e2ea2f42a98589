/* preview.h - a contact sheet of a dataset: pictures of each split with their prompts. */
#ifndef T2I_PREVIEW_H
#define T2I_PREVIEW_H

#include "base/error.h"

/* Writes a PNG with up to 60 pictures and logs its name. out = NULL: `path` with the suffix .png.
 * T2I_NOINPUT; T2I_DATA, also when the dataset has no pictures; T2I_CANTCREATE; T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_preview(const char *path, const char *out, t2i_error *err);

#endif
