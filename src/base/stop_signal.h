/* stop_signal.h - being told to stop: USR1, TERM and INT set a flag that long work looks at between
 * steps.
 */
#ifndef T2I_STOP_SIGNAL_H
#define T2I_STOP_SIGNAL_H

/* First thing in main: a file-size limit becomes an error of the write, which is told. */
void t2i_stop_signal_begin(void);
/* From now on the three signals set the flag instead of ending the process. */
void t2i_stop_signal_catch(void);
/* The signals end the process again. */
void t2i_stop_signal_release(void);
/* The signal that came (SIGUSR1, ...), or 0. */
int t2i_stop_signal_asked(void);

#endif
