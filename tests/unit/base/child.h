/* child.h - what a function writes, and how it ends, in a process of its own. */
#ifndef T2I_TEST_CHILD_H
#define T2I_TEST_CHILD_H

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "scratch.h"
#include "test.h"

/* The exit code of a process that does this work (-1 if a signal ended it), and in out what it
 * wrote to file descriptor fd. Needs scratch_begin. */
static inline int child(void (*work)(void), int fd, char *out, size_t room)
{
    t2i_error err;
    const char *path = in_scratch("child.txt");
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
        if (file < 0 || dup2(file, fd) < 0) _exit(99);
        work();
        fflush(NULL);
        _exit(0);
    }
    int status = -1;
    CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
    t2i_text text = {0};
    OK(t2i_fs_read(path, 1 << 20, &text, &err));
    snprintf(out, room, "%s", text.data == NULL ? "" : text.data);
    t2i_text_free(&text);
    unlink(path);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#endif
