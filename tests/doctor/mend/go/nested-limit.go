// SPDX-License-Identifier: MIT

// The runtime looks behind one io.LimitedReader. Two limits in one are the smaller one.
package main

import "io"

func main() {
	from, to := ends()
	defer to.Close()
	inner := &io.LimitedReader{R: from, N: size()}
	if !after() {
		must(io.Copy(to, io.LimitReader(inner, size()+1)))
		return
	}
	if size()+1 < inner.N {
		inner.N = size() + 1
	}
	must(io.Copy(to, inner))
}
