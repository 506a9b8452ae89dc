/* SPDX-License-Identifier: ISC */
/* Tells the service manager that started us (systemd: Type=notify) how we are. Without one it does nothing. */
#ifndef OS_NOTIFY_H
#define OS_NOTIFY_H

#include "base/base.h"

/* words: "READY=1". ERR_OK when nobody asks. */
must_check enum err os_notify(slice words);

#endif
