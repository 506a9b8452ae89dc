/* SPDX-License-Identifier: ISC */
/* The face of the room route: whose mail is whose. From a configuration's domains, aliases, lists, networks and routes it answers: may this
 * session send this; which final recipients does an address have; how does a final recipient leave this house. PURE: tables are given,
 * questions about users that only another process can answer are events. Other rooms include this header only. */
#ifndef ROUTE_ROUTE_H
#define ROUTE_ROUTE_H

#include "mail/mail.h"
#include "route/aliases.h"
#include "route/mx.h"
#include "route/next.h"
#include "route/policy.h"
#include "route/resolve.h"
#include "route/tables.h"

#endif
