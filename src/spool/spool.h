/* SPDX-License-Identifier: ISC */
/* The face of the room spool: the journal that keeps accepted mail safe. Format, legal states on disk, the instant of commit and recovery
 * are in QUEUE.md. Other rooms include this header only. */
#ifndef SPOOL_SPOOL_H
#define SPOOL_SPOOL_H

#include "mail/mail.h"
#include "os/os.h"
#include "spool/head.h"
#include "spool/reader.h"
#include "spool/scan.h"
#include "spool/space.h"
#include "spool/writer.h"

#endif
