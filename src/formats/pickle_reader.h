/* pickle_reader.h - state of a pickle being read, shared by pickle.c (instructions) and
 * pickle_torch.c (functions of torch, and the functions below). */
#ifndef T2I_PICKLE_READER_H
#define T2I_PICKLE_READER_H

#include "formats/pickle.h"

/* Kinds of values that exist only while a pickle is read. A parameter becomes a tensor when it gets
 * its data. */
enum { KIND_FUNCTION = T2I_PY_TENSOR + 1, KIND_STORAGE, KIND_PARAMETER };

typedef struct {
    t2i_pickle *to;
    t2i_pickle_kind kind;
    const t2i_byte_source *source;
    t2i_error *err;
    uint64_t begin, opcode, at, end; /* offsets: the pickle, its instruction, the next byte, end */
    const char *name;                /* of the instruction */
    unsigned char *buffer;           /* `held` bytes of the source from offset `from` */
    uint64_t from;
    size_t held;
    t2i_py **stack;
    size_t size, room;
    size_t *mark; /* sizes of the stack at the marks */
    size_t marks, marks_room;
    t2i_py **memo;
    size_t memos, memo_room;
    size_t items_before; /* of other pickles of the file */
    int stopped;
} t2i_pickle_reader;

/* Returns T2I_DATA: "FILE: its pickle is refused (at byte N): ...". */
t2i_status t2i_pickle_reader_refuse(t2i_pickle_reader *r, const char *format, ...) T2I_PRINTF(2, 3);
/* Adds to the number of items in containers; T2I_DATA beyond the limit. */
t2i_status t2i_pickle_reader_count_items(t2i_pickle_reader *r, size_t count);

#endif
