/* SPDX-License-Identifier: MIT */
/* What is set on the TCP sockets of both sides: those of clients inherit it from their listener. */
#ifndef CLI_PROXY_TCP_H
#define CLI_PROXY_TCP_H

#include "settings.h"

/* anew: other settings may have been set on it before. A socket that is none of TCP takes none of them. */
void tcp_prepare(const struct settings *settings, int fd, int anew);

#endif
