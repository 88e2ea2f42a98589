/* ready_features.h - the vectors of a list's pictures from --features, instead of pictures.
 *
 * By name: a safetensors or torch file with one tensor per picture, looked up by the picture's name
 * as given, by that without its extension, by its last component, and by that without extension.
 * The last three are used only where one picture alone has that name.
 *
 * By position: one table of rows, in a .npy file, in several that count as one (a folder such as
 * clip-retrieval's img_emb, a brace pattern, a glob; in the order of their numbers), or the one
 * tensor of two dimensions of a safetensors or torch file. Its rows are, whichever fits:
 *   - named by number, where every picture of the list is called by a row's number;
 *   - one for each row of the list, which counts bad rows; pictures that occur in several rows must
 *     have equal vectors there;
 *   - one for each distinct picture, in the order of their first rows.
 *
 * "FILE:PART" is a part of a safetensors or torch file (tensors.h). Rows are read in place.
 */
#ifndef T2I_READY_FEATURES_H
#define T2I_READY_FEATURES_H

#include <stddef.h>
#include "base/error.h"
#include "base/string_table.h"
#include "lists/pairs.h"

typedef struct t2i_ready_features t2i_ready_features;

/* list_path, names, list and picture (for each row of the list the index of its name) are borrowed
 * until close. Says which rule is used. T2I_NOINPUT, T2I_DATA, T2I_IO, T2I_SYSTEM; *out is NULL on
 * failure. */
T2I_CHECKED t2i_status t2i_ready_features_open(t2i_ready_features **out, const char *path,
                                               const char *list_path, const t2i_string_table *names,
                                               const t2i_pair_list *list, const size_t *picture,
                                               t2i_error *err);
void t2i_ready_features_close(t2i_ready_features *ready); /* NULL is legal */

/* Checks the vector of a picture, which must be as long as that of the first one checked and
 * finite. T2I_DATA with the reason; T2I_IO, T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_ready_features_check(t2i_ready_features *ready, size_t name,
                                                t2i_error *why);
/* Numbers of a vector; 0 before the first successful check. */
size_t t2i_ready_features_width(const t2i_ready_features *ready);
/* Reads the vector of a picture that was checked. */
T2I_CHECKED t2i_status t2i_ready_features_read(t2i_ready_features *ready, size_t name, float *out,
                                               t2i_error *err);

#endif
