/* source.c - captions of COCO and of Karpathy. The first byte tells the kind: 'k' Karpathy, another
 * one COCO; the rest is the file.
 */
#include "lists/caption_json.h"

#include "scratch.h"
#include "fuzz/fuzz.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    t2i_error err = {0};
    t2i_pair_list list = {.count = 0};
    if (size == 0) return 0;
    t2i_log_rank(1); /* says nothing of bad rows */
    (void)t2i_caption_json_kind((t2i_span){(const char *)bytes + 1, size - 1});
    T2I_ASSERT(scratch_begin("fuzz-source") == 0);
    const char *path = in_scratch("captions.json");
    FILE *file = fopen(path, "wb");
    T2I_ASSERT(file != NULL && fwrite(bytes + 1, 1, size - 1, file) == size - 1);
    T2I_ASSERT(fclose(file) == 0);

    t2i_status status = bytes[0] == 'k' ? t2i_caption_json_karpathy(&list, path, &err)
                                        : t2i_caption_json_coco(&list, path, &err);
    T2I_ASSERT(status == T2I_OK || status == T2I_DATA);
    T2I_ASSERT(list.count + list.bad == list.rows);
    for (size_t i = 0; i < list.count; i++) {
        const t2i_pair_row *row = &list.row[i];
        T2I_ASSERT(row->row < list.rows && row->line >= 1);
        T2I_ASSERT(row->prompt + row->prompt_size < list.text.size);
        T2I_ASSERT(row->image < list.text.size && list.text.data[row->image] != '\0');
    }
    t2i_pairs_free(&list);
    scratch_end();
    return 0;
}

T2I_FUZZ_MAIN("source");
