/* The processor: cores, vector level, clock, rounding. */
#define _GNU_SOURCE /* syscall */
#include "test.h"

#include <errno.h>
#include <fenv.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cpu.h"

/* In place of the C library's: 0: this machine's own; a kernel for 4,096 cores, of which this
 * process may use 1,500 to 1,507; a kernel that refuses. */
static enum { OWN, LARGE, REFUSING } kernel;

int sched_getaffinity(pid_t process, size_t size, void *mask)
{
    enum { NEEDED = 4096 / 8 };
    long wrote = NEEDED;
    if (kernel == REFUSING || (kernel == LARGE && size < NEEDED)) {
        errno = EINVAL;
        return -1;
    }
    memset(mask, 0, size);
    if (kernel == OWN) wrote = syscall(SYS_sched_getaffinity, process, size, mask);
    if (kernel == LARGE) memcpy((char *)mask + 1500 / 8, "\xf0\x0f", 2);
    return wrote < 0 ? -1 : 0;
}

static void test_cpu(void)
{
    unsigned char mask[T2I_CPU_MASK];
    int cores = 0;
    memset(mask, 0xff, sizeof mask);
    t2i_cpu_mask(mask);
    for (size_t i = 0; i < 8 * sizeof mask; i++) cores += mask[i / 8] >> i % 8 & 1;
    CU_ASSERT_TRUE(cores == t2i_cpu_usable() && cores >= 1);
    const char *vectors = t2i_cpu_vectors_name();
    CU_ASSERT_TRUE(strcmp(vectors, "avx512") == 0 || strcmp(vectors, "avx2") == 0 ||
                   strcmp(vectors, "neon") == 0 || strcmp(vectors, "plain") == 0);
    double before = t2i_cpu_seconds();
    t2i_cpu_sleep(0.0);
    t2i_cpu_sleep(0.001);
    double middle = t2i_cpu_seconds();
    CU_ASSERT_TRUE(middle >= before + 0.001);
    t2i_cpu_sleep(1.001); /* seconds as well as parts of one */
    CU_ASSERT_TRUE(t2i_cpu_seconds() >= middle + 1.001);
}

static void test_many_cores(void)
{
    unsigned char mask[T2I_CPU_MASK];
    kernel = LARGE;
    CU_ASSERT_EQUAL(t2i_cpu_usable(), 8);
    CU_ASSERT_EQUAL(t2i_cpu_usable_by_parent(), 8);
    t2i_cpu_mask(mask);
    CU_ASSERT_TRUE(mask[187] == 0xf0 && mask[188] == 0x0f && mask[0] == 0);
    kernel = REFUSING; /* not one core in silence */
    CU_ASSERT_EQUAL(t2i_cpu_usable(), (int)sysconf(_SC_NPROCESSORS_ONLN));
    kernel = OWN;
}

static void test_rounding(void)
{
    volatile float one = 1.0f, third = 3.0f, tiny = 1e-38f, ten = 10.0f;
    float nearest = one / third;
    fesetround(FE_UPWARD);
#if defined(__x86_64__)
    unsigned set = 0x9fc0; /* flush to zero, denormals are zero */
    __asm__ volatile("ldmxcsr %0" : : "m"(set));
    fesetround(FE_UPWARD);
    volatile float flushed = tiny / ten;
    CU_ASSERT_EQUAL(flushed, 0.0f); /* the test's own trick works */
#endif
    t2i_cpu_set_rounding();
    CU_ASSERT_EQUAL(fegetround(), FE_TONEAREST);
    volatile float again = one / third, denormal = tiny / ten, back = denormal * ten;
    CU_ASSERT_EQUAL(again, nearest);
    CU_ASSERT_TRUE(denormal > 0.0f && back > 0.0f);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"cores, vectors, clock, rest", test_cpu},
        {"more than 1,024 cores", test_many_cores},
        {"rounding to nearest, denormals kept", test_rounding},
    };
    return t2i_test_main("cpu", tests, sizeof tests / sizeof *tests);
}
