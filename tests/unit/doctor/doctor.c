/* Each check of t2i-doctor on machines that are made up: when it warns or fails, and what it says.
 * And what a run will need, by hand. */
#include "test.h"

#include <errno.h>

#include "base/fs.h"
#include "doctor/doctor.h"
#include "comm/reduce.h"
#include "train/dry_run.h"

static t2i_error err;
static t2i_train_options options;

enum { RANKS = 4 };

/* Two hosts with two ranks each, a core for each rank, nothing wrong. */
static t2i_host_info info[RANKS];
static t2i_exam exam;

static void make_exam(void)
{
    memset(info, 0, sizeof info);
    options =
        (t2i_train_options){.data = "d.h5", .out = "run", .keep = 2, .watchdog = 30, .steps = 100};
    exam = (t2i_exam){.options = &options, .size = RANKS, .hosts = 2, .nodes = 2, .info = info};
    for (int r = 0; r < RANKS; r++) {
        t2i_host_info *f = &info[r];
        snprintf(f->host, sizeof f->host, "node%d", r / 2);
        snprintf(f->mpi, sizeof f->mpi, "Open MPI v4.1.4");
        snprintf(f->mpi_built, sizeof f->mpi_built, "Open MPI v4.1.4");
        snprintf(f->cpu, sizeof f->cpu, "avx512");
        snprintf(f->blas, sizeof f->blas, "SkylakeX");
        for (int i = 0; i < 3; i++) f->hdf5[i] = f->hdf5_built[i] = (unsigned)i + 1;
        f->launcher = T2I_BY_MPIRUN;
        f->dead_link = 11;
        f->cores = 1;
        f->parent_cores = 2;
        f->mask[0] = (unsigned char)(1 << r % 2);
        f->limits.memory_free = 8e9;
        f->limits.memory = f->shared = 16e9;
        f->node_first = r / 2 * 2;
        f->threads = 1;
        f->gflops = 100 + r;
        f->core_share = 1;
    }
    exam.probe = (t2i_fs_probe){.path = "/work",
                                .is_there = 1,
                                .kind = T2I_FS_SHARED,
                                .type = "NFS",
                                .free_bytes = 1e12,
                                .free_files = -1,
                                .bytes = 4e6,
                                .save_seconds = 0.1};
    for (int i = 0; i < T2I_EXAM_SUMS; i++) {
        exam.sum[i].bytes = 1 << 20;
        exam.sum[i].seconds = 1e-3;
    }
}

static const t2i_check *find(const char *name)
{
    for (size_t i = 0; i < t2i_doctor_checks_count; i++)
        if (strcmp(t2i_doctor_checks[i].name, name) == 0) return &t2i_doctor_checks[i];
    CU_FAIL("no such check");
    return &t2i_doctor_checks[0];
}

/* What a check says of the exam; then the exam is whole again. */
static void expect(const char *name, t2i_grade grade, const char *found, const char *todo)
{
    t2i_finding f = {0};
    find(name)->judge(&exam, &f);
    int good = f.grade == grade && strstr(f.found, found) != NULL && strstr(f.todo, todo) != NULL;
    if (!good) fprintf(stderr, "%s: grade %d: %s; %s\n", name, f.grade, f.found, f.todo);
    CU_ASSERT_TRUE(good);
    CU_ASSERT_TRUE((f.grade == T2I_FINE) == (f.todo[0] == '\0'));
    CU_ASSERT_TRUE((f.grade == T2I_FAILING) == (f.status != T2I_OK));
    make_exam();
}

static void test_all_is_well(void)
{
    make_exam();
    exam.start_status = T2I_NOINPUT; /* its judge would look at a model */
    for (size_t i = 0; i < t2i_doctor_checks_count; i++) {
        t2i_finding f = {0};
        if (strcmp(t2i_doctor_checks[i].name, "job") == 0) continue;
        CU_ASSERT_TRUE(t2i_doctor_checks_applies(&t2i_doctor_checks[i], &exam, 0));
        t2i_doctor_checks[i].judge(&exam, &f);
        if (f.grade != T2I_FINE) fprintf(stderr, "%s: %s\n", t2i_doctor_checks[i].name, f.found);
        CU_ASSERT_EQUAL(f.grade, T2I_FINE);
        CU_ASSERT_TRUE(f.found[0] != '\0');
    }
}

static void test_ranks(void)
{
    make_exam();
    expect("launcher", T2I_FINE, "4 ranks on 2 hosts, started by Open MPI's mpirun", "");
    exam.size = 1;
    info[0].tasks = 4;
    expect("launcher", T2I_DOUBTFUL, "Slurm allocated 4 tasks", "srun --mpi=pmix");
    info[3].node_first = 3;
    expect("launcher", T2I_FINE, "1 to 2 per node", "");
    info[3].mpi[10] = '5';
    expect("mpi", T2I_FAILING, "Open MPI v5.1.4 on rank 3 (node1)", "same MPI module");
    for (int r = 0; r < RANKS; r++) info[r].mpi[10] = '5';
    expect("mpi", T2I_DOUBTFUL, "v5.1.4, built with Open MPI v4.1.4", "rebuild it");
    for (int r = 0; r < RANKS; r++) info[r].mpi_built[0] = '\0';
    expect("mpi", T2I_FINE, "Open MPI v4.1.4", "");
    info[2].hdf5[2] = 7;
    expect("hdf5", T2I_FAILING, "rank 2 on node1: 1.2.7, built with 1.2.3", "HDF5 module");
    expect("reader", T2I_FINE, "a filter of system calls and Landlock confine", "");
    for (int r = 0; r < RANKS; r++) info[r].reader.landlock = ENOSYS;
    expect("reader", T2I_FINE, "a filter of system calls confines", "");
    info[2].reader.filter = T2I_READER_NOT_BUILT;
    expect("reader", T2I_DOUBTFUL,
           "Landlock confines the process that reads datasets on node1: no filter of system calls "
           "(built without libseccomp)",
           "libseccomp");
    info[3].reader = (t2i_reader_confinement){.filter = EINVAL, .landlock = ENOSYS};
    expect("reader", T2I_DOUBTFUL, "nothing confines", "allow seccomp");
    info[1].no_reader = 1;
    expect("reader", T2I_FAILING, "cannot be started on node0", "T2I_READER");
}

static void test_cores(void)
{
    make_exam();
    info[2].parent_cores = 8;
    expect("binding", T2I_DOUBTFUL, "2 ranks on node1 may use 2 cores of 8", "--bind-to none");
    info[2].parent_cores = 8;
    info[0].launcher = T2I_BY_SRUN;
    expect("binding", T2I_DOUBTFUL, "of 8", "--cpus-per-task");
    info[2].parent_cores = 8; /* asked for one thread: that is what it has */
    options.threads = 1;
    expect("binding", T2I_FINE, "", "");
    info[2].parent_cores = 8;
    info[2].threads_set = 1;
    expect("binding", T2I_FINE, "", "");
    info[2].parent_cores = 8;
    info[2].threads = info[3].threads = 4;
    options.threads = 4;
    expect("binding", T2I_DOUBTFUL, "of 8", "--bind-to none");
    info[2].threads = info[3].threads = 4;
    options.threads = 4;
    expect("threads", T2I_DOUBTFUL, "2 ranks x 4 threads share 2 cores on node1", "start 2 ranks");
    info[1].mask[0] = 1; /* both on one core */
    options.threads = 1;
    expect("threads", T2I_FINE, "share 1 core on node0", ""); /* the binding says it */
    info[1].mask[0] = 1;
    options.threads = 1;
    expect("binding", T2I_DOUBTFUL, "2 ranks on node0 may use 1 core of 2", "--bind-to none");
    for (int r = 2; r < RANKS; r++) { /* a quota: half of what the affinity permits, then less */
        info[r].limits.cores = 1;
        snprintf(info[r].limits.cores_by, T2I_LIMIT_NAME, "cpu.max of x");
    }
    expect("threads", T2I_DOUBTFUL, "2 ranks x 1 thread share 1 of 2 cores on node1 (cpu.max of x)",
           "start 1 rank there");
    info[3].limits.cores = 0.5;
    snprintf(info[3].limits.cores_by, T2I_LIMIT_NAME, "cpu.max of x");
    expect("threads", T2I_DOUBTFUL, "share 0.5 of 2 cores on node1 (cpu.max of x)", "whole core");
    info[0].limits.cores = 2;
    expect("threads", T2I_FINE, "2 ranks x 1 thread have 2 cores on node0", "");
    info[2].parent_cores = 8; /* bound to what the quota grants anyway */
    info[2].limits.cores = 2;
    expect("binding", T2I_FINE, "", "");
    exam.hosts = 1;
    exam.meeting = 0.01;
    expect("waiting", T2I_DOUBTFUL, "10.00 ms", "load");
    snprintf(info[3].cpu, sizeof info[3].cpu, "avx2");
    expect("cpu", T2I_DOUBTFUL, "avx2, SkylakeX on node1 (rank 3)", "--constraint");
}

static void test_speed(void)
{
    make_exam();
    info[1].gflops = 60;
    expect("speed", T2I_DOUBTFUL, "slowest: rank 1 on node0 with 60.0", "waits for rank 1");
    info[2].core_share = 0.5;
    expect("speed", T2I_DOUBTFUL, "rank 2 on node1 got 50 % of a core", "two mpirun jobs");
    info[2].core_share = 0.5;
    info[2].crowded = 1;
    expect("speed", T2I_FINE, "", "");
    for (int i = 0; i < T2I_EXAM_SUMS; i++) exam.sum[i].seconds = 1;
    expect("sum", T2I_DOUBTFUL, "1 MiB 1000.00 ms", "btl_tcp_if_include");
}

/* What makes MPI and OpenBLAS print lines that are no error of ours. */
static void test_noise(void)
{
    make_exam();
    info[3].copy_error = EPERM;
    expect("single-copy", T2I_DOUBTFUL, "rank 3 on node1 cannot read the memory of another rank",
           "btl_vader_single_copy_mechanism none");
    info[1].copy_error = EPERM;
    snprintf(info[1].mpi, sizeof info[1].mpi, "MPICH Version: 4.0");
    expect("single-copy", T2I_FINE, "rank 1 on node0 cannot read", ""); /* MPICH says nothing */
    info[2].processes = 20; /* 2 ranks x (1 core + 8) + 2 workers */
    expect("limits", T2I_FINE, "suffice", "");
    info[2].processes = 19;
    expect("limits", T2I_DOUBTFUL, "node1 permits 19 processes and threads",
           "OPENBLAS_NUM_THREADS=1");
    info[0].lockable = 65536;
    expect("limits", T2I_DOUBTFUL, "node0 has InfiniBand, but only 0.1 MB", "ulimit -l unlimited");
    info[0].lockable = 1e9;
    expect("limits", T2I_FINE, "suffice", "");
}

static void test_files(void)
{
    make_exam();
    exam.probe.kind = T2I_FS_MEMORY;
    expect("folder", T2I_DOUBTFUL, "/work on NFS", "on a disk");
    exam.probe.kind = T2I_FS_LOCAL;
    expect("folder", T2I_DOUBTFUL, "", "all nodes share");
    exam.probe.kind = T2I_FS_LOCAL;
    exam.hosts_looked = 1; /* one host's disk that it lends to the others */
    expect("folder", T2I_FINE, "", "");
    exam.probe.kind = T2I_FS_LOCAL;
    exam.hosts = 1;
    expect("folder", T2I_FINE, "", "");
    exam.probe.status = T2I_CANTCREATE;
    snprintf(exam.probe.problem, sizeof exam.probe.problem, "Permission denied");
    expect("folder", T2I_FAILING, "Permission denied", "another --out");
    exam.probe.free_bytes = 1e8;
    expect("space", T2I_DOUBTFUL, "100.0 MB free", "free disk space");
    exam.probe.free_files = 3;
    expect("space", T2I_DOUBTFUL, "room for 3 files", "inodes");
    exam.probe.save_status = T2I_IO;
    snprintf(exam.probe.save_problem, sizeof exam.probe.save_problem, "disk full");
    expect("save", T2I_FAILING, "disk full", "free disk space");
    exam.probe.save_seconds = 5;
    expect("save", T2I_DOUBTFUL, "5.000 s", "--signal=B:USR1");
    exam.probe.lock_error = 38;
    expect("locks", T2I_DOUBTFUL, "cannot be locked", "HDF5_USE_FILE_LOCKING=FALSE");
    info[2].blind = 1;
    expect("shared-folder", T2I_DOUBTFUL, "/work of rank 0 is not visible on node1",
           "all nodes share");
    info[2].clock = -7;
    expect("clock", T2I_DOUBTFUL, "7.000 s apart (node1)", "NTP");
    info[0].dead_link = 480;
    expect("dead-links", T2I_DOUBTFUL, "480 s", "oob_tcp_keepalive_time 5");
    info[0].dead_link = 0;
    expect("dead-links", T2I_FINE, "only the watchdog", "");
    exam.start_status = T2I_NOINPUT;
    snprintf(exam.start_problem, sizeof exam.start_problem, "no d.h5");
    expect("job", T2I_FAILING, "no d.h5", "t2i-train");
    info[1].shared = info[0].shared = 1 << 20;
    expect("shared-memory", T2I_DOUBTFUL, "node0 has 1.0 MB", "--shm-size");
    info[2].limits.memory_free = 1e8;
    expect("memory", T2I_DOUBTFUL, "node1 has 100.0 MB free of 16.0 GB", "--mem");

    t2i_fs_probe folder;
    t2i_fs_probe_look(&folder, "/dev/null/x/y");
    CU_ASSERT_EQUAL(folder.status, T2I_CANTCREATE);
    t2i_fs_probe_look(&folder, "no/such/folder");
    CU_ASSERT_EQUAL(folder.status, T2I_OK);
    CU_ASSERT_STRING_EQUAL(folder.path, ".");
    CU_ASSERT_FALSE(folder.is_there);
    t2i_fs_probe_look(&folder, "/no/such//folder/");
    CU_ASSERT_STRING_EQUAL(folder.path, "/");
}

/* A run so large that nothing fits it. */
static void test_need(void)
{
    static const t2i_config config = {.vocab_size = 30,
                                      .d_model = 64,
                                      .n_heads = 4,
                                      .n_layers = 2,
                                      .d_ff = 256,
                                      .block_size = 32,
                                      .vision_feature_dim = 512};
    t2i_model model;
    t2i_sampler sampler = {.shards = 8, .batch = 16, .rows = 2000000}; /* a picture each */
    OK(t2i_model_new(&model, &config, &err));
    make_exam();
    const t2i_run_sizes run = {.options = &options,
                               .model = &model,
                               .sampler = &sampler,
                               .size = RANKS,
                               .threads = 1,
                               .longest = 32,
                               .prompt_bytes = 30000,
                               .pictures = 1e6};
    double block = (double)model.layout.floats * sizeof(float);
    t2i_rank_estimate first = t2i_resource_estimate_rank(&run, 0, 2),
                      second = t2i_resource_estimate_rank(&run, 1, 2);
    CU_ASSERT_TRUE(first.own >= second.own + 1.9 * block); /* the moments of a checkpoint */
    CU_ASSERT_DOUBLE_EQUAL(second.shared, block, 1);       /* two of eight shards: one subtree */
    CU_ASSERT_DOUBLE_EQUAL(second.own - t2i_resource_estimate_rank(&run, 1, RANKS).own, block / 4,
                           4 * 16384);
    /* the other node's subtree: a quarter of it */
    CU_ASSERT_DOUBLE_EQUAL(t2i_resource_estimate_node(&run, 2e6),
                           block + (double)t2i_packed_weights_bytes(&model, 1) + 1e6 * 512 * 4, 1);
    double checkpoint = 3.0 * 4.0 * (double)model.layout.count;
    CU_ASSERT_DOUBLE_EQUAL(t2i_resource_estimate_checkpoint(&run), checkpoint, 1);
    CU_ASSERT_TRUE(t2i_resource_estimate_disk(&run) > 3 * checkpoint);

    exam.run = &run;
    info[2].limits.memory = info[2].limits.memory_free = 1e9;
    expect("memory", T2I_FAILING, "node1 has 1.0 GB free of 1.0 GB", "fewer ranks");
    exam.run = &run;
    info[3].limits.memory = info[3].limits.memory_free = 1e9; /* a group of its own */
    snprintf(info[3].limits.memory_by, T2I_LIMIT_NAME, "memory.max of x");
    expect("memory", T2I_FAILING, "node1 has 1.0 GB free of 1.0 GB that memory.max of x allows",
           "--mem");
    exam.run = &run;
    info[2].limits.memory_free = 1e9;
    expect("memory", T2I_DOUBTFUL, "the run needs about 2.1 GB", "--mem");
    exam.run = &run;
    info[3].shared = info[2].shared = 1e9;
    expect("shared-memory", T2I_DOUBTFUL, "needs 2.1", "remount");
    exam.run = &run;
    exam.probe.free_bytes = 1.5 * checkpoint;
    expect("space", T2I_DOUBTFUL, "keep 2", "lower keep");
    exam.run = &run;
    exam.probe.free_bytes = 0.5 * checkpoint;
    expect("space", T2I_FAILING, "per checkpoint", "no checkpoint fits");
    exam.run = &run;
    exam.probe.free_bytes = -1; /* the file system does not tell */
    expect("space", T2I_FINE, "unknown", "");
    t2i_model_free(&model);
}

/* Worker 1 of 3 has shards 2, 3, 4 of 8: the subtrees 2..3 and 4. */
static void test_tables(void)
{
    t2i_text text = {0};
    CU_ASSERT_EQUAL(t2i_reduce_count(8, 1, 3, 1).all, 2);
    CU_ASSERT_EQUAL(t2i_reduce_count(8, 1, 3, 1).published, 2);
    CU_ASSERT_EQUAL(t2i_reduce_count(8, 0, 1, 1).all, 4);
    CU_ASSERT_EQUAL(t2i_reduce_count(8, 0, 1, 1).published, 1);
    OK(t2i_dry_run_shards(&text, 4, 5, &err));
    CU_ASSERT_STRING_EQUAL(text.data, "rank 0: none, rank 1: 0, rank 2: 1, rank 3: 2, rank 4: 3");
    text.size = 0;
    OK(t2i_dry_run_shards(&text, 8, 3, &err));
    CU_ASSERT_STRING_EQUAL(text.data, "rank 0: 0..1, rank 1: 2..4, rank 2: 5..7");
    text.size = 0;
    OK(t2i_dry_run_shards(&text, 64, 48, &err));
    CU_ASSERT_STRING_EQUAL(text.data, "1 or 2 on each rank");
    t2i_text_free(&text);
}

static void test_applies(void)
{
    make_exam();
    CU_ASSERT_FALSE(t2i_doctor_checks_applies(find("speed"), &exam, 1));
    CU_ASSERT_TRUE(t2i_doctor_checks_applies(find("space"), &exam, 1));
    options.out = NULL;
    CU_ASSERT_FALSE(t2i_doctor_checks_applies(find("space"), &exam, 1));
    CU_ASSERT_TRUE(t2i_doctor_checks_applies(find("space"), &exam, 0));
    exam.hosts = 1;
    CU_ASSERT_FALSE(t2i_doctor_checks_applies(find("clock"), &exam, 0));
    exam.size = 1;
    CU_ASSERT_FALSE(t2i_doctor_checks_applies(find("sum"), &exam, 0));
    options.data = NULL;
    CU_ASSERT_FALSE(t2i_doctor_checks_applies(find("job"), &exam, 0));
}

int main(void)
{
    static const t2i_test tests[] = {
        {"nothing is said where nothing is wrong", test_all_is_well},
        {"ranks and libraries", test_ranks},
        {"cores and threads", test_cores},
        {"speed", test_speed},
        {"what libraries complain of", test_noise},
        {"files, hosts, memory", test_files},
        {"what a run needs", test_need},
        {"buffers and shards by hand", test_tables},
        {"which checks are made when", test_applies},
    };
    return t2i_test_main("doctor", tests, sizeof tests / sizeof *tests);
}
