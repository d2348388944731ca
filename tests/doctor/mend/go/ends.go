// SPDX-License-Identifier: MIT

// The ends of a patient: from and to are what its last argument says, "file-tcp" for one.
package main

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
)

func dial(port string) *net.TCPConn {
	conn, err := net.Dial("tcp", "127.0.0.1:"+os.Getenv(port))
	if err != nil {
		log.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

func openFile() *os.File {
	f, err := os.Open(os.Getenv("MEND_FILE"))
	if err != nil {
		log.Fatal(err)
	}
	return f
}

func size() int64 {
	st, err := os.Stat(os.Getenv("MEND_FILE"))
	if err != nil {
		log.Fatal(err)
	}
	return st.Size()
}

// unix gives a connection on a descriptor that the peer made.
func unix(name string) *net.UnixConn {
	fd, err := strconv.Atoi(os.Getenv(name))
	if err != nil {
		log.Fatal(err)
	}
	conn, err := net.FileConn(os.NewFile(uintptr(fd), name))
	if err != nil {
		log.Fatal(err)
	}
	return conn.(*net.UnixConn)
}

func ends() (from io.Reader, to io.WriteCloser) {
	kinds := strings.Split(os.Args[2], "-")
	switch kinds[0] {
	case "tcp":
		from = dial("MEND_SOURCE")
	case "unix":
		from = unix("MEND_UNIX_SOURCE")
	default:
		from = openFile()
	}
	switch kinds[1] {
	case "tcp":
		return from, dial("MEND_SINK")
	case "unix":
		return from, unix("MEND_UNIX_SINK")
	}
	f, err := os.Create(os.Getenv("MEND_COPY"))
	if err != nil {
		log.Fatal(err)
	}
	return from, f
}

func after() bool { return os.Args[1] == "after" }

func must(n int64, err error) {
	if err != nil || n != size() {
		log.Fatalf("moved %d: %v", n, err)
	}
}

// limited is what the remedy asks for to a connection since (*os.File).WriteTo is there, and before sendfile knew what that hands on.
func limited(from io.Reader, to io.Writer) io.Reader {
	var minor int
	fmt.Sscanf(runtime.Version(), "go1.%d", &minor)
	_, file := to.(*os.File)
	if _, ok := from.(*os.File); ok && !file && minor >= 22 && minor < 25 {
		return io.LimitReader(from, size())
	}
	return from
}

// serve asks once for what write sends.
func serve(write func(w http.ResponseWriter, r *http.Request) int64) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	served := make(chan int64, 1)
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.FormatInt(size(), 10))
		served <- write(w, r)
	}))
	client, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	io.WriteString(client, "GET / HTTP/1.1\r\nHost: patient\r\nConnection: close\r\n\r\n")
	response, err := http.ReadResponse(bufio.NewReader(client), nil)
	if err != nil {
		log.Fatal(err)
	}
	n, err := io.Copy(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{response.Body})
	must(n, err)
	must(<-served, nil)
}
