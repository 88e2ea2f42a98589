/* For process_vm_readv of Linux. */
#define _GNU_SOURCE
#include "comm/single_copy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

int t2i_single_copy_read(int64_t pid, uint64_t address)
{
    char byte;
    struct iovec to = {&byte, 1}, from = {(void *)(uintptr_t)address, 1};
    return process_vm_readv((pid_t)pid, &to, 1, &from, 1, 0) == 1 ? 0 : errno;
}

void t2i_single_copy_prepare(void)
{
    char byte = 0;
    int failed = t2i_single_copy_read(getpid(), (uintptr_t)&byte);
    if (failed == EPERM || failed == ENOSYS)
        setenv("OMPI_MCA_btl_vader_single_copy_mechanism", "none", 0);
}

int t2i_single_copy_is_off(void)
{
    const char *how = getenv("OMPI_MCA_btl_vader_single_copy_mechanism");
    return how != NULL && strcmp(how, "cma") != 0;
}
