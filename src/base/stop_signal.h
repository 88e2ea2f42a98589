/* stop_signal.h - requests to stop: the signals USR1, TERM, INT and HUP set a flag, which a run
 * checks between steps.
 *
 * HUP, which a terminal sends when it closes, stays ignored if it was ignored at the start, as
 * under nohup. INT does not: a script ignores it in its background, and `kill -INT` is meant.
 */
#ifndef T2I_STOP_SIGNAL_H
#define T2I_STOP_SIGNAL_H

/* Called first in main. Opens /dev/null in place of each of the descriptors 0, 1 and 2 that is
 * closed, so that no file of ours gets its number. Ignores SIGXFSZ and SIGPIPE, so that exceeding a
 * file size limit and a pipe without a reader are write errors. Unblocks the four signals. */
void t2i_stop_signal_begin(void);
/* For a run before its first step: USR1 sets the flag; the others end the process (INT also if it
 * was ignored at the start, as in the background of a script). */
void t2i_stop_signal_prepare(void);
/* All four set the flag. A second TERM or INT, more than 0.1 s after the first, ends the process:
 * `timeout` sends TERM twice at once. A terminal and its shell may send HUP once each. */
void t2i_stop_signal_catch(void);
/* The signals end the process again. */
void t2i_stop_signal_release(void);
/* The signal that was received (SIGUSR1, ...), or 0. */
int t2i_stop_signal_received(void);

#endif
