/* SPDX-License-Identifier: ISC */
/* What the service manager that started us (systemd) says in the environment, and what it wants to hear: how we are (Type=notify), that we still turn
 * (WatchdogSec=), and where the secrets lie that it read for us (LoadCredential=). Without one nothing is told, and nothing is asked for. The sockets that it
 * opened for us are os/passed's. */
#ifndef OS_NOTIFY_H
#define OS_NOTIFY_H

#include "base/base.h"

/* words: "READY=1". ERR_OK when nobody asks. */
must_check enum err os_notify(slice words);
/* RELOADING=1 with the time that Type=notify-reload wants beside it. The end of it is READY=1. */
must_check enum err os_notify_reloading(void);
/* Within how many milliseconds WATCHDOG=1 is to come each time; 0: nobody waits for it. usec and pid: WATCHDOG_USEC and WATCHDOG_PID, or NULL. */
int64_t os_watchdog_ms(const char *usec, const char *pid, uint32_t own_pid);
/* The same from our own environment. */
int64_t os_watchdog_own_ms(void);
/* The path of a secret that the service manager keeps for us: CREDENTIALS_DIRECTORY, or where the unit thurn.service has it, for commands that root gives while it
 * runs. ERR_SYNTAX: no name of a credential. */
must_check enum err os_credential_path(slice name, buf *path);

#endif
