// SPDX-License-Identifier: MIT

// The ends of a patient: from and to are what its last argument says, "file-tcp" for one.
package main

import (
	"io"
	"log"
	"net"
	"os"
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
	if kinds[1] == "tcp" {
		return from, dial("MEND_SINK")
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
