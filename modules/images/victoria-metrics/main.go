// Command probe asks each of its arguments, HOST:PORT/PATH, by HTTP, and fails unless all answer with 200. Kubelets run
// it in a pod whose programs listen on its loopback alone, where nobody from outside reaches them.
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

const wait = 5 * time.Second

func main() {
	failed := len(os.Args) == 1
	for _, address := range os.Args[1:] {
		if err := ask(address); err != nil {
			fmt.Fprintf(os.Stderr, "probe: %s: %v\n", address, err)
			failed = true
		}
	}
	if failed {
		os.Exit(1)
	}
}

func ask(address string) error {
	host, path, _ := strings.Cut(address, "/")
	connection, err := net.DialTimeout("tcp", host, wait)
	if err != nil {
		return err
	}
	defer connection.Close()
	if err := connection.SetDeadline(time.Now().Add(wait)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(connection, "GET /%s HTTP/1.0\r\n\r\n", path); err != nil {
		return err
	}
	line, err := bufio.NewReader(connection).ReadString('\n')
	if err != nil {
		return err
	}
	if words := strings.Fields(line); len(words) < 2 || words[1] != "200" {
		return fmt.Errorf("it answers %q", strings.TrimSpace(line))
	}
	return nil
}
