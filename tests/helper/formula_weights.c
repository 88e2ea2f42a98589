/* formula_weights: writes ResNet-18 weights computed by a formula (golden/resnet_formula.h),
 * because tests cannot download those of ImageNet. Usage: formula_weights FILE.pth|FILE.safetensors
 * [PREFIX [OMITTED [GAIN]]] PREFIX precedes the names; OMITTED is the name of a tensor that is not
 * written. GAIN multiplies the convolutions; with 0.5 the features have the magnitude of those of
 * trained weights.
 *
 * A .pth is a state_dict in the format of torch.save. One other tensor takes the place of `fc` and
 * the counters of batches; readers must ignore it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/torchfile_out.h"
#include "golden/resnet_formula.h"
#include "formats/safetensors.h"
#include "formats/torchfile.h"

enum { TENSORS = 128 };

typedef struct {
    char name[160];
    const t2i_resnet_tensor *tensor;
    const float *value;
} entry;

static t2i_status write_torch(const char *path, const entry *entries, size_t count, t2i_error *err)
{
    static const float fc[6] = {1, 2, 3, 4, 5, 6};
    t2i_py_arena *arena = t2i_py_arena_new();
    t2i_py *dict = t2i_py_dict(arena, 1);
    for (size_t i = 0; i < count; i++) {
        uint64_t dim[4];
        for (size_t d = 0; d < entries[i].tensor->dims; d++) dim[d] = entries[i].tensor->dim[d];
        t2i_py_set(arena, dict, entries[i].name,
                   t2i_py_floats(arena, entries[i].tensor->dims, dim, entries[i].value));
    }
    t2i_py_set(arena, dict, "fc.weight", t2i_py_floats(arena, 2, (uint64_t[]){2, 3}, fc));
    t2i_status status = t2i_torchfile_out_save(path, arena, dict, err);
    t2i_py_arena_free(arena);
    return status;
}

static t2i_status write_safetensors(const char *path, const entry *entries, size_t count,
                                    t2i_error *err)
{
    static t2i_st_part part[TENSORS];
    for (size_t i = 0; i < count; i++) {
        part[i] = (t2i_st_part){
            .name = entries[i].name, .dims = entries[i].tensor->dims, .data = entries[i].value};
        for (size_t d = 0; d < part[i].dims; d++) part[i].dim[d] = entries[i].tensor->dim[d];
    }
    return t2i_st_save(path, part, count, NULL, err);
}

int main(int argc, char **argv)
{
    static entry entries[TENSORS];
    static float *value[TENSORS];
    const t2i_resnet_tensor *tensor;
    size_t tensors = t2i_resnet_tensors(&tensor), count = 0;
    t2i_error err = {0};
    if (argc < 2 || tensors > TENSORS) return 64;
    resnet_formula(value);
    if (value[0] == NULL) return 71;
    float gain = argc > 4 ? strtof(argv[4], NULL) : 1;
    for (size_t i = 0; i < tensors; i++)
        for (size_t k = 0; tensor[i].dims == 4 && k < tensor[i].count; k++) value[i][k] *= gain;
    for (size_t i = 0; i < tensors; i++) {
        if (argc > 3 && strcmp(argv[3], tensor[i].name) == 0) continue;
        snprintf(entries[count].name, sizeof entries[count].name, "%.100s%s",
                 argc > 2 ? argv[2] : "", tensor[i].name);
        entries[count].tensor = &tensor[i];
        entries[count++].value = value[i];
    }
    const char *dot = strrchr(argv[1], '.');
    t2i_status status = dot != NULL && strcmp(dot, ".safetensors") == 0
                            ? write_safetensors(argv[1], entries, count, &err)
                            : write_torch(argv[1], entries, count, &err);
    t2i_free(value[0]);
    if (status != T2I_OK) fprintf(stderr, "%s\n", err.text);
    return (int)status;
}
