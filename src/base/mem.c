#include "base/mem.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGN = 64 };

/* Counters for tests; atomic because threads may allocate. */
static atomic_size_t calls, asked, live;

/* Defined if the program is built with AddressSanitizer. */
void __asan_poison_memory_region(const volatile void *from, size_t size) __attribute__((weak));

static void *allocate(size_t count, size_t size, int clear)
{
    if (size != 0 && count > (SIZE_MAX - 2 * ALIGN) / size) return NULL;
    size_t bytes = count * size, whole = (bytes / ALIGN + 1) * ALIGN;
    void *pointer = aligned_alloc(ALIGN, whole);
    if (pointer == NULL) return NULL;
    if (clear) memset(pointer, 0, bytes);
    if (__asan_poison_memory_region != NULL) /* so that an access to the padding is reported */
        __asan_poison_memory_region((char *)pointer + bytes, whole - bytes);
    atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&asked, bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
    return pointer;
}

void *t2i_alloc(size_t count, size_t size)
{
    return allocate(count, size, 1);
}

void *t2i_alloc_untouched(size_t count, size_t size)
{
    return allocate(count, size, 0);
}

int t2i_mem_at_least(size_t bytes, size_t millions, const char *variable)
{
    const char *told = getenv(variable);
    return bytes / 1000000 >= (told == NULL ? millions : (size_t)strtoul(told, NULL, 10));
}

int t2i_grow(void *pointer, size_t old_count, size_t new_count, size_t size)
{
    void *old;
    memcpy(&old, pointer, sizeof old);
    void *grown = t2i_alloc(new_count, size);
    if (grown == NULL) return -1;
    if (old != NULL) memcpy(grown, old, old_count * size);
    t2i_free(old);
    memcpy(pointer, &grown, sizeof grown);
    return 0;
}

char *t2i_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = t2i_alloc(size, 1);
    return copy == NULL ? NULL : memcpy(copy, text, size);
}

void t2i_free(void *pointer)
{
    if (pointer == NULL) return;
    atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
    free(pointer);
}

size_t t2i_alloc_calls(void)
{
    return atomic_load(&calls);
}

size_t t2i_alloc_bytes(void)
{
    return atomic_load(&asked);
}

size_t t2i_alloc_live(void)
{
    return atomic_load(&live);
}
