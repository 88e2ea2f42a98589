#include "formats/pickle_reader.h"

#include <stdarg.h>
#include <stdio.h>

enum { ITEMS_MAX = 4000000 };

t2i_status t2i_pickle_reader_refuse(t2i_pickle_reader *r, const char *format, ...)
{
    char what[700];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return t2i_fail(r->err, T2I_DATA, "%s: its pickle is refused (at byte %llu): %s",
                    r->source->name, (unsigned long long)(r->opcode - r->begin), what);
}

t2i_status t2i_pickle_reader_count_items(t2i_pickle_reader *r, size_t count)
{
    r->to->items += count;
    return r->to->items <= ITEMS_MAX
               ? T2I_OK
               : t2i_pickle_reader_refuse(r, "its containers have more than %d items", ITEMS_MAX);
}
