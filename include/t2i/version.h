/* version.h - of all programs. */
#ifndef T2I_VERSION_H
#define T2I_VERSION_H

#define T2I_VERSION "0.1.0"

#endif
