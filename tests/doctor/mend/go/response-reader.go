// SPDX-License-Identifier: MIT

// A handler that sends a file through a reader that counts. With a WriteTo it hands the file itself to the server's writer.
package main

import (
	"io"
	"net/http"
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
	serve(func(w http.ResponseWriter, r *http.Request) int64 {
		if after() {
			wrapped := &forwarding{counting{inner: openFile()}}
			io.Copy(w, wrapped)
			return wrapped.bytes
		}
		wrapped := &counting{inner: openFile()}
		io.Copy(w, wrapped)
		return wrapped.bytes
	})
}
