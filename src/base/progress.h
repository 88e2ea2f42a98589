/* progress.h - progress lines such as "reading pictures: 45 %, 12 s left" for work that takes
 * longer than a second.
 */
#ifndef T2I_PROGRESS_H
#define T2I_PROGRESS_H

typedef struct {
    const char *what;      /* borrowed: "reading pictures" */
    double begun, printed; /* times */
    int shown;
} t2i_progress;

void t2i_progress_begin(t2i_progress *progress, const char *what);
/* done: fraction of the work, 0..1. Prints from time to time, more often on a terminal. */
void t2i_progress_at(t2i_progress *progress, double done);
/* Prints the elapsed time if any progress was printed. */
void t2i_progress_end(t2i_progress *progress);

#endif
