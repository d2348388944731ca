// SPDX-License-Identifier: MIT

// A handler that does not say how long its answer is, which goes in chunks then. With Content-Length the file goes as it is.
package main

import (
	"io"
	"net/http"
)

func main() {
	serve(func(w http.ResponseWriter, r *http.Request) (moved int64) {
		if after() {
			moved, _ = io.CopyN(w, openFile(), size())
			return moved
		}
		w.Header().Del("Content-Length")
		moved, _ = io.Copy(w, openFile())
		return moved
	})
}
