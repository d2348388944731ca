// SPDX-License-Identifier: MIT

// A bufio.Writer on a writer without ReadFrom copies. What it holds is flushed, and the body goes to the end itself.
package main

import (
	"bufio"
	"io"
)

func main() {
	from, to := ends()
	defer to.Close()
	if !after() {
		buffered := bufio.NewWriterSize(struct{ io.Writer }{to}, 1<<16)
		n, err := io.Copy(buffered, from)
		if err == nil {
			err = buffered.Flush()
		}
		must(n, err)
		return
	}
	buffered := bufio.NewWriterSize(to, 1<<16)
	if err := buffered.Flush(); err != nil {
		must(0, err)
	}
	must(io.Copy(to, from))
}
