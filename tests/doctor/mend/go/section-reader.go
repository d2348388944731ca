// SPDX-License-Identifier: MIT

// A section of a file that is open at its start, and so limited, is seen through; an io.SectionReader is not.
package main

import (
	"io"
	"log"
)

func main() {
	_, to := ends()
	defer to.Close()
	if !after() {
		must(io.Copy(to, io.NewSectionReader(openFile(), 0, size())))
		return
	}
	own := openFile() // of its own: the offset is not shared with other sections
	if _, err := own.Seek(0, io.SeekStart); err != nil {
		log.Fatal(err)
	}
	must(io.CopyN(to, own, size()))
}
