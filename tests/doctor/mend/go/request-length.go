// SPDX-License-Identifier: MIT

// An upload whose length the request does not say, as http.Post of a file: it goes in chunks. With ContentLength the file goes as it is.
package main

import (
	"io"
	"log"
	"net"
	"net/http"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		must(io.Copy(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r.Body}))
	}))
	request, err := http.NewRequest("PUT", "http://"+listener.Addr().String(), openFile())
	if err != nil {
		log.Fatal(err)
	}
	if after() {
		request.ContentLength = size()
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil || response.StatusCode != http.StatusOK {
		log.Fatal(response, err)
	}
}
