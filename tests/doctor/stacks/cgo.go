// SPDX-License-Identifier: MIT

// C that reads, called by Go, for symbol_go.c.
package main

/*
#cgo CFLAGS: -O2 -g -fomit-frame-pointer
#include <unistd.h>

static char buffer[8192];
static volatile int source = -1, after;

__attribute__((noinline)) static void fetch_in_c(void)
{
	(void)!read(source, buffer, 4241);	// MARK fetch_in_c
	after++;
}

static void fetch_more(void)
{
	fetch_in_c();
	after++;
}
*/
import "C"

//go:noinline
func serve() {
	C.fetch_more() // MARK serve
}

func main() {
	serve()
}
