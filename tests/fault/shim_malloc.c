/* shim_malloc.c - lets the N-th malloc, calloc or realloc of some libraries fail (LD_PRELOAD).
 * Apart from shim.c, since the sanitizers have their own.
 *
 * T2I_SHIM_MALLOC="N FILE [ever]"  counts calls from a file whose name holds FILE ("libjansson")
 * T2I_SHIM_HIT=FILE                is created when that happens
 */
#define _GNU_SOURCE /* dladdr */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

static atomic_long calls;
static int ready; /* plan is read */
static struct {
    char from[64];
    long number;
    int ever;
} plan;

__attribute__((constructor)) static void begin(void)
{
    char ever[8] = "";
    const char *text = getenv("T2I_SHIM_MALLOC");
    ready = text != NULL && sscanf(text, "%ld %63s %7s", &plan.number, plan.from, ever) >= 2;
    plan.ever = ever[0] != '\0';
}

static int fails(void *caller)
{
    Dl_info info;
    if (!ready || dladdr(caller, &info) == 0 || strstr(info.dli_fname, plan.from) == NULL) return 0;
    long turn = atomic_fetch_add(&calls, 1) + 1;
    if (turn != plan.number && !(plan.ever && turn > plan.number)) return 0;
    const char *hit = getenv("T2I_SHIM_HIT");
    if (hit != NULL) close(open(hit, O_WRONLY | O_CREAT, 0666));
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(old, size);
}
