/* caption_json.h - captions of COCO, as it publishes them and as Karpathy divided them.
 *
 * COCO's captions_train2017.json has an array `images` (id, file_name) and an array `annotations`
 * (image_id, caption). Karpathy's dataset_coco.json, dataset_flickr8k.json and
 * dataset_flickr30k.json have an array `images` with filepath, filename, split and sentences. One
 * picture has several captions, each of which is a row. A file is read whole; beside it there is
 * one entry at a time.
 */
#ifndef T2I_CAPTION_JSON_H
#define T2I_CAPTION_JSON_H

#include "base/error.h"
#include "base/text.h"
#include "lists/pairs.h"

typedef enum { T2I_CAPTION_NONE, T2I_CAPTION_COCO, T2I_CAPTION_KARPATHY } t2i_caption_kind;

/* Which of them a file is, by its first bytes; T2I_CAPTION_NONE: another one. */
t2i_caption_kind t2i_caption_json_kind(t2i_span head);

/* Adds the rows of the file to *out, and says what it reads. T2I_NOINPUT; T2I_DATA when it is not
 * of the kind or holds no captions; T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_caption_json_coco(t2i_pair_list *out, const char *path, t2i_error *err);
T2I_CHECKED t2i_status t2i_caption_json_karpathy(t2i_pair_list *out, const char *path,
                                                 t2i_error *err);

#endif
