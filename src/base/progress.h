/* progress.h - "reading pictures: 45 %, 12 s left" for work that takes longer than a second. */
#ifndef T2I_PROGRESS_H
#define T2I_PROGRESS_H

typedef struct {
    const char *what; /* borrowed: "reading pictures" */
    double begun, said;
    int shown;
} t2i_progress;

void t2i_progress_begin(t2i_progress *progress, const char *what);
/* share of the work that is done, 0..1; prints now and then: more often on a terminal. */
void t2i_progress_at(t2i_progress *progress, double share);
/* Says how long it took, if anything was said at all. */
void t2i_progress_end(t2i_progress *progress);

#endif
