package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

func main() {
	for i := 0; i < 3; i++ {
		for _, url := range os.Args[1:] {
			r, err := http.Get(url + "/big")
			if err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
			h := sha256.New()
			io.Copy(h, r.Body)
			r.Body.Close()
			fmt.Printf("%x\n", h.Sum(nil))
			p, err := http.Post(url+"/x", "text/plain", io.MultiReader(bytes.NewReader(make([]byte, 100000)), strings.NewReader("x")))
			if err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
			io.Copy(io.Discard, p.Body)
			p.Body.Close()
			fmt.Println(p.StatusCode)
		}
	}
	_, err := http.Get("https://evil.example/")
	fmt.Println(err)
}
