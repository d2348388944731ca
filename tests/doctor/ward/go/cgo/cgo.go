// SPDX-License-Identifier: MIT

// Built in beside the others, it makes of them a program that the C library starts and the C linker links.
package main

// #include <stdlib.h>
import "C"

import "os"

func init() {
	if len(os.Args) > 1<<20 {
		C.abort()
	}
}
