// SPDX-License-Identifier: MIT

// What overhead/run measures: "serve FILE" says its port, sends the file to whoever connects through a reader that only counts,
// and says what that cost; "receive PORT" takes it without copying, and sleeps while there is nothing; "spin PORT" never sleeps.
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

type counted struct {
	r     io.Reader
	bytes int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.bytes += int64(n)
	return n, err
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func cpu() time.Duration {
	var used syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func serve(path string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	for {
		conn, err := listener.Accept()
		must(err)
		file, err := os.Open(path)
		must(err)
		source := &counted{r: file}
		used, began := cpu(), time.Now()
		_, err = io.Copy(conn, source)
		must(err)
		fmt.Println(source.bytes, (cpu() - used).Nanoseconds(), time.Since(began).Nanoseconds())
		file.Close()
		conn.Close()
	}
}

func receive(port string, spins bool) {
	conn, err := net.Dial("tcp", "127.0.0.1:"+port)
	must(err)
	raw, err := conn.(*net.TCPConn).SyscallConn()
	must(err)
	one := make([]byte, 1<<20)
	must(raw.Read(func(fd uintptr) bool {
		for {
			n, _, err := syscall.Recvfrom(int(fd), one, syscall.MSG_TRUNC)
			if err == syscall.EAGAIN && spins {
				continue
			}
			if err == syscall.EAGAIN {
				return false
			}
			if err != nil || n == 0 {
				return true
			}
		}
	}))
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: server serve FILE | receive PORT | spin PORT")
		os.Exit(2)
	}
	if os.Args[1] == "serve" {
		serve(os.Args[2])
	} else {
		receive(os.Args[2], os.Args[1] == "spin")
	}
}
