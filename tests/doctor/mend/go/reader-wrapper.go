// SPDX-License-Identifier: MIT

// A reader that counts hides the file or connection in it from io.Copy. With a WriteTo it hands the inner one on, and counts
// what was moved.
package main

import (
	"io"
	"log"
)

type counting struct {
	inner io.Reader
	bytes int64
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.inner.Read(p)
	c.bytes += int64(n)
	return n, err
}

type forwarding struct{ counting }

func (f *forwarding) WriteTo(w io.Writer) (int64, error) {
	n, err := io.Copy(w, limited(f.inner, w))
	f.bytes += n
	return n, err
}

func main() {
	from, to := ends()
	defer to.Close()
	if !after() {
		must(io.Copy(to, &counting{inner: from}))
		return
	}
	wrapped := &forwarding{counting{inner: from}}
	must(io.Copy(to, wrapped))
	if wrapped.bytes != size() {
		log.Fatal("not counted")
	}
}
