#include "dataset/h5_descriptor.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#if H5_VERSION_GE(1, 13, 0)
#include <H5FDdevelop.h>
#endif

#include "base/fs.h"
#include "base/mem.h"

static const char own_name[] = "/";

typedef struct {
    H5FD_t common; /* HDF5's; it must be the first member */
    int fd;
    haddr_t end, used; /* size of the file; the part of it that HDF5 knows of */
} descriptor_file;

/* The innermost reason, as HDF5's own drivers put it: t2i_h5_fail looks for the message. */
static void push_error(const char *what)
{
    H5Epush2(H5E_DEFAULT, __FILE__, what, __LINE__, H5E_ERR_CLS, H5E_IO, H5E_READERROR,
             "error message = '%s'", strerror(errno));
}

static H5FD_t *open_file(const char *name, unsigned flags, hid_t access, haddr_t most)
{
    const int *fd = H5Pget_driver_info(access);
    (void)most;
    if (fd == NULL || strcmp(name, own_name) != 0 || (flags & H5F_ACC_RDWR) != 0) return NULL;
    off_t end = lseek(*fd, 0, SEEK_END);
    if (end < 0) push_error("lseek");
    descriptor_file *file = end < 0 ? NULL : t2i_alloc(1, sizeof *file);
    if (file == NULL) return NULL;
    file->fd = *fd;
    file->end = (haddr_t)end;
    return &file->common;
}

static herr_t close_file(H5FD_t *file)
{
    t2i_free(file);
    return 0;
}

/* As HDF5's own driver, for files that are read only. */
static herr_t get_features(const H5FD_t *file, unsigned long *flags)
{
    (void)file;
    *flags = H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE;
    return 0;
}

static haddr_t get_used(const H5FD_t *file, H5FD_mem_t type)
{
    (void)type;
    return ((const descriptor_file *)file)->used;
}

static herr_t set_used(H5FD_t *file, H5FD_mem_t type, haddr_t used)
{
    (void)type;
    ((descriptor_file *)file)->used = used;
    return 0;
}

static haddr_t get_end(const H5FD_t *file, H5FD_mem_t type)
{
    (void)type;
    return ((const descriptor_file *)file)->end;
}

/* Beyond the end of the file are zeros, as HDF5's own drivers have it. */
static herr_t read_bytes(H5FD_t *file, H5FD_mem_t type, hid_t transfer, haddr_t at, size_t size,
                         void *out)
{
    (void)type;
    (void)transfer;
    ssize_t got = t2i_fs_read_at(((descriptor_file *)file)->fd, out, size, at);
    if (got < 0) {
        push_error("pread");
        return -1;
    }
    memset((char *)out + got, 0, size - (size_t)got);
    return 0;
}

static herr_t refuse_write(H5FD_t *file, H5FD_mem_t type, hid_t transfer, haddr_t at, size_t size,
                           const void *bytes)
{
    (void)file;
    (void)type;
    (void)transfer;
    (void)at;
    (void)size;
    (void)bytes;
    return -1;
}

hid_t t2i_h5_descriptor_open(int fd, hid_t access)
{
    static const H5FD_class_t driver = {
#if H5_VERSION_GE(1, 13, 0)
        .version = H5FD_CLASS_VERSION,
        .value = (H5FD_class_value_t)511, /* the last one for experiments */
#endif
        .name = "descriptor",
        .maxaddr = (haddr_t)INT64_MAX,
        .fc_degree = H5F_CLOSE_WEAK,
        .fapl_size = sizeof(int),
        .open = open_file,
        .close = close_file,
        .query = get_features,
        .get_eoa = get_used,
        .set_eoa = set_used,
        .get_eof = get_end,
        .read = read_bytes,
        .write = refuse_write,
        .fl_map = H5FD_FLMAP_DICHOTOMY,
    };
    hid_t id = H5FDregister(&driver);
    int fine = id >= 0 && H5Pset_driver(access, id, &fd) >= 0;
    if (id >= 0) H5FDunregister(id); /* the properties keep it */
    return fine ? H5Fopen(own_name, H5F_ACC_RDONLY, access) : H5I_INVALID_HID;
}
