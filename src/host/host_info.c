#include "host/host_info.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "dataset/dataset.h"
#include "kernels/blas.h"

static double number_of(const char *name, double otherwise)
{
    const char *text = getenv(name);
    return text == NULL || *text == '\0' ? otherwise : atof(text);
}

/* ---- the launcher ---- */

/* Without a launcher Open MPI's library sets most variables itself; this one is set by mpirun only.
 */
static t2i_launcher find_launcher(void)
{
    if (getenv("OMPI_UNIVERSE_SIZE") != NULL) return T2I_BY_MPIRUN;
    if (getenv("HYDI_CONTROL_FD") != NULL || getenv("HYDRA_LAUNCHER") != NULL) return T2I_BY_HYDRA;
    if (getenv("SLURM_STEP_NUM_TASKS") != NULL && getenv("SLURM_PROCID") != NULL)
        return T2I_BY_SRUN;
    return T2I_BY_OTHER;
}

/* Open MPI's daemons detect a dead link by TCP keepalive; the defaults are those of version 4.1. */
static double time_of_dead_link(void)
{
    return number_of("OMPI_MCA_oob_tcp_keepalive_time", 300) +
           number_of("OMPI_MCA_oob_tcp_keepalive_intvl", 20) *
               number_of("OMPI_MCA_oob_tcp_keepalive_probes", 9);
}

/* ---- limits ---- */

static void find_limits(t2i_host_info *f)
{
    struct rlimit limit;
    if (geteuid() != 0 && getrlimit(RLIMIT_NPROC, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        f->processes = (double)limit.rlim_cur;
    if (access("/sys/class/infiniband", F_OK) == 0 && getrlimit(RLIMIT_MEMLOCK, &limit) == 0 &&
        limit.rlim_cur != RLIM_INFINITY)
        f->lockable = (double)limit.rlim_cur;
}

void t2i_host_info_look(t2i_host_info *f)
{
    struct utsname name;
    memset(f, 0, sizeof *f); /* including padding: the struct is compared and sent as bytes */
    if (uname(&name) == 0)
        snprintf(f->host, sizeof f->host, "%.*s", (int)sizeof f->host - 1, name.nodename);
    t2i_comm_library(f->mpi, f->mpi_built);
    t2i_dataset_hdf5(f->hdf5, f->hdf5_built);
    snprintf(f->blas, sizeof f->blas, "%s", t2i_blas_core());
    snprintf(f->cpu, sizeof f->cpu, "%s", t2i_cpu_vectors_name());
    f->launcher = find_launcher();
    f->threads_set = number_of("OMP_NUM_THREADS", 0) > 0;
    f->tasks = (int)number_of("SLURM_STEP_NUM_TASKS", number_of("SLURM_NTASKS", 0));
    if (f->launcher == T2I_BY_MPIRUN) f->dead_link = time_of_dead_link();
    f->cores = t2i_cpu_usable();
    f->parent_cores = t2i_cpu_usable_by_parent();
    t2i_cpu_mask(f->mask);
    t2i_job_limits_look(&f->limits, "");
    find_limits(f);
    f->shared = (double)t2i_comm_shareable();
    f->threads = 1;
}
