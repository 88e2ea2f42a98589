#include "prepare/resnet_weights.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "formats/tensors.h"

#define ANCHOR "layer1.0.conv1.weight"

/* The digest of a file, and of the name of the part of it that is used. */
static t2i_status digest_file(const char *path, const char *part, char digest[T2I_HEX],
                              t2i_error *err)
{
    static const size_t piece = 1 << 20;
    t2i_hash *hash = NULL;
    char *bytes = t2i_alloc(piece, 1);
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC), why = errno;
    ssize_t got = 0;
    t2i_status status = bytes == NULL ? t2i_fail_memory(err, piece, "reading") : T2I_OK;
    if (status == T2I_OK && fd < 0)
        status = t2i_fail(err, T2I_NOINPUT, "cannot open %s: %s", path, strerror(why));
    if (status == T2I_OK) status = t2i_hash_new(&hash, err);
    for (uint64_t at = 0; status == T2I_OK; at += (uint64_t)got) {
        got = t2i_fs_read_at(fd, bytes, piece, at);
        if (got <= 0) break;
        t2i_hash_add(hash, bytes, (size_t)got);
    }
    if (status == T2I_OK && got < 0)
        status = t2i_fail(err, T2I_IO, "cannot read %s: %s", path, strerror(errno));
    if (status == T2I_OK && part != NULL) t2i_hash_add(hash, part, strlen(part));
    if (status == T2I_OK) t2i_hash_end(hash, digest);
    if (fd >= 0) close(fd);
    t2i_hash_free(hash);
    t2i_free(bytes);
    return status;
}

/* Size of the prefix of a name that ends in the anchor; SIZE_MAX if it does not. */
static size_t prefix_of(const char *name)
{
    size_t size = strlen(name), tail = strlen(ANCHOR);
    if (size < tail || strcmp(name + size - tail, ANCHOR) != 0) return SIZE_MAX;
    return size == tail || name[size - tail - 1] == '.' ? size - tail : SIZE_MAX;
}

static t2i_status refuse_several(const t2i_tensors *tensors, t2i_error *err)
{
    const char *file = t2i_tensors_path(tensors), *part = t2i_tensors_part(tensors);
    char list[500] = "", choice[100] = "";
    if (part == NULL || strcmp(part, ".") == 0) part = "";
    for (size_t i = 0, used = 0; i < t2i_tensors_count(tensors) && used < 300; i++) {
        const char *name = t2i_tensors_at(tensors, i)->name;
        size_t size = prefix_of(name);
        if (size == SIZE_MAX || size > 80) continue;
        if (size == 0)
            snprintf(choice, sizeof choice, "%.50s", *part == '\0' ? "." : part);
        else
            snprintf(choice, sizeof choice, "%.50s%s%.*s", part, *part == '\0' ? "" : ".",
                     (int)size - 1, name);
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", used == 0 ? "" : ", ",
                                 choice);
    }
    return t2i_fail(err, T2I_DATA,
                    "%s holds several networks (%s): name one, as in --weights %s:%s", file, list,
                    file, choice);
}

/* Finds the prefix of the tensor names. The caller frees *prefix. */
static t2i_status find_prefix(const t2i_tensors *tensors, const char *path, char **prefix,
                              t2i_error *err)
{
    const char *found = NULL, *part = t2i_tensors_part(tensors);
    int whole = part != NULL && strcmp(part, ".") == 0; /* without a prefix */
    for (size_t i = 0; i < t2i_tensors_count(tensors); i++) {
        const char *name = t2i_tensors_at(tensors, i)->name;
        size_t size = prefix_of(name);
        if (size == SIZE_MAX || (whole && size > 0)) continue;
        if (found != NULL) return refuse_several(tensors, err);
        found = name;
    }
    if (found == NULL)
        return t2i_fail(err, T2I_DATA,
                        "%s holds no ResNet-18 weights: no tensor is named " ANCHOR
                        ", with or without a prefix",
                        path);
    size_t length = prefix_of(found);
    *prefix = t2i_alloc(length + 1, 1);
    if (*prefix == NULL) return t2i_fail_memory(err, length, "a name");
    memcpy(*prefix, found, length);
    return T2I_OK;
}

static void shape_text(size_t dims, const uint64_t *dim, char text[100])
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < dims && used < 80; i++)
        used += (size_t)snprintf(text + used, 100 - used, "%s%llu", i > 0 ? ", " : "",
                                 (unsigned long long)dim[i]);
}

static t2i_status read_tensor(t2i_tensors *tensors, const char *path, const char *prefix,
                              const t2i_resnet_tensor *wanted, float **out, t2i_error *err)
{
    t2i_text name = {0};
    T2I_TRY(t2i_text_addf(&name, err, "%s%s", prefix, wanted->name));
    const t2i_tensor_info *tensor = t2i_tensors_find(tensors, name.data);
    t2i_status status = T2I_OK;
    if (tensor == NULL)
        status =
            t2i_fail(err, T2I_DATA, "%s lacks tensor %.200s, so it is not a complete ResNet-18",
                     path, name.data);
    t2i_text_free(&name);
    if (status != T2I_OK) return status;
    int fits = tensor->dims == wanted->dims;
    uint64_t dim[4];
    for (size_t i = 0; i < wanted->dims; i++) {
        dim[i] = wanted->dim[i];
        fits = fits && tensor->dim[i] == dim[i];
    }
    char is[100], should[100];
    shape_text(tensor->dims, tensor->dim, is);
    shape_text(wanted->dims, dim, should);
    if (!fits)
        return t2i_fail(err, T2I_DATA, "%s: tensor %.200s has shape (%s); ResNet-18 needs (%s)",
                        path, tensor->name, is, should);
    *out = t2i_alloc(wanted->count, sizeof **out);
    if (*out == NULL) return t2i_fail_memory(err, wanted->count * sizeof **out, "weights");
    return t2i_tensors_floats(tensors, tensor, *out, err);
}

/* The layers that ResNet-34 shares by name would load, but their features would be meaningless. */
static t2i_status refuse_deeper(const t2i_tensors *tensors, const char *path, const char *prefix,
                                t2i_error *err)
{
    t2i_text name = {0};
    T2I_TRY(t2i_text_addf(&name, err, "%slayer1.2.conv1.weight", prefix));
    int deeper = t2i_tensors_find(tensors, name.data) != NULL;
    t2i_text_free(&name);
    if (!deeper) return T2I_OK;
    return t2i_fail(err, T2I_DATA,
                    "%s is a deeper network than ResNet-18: it has %.200slayer1.2.conv1.weight",
                    path, prefix);
}

static t2i_status load(t2i_resnet **net, t2i_tensors *tensors, const char *path, t2i_error *err)
{
    const t2i_resnet_tensor *wanted;
    size_t count = t2i_resnet_tensors(&wanted);
    char *prefix = NULL;
    T2I_TRY(find_prefix(tensors, path, &prefix, err));
    float **value = t2i_alloc(count, sizeof *value);
    t2i_status status = value == NULL ? t2i_fail_memory(err, count * sizeof *value, "weights")
                                      : refuse_deeper(tensors, path, prefix, err);
    for (size_t i = 0; status == T2I_OK && i < count; i++)
        status = read_tensor(tensors, path, prefix, &wanted[i], &value[i], err);
    t2i_error why = {0};
    if (status == T2I_OK) {
        status = t2i_resnet_new(net, (const float *const *)value, &why);
        if (status != T2I_OK) t2i_fail(err, status, "%s: %s", path, why.text);
    }
    for (size_t i = 0; value != NULL && i < count; i++) t2i_free(value[i]);
    t2i_free(value);
    t2i_free(prefix);
    return status;
}

t2i_status t2i_resnet_weights_load(t2i_resnet **net, const char *path, char digest[T2I_HEX],
                                   t2i_error *err)
{
    t2i_tensors *tensors;
    *net = NULL;
    T2I_TRY(t2i_tensors_open(&tensors, path, err));
    t2i_status status = load(net, tensors, path, err);
    if (status == T2I_OK)
        status = digest_file(t2i_tensors_path(tensors), t2i_tensors_part(tensors), digest, err);
    t2i_tensors_close(tensors);
    if (status == T2I_OK) return T2I_OK;
    t2i_resnet_free(*net);
    *net = NULL;
    return status;
}
