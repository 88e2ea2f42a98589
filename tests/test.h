/* test.h - what every CUnit program here shares: one suite from a table, and an exit code that can
 * fail.
 *
 * Usage:  static const t2i_test tests[] = {{"what it shows", function}, ...};
 *         int main(void) { return t2i_test_main("module", tests, sizeof tests / sizeof *tests); }
 */
#ifndef T2I_TEST_H
#define T2I_TEST_H

#include <CUnit/Basic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/mem.h"

typedef struct {
    const char *name;
    void (*run)(void);
} t2i_test;

/* A call that must succeed; prints why it did not. */
#define OK(call)                                                                                   \
    do {                                                                                           \
        t2i_error why_ = {0};                                                                      \
        err = (t2i_error){0};                                                                      \
        if ((call) != T2I_OK) {                                                                    \
            why_ = err;                                                                            \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, why_.text);              \
            CU_FAIL("a call failed");                                                              \
        }                                                                                          \
    } while (0)

/* A call that must fail with this status and a text that contains part. Uses a local `err`. */
#define FAILS(call, code, part)                                                                    \
    do {                                                                                           \
        err = (t2i_error){0};                                                                      \
        t2i_status got_ = (call);                                                                  \
        if (got_ != (code) || strstr(err.text, (part)) == NULL) {                                  \
            fprintf(stderr, "%s:%d: %s: status %d, text \"%s\"\n", __FILE__, __LINE__, #call,      \
                    (int)got_, err.text);                                                          \
            CU_FAIL("another failure was expected");                                               \
        }                                                                                          \
    } while (0)

/* Runs all; also fails when the tests left memory allocated through t2i_alloc. */
static inline int t2i_test_main(const char *suite, const t2i_test *tests, size_t count)
{
    size_t live = t2i_alloc_live();
    if (CU_initialize_registry() != CUE_SUCCESS) return 1;
    CU_pSuite s = CU_add_suite(suite, NULL, NULL);
    for (size_t i = 0; i < count; i++)
        if (CU_add_test(s, tests[i].name, tests[i].run) == NULL) return 1;
    CU_basic_set_mode(CU_BRM_NORMAL);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    unsigned ran = CU_get_number_of_tests_run();
    CU_cleanup_registry();
    if (t2i_alloc_live() != live) {
        fprintf(stderr, "%s: %zu allocations were not freed\n", suite, t2i_alloc_live() - live);
        return 1;
    }
    return failures != 0 || ran != count;
}

#endif
