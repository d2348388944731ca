// SPDX-License-Identifier: MIT

// A writer that counts hides the connection or file in it. With a ReadFrom it hands the reader on.
package main

import (
	"io"
	"log"
)

type counting struct {
	inner io.Writer
	bytes int64
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.inner.Write(p)
	c.bytes += int64(n)
	return n, err
}

type forwarding struct{ counting }

func (f *forwarding) ReadFrom(r io.Reader) (int64, error) {
	n, err := io.Copy(f.inner, r)
	f.bytes += n
	return n, err
}

func main() {
	from, to := ends()
	defer to.Close()
	if !after() {
		must(io.Copy(&counting{inner: to}, from))
		return
	}
	wrapped := &forwarding{counting{inner: to}}
	must(io.Copy(wrapped, limited(from, to)))
	if wrapped.bytes != size() {
		log.Fatal("not counted")
	}
}
