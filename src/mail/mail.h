/* SPDX-License-Identifier: ISC */
/* The face of the room mail: what a mail is made of (addresses, envelope, headers, dates, reports, outcomes). PURE: no system call,
 * no clock; whoever calls passes time in. Other rooms include this header only. */
#ifndef MAIL_MAIL_H
#define MAIL_MAIL_H

#include "mail/address.h"
#include "mail/alarm.h"
#include "mail/body.h"
#include "mail/convert.h"
#include "mail/date.h"
#include "mail/dsn.h"
#include "mail/envelope.h"
#include "mail/header.h"
#include "mail/local_lines.h"
#include "mail/queue_id.h"
#include "mail/received.h"
#include "mail/status.h"
#include "mail/text_run.h"
#include "mail/xtext.h"

#endif
