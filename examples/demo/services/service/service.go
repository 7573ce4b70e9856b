// Package service is what the services of the demo have in common: how they serve, how they ask each other, and the
// trace that every request brings back.
package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

const (
	drainSeconds = 15 * time.Second // for requests that are under way when the service is to end
	bodyBytes    = 64 << 10
)

// Identity is who answers: a service, and where one of its pods runs.
type Identity struct{ Service, Pod, Machine string }

// Self is this process as the service name, of which the pod's manifest says the rest.
func Self(name string) Identity {
	host, _ := os.Hostname()
	return Identity{name, cmp.Or(os.Getenv("POD"), host), cmp.Or(os.Getenv("MACHINE"), "this computer")}
}

// URL is where another service is: what $NAME_URL says, else its Service in the same namespace.
func URL(name string) string {
	variable := strings.ReplaceAll(strings.ToUpper(name), "-", "_") + "_URL"
	return cmp.Or(os.Getenv(variable), "http://"+name)
}

// Server is an HTTP handler and what goes with it.
type Server struct {
	Handler http.Handler
	Ready   func() error          // why it cannot answer yet; nil where it always can
	Work    func(context.Context) // what it does beside answering, until the context ends; nil for nothing
	Close   func() error          // what is done once the last request is answered; nil for nothing
}

// Main serves on $LISTEN until it is told to end, and exits.
func Main(name string, server Server) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	listener, err := net.Listen("tcp", cmp.Or(os.Getenv("LISTEN"), ":8080"))
	if err == nil {
		slog.Info("serving", "service", name, "address", listener.Addr().String())
		err = Serve(ctx, listener, server)
	}
	if err != nil {
		Fail(err)
	}
	slog.Info("ended", "service", name)
}

// Fail ends the process with the reason.
func Fail(err error) {
	slog.Error("cannot go on", "reason", err.Error())
	os.Exit(1)
}

// Serve answers until ctx ends; requests that are under way by then are answered too.
func Serve(ctx context.Context, listener net.Listener, server Server) error {
	served := &http.Server{
		Handler:           server.routes(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       time.Minute,
	}
	ended := make(chan error, 1)
	go func() { ended <- served.Serve(listener) }()
	if server.Work != nil {
		go server.Work(ctx)
	}
	var err error
	select {
	case err = <-ended:
	case <-ctx.Done():
		draining, cancel := context.WithTimeout(context.Background(), drainSeconds)
		defer cancel()
		err = served.Shutdown(draining)
	}
	if server.Close != nil {
		err = errors.Join(err, server.Close())
	}
	return err
}

// routes has the probes beside the handler: /healthz says that the process answers, /readyz that it can be asked.
func (server Server) routes() http.Handler {
	routes := http.NewServeMux()
	routes.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	routes.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if server.Ready != nil {
			if err := server.Ready(); err != nil {
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
				return
			}
		}
		fmt.Fprintln(w, "ok")
	})
	routes.Handle("/", http.MaxBytesHandler(server.Handler, bodyBytes))
	return routes
}
