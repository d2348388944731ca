// SPDX-License-Identifier: MIT

package main

// What makes plain.go a program of a usual size; with a little C in it, where the C compiler is there.
import _ "net/http"
