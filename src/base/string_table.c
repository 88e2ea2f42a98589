#include "base/string_table.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

const char *t2i_string_table_at(const t2i_string_table *names, size_t number)
{
    return names->text.data + names->at[number];
}

/* The slot of the name, or the free slot where it belongs. At least one slot is free. */
static size_t slot_of(const t2i_string_table *names, const char *name)
{
    size_t slot = (size_t)t2i_hash_seeded(name, strlen(name), names->seed) & (names->slots - 1);
    while (names->slot[slot] != 0 &&
           strcmp(t2i_string_table_at(names, names->slot[slot] - 1), name) != 0)
        slot = (slot + 1) & (names->slots - 1);
    return slot;
}

size_t t2i_string_table_find(const t2i_string_table *names, const char *name)
{
    uint32_t found = names->slots == 0 ? 0 : names->slot[slot_of(names, name)];
    return found == 0 ? SIZE_MAX : found - 1;
}

/* At most half of the slots are used, so that searches are short. */
static t2i_status make_room(t2i_string_table *names, t2i_error *err)
{
    if (names->count == names->room) {
        size_t room = names->room * 2 + 64;
        if (t2i_grow(&names->at, names->count, room, sizeof *names->at) != 0)
            return t2i_fail_memory(err, room * sizeof *names->at, "names");
        names->room = room;
    }
    if (2 * (names->count + 1) <= names->slots) return T2I_OK;
    size_t slots = names->slots == 0 ? 128 : 2 * names->slots;
    if (names->slots == 0) names->seed = t2i_hash_seed();
    uint32_t *slot = t2i_alloc(slots, sizeof *slot);
    if (slot == NULL) return t2i_fail_memory(err, slots * sizeof *slot, "names");
    t2i_free(names->slot);
    names->slot = slot;
    names->slots = slots;
    for (size_t i = 0; i < names->count; i++)
        slot[slot_of(names, t2i_string_table_at(names, i))] = (uint32_t)(i + 1);
    return T2I_OK;
}

t2i_status t2i_string_table_add(t2i_string_table *names, const char *name, size_t *number,
                                t2i_error *err)
{
    *number = t2i_string_table_find(names, name);
    if (*number != SIZE_MAX) return T2I_OK;
    if (names->count >= UINT32_MAX - 1)
        return t2i_fail(err, T2I_DATA, "more than 4,294,967,294 different names");
    T2I_TRY(make_room(names, err));
    size_t at = names->text.size;
    T2I_TRY(t2i_text_add(&names->text, name, strlen(name) + 1, err));
    names->at[names->count] = at;
    names->slot[slot_of(names, name)] = (uint32_t)(names->count + 1);
    *number = names->count++;
    return T2I_OK;
}

void t2i_string_table_free(t2i_string_table *names)
{
    t2i_text_free(&names->text);
    t2i_free(names->at);
    t2i_free(names->slot);
    *names = (t2i_string_table){0};
}
