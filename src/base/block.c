#include "base/block.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

enum { ALIGN = 16 }; /* floats; every tensor starts at a cache line */

size_t t2i_tensor_count(const t2i_tensor *tensor)
{
    return (tensor->rows == 0 ? 1 : tensor->rows) * tensor->columns;
}

t2i_status t2i_layout_add(t2i_layout *layout, size_t rows, size_t columns, t2i_error *err,
                          const char *format, ...)
{
    if (t2i_grow(&layout->tensor, layout->tensors, layout->tensors + 1, sizeof *layout->tensor) !=
        0)
        return t2i_fail_memory(err, sizeof *layout->tensor, "a table of tensors");
    t2i_tensor *tensor = &layout->tensor[layout->tensors];
    va_list args;
    va_start(args, format);
    vsnprintf(tensor->name, sizeof tensor->name, format, args);
    va_end(args);
    size_t row_count = rows == 0 ? 1 : rows;
    if (columns != 0 && row_count > SIZE_MAX / 64 / columns)
        return t2i_fail(err, T2I_USAGE, "tensor %s of %zu x %zu elements is too large",
                        tensor->name, rows, columns);
    const t2i_tensor *last = layout->tensors > 0 ? tensor - 1 : NULL;
    size_t end = last == NULL ? 0 : last->offset + t2i_tensor_count(last);
    tensor->rows = rows;
    tensor->columns = columns;
    tensor->offset = (end + ALIGN - 1) / ALIGN * ALIGN;
    layout->tensors++;
    layout->count += row_count * columns;
    layout->floats = (tensor->offset + row_count * columns + T2I_CHUNK - 1) / T2I_CHUNK * T2I_CHUNK;
    return T2I_OK;
}

void t2i_layout_free(t2i_layout *layout)
{
    t2i_free(layout->tensor);
    *layout = (t2i_layout){0};
}

const t2i_tensor *t2i_layout_find(const t2i_layout *layout, const char *name)
{
    for (size_t i = 0; i < layout->tensors; i++)
        if (strcmp(layout->tensor[i].name, name) == 0) return &layout->tensor[i];
    return NULL;
}

float *t2i_block_new(const t2i_layout *layout)
{
    return t2i_alloc(layout->floats, sizeof(float));
}
