/* Which process writes to a run folder: taken, held, lost, given back. */
#include "test.h"

#include <unistd.h>

#include "base/fs.h"
#include "base/writer_lease.h"
#include "scratch.h"

static t2i_error err;

/* Another process writes that it has the folder. */
static void put(const char *path, const char *writer)
{
    FILE *file = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fputs(writer, file);
    CU_ASSERT_EQUAL(fclose(file), 0);
}

static void test_lease(void)
{
    const char *note = in_scratch("run/.writer");
    OK(t2i_writer_lease_check(&err)); /* nothing is claimed */
    OK(t2i_fs_mkdir(in_scratch("run"), &err));
    put(note, "elsewhere 4711 1\n"); /* another host's process cannot be seen: it is replaced */
    OK(t2i_writer_lease_take(in_scratch("run"), &err));
    OK(t2i_writer_lease_check(&err));
    OK(t2i_writer_lease_check_path(in_scratch("run/log.jsonl"), &err));
    t2i_writer_lease_end();
    CU_ASSERT_FALSE(t2i_fs_exists(note));
    OK(t2i_writer_lease_check(&err));
}

static void test_lost(void)
{
    const char *note = in_scratch("run/.writer");
    OK(t2i_writer_lease_take(in_scratch("run"), &err));
    put(note, "elsewhere 4711 1\n");
    FAILS(t2i_writer_lease_check(&err), T2I_CANTCREATE,
          "taken over by process 4711 of host elsewhere");
    FAILS(t2i_writer_lease_check_path(in_scratch("run/model"), &err), T2I_CANTCREATE, "4711");
    OK(t2i_writer_lease_check_path(in_scratch("runner/model"), &err)); /* not in the folder */
    put(note, "nobody\n");
    FAILS(t2i_writer_lease_check(&err), T2I_CANTCREATE, ".writer");
    put(note, "elsewhere 4711 1\n");
    t2i_writer_lease_end();
    CU_ASSERT_TRUE(t2i_fs_exists(note)); /* the other's note stays */
}

/* Of a process that is gone, and of one whose number is used again. */
static void test_dead(void)
{
    char host[256] = "", writer[400];
    gethostname(host, sizeof host - 1);
    snprintf(writer, sizeof writer, "%s %ld 1\n", host, (long)getppid());
    put(in_scratch("run/.writer"), writer);
    OK(t2i_writer_lease_take(in_scratch("run"), &err));
    t2i_writer_lease_end();
    put(in_scratch("run/.writer"), "");
    OK(t2i_writer_lease_take(in_scratch("run"), &err));
    t2i_writer_lease_end();
}

int main(void)
{
    static const t2i_test tests[] = {
        {"taken, held and given back", test_lease},
        {"taken over by another: nothing more is written", test_lost},
        {"a dead process's lease is no obstacle", test_dead},
    };
    if (scratch_begin("writer_lease") != 0) return 1;
    int failed = t2i_test_main("writer_lease", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return failed;
}
