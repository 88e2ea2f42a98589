/* Prints the training prompts of a dataset, one a line, for time_torch.py --prompts: so that both
 * sides train on the same. Usage: prompts F.h5 */
#include <stdint.h>
#include <stdio.h>

#include "dataset/dataset.h"
#include "base/log.h"
#include "base/mem.h"

static t2i_status print_prompts(t2i_dataset *dataset, t2i_error *err)
{
    const t2i_dataset_info *info = t2i_dataset_get_info(dataset);
    uint64_t *offset = t2i_alloc(info->pairs + 1, sizeof *offset);
    uint8_t *split = t2i_alloc(info->pairs, 1);
    char *bytes = t2i_alloc(info->prompt_bytes + 1, 1);
    t2i_status status = offset == NULL || split == NULL || bytes == NULL
                            ? t2i_fail_memory(err, info->prompt_bytes, "the prompts")
                            : t2i_dataset_prompt_offsets(dataset, 0, info->pairs, offset, err);
    if (status == T2I_OK)
        status = t2i_dataset_pairs(dataset, 0, info->pairs, NULL, NULL, split, err);
    if (status == T2I_OK)
        status = t2i_dataset_prompt_bytes(dataset, 0, info->prompt_bytes, bytes, err);
    for (uint64_t i = 0; status == T2I_OK && i < info->pairs; i++)
        if (split[i] == T2I_TRAIN)
            printf("%.*s\n", (int)(offset[i + 1] - offset[i]), bytes + offset[i]);
    t2i_free(offset);
    t2i_free(split);
    t2i_free(bytes);
    return status;
}

int main(int argc, char **argv)
{
    t2i_error err;
    t2i_dataset *dataset = NULL;
    t2i_log_program("prompts");
    t2i_status status = argc == 2 ? t2i_dataset_open(&dataset, argv[1], &err)
                                  : t2i_fail(&err, T2I_USAGE, "usage: prompts F.h5");
    if (status == T2I_OK) status = print_prompts(dataset, &err);
    t2i_dataset_close(dataset);
    if (status == T2I_OK && fflush(stdout) != 0)
        status = t2i_fail(&err, T2I_IO, "cannot write to standard output");
    if (status != T2I_OK) t2i_log_error(&err);
    return (int)status;
}
