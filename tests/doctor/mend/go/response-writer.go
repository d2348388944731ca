// SPDX-License-Identifier: MIT

// Middleware around http.ResponseWriter, as logging and metrics have it. The server's own has a ReadFrom; so must the wrapper.
package main

import (
	"io"
	"net/http"
)

type status struct {
	http.ResponseWriter
	code  int
	bytes int64
}

func (s *status) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

func (s *status) Write(p []byte) (int, error) {
	n, err := s.ResponseWriter.Write(p)
	s.bytes += int64(n)
	return n, err
}

type forwarding struct{ status }

func (f *forwarding) ReadFrom(r io.Reader) (int64, error) {
	n, err := io.Copy(f.ResponseWriter, r)
	f.bytes += n
	return n, err
}

func main() {
	serve(func(w http.ResponseWriter, r *http.Request) int64 {
		if after() {
			wrapped := &forwarding{status{ResponseWriter: w}}
			io.Copy(wrapped, limited(openFile(), wrapped))
			return wrapped.bytes
		}
		wrapped := &status{ResponseWriter: w}
		io.Copy(wrapped, openFile())
		return wrapped.bytes
	})
}
