// What a program in Go asks of the local API by net/http, over the UNIX socket that its argument names: each result is a line.
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

func show(what string, r *http.Response, err error) {
	if err != nil {
		fmt.Printf("%s failed: %v\n", what, err)
		return
	}
	body, err := io.ReadAll(r.Body)
	r.Body.Close()
	fmt.Printf("%s %d %d %v\n", what, r.StatusCode, len(body), err)
}

func main() {
	t := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", os.Args[1])
		},
		MaxConnsPerHost: 8, ExpectContinueTimeout: time.Minute,
	}
	c := &http.Client{Transport: t}
	url := "http://localhost/v1/"
	r, err := c.Get(url + "health")
	show("health", r, err)
	// Of a length that it does not know: in chunks.
	r, err = c.Post(url+"attestation", "application/json", io.MultiReader(strings.NewReader(`{"nonce":`), strings.NewReader(`"YWJj"}`)))
	show("chunked", r, err)
	q, _ := http.NewRequest("POST", url+"attestation", strings.NewReader(`{}`))
	q.Header.Set("Expect", "100-continue")
	q.Header.Set("Content-Type", "application/json")
	r, err = c.Do(q)
	show("expect", r, err)
	q, _ = http.NewRequest("POST", url+"attestation", bytes.NewReader(make([]byte, 65537)))
	q.Header.Set("Expect", "100-continue")
	r, err = c.Do(q)
	show("large", r, err)
	var w sync.WaitGroup
	good := make(chan int, 200)
	for i := 0; i < 200; i++ {
		w.Add(1)
		go func() {
			defer w.Done()
			r, err := c.Get(url + "random?bytes=1000")
			if err == nil {
				body, _ := io.ReadAll(r.Body)
				r.Body.Close()
				good <- len(body)
			}
		}()
	}
	w.Wait()
	fmt.Printf("random %d\n", len(good))
}
