// Passes connections on as Go programs do: a goroutine for each direction, io.Copy in each, and the end of one passed on.
// copy-go LISTEN TARGET, addresses as tests/bench_relay.c has them.
package main

import (
	"io"
	"log"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/mdlayher/vsock"
)

// number is the N-th part of an address, as vsock has them.
func number(text string) uint32 {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		log.Fatal(err)
	}
	return uint32(n)
}

func listen(address string) (net.Listener, error) {
	parts := strings.Split(address, ":")
	switch parts[0] {
	case "vsock":
		return vsock.Listen(number(parts[len(parts)-1]), nil)
	case "unix":
		return net.Listen("unix", parts[1])
	}
	return net.Listen("tcp", "127.0.0.1:"+parts[1])
}

func dial(address string) (net.Conn, error) {
	parts := strings.Split(address, ":")
	switch parts[0] {
	case "vsock":
		return vsock.Dial(number(parts[1]), number(parts[2]), nil)
	case "unix":
		return net.Dial("unix", parts[1])
	}
	return net.Dial("tcp", "127.0.0.1:"+parts[1])
}

type halfCloser interface{ CloseWrite() error }

func oneWay(to, from net.Conn, done chan<- struct{}) {
	io.Copy(to, from)
	to.(halfCloser).CloseWrite()
	done <- struct{}{}
}

func serve(a net.Conn, target string) {
	defer a.Close()
	b, err := dial(target)
	if err != nil {
		log.Print(err)
		return
	}
	defer b.Close()
	done := make(chan struct{}, 2)
	go oneWay(a, b, done)
	go oneWay(b, a, done)
	<-done
	<-done
}

func main() {
	listener, err := listen(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go serve(conn, os.Args[2])
	}
}
