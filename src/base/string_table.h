/* string_table.h - distinct texts, numbered from 0 in order of first use.
 *
 * Why: pictures, groups and ready features are all found by name, among maybe a million.
 */
#ifndef T2I_STRING_TABLE_H
#define T2I_STRING_TABLE_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/text.h"

/* {0} is the empty one. */
typedef struct {
    size_t count;
    t2i_text text;  /* owned: all of them, each with its terminator */
    size_t *at;     /* owned: where each begins */
    size_t room;    /* of at */
    uint32_t *slot; /* owned: hash table of number + 1; 0 is free */
    size_t slots;   /* a power of two */
} t2i_string_table;

/* The number of that text, which is new (count grew) or was there. T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_string_table_add(t2i_string_table *names, const char *name,
                                            size_t *number, t2i_error *err);
/* Its number, or SIZE_MAX. */
size_t t2i_string_table_find(const t2i_string_table *names, const char *name);
/* Borrowed until the next add. */
const char *t2i_string_table_at(const t2i_string_table *names, size_t number);
void t2i_string_table_free(t2i_string_table *names);

#endif
