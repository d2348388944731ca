// SPDX-License-Identifier: MIT

// Transfers of Go. "CULPRIT: mode" marks the line that is to be named.
package main

import (
	"bufio"
	"compress/gzip"
	"io"
	"log"
	"net"
	"os"
)

// The most ordinary wrappers: what io.Copy looks for is behind them.
type justReader struct{ r io.Reader }

func (j justReader) Read(p []byte) (int, error) {
	return j.r.Read(p) // CULPRIT: reader; CULPRIT: both; CULPRIT: serve-reader
}

type justWriter struct{ w io.Writer }

func (j justWriter) Write(p []byte) (int, error) {
	return j.w.Write(p) // CULPRIT: writer
}

type counted struct {
	r io.Reader
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p) // CULPRIT: two
	c.n += int64(n)
	return n, err
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) {
	return f(p) // CULPRIT: closure
}

// embedded has the method from the compiler: nobody's line.
type embedded struct{ io.Reader }

// flipped changes what passes it.
type flipped struct{ r io.Reader }

func (f flipped) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	for i := range p[:n] {
		p[i] ^= 0x5a
	}
	return n, err
}

func copyAll(to io.Writer, from io.Reader) int64 {
	n, err := io.Copy(to, from) // CULPRIT: embedded; CULPRIT: section; CULPRIT: limits; CULPRIT: bufio; CULPRIT: tee; CULPRIT: several
	must(err)
	return n
}

func loop(to io.Writer, from io.Reader) (moved int64) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer) // CULPRIT: loop
		if n > 0 {
			_, err := to.Write(buffer[:n])
			must(err)
			moved += int64(n)
		}
		if err == io.EOF {
			return moved
		}
		must(err)
	}
}

type piece struct {
	buffer []byte
	n      int
}

func readPieces(from io.Reader, full chan<- piece, empty <-chan []byte) {
	for buffer := range empty {
		n, err := from.Read(buffer) // CULPRIT: goroutines
		full <- piece{buffer, n}
		if err != nil {
			close(full)
			return
		}
	}
}

func goroutines(to io.Writer, from io.Reader) (moved int64) {
	full, empty := make(chan piece, 4), make(chan []byte, 8)
	for i := 0; i < 4; i++ {
		empty <- make([]byte, 64<<10)
	}
	go readPieces(from, full, empty)
	for p := range full {
		n, err := to.Write(p.buffer[:p.n])
		must(err)
		moved += int64(n)
		empty <- p.buffer
	}
	return moved
}

func piped(to io.Writer, from io.Reader) int64 {
	r, w := io.Pipe()
	go func() {
		_, err := io.Copy(w, from) // CULPRIT: pipe
		w.CloseWithError(err)
	}()
	n, err := io.Copy(to, r)
	must(err)
	return n
}

func gzipped(to io.Writer, from io.Reader) int64 {
	z, err := gzip.NewWriterLevel(to, gzip.BestSpeed)
	must(err)
	n, err := io.Copy(z, from)
	must(err)
	must(z.Close())
	return n
}

func move(mode string, to io.Writer, from io.Reader) int64 {
	file, _ := from.(*os.File)
	switch mode {
	case "reader":
		return copyAll(to, justReader{from})
	case "writer":
		return copyAll(justWriter{to}, from)
	case "both":
		return copyAll(justWriter{to}, justReader{from})
	case "two":
		return copyAll(to, &counted{r: justReader{from}})
	case "closure":
		return copyAll(to, readerFunc(func(p []byte) (int, error) { return from.Read(p) }))
	case "embedded":
		return copyAll(to, embedded{from})
	case "tee":
		return copyAll(to, io.TeeReader(from, io.Discard))
	case "several":
		return copyAll(io.MultiWriter(to, io.Discard), from)
	case "pipe":
		return piped(to, from)
	case "section":
		return copyAll(to, io.NewSectionReader(file, 0, 1<<40))
	case "limits":
		return copyAll(to, io.LimitReader(io.LimitReader(from, 1<<40), 1<<41))
	case "bufio":
		w := bufio.NewWriterSize(struct{ io.Writer }{to}, 32<<10)
		n := copyAll(w, from)
		must(w.Flush())
		return n
	case "loop":
		return loop(to, from)
	case "goroutines":
		return goroutines(to, from)
	case "raw":
		return copyAll(to, from)
	case "limit":
		return copyAll(to, io.LimitReader(from, 1<<40))
	case "flipped":
		return copyAll(to, flipped{from})
	case "gzip":
		return gzipped(to, from)
	}
	log.Fatal("no such mode")
	return 0
}

func main() {
	mode := os.Args[1]
	if serve(mode) {
		return
	}
	from := open(os.Getenv("WARD_FROM"), false).(io.Reader)
	to := open(os.Getenv("WARD_TO"), true).(io.WriteCloser)
	ready(0)
	moved := move(mode, to, from)
	if conn, ok := to.(net.Conn); ok {
		conn.Close()
	}
	end(moved)
}
