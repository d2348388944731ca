// SPDX-License-Identifier: MIT

// What is inside another value has no ReadFrom and no WriteTo, and nobody's line says so. io.Copy gets the ends themselves.
package main

import "io"

func main() {
	from, to := ends()
	defer to.Close()
	if after() {
		must(io.Copy(to, from))
		return
	}
	must(io.Copy(struct{ io.Writer }{to}, io.NopCloser(struct{ io.Reader }{from})))
}
