/* new_folder - a folder is there when it is complete, and never replaces what is not empty. */
#include "convert/new_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "scratch.h"
#include "test.h"

static t2i_error err;

static int disk_fails;

/* In front of the system's own: a write that failed behind the program's back. */
int syncfs(int fd)
{
    CU_ASSERT_TRUE(fcntl(fd, F_GETFD) >= 0);
    if (disk_fails) errno = EIO;
    return disk_fails ? -1 : 0;
}

static void put(const char *path)
{
    FILE *file = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL(fclose(file), 0);
}

static void appears_when_complete(void)
{
    t2i_new_folder folder;
    for (int i = 0; i < 2; i++) { /* without the folder, and with an empty one */
        const char *path = in_scratch(i == 0 ? "a" : "b/");
        if (i == 1) CU_ASSERT_EQUAL(mkdir(path, 0777), 0);
        OK(t2i_new_folder_open(&folder, path, &err));
        OK(t2i_new_folder_write(&folder, "x/y/z.txt", "abc", 3, &err));
        OK(t2i_new_folder_write(&folder, "x/y.txt", "", 0, &err));
        FAILS(t2i_new_folder_write(&folder, "x/y.txt", "", 0, &err), T2I_CANTCREATE, "File exists");
        FAILS(t2i_new_folder_write(&folder, "x/y.txt/z", "", 0, &err), T2I_CANTCREATE,
              "Not a directory");
        CU_ASSERT(entries(path) <= 0);
        OK(t2i_new_folder_commit(&folder, &err));
        CU_ASSERT_EQUAL(entries(path), 1);
        t2i_text text = {0};
        OK(t2i_fs_read(in_scratch(i == 0 ? "a/x/y/z.txt" : "b/x/y/z.txt"), 9, &text, &err));
        CU_ASSERT_STRING_EQUAL(text.data, "abc");
        t2i_text_free(&text);
        t2i_new_folder_drop(&folder);
    }
}

static void drops_all(void)
{
    t2i_new_folder folder;
    OK(t2i_new_folder_open(&folder, in_scratch("dropped"), &err));
    OK(t2i_new_folder_write(&folder, "x/y/z.txt", "abc", 3, &err));
    CU_ASSERT_EQUAL(symlink(in_scratch("a"), in_scratch("dropped.tmp/link")), 0);
    t2i_new_folder_drop(&folder);
    CU_ASSERT_EQUAL(entries(in_scratch("dropped.tmp")), -1);
    CU_ASSERT_EQUAL(entries(in_scratch("dropped")), -1);
    CU_ASSERT_EQUAL(entries(in_scratch("a")), 1); /* links are not followed */
}

static void replaces_what_was_left(void)
{
    t2i_new_folder folder, other;
    const char *path = in_scratch("left");
    OK(t2i_new_folder_open(&folder, path, &err));
    OK(t2i_new_folder_write(&folder, "x/old.txt", "abc", 3, &err));
    FAILS(t2i_new_folder_open(&other, path, &err), T2I_CANTCREATE, "another program is writing");
    CU_ASSERT_EQUAL(entries(in_scratch("left.tmp/x")), 1);
    close(folder.lock); /* as the end of the process does */
    folder.lock = -1;
    OK(t2i_new_folder_open(&other, path, &err));
    OK(t2i_new_folder_write(&other, "new.txt", "abc", 3, &err));
    OK(t2i_new_folder_commit(&other, &err));
    CU_ASSERT_EQUAL(entries(path), 1);
    t2i_free(folder.path);
    t2i_free(folder.temp);
}

/* Links are no folders: what they lead to stays, and no work is done in vain. */
static void follows_no_link(void)
{
    t2i_new_folder folder;
    CU_ASSERT_EQUAL(mkdir(in_scratch("precious"), 0777), 0);
    CU_ASSERT_EQUAL(mkdir(in_scratch("empty"), 0777), 0);
    put(in_scratch("precious/letter"));
    put(in_scratch("precious/.t2i-lock"));
    CU_ASSERT_EQUAL(symlink("precious", in_scratch("linked.tmp")), 0);
    CU_ASSERT_EQUAL(symlink("empty", in_scratch("to-empty")), 0);
    CU_ASSERT_EQUAL(symlink("nowhere", in_scratch("to-none")), 0);
    FAILS(t2i_new_folder_open(&folder, in_scratch("linked"), &err), T2I_CANTCREATE,
          "linked.tmp is in the way");
    FAILS(t2i_new_folder_open(&folder, in_scratch("to-empty"), &err), T2I_CANTCREATE,
          "is not an empty folder");
    FAILS(t2i_new_folder_open(&folder, in_scratch("to-none/"), &err), T2I_CANTCREATE,
          "is not an empty folder");
    CU_ASSERT_EQUAL(entries(in_scratch("precious")), 2);
    CU_ASSERT_TRUE(entries(in_scratch("to-empty.tmp")) == -1);
}

static void reports_lost_writes(void)
{
    t2i_new_folder folder;
    OK(t2i_new_folder_open(&folder, in_scratch("lost"), &err));
    OK(t2i_new_folder_write(&folder, "x.txt", "abc", 3, &err));
    disk_fails = 1;
    FAILS(t2i_new_folder_commit(&folder, &err), T2I_IO, "cannot write");
    disk_fails = 0;
    CU_ASSERT_TRUE(entries(in_scratch("lost")) == -1 && entries(in_scratch("lost.tmp")) == -1);
}

static void spares_what_is_there(void)
{
    t2i_new_folder folder;
    put(in_scratch("file"));
    CU_ASSERT_EQUAL(mkdir(in_scratch("mine.tmp"), 0777), 0);
    put(in_scratch("mine.tmp/letter"));
    FAILS(t2i_new_folder_open(&folder, in_scratch("a"), &err), T2I_CANTCREATE,
          "is not an empty folder");
    FAILS(t2i_new_folder_open(&folder, in_scratch("file"), &err), T2I_CANTCREATE,
          "is not an empty folder");
    FAILS(t2i_new_folder_open(&folder, in_scratch("mine"), &err), T2I_CANTCREATE,
          "mine.tmp is in the way");
    CU_ASSERT_EQUAL(entries(in_scratch("mine.tmp")), 1);
    FAILS(t2i_new_folder_open(&folder, in_scratch("none/x"), &err), T2I_CANTCREATE,
          "cannot create the folder");
    FAILS(t2i_new_folder_open(&folder, in_scratch("."), &err), T2I_CANTCREATE, "another --out");
    FAILS(t2i_new_folder_open(&folder, "/", &err), T2I_CANTCREATE, "another --out");
}

int main(void)
{
    static const t2i_test tests[] = {
        {"a folder appears when it is complete", appears_when_complete},
        {"a dropped folder leaves nothing", drops_all},
        {"what a killed program left is replaced", replaces_what_was_left},
        {"what is there stays", spares_what_is_there},
        {"links stay, and what they lead to", follows_no_link},
        {"a write that is lost is an error", reports_lost_writes},
    };
    if (scratch_begin("new-folder") != 0) return 1;
    int failed = t2i_test_main("new_folder", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return failed;
}
