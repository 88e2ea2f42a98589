/* stop_signal.h - requests to stop: the signals USR1, TERM and INT set a flag, which a run checks
 * between steps.
 */
#ifndef T2I_STOP_SIGNAL_H
#define T2I_STOP_SIGNAL_H

/* Called first in main. Ignores SIGXFSZ, so that exceeding a file size limit is a write error. */
void t2i_stop_signal_begin(void);
/* The three signals set the flag instead of ending the process. */
void t2i_stop_signal_catch(void);
/* The signals end the process again. */
void t2i_stop_signal_release(void);
/* The signal that was received (SIGUSR1, ...), or 0. */
int t2i_stop_signal_received(void);

#endif
