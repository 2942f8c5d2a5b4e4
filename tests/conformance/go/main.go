// A program in Go, static, that tells what the standard library makes of the system it finds: facts, "@key=value" a line.
package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
)

func tell(key string, value any, err error) {
	if err != nil {
		value = strings.ReplaceAll(err.Error(), "\n", " ")
	}
	fmt.Printf("@%s=%v\n", key, value)
}

// serve answers at a name, and asks there.
func serve() (string, error) {
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		return "", err
	}
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }))
	_, port, _ := net.SplitHostPort(l.Addr().String())
	answer, err := http.Get("http://localhost:" + port)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(answer.Body)
	return string(text), err
}

// open holds 2 n files at once: both ends of pipes.
func open(n int) (int, error) {
	for i := 0; i < n; i++ {
		if _, _, err := os.Pipe(); err != nil {
			return i, err
		}
	}
	return n, nil
}

// interrupt is what a program is told that waits for the signal of its end.
func interrupt() (os.Signal, error) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTERM)
	err := syscall.Kill(os.Getpid(), syscall.SIGTERM)
	return <-c, err
}

func child() (int, error) {
	err := exec.Command("sh", "-c", "exit 7").Run()
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		return ended.ExitCode(), nil
	}
	return 0, err
}

func main() {
	tell("start", "yes", nil)
	home, err := os.UserHomeDir()
	tell("home", home, err)
	self, err := os.Executable()
	tell("self", self, err)
	n, err := rand.Read(make([]byte, 32))
	tell("random", n, err)
	code, err := child()
	tell("code", code, err)
	sig, err := interrupt()
	tell("signal", sig, err)
	page, err := serve()
	tell("page", page, err)
	pipes, err := open(10000)
	tell("pipes", pipes, err)
}
