/* py_print.h - a tree of Python's values as text, much as Python would print it, for tests. A
 * tensor is its type and, for each dimension, size and stride. */
#ifndef T2I_PY_PRINT_H
#define T2I_PY_PRINT_H

#include <inttypes.h>
#include "formats/pyvalue.h"
#include "base/text.h"

/* 0 when there is no memory. */
static inline int py_print(t2i_text *out, const t2i_py *v);

static inline int py_print_items(t2i_text *out, const t2i_py *v)
{
    const char *ends = v->kind == T2I_PY_LIST ? "[]" : v->kind == T2I_PY_TUPLE ? "()" : "{}";
    int fine = t2i_text_addf(out, NULL, "%s%c", v->ordered ? "O" : "", ends[0]) == T2I_OK;
    for (size_t i = 0; i < v->size && fine; i++) {
        if (i > 0) fine = t2i_text_add(out, ",", 1, NULL) == T2I_OK;
        if (fine && v->kind == T2I_PY_DICT)
            fine = py_print(out, v->key[i]) && t2i_text_add(out, ":", 1, NULL) == T2I_OK;
        fine = fine && py_print(out, v->item[i]);
    }
    return fine && t2i_text_add(out, ends + 1, 1, NULL) == T2I_OK;
}

static inline int py_print_tensor(t2i_text *out, const t2i_py_tensor *t)
{
    int fine = t2i_text_addf(out, NULL, "%s", t->dtype) == T2I_OK;
    for (size_t i = 0; i < t->dims && fine; i++)
        fine = t2i_text_addf(out, NULL, " %" PRIu64 "*%" PRIu64, t->dim[i], t->stride[i]) == T2I_OK;
    return fine;
}

static inline int py_print(t2i_text *out, const t2i_py *v)
{
    switch (v->kind) {
    case T2I_PY_NONE:
        return t2i_text_addf(out, NULL, "None") == T2I_OK;
    case T2I_PY_BOOL:
        return t2i_text_addf(out, NULL, v->integer ? "True" : "False") == T2I_OK;
    case T2I_PY_INT:
        return t2i_text_addf(out, NULL, "%" PRId64, v->integer) == T2I_OK;
    case T2I_PY_FLOAT:
        return t2i_text_addf(out, NULL, "%.17g", v->real) == T2I_OK;
    case T2I_PY_TEXT:
        return t2i_text_addf(out, NULL, "'%s'", v->text) == T2I_OK;
    case T2I_PY_LIST:
    case T2I_PY_TUPLE:
    case T2I_PY_DICT:
        return py_print_items(out, v);
    case T2I_PY_TENSOR:
        return py_print_tensor(out, &v->tensor);
    }
    return 0;
}

#endif
