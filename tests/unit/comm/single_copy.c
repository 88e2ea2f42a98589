/* Reading another process's memory: what works, what is forbidden, and what Open MPI is told. */
#include "test.h"

#include <errno.h>
#include <unistd.h>

#include "comm/single_copy.h"

static void test_read(void)
{
    char byte = 1;
    int own = t2i_single_copy_read(getpid(), (uintptr_t)&byte);
    CU_ASSERT(own == 0 || own == EPERM || own == ENOSYS); /* as this machine permits */
    if (own != 0) return;
    CU_ASSERT_EQUAL(t2i_single_copy_read(getpid(), 8), EFAULT);
    CU_ASSERT_EQUAL(t2i_single_copy_read(0x3fffffff, (uintptr_t)&byte), ESRCH);
}

static void test_prepare(void)
{
    static const char name[] = "OMPI_MCA_btl_vader_single_copy_mechanism";
    char byte = 1;
    int works = t2i_single_copy_read(getpid(), (uintptr_t)&byte) == 0;
    unsetenv(name);
    t2i_single_copy_prepare();
    CU_ASSERT_EQUAL(t2i_single_copy_is_off(), !works); /* left alone where it works */
    setenv(name, "cma", 1);
    t2i_single_copy_prepare();
    CU_ASSERT_FALSE(t2i_single_copy_is_off()); /* the user decides */
    setenv(name, "none", 1);
    CU_ASSERT_TRUE(t2i_single_copy_is_off());
}

int main(void)
{
    static const t2i_test tests[] = {
        {"a byte of a process", test_read},
        {"Open MPI is told only where it is needed", test_prepare},
    };
    return t2i_test_main("single_copy", tests, sizeof tests / sizeof *tests);
}
