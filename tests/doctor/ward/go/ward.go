// SPDX-License-Identifier: MIT

// What every patient in Go begins and ends with; c/ward.h says how.
package main

import (
	"bufio"
	"fmt"
	"log"
	"net"
	"os"
	"strings"
)

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func open(end string, create bool) interface{} {
	kind, name, _ := strings.Cut(end, ":")
	switch kind {
	case "tcp":
		conn, err := net.Dial("tcp", "127.0.0.1:"+name)
		must(err)
		return conn
	case "unix":
		conn, err := net.Dial("unix", name)
		must(err)
		return conn
	}
	flags := os.O_RDONLY
	if create {
		flags = os.O_RDWR | os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(name, flags, 0o600)
	must(err)
	return f
}

var input = bufio.NewReader(os.Stdin)

// ready says so, with a number that the runner may need, and waits.
func ready(number int) {
	fmt.Println("ready", number)
	input.ReadString('\n')
}

func end(moved int64) {
	fmt.Println("moved", moved)
	if os.Getenv("WARD_HASTY") == "" {
		input.ReadString('\n')
	}
}
