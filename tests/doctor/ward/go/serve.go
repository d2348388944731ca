// SPDX-License-Identifier: MIT

// Servers of Go: the runner asks them, "moved" is what the handlers have sent.
package main

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
)

// logged is what every middleware begins as.
type logged struct {
	http.ResponseWriter
	bytes int64
}

func (l *logged) Write(p []byte) (int, error) {
	n, err := l.ResponseWriter.Write(p) // CULPRIT: response
	l.bytes += int64(n)
	return n, err
}

func opened() *os.File {
	f, err := os.Open(strings.TrimPrefix(os.Getenv("WARD_FROM"), "file:"))
	must(err)
	return f
}

// begin sends the header by itself: what is counted later is the body alone.
func begin(w http.ResponseWriter, f *os.File) {
	st, err := f.Stat()
	must(err)
	w.Header().Set("Content-Length", strconv.FormatInt(st.Size(), 10))
	w.Header().Set("Content-Type", "application/octet-stream")
	w.(http.Flusher).Flush()
}

func handler(mode string, moved *int64) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f := opened()
		defer f.Close()
		switch mode {
		case "serve-file", "serve-tls":
			http.ServeFile(w, r, f.Name())
			if st, err := f.Stat(); err == nil {
				atomic.AddInt64(moved, st.Size())
			}
		case "response":
			begin(w, f)
			l := &logged{ResponseWriter: w}
			_, err := io.Copy(l, f)
			must(err)
			atomic.AddInt64(moved, l.bytes)
		case "serve-copy":
			begin(w, f)
			n, err := io.Copy(w, f) // CULPRIT: serve-copy
			must(err)
			atomic.AddInt64(moved, n)
		case "serve-reader":
			begin(w, f)
			n, err := io.Copy(w, justReader{f})
			must(err)
			atomic.AddInt64(moved, n)
		}
	}
}

// serve answers until a line comes, if mode is one of its own.
func serve(mode string) bool {
	if mode != "response" && !strings.HasPrefix(mode, "serve-") {
		return false
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	port := listener.Addr().(*net.TCPAddr).Port
	var moved int64
	server := &http.Server{Handler: handler(mode, &moved)}
	if mode == "serve-tls" {
		certificate, err := tls.LoadX509KeyPair(os.Getenv("WARD_CERTIFICATE"), os.Getenv("WARD_KEY"))
		must(err)
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{certificate}})
	}
	go server.Serve(listener)
	ready(port)
	end(atomic.LoadInt64(&moved))
	return true
}
