#include "formats/pickle.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/pickle_reader.h"
#include "formats/pickle_torch.h"
#include "base/mem.h"
#include "base/text.h"

enum {
    BUFFER = 1 << 14,
    FIRST_READ = 1 << 8,
    FIRST_ROOM = 16,
    STACK_MAX = 1 << 21,
    MARKS_MAX = 1024,
    MEMO_MAX = 1 << 21,
    MEMO_GAPS = 1 << 8,
    VALUES_MAX = 1000000,
    PICKLE_MAX = 1 << 26,
    LINE_MAX_BYTES = 256
};

/* ---- bytes ---- */

static t2i_status get(t2i_pickle_reader *r, void *out, size_t size)
{
    unsigned char *to = out;
    if (size > r->end - r->at) return t2i_pickle_reader_refuse(r, "it is cut off");
    while (size > 0) {
        if (r->at < r->from || r->at >= r->from + r->held) {
            /* twice as much each time: a table has thousands of small pickles */
            uint64_t left = r->end - r->at;
            size_t most = r->held == 0 ? FIRST_READ : r->held < BUFFER / 2 ? r->held * 2 : BUFFER;
            r->held = left < most ? (size_t)left : most;
            r->from = r->at;
            T2I_TRY(t2i_byte_source_read(r->source, r->from, r->buffer, r->held, r->err));
        }
        size_t skip = (size_t)(r->at - r->from);
        size_t part = r->held - skip < size ? r->held - skip : size;
        memcpy(to, r->buffer + skip, part);
        to += part;
        r->at += part;
        size -= part;
    }
    return T2I_OK;
}

/* Reads a little-endian number of size bytes. */
static t2i_status get_number(t2i_pickle_reader *r, size_t size, uint64_t *out)
{
    unsigned char bytes[8];
    T2I_TRY(get(r, bytes, size));
    *out = 0;
    for (size_t i = size; i-- > 0;) *out = *out << 8 | bytes[i];
    return T2I_OK;
}

/* ---- the stack ---- */

static t2i_status no_memory(t2i_pickle_reader *r)
{
    return t2i_fail_memory(r->err, sizeof(t2i_py), "a value of a pickle");
}

static t2i_status push(t2i_pickle_reader *r, t2i_py *value)
{
    if (value == NULL) return no_memory(r);
    if (r->size == r->room) {
        size_t room = r->room == 0 ? FIRST_ROOM : r->room * 2;
        if (room > STACK_MAX) return t2i_pickle_reader_refuse(r, "its stack is too deep");
        if (t2i_grow(&r->stack, r->room, room, sizeof(t2i_py *)) != 0) return no_memory(r);
        r->room = room;
    }
    r->stack[r->size++] = value;
    return T2I_OK;
}

/* Number of values that may be popped: those above the last mark. */
static size_t above(const t2i_pickle_reader *r)
{
    return r->size - (r->marks == 0 ? 0 : r->mark[r->marks - 1]);
}

static t2i_status need(t2i_pickle_reader *r, size_t count)
{
    return above(r) >= count
               ? T2I_OK
               : t2i_pickle_reader_refuse(r, "it takes more values than its stack has");
}

/* Counts a new value. The number is limited, because each takes memory. */
static t2i_status count_value(t2i_pickle_reader *r)
{
    return ++r->to->values <= VALUES_MAX
               ? T2I_OK
               : t2i_pickle_reader_refuse(r, "it has more than %d values", VALUES_MAX);
}

static t2i_status push_new(t2i_pickle_reader *r, t2i_py_kind kind)
{
    T2I_TRY(count_value(r));
    return push(r, t2i_py_value(r->to->arena, kind));
}

static t2i_status push_int(t2i_pickle_reader *r, int64_t value)
{
    T2I_TRY(count_value(r));
    return push(r, t2i_py_int(r->to->arena, value));
}

/* ---- instructions; `argument` comes from the table ---- */

static t2i_status op_protocol(t2i_pickle_reader *r, int argument)
{
    uint64_t version;
    T2I_TRY(get_number(r, 1, &version));
    (void)argument;
    return version >= 2 && version <= 4
               ? T2I_OK
               : t2i_pickle_reader_refuse(r, "protocol %d is not one of 2, 3 and 4", (int)version);
}

static t2i_status op_frame(t2i_pickle_reader *r, int argument)
{
    uint64_t size;
    T2I_TRY(get_number(r, 8, &size));
    (void)argument;
    return size <= r->end - r->at ? T2I_OK : t2i_pickle_reader_refuse(r, "it is cut off");
}

static t2i_status op_new(t2i_pickle_reader *r, int kind)
{
    return push_new(r, (t2i_py_kind)kind);
}

static t2i_status op_none(t2i_pickle_reader *r, int argument)
{
    (void)argument;
    return push(r, r->to->none);
}

static t2i_status op_bool(t2i_pickle_reader *r, int value)
{
    return push(r, r->to->boolean[value]);
}

/* An integer of size bytes; those of four bytes are signed. */
static t2i_status op_int(t2i_pickle_reader *r, int size)
{
    uint64_t value;
    T2I_TRY(get_number(r, (size_t)size, &value));
    return push_int(r, size == 4 ? (int32_t)(uint32_t)value : (int64_t)value);
}

/* An integer of more than 64 bits, as a text in hexadecimal. */
static t2i_status push_long(t2i_pickle_reader *r, size_t size)
{
    unsigned char bytes[UINT8_MAX];
    char text[2 * sizeof bytes + 4];
    T2I_TRY(get(r, bytes, size));
    int negative = bytes[size - 1] >> 7;
    for (size_t i = 0, carry = 1; negative && i < size; i++) {
        carry += (unsigned char)~bytes[i];
        bytes[i] = (unsigned char)carry;
        carry >>= 8;
    }
    while (size > 1 && bytes[size - 1] == 0) size--;
    int used = snprintf(text, sizeof text, "%s0x%x", negative ? "-" : "", bytes[size - 1]);
    for (size_t i = size - 1; i-- > 0;)
        used += snprintf(text + used, sizeof text - (size_t)used, "%02x", bytes[i]);
    T2I_TRY(count_value(r));
    return push(r, t2i_py_text(r->to->arena, text, (size_t)used));
}

static t2i_status op_long(t2i_pickle_reader *r, int argument)
{
    uint64_t size, value;
    (void)argument;
    T2I_TRY(get_number(r, 1, &size));
    if (size > 8) return push_long(r, (size_t)size);
    T2I_TRY(get_number(r, (size_t)size, &value));
    if (size > 0 && size < 8 && (value >> (8 * size - 1) & 1) != 0) value |= UINT64_MAX << 8 * size;
    int64_t integer;
    memcpy(&integer, &value, sizeof integer);
    return push_int(r, integer);
}

static t2i_status get_line(t2i_pickle_reader *r, char line[LINE_MAX_BYTES])
{
    for (size_t i = 0; i < LINE_MAX_BYTES; i++) {
        T2I_TRY(get(r, line + i, 1));
        if (line[i] == '\0') break;
        if (line[i] != '\n') continue;
        line[i] = '\0';
        return t2i_utf8_valid(line, i) == i ? T2I_OK
                                            : t2i_pickle_reader_refuse(r, "a line is not UTF-8");
    }
    return t2i_pickle_reader_refuse(r, "a line is too long");
}

/* A line of digits: Python 2 wrote integers of more than 32 bits so. */
static t2i_status op_int_text(t2i_pickle_reader *r, int argument)
{
    char line[LINE_MAX_BYTES], *end;
    (void)argument;
    T2I_TRY(get_line(r, line));
    errno = 0;
    long long value = strtoll(line, &end, 10);
    if (errno != 0 || end == line || *end != '\0')
        return t2i_pickle_reader_refuse(r, "an integer is malformed, or has more than 64 bits");
    return push_int(r, value);
}

static t2i_status op_float(t2i_pickle_reader *r, int argument)
{
    unsigned char bytes[8];
    uint64_t bits = 0;
    double real;
    (void)argument;
    T2I_TRY(get(r, bytes, sizeof bytes));
    for (size_t i = 0; i < 8; i++) bits = bits << 8 | bytes[i]; /* unlike the others, big-endian */
    memcpy(&real, &bits, sizeof real);
    T2I_TRY(count_value(r));
    return push(r, t2i_py_float(r->to->arena, real));
}

/* A string after its length, a number of `argument` bytes. Also for byte strings of Python 2. */
static t2i_status op_text(t2i_pickle_reader *r, int length_bytes)
{
    uint64_t size;
    T2I_TRY(get_number(r, (size_t)length_bytes, &size));
    if (size > r->end - r->at) return t2i_pickle_reader_refuse(r, "it is cut off");
    if (size > PICKLE_MAX) return t2i_pickle_reader_refuse(r, "a string is too long");
    T2I_TRY(count_value(r));
    t2i_py *value = t2i_py_value(r->to->arena, T2I_PY_TEXT);
    char *text = t2i_py_room(r->to->arena, (size_t)size);
    if (value == NULL || text == NULL) return no_memory(r);
    T2I_TRY(get(r, text, (size_t)size));
    if (t2i_utf8_valid(text, (size_t)size) != size)
        return t2i_pickle_reader_refuse(r, "a string is not UTF-8");
    value->text = text;
    value->size = (size_t)size;
    return push(r, value);
}

static t2i_status op_mark(t2i_pickle_reader *r, int argument)
{
    (void)argument;
    if (r->marks == r->marks_room) {
        size_t room = r->marks_room == 0 ? FIRST_ROOM : r->marks_room * 2;
        if (room > MARKS_MAX) return t2i_pickle_reader_refuse(r, "it is nested too deeply");
        if (t2i_grow(&r->mark, r->marks_room, room, sizeof *r->mark) != 0) return no_memory(r);
        r->marks_room = room;
    }
    r->mark[r->marks++] = r->size;
    return T2I_OK;
}

/* Removes the last mark. *count: number of values above it. */
static t2i_status take_mark(t2i_pickle_reader *r, size_t *count)
{
    if (r->marks == 0)
        return t2i_pickle_reader_refuse(r, "it takes more values than its stack has");
    *count = above(r);
    r->marks--;
    return T2I_OK;
}

/* Makes a tuple of the top `argument` values, or of all above the mark if it is -1. */
static t2i_status op_tuple(t2i_pickle_reader *r, int argument)
{
    size_t count = argument < 0 ? 0 : (size_t)argument;
    if (argument < 0) T2I_TRY(take_mark(r, &count));
    T2I_TRY(need(r, count));
    T2I_TRY(count_value(r));
    T2I_TRY(t2i_pickle_reader_count_items(r, count));
    t2i_py *tuple = t2i_py_tuple(r->to->arena);
    for (size_t i = 0; i < count; i++)
        t2i_py_append(r->to->arena, tuple, r->stack[r->size - count + i]);
    if (t2i_py_arena_failed(r->to->arena)) return no_memory(r);
    r->size -= count;
    return push(r, tuple);
}

enum { ONE = 1, PAIRS = 2 };

/* Adds the top values to the list or dict below them: one value (or pair), or all above the mark.
 */
static t2i_status op_add(t2i_pickle_reader *r, int argument)
{
    size_t step = argument & PAIRS ? 2 : 1, count = step;
    if (!(argument & ONE)) T2I_TRY(take_mark(r, &count));
    T2I_TRY(need(r, count + 1));
    t2i_py *container = r->stack[r->size - count - 1];
    if (container->kind != (step == 2 ? T2I_PY_DICT : T2I_PY_LIST))
        return t2i_pickle_reader_refuse(r, "%s adds to a %s", r->name,
                                        t2i_pickle_torch_kind_name(container));
    if (count % step != 0)
        return t2i_pickle_reader_refuse(r, "%s has a key without a value", r->name);
    T2I_TRY(t2i_pickle_reader_count_items(r, count));
    t2i_py **value = r->stack + r->size - count;
    for (size_t i = 0; i < count; i += step)
        if (step == 2)
            t2i_py_set_pair(r->to->arena, container, value[i], value[i + 1]);
        else
            t2i_py_append(r->to->arena, container, value[i]);
    if (t2i_py_arena_failed(r->to->arena)) return no_memory(r);
    r->size -= count;
    return T2I_OK;
}

static t2i_status op_pop(t2i_pickle_reader *r, int to_mark)
{
    size_t count = 1;
    if (to_mark) T2I_TRY(take_mark(r, &count));
    /* POP removes the mark if there is no value above it */
    if (!to_mark && r->marks > 0 && above(r) == 0) return take_mark(r, &count);
    T2I_TRY(need(r, count));
    r->size -= count;
    return T2I_OK;
}

static t2i_status remember(t2i_pickle_reader *r, size_t place)
{
    T2I_TRY(need(r, 1));
    if (place >= MEMO_MAX) return t2i_pickle_reader_refuse(r, "its memo has too many values");
    /* Python counts what it remembers, and each number takes bytes; so does this memory */
    if (place > MEMO_GAPS + r->at - r->begin)
        return t2i_pickle_reader_refuse(r, "its memo has gaps");
    if (place >= r->memo_room) {
        size_t room = r->memo_room == 0 ? FIRST_ROOM : r->memo_room;
        while (room <= place) room *= 2;
        if (t2i_grow(&r->memo, r->memo_room, room, sizeof(t2i_py *)) != 0) return no_memory(r);
        r->memo_room = room;
    }
    if (r->memo[place] == NULL) r->memos++;
    r->memo[place] = r->stack[r->size - 1];
    return T2I_OK;
}

static t2i_status op_put(t2i_pickle_reader *r, int bytes)
{
    uint64_t place;
    T2I_TRY(get_number(r, (size_t)bytes, &place));
    return remember(r, (size_t)place);
}

static t2i_status op_memoize(t2i_pickle_reader *r, int argument)
{
    (void)argument;
    return remember(r, r->memos);
}

static t2i_status op_get(t2i_pickle_reader *r, int bytes)
{
    uint64_t place;
    T2I_TRY(get_number(r, (size_t)bytes, &place));
    if (place >= r->memo_room || r->memo[place] == NULL)
        return t2i_pickle_reader_refuse(r, "it reads a memo entry that it never wrote");
    return push(r, r->memo[place]);
}

static t2i_status push_global(t2i_pickle_reader *r, const char *module, const char *name)
{
    T2I_TRY(count_value(r));
    t2i_py *value = NULL;
    T2I_TRY(t2i_pickle_torch_global(r, module, name, &value));
    return push(r, value);
}

static t2i_status op_global(t2i_pickle_reader *r, int argument)
{
    char module[LINE_MAX_BYTES], name[LINE_MAX_BYTES];
    (void)argument;
    T2I_TRY(get_line(r, module));
    T2I_TRY(get_line(r, name));
    return push_global(r, module, name);
}

static t2i_status op_stack_global(t2i_pickle_reader *r, int argument)
{
    (void)argument;
    T2I_TRY(need(r, 2));
    const t2i_py *module = r->stack[r->size - 2], *name = r->stack[r->size - 1];
    if (module->kind != T2I_PY_TEXT || name->kind != T2I_PY_TEXT ||
        strlen(module->text) != module->size || strlen(name->text) != name->size)
        return t2i_pickle_reader_refuse(r, "a function's name is not a string");
    r->size -= 2;
    return push_global(r, module->text, name->text);
}

/* Replaces the top value, a persistent id, by the storage that it refers to. */
static t2i_status op_persistent(t2i_pickle_reader *r, int argument)
{
    (void)argument;
    T2I_TRY(need(r, 1));
    T2I_TRY(count_value(r));
    t2i_py *out = NULL;
    T2I_TRY(t2i_pickle_torch_persistent(r, r->stack[--r->size], &out));
    return push(r, out);
}

/* Pops a function and its arguments, or a value and its attributes, and pushes the result. */
static t2i_status op_call(t2i_pickle_reader *r, int build)
{
    t2i_py *out = NULL;
    T2I_TRY(need(r, 2));
    T2I_TRY(count_value(r));
    r->size -= 2;
    t2i_py **at = r->stack + r->size;
    T2I_TRY(build ? t2i_pickle_torch_build(r, at[0], at[1], &out)
                  : t2i_pickle_torch_reduce(r, at[0], at[1], &out));
    return push(r, out);
}

static t2i_status op_stop(t2i_pickle_reader *r, int argument)
{
    (void)argument;
    if (r->marks != 0 || r->size != 1)
        return t2i_pickle_reader_refuse(r, "it ends with %zu values instead of one", r->size);
    r->stopped = 1;
    return T2I_OK;
}

static const struct {
    const char *name;
    t2i_status (*run)(t2i_pickle_reader *r, int argument);
    int argument;
} instruction[256] = {
    [0x80] = {"PROTO", op_protocol, 0},
    [0x95] = {"FRAME", op_frame, 0},
    ['}'] = {"EMPTY_DICT", op_new, T2I_PY_DICT},
    [']'] = {"EMPTY_LIST", op_new, T2I_PY_LIST},
    [')'] = {"EMPTY_TUPLE", op_new, T2I_PY_TUPLE},
    ['('] = {"MARK", op_mark, 0},
    ['X'] = {"BINUNICODE", op_text, 4},
    [0x8c] = {"SHORT_BINUNICODE", op_text, 1},
    [0x8d] = {"BINUNICODE8", op_text, 8},
    ['T'] = {"BINSTRING", op_text, 4},
    ['U'] = {"SHORT_BINSTRING", op_text, 1},
    ['K'] = {"BININT1", op_int, 1},
    ['M'] = {"BININT2", op_int, 2},
    ['J'] = {"BININT", op_int, 4},
    ['I'] = {"INT", op_int_text, 0},
    [0x8a] = {"LONG1", op_long, 0},
    ['G'] = {"BINFLOAT", op_float, 0},
    ['N'] = {"NONE", op_none, 0},
    [0x88] = {"NEWTRUE", op_bool, 1},
    [0x89] = {"NEWFALSE", op_bool, 0},
    ['t'] = {"TUPLE", op_tuple, -1},
    [0x85] = {"TUPLE1", op_tuple, 1},
    [0x86] = {"TUPLE2", op_tuple, 2},
    [0x87] = {"TUPLE3", op_tuple, 3},
    ['s'] = {"SETITEM", op_add, ONE | PAIRS},
    ['u'] = {"SETITEMS", op_add, PAIRS},
    ['a'] = {"APPEND", op_add, ONE},
    ['e'] = {"APPENDS", op_add, 0},
    ['0'] = {"POP", op_pop, 0},
    ['1'] = {"POP_MARK", op_pop, 1},
    ['q'] = {"BINPUT", op_put, 1},
    ['r'] = {"LONG_BINPUT", op_put, 4},
    [0x94] = {"MEMOIZE", op_memoize, 0},
    ['h'] = {"BINGET", op_get, 1},
    ['j'] = {"LONG_BINGET", op_get, 4},
    ['c'] = {"GLOBAL", op_global, 0},
    [0x93] = {"STACK_GLOBAL", op_stack_global, 0},
    ['R'] = {"REDUCE", op_call, 0},
    [0x81] = {"NEWOBJ", op_call, 0},
    ['b'] = {"BUILD", op_call, 1},
    ['Q'] = {"BINPERSID", op_persistent, 0},
    ['.'] = {"STOP", op_stop, 0},
};

/* ---- a whole pickle ---- */

static t2i_status run(t2i_pickle_reader *r)
{
    while (!r->stopped) {
        unsigned char code;
        r->opcode = r->at;
        T2I_TRY(get(r, &code, 1));
        if (r->opcode == r->begin && code != 0x80)
            return t2i_pickle_reader_refuse(r, "it does not begin as protocols 2 to 4 do");
        if (r->at - r->begin > PICKLE_MAX) return t2i_pickle_reader_refuse(r, "it is too long");
        if (instruction[code].run == NULL)
            return t2i_pickle_reader_refuse(r, "the instruction 0x%02x is not allowed", code);
        r->name = instruction[code].name;
        T2I_TRY(instruction[code].run(r, instruction[code].argument));
    }
    return t2i_pickle_torch_check_tree(r, r->stack[0]);
}

t2i_status t2i_pickle_read(t2i_pickle *pickle, t2i_pickle_kind kind, const t2i_byte_source *source,
                           uint64_t *at, uint64_t end, t2i_py **root, t2i_error *err)
{
    unsigned char buffer[BUFFER];
    t2i_pickle_reader r = {.to = pickle,
                           .kind = kind,
                           .source = source,
                           .err = err,
                           .begin = *at,
                           .at = *at,
                           .opcode = *at,
                           .end = end,
                           .buffer = buffer,
                           .items_before = pickle->items};
    t2i_status status = run(&r);
    if (status == T2I_OK) {
        *root = r.stack[0];
        *at = r.at;
    }
    t2i_free(r.mark);
    t2i_free(r.stack);
    t2i_free(r.memo);
    return status;
}

t2i_status t2i_pickle_new(t2i_pickle *pickle, t2i_error *err)
{
    *pickle = (t2i_pickle){.arena = t2i_py_arena_new()};
    if (pickle->arena == NULL) return t2i_fail_memory(err, 1, "a pickle");
    pickle->none = t2i_py_none(pickle->arena);
    for (int i = 0; i < 2; i++) pickle->boolean[i] = t2i_py_bool(pickle->arena, i);
    if (!t2i_py_arena_failed(pickle->arena)) return T2I_OK;
    t2i_pickle_free(pickle);
    return t2i_fail_memory(err, 1, "a pickle");
}

void t2i_pickle_free(t2i_pickle *pickle)
{
    t2i_py_arena_free(pickle->arena);
    t2i_free(pickle->storage);
    t2i_free(pickle->slot);
    t2i_free(pickle->named);
    *pickle = (t2i_pickle){0};
}
