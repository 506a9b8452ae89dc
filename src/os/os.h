/* SPDX-License-Identifier: ISC */
/* The face of the room os: every system call of the house goes through here. Descriptors, files, the event loop, connections and TLS, clock, random
 * numbers, log, privileges. Knows nothing of mail. Other rooms include this header only. */
#ifndef OS_OS_H
#define OS_OS_H

#include "os/clock.h"
#include "os/event.h"
#include "os/file.h"
#include "os/idna.h"
#include "os/log.h"
#include "os/loop.h"
#include "os/map.h"
#include "os/net.h"
#include "os/notify.h"
#include "os/passed.h"
#include "os/process.h"
#include "os/sandbox.h"
#include "os/socket.h"
#include "os/tls.h"
#include "os/wait.h"

#endif
