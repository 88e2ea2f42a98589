/* levels.h - do kernels give the same bits at every vector level that this CPU has?
 *
 * The level is fixed before main (T2I_VECTORS), so the test runs itself once a level, as a child
 * that only writes down what its kernels computed:
 *
 *     static void write_digests(void) { ...; digest("t2i_ops_add", out, sizeof out); }
 *     static void test_levels(void) { same_at_all_levels(); }
 *     int main(int argc, char **argv)
 *     {
 *         if (is_level_child(argc, argv)) return level_child(write_digests);
 *         ...
 *     }
 *
 * For programs over test.h.
 */
#ifndef T2I_LEVELS_H
#define T2I_LEVELS_H

#include <sys/wait.h>
#include <unistd.h>
#include "base/cpu.h"
#include "base/hash.h"
#include "test.h"

enum { NO_SUCH_LEVEL = 77, DIGESTS_MOST = 1 << 16 };

/* One line of a child: what a function left, as a digest. */
static inline void digest(const char *name, const void *bytes, size_t size)
{
    char hex[T2I_HEX];
    t2i_hash_hex(bytes, size, hex);
    printf("%s %s\n", name, hex);
}

static inline int is_level_child(int argc, char **argv)
{
    return argc == 2 && strcmp(argv[1], "--digests") == 0;
}

static inline int level_child(void (*write_digests)(void))
{
    t2i_error err = {0};
    if (t2i_cpu_check_vectors(&err) != T2I_OK) return NO_SUCH_LEVEL;
    t2i_cpu_set_rounding();
    write_digests();
    return fflush(stdout) == 0 ? 0 : 1;
}

/* What this program writes as a child at that level. Its exit code; -1 when there was none. */
static inline int run_level(const char *level, char out[DIGESTS_MOST])
{
    int end[2], status;
    size_t used = 0;
    ssize_t got;
    if (pipe(end) != 0) return -1;
    pid_t child = fork();
    if (child == 0) {
        dup2(end[1], STDOUT_FILENO);
        close(end[0]);
        close(end[1]);
        setenv("T2I_VECTORS", level, 1);
        execl("/proc/self/exe", "levels", "--digests", (char *)NULL);
        _exit(1);
    }
    close(end[1]);
    while (used + 1 < DIGESTS_MOST && (got = read(end[0], out + used, DIGESTS_MOST - 1 - used)) > 0)
        used += (size_t)got;
    out[used] = '\0';
    close(end[0]);
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status)) return -1;
    return WEXITSTATUS(status);
}

/* Fails, and shows the first lines that differ from those at T2I_VECTORS=plain. */
static inline void same_at_all_levels(void)
{
    static const char *const wider[] = {"avx2", "avx512", "neon"};
    static char plain[DIGESTS_MOST], other[DIGESTS_MOST];
    CU_ASSERT_EQUAL(run_level("plain", plain), 0);
    CU_ASSERT_TRUE(strlen(plain) > 0 && strlen(plain) + 1 < DIGESTS_MOST);
    for (size_t i = 0; i < sizeof wider / sizeof *wider; i++) {
        int code = run_level(wider[i], other);
        if (code == NO_SUCH_LEVEL) continue;
        CU_ASSERT_EQUAL(code, 0);
        CU_ASSERT_EQUAL(strlen(other), strlen(plain));
        int differ = 0;
        const char *a = plain, *b = other;
        for (size_t line; *a != '\0' && *b != '\0'; a += line, b += line) {
            line = strcspn(a, "\n") + 1;
            if (strncmp(a, b, line) != 0 && differ++ < 5)
                fprintf(stderr, "T2I_VECTORS=%s gives other bits than plain: %.*s", wider[i],
                        (int)line, b);
        }
        CU_ASSERT_EQUAL(differ, 0);
    }
}

#endif
