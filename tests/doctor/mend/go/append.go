// SPDX-License-Identifier: MIT

// No route of the kernel takes O_APPEND. Without it, from the end of the file as it was found, io.Copy uses copy_file_range.
package main

import (
	"io"
	"log"
	"os"
)

func main() {
	from, flags := openFile(), os.O_WRONLY|os.O_CREATE
	if !after() {
		flags |= os.O_APPEND
	}
	to, err := os.OpenFile(os.Getenv("MEND_COPY"), flags, 0o600)
	if err != nil {
		log.Fatal(err)
	}
	defer to.Close()
	if _, err := to.Seek(0, io.SeekEnd); err != nil {
		log.Fatal(err)
	}
	must(io.Copy(to, from))
}
