/* picture_folder.h - pairs of a folder of pictures: with a text beside each, with a folder per
 * class, or with Hugging Face's metadata file.
 *
 * If the folders above the pictures are called train, validation and test (two of them at least, or
 * other names that Hugging Face knows), they are splits. Each function says what it reads.
 */
#ifndef T2I_PICTURE_FOLDER_H
#define T2I_PICTURE_FOLDER_H

#include "base/error.h"
#include "lists/folder_tree.h"
#include "lists/list.h"
#include "lists/pairs.h"

/* The rows are those of pictures in the order of their paths; `folder` is the one of the tree.
 * Failures are those of t2i_pairs_add; T2I_DATA too when the folder is not of the kind. */

/* Each line of NAME.txt (or NAME.caption) that is not blank is a prompt of NAME.jpg. A text without
 * such a line is one empty prompt. Pictures without a text, and texts without a picture, are
 * warnings. */
T2I_CHECKED t2i_status t2i_picture_folder_texts(t2i_pair_list *out, const t2i_folder_tree *tree,
                                                const char *folder, t2i_error *err);
/* The prompt of a picture is the name of the folder that holds it. */
T2I_CHECKED t2i_status t2i_picture_folder_classes(t2i_pair_list *out, const t2i_folder_tree *tree,
                                                  const char *folder, t2i_error *err);
/* The rows of all metadata.csv and metadata.jsonl; each names pictures relative to its folder. */
T2I_CHECKED t2i_status t2i_picture_folder_metadata(t2i_pair_list *out, const t2i_folder_tree *tree,
                                                   const char *folder,
                                                   const t2i_list_columns *columns, t2i_error *err);

/* Number of class folders, counted to 2; 0: a picture lies in none. */
/* The split that a folder of this name holds: "train", "validation" or "test"; NULL: none. */
const char *t2i_picture_folder_split(const char *name, size_t size);
int t2i_picture_folder_count_classes(const t2i_folder_tree *tree);

#endif
