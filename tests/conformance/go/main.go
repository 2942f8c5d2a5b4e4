// A program in Go, static, that tells what the standard library makes of the system it finds: facts, "@key=value" a line.
package main

import (
	"crypto/rand"
	"errors"
	"fmt"
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
	self, err := os.Executable()
	tell("self", self, err)
	n, err := rand.Read(make([]byte, 32))
	tell("random", n, err)
	code, err := child()
	tell("code", code, err)
	sig, err := interrupt()
	tell("signal", sig, err)
}
