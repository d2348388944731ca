// SPDX-License-Identifier: MIT

// What the runtime says of its own code, for symbol_go.c: the innermost function of addresses all over the program, then the
// stack of a call of a length that nobody else asks for.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"reflect"
	"runtime"
	"syscall"
)

type justReader struct{ io.Reader }

func (r justReader) Read(p []byte) (int, error) { return r.Reader.Read(p) }

type probe struct{ out *bufio.Writer }

//go:noinline
func (p *probe) Read(into []byte) (int, error) {
	var pcs [64]uintptr

	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs[:])])
	for {
		frame, more := frames.Next()
		fmt.Fprintf(p.out, "stack %s\t%s\t%d\n", frame.Function, frame.File, frame.Line)
		if !more {
			break
		}
	}
	p.out.Flush()
	syscall.Read(-1, make([]byte, 4241)) // MARK probe
	return 0, io.EOF
}

func small(r io.Reader, p []byte) (int, error) { return r.Read(p) }

type twice struct{ inner io.Reader }

func (t *twice) Read(p []byte) (int, error) { return small(t.inner, p) }

func sweep(out *bufio.Writer) {
	first := runtime.FuncForPC(reflect.ValueOf(io.Copy).Pointer()).Entry()
	for at := first - 0x40000; at < first+0x40000; at += 13 {
		frame, _ := runtime.CallersFrames([]uintptr{at}).Next()
		if frame.PC != 0 && frame.Entry != at { // at is what a call returns to; an entry is no such address
			fmt.Fprintf(out, "at %x\t%s\t%s\t%d\n", at, frame.Function, frame.File, frame.Line)
		}
	}
}

func serve(p *probe) {
	io.Copy(os.Stderr, justReader{&twice{justReader{p}}})
}

func main() {
	file, err := os.Create(os.Args[1])
	if err != nil {
		os.Exit(1)
	}
	p := &probe{bufio.NewWriter(file)}
	sweep(p.out)
	serve(p)
}
