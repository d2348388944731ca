// SPDX-License-Identifier: MIT

// Middleware around http.ResponseWriter, as logging and metrics have it. The server's own has a ReadFrom; so must the wrapper.
package main

import (
	"io"
	"log"
	"net"
	"net/http"
	"os"
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
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	served := make(chan int64, 1)
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if after() {
			wrapped := &forwarding{status{ResponseWriter: w}}
			http.ServeFile(wrapped, r, os.Getenv("MEND_FILE"))
			served <- wrapped.bytes
			return
		}
		wrapped := &status{ResponseWriter: w}
		http.ServeFile(wrapped, r, os.Getenv("MEND_FILE"))
		served <- wrapped.bytes
	}))
	response, err := http.Get("http://" + listener.Addr().String() + "/")
	if err != nil {
		log.Fatal(err)
	}
	n, err := io.Copy(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{response.Body})
	must(n, err)
	must(<-served, nil)
}
