// Package load asks the frontend at a fixed rate, and logs how that goes.
package load

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"anywhere.local/demo/service"
)

const (
	patience = 45 * time.Second // of one attempt
	Attempts = 3                // of one request
	pause    = time.Second      // between two of them
	window   = 10 * time.Second // between two lines of the log
	services = 6
)

// Load is what became of the requests so far. Failed are those whose last attempt failed, Repeated those that took more
// than one, and Partial those that the frontend answered without one of the services, as the database.
type Load struct {
	Asked, Failed, Repeated, Partial int

	mutex     sync.Mutex
	latencies []time.Duration // since the last line
}

// Run sends rate requests a second to url until ctx ends, and waits for the last answer.
func (load *Load) Run(ctx context.Context, url string, rate float64) {
	asking, telling := time.NewTicker(time.Duration(float64(time.Second)/rate)), time.NewTicker(window)
	defer asking.Stop()
	defer telling.Stop()
	var open sync.WaitGroup
	for ctx.Err() == nil {
		select {
		case <-asking.C:
			open.Go(func() { load.ask(url) })
		case <-telling.C:
			load.Tell()
		case <-ctx.Done():
		}
	}
	open.Wait()
}

// Tell logs the counts since the start, and the latencies since the last time.
func (load *Load) Tell() {
	load.mutex.Lock()
	defer load.mutex.Unlock()
	words := []any{"asked", load.Asked, "failed", load.Failed, "repeated", load.Repeated, "partial", load.Partial}
	if slices.Sort(load.latencies); len(load.latencies) > 0 {
		at := func(share float64) string {
			return load.latencies[int(share*float64(len(load.latencies)-1))].Round(100 * time.Microsecond).String()
		}
		words = append(words, "half_within", at(0.5), "95%_within", at(0.95), "slowest", at(1))
	}
	load.latencies = load.latencies[:0]
	slog.Info("load", words...)
}

func (load *Load) ask(url string) {
	began, attempts := time.Now(), 0
	var trace service.Span
	var err error
	for attempts = 1; ; attempts++ {
		if trace, err = Once(url); err == nil || attempts == Attempts {
			break
		}
		slog.Warn("to be repeated", "reason", err.Error())
		time.Sleep(pause)
	}
	if err != nil {
		slog.Error("failed", "reason", err.Error())
	}
	load.mutex.Lock()
	defer load.mutex.Unlock()
	load.Asked++
	load.latencies = append(load.latencies, time.Since(began))
	switch {
	case err != nil:
		load.Failed++
	case len(trace.Services()) < services:
		load.Partial++
	}
	if attempts > 1 {
		load.Repeated++
	}
}

// Once sends one request, and gives the trace of its answer; an error where that is none with a status of success.
func Once(url string) (service.Span, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	asked, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return service.Span{}, err
	}
	answer, err := http.DefaultClient.Do(asked)
	if err != nil {
		return service.Span{}, err
	}
	defer answer.Body.Close()
	var reply service.Reply
	err = json.NewDecoder(answer.Body).Decode(&reply)
	if answer.StatusCode != http.StatusOK {
		return reply.Trace, fmt.Errorf("%s %s", answer.Status, reply.Error)
	}
	return reply.Trace, err
}
