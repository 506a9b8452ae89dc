/* SPDX-License-Identifier: ISC */
/* Inside the room only: where `thurn dev` keeps what it has and what it is called, so that `thurn send` in the same folder finds it. */
#ifndef CMD_DEVELOPMENT_H
#define CMD_DEVELOPMENT_H

#define DEVELOPMENT_FOLDER "thurn-dev"
/* Below the folder in which thurn dev was started. */
#define DEVELOPMENT_SOCKET DEVELOPMENT_FOLDER "/run/smtp.sock"
#define DEVELOPMENT_HOSTNAME "localhost"

#endif
