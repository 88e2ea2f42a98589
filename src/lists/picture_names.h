/* picture_names.h - finds the files that a list means, where it does not name them exactly.
 *
 * Why: lists travel between systems. macOS may decompose the accents of file names (NFD) where the
 * list has them composed (NFC), or the reverse; Windows writes backslashes; spreadsheets leave
 * blanks. Reasons: docs/decisions/037-lists.md.
 */
#ifndef T2I_PICTURE_NAMES_H
#define T2I_PICTURE_NAMES_H

#include "base/error.h"
#include "lists/pairs.h"

/* Replaces each picture's name in the list by that of the file in `folder`. A name that exists as
 * written is kept. Else the first of these that exists is used: without blanks at its ends and
 * without file://, with slashes for backslashes, and with each of its parts in another Unicode
 * normalisation. A name that is not found stays without blanks. "./" in front is removed. Notes
 * what was found in another form. T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_picture_names_find(t2i_pair_list *list, const char *path,
                                              const char *folder, t2i_error *err);

#endif
