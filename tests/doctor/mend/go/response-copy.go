// SPDX-License-Identifier: MIT

// A handler that sends a file by a loop of its own, or by io.Copy where that loses the file. io.CopyN keeps it in all releases.
package main

import (
	"io"
	"net/http"
	"os"
)

func main() {
	serve(func(w http.ResponseWriter, r *http.Request) (moved int64) {
		file := openFile()
		if after() {
			moved, _ = io.CopyN(w, file, size())
			return moved
		}
		if _, bare := limited(file, w).(*os.File); !bare {
			moved, _ = io.Copy(w, file)
			return moved
		}
		buffer := make([]byte, 1<<16)
		for {
			n, err := file.Read(buffer)
			w.Write(buffer[:n])
			moved += int64(n)
			if err != nil {
				return moved
			}
		}
	})
}
