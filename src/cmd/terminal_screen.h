/* SPDX-License-Identifier: ISC */
/* Inside the room only: a terminal as a screen that is drawn again and again, in the way that all terminals of today understand (ECMA-48), without a library. One screen a process. The terminal is as it was
 * when it is closed, also after a signal that ends the process: the signals set a flag, and whoever has opened the screen closes it. */
#ifndef CMD_TERMINAL_SCREEN_H
#define CMD_TERMINAL_SCREEN_H

#include "base/base.h"

enum terminal_event {
    TERMINAL_TIME,
    TERMINAL_KEY,
    TERMINAL_RESIZED,
    TERMINAL_ENDED /* a signal, or the terminal is gone */
};

/* ERR_IO: standard input or output is no terminal. */
must_check enum err terminal_screen_open(void);
void terminal_screen_close(void);
void terminal_screen_size(size_t *width_r, size_t *height_r);
/* Draws the lines of the text, which is escaped already, cut where the screen ends. ERR_IO. */
must_check enum err terminal_screen_draw(slice text);
/* Waits for so long at most, in ms. *key_r: with TERMINAL_KEY. */
enum terminal_event terminal_screen_wait(int64_t ms, char *key_r);
/* The signal that ended it, or 0. */
int terminal_screen_signal(void);

#endif
