// SPDX-License-Identifier: MIT

// Read and Write in a loop of one's own: io.Copy asks the ends first.
package main

import "io"

func main() {
	from, to := ends()
	defer to.Close()
	if after() {
		must(io.Copy(to, from))
		return
	}
	buffer, moved := make([]byte, 1<<16), int64(0)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			written, werr := to.Write(buffer[:n])
			moved += int64(written)
			if werr != nil {
				must(moved, werr)
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			must(moved, err)
		}
	}
	must(moved, nil)
}
