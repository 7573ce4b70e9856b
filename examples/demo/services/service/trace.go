package service

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// Span is the part of one service in a request; Calls are the parts of those that it asked.
type Span struct {
	Service      string  `json:"service"`
	Pod          string  `json:"pod"`
	Machine      string  `json:"machine"`
	Milliseconds float64 `json:"milliseconds"`
	Note         string  `json:"note,omitempty"`
	Calls        []Span  `json:"calls,omitempty"`
}

// Services are the names in a trace, each once.
func (span Span) Services() map[string]bool {
	names := map[string]bool{span.Service: true}
	for _, call := range span.Calls {
		for name := range call.Services() {
			names[name] = true
		}
	}
	return names
}

// Reply is what a service answers: a value or an error, and its trace.
type Reply struct {
	Value json.RawMessage `json:"value,omitempty"`
	Error string          `json:"error,omitempty"`
	Trace Span            `json:"trace"`
}

// Refusal is an error that has an HTTP status of its own; every other one is a 502.
type Refusal struct {
	Status  int
	Message string
}

func (refusal *Refusal) Error() string { return refusal.Message }

// Request is a request that is being answered, and collects its trace.
type Request struct {
	*http.Request
	began time.Time
	mutex sync.Mutex
	span  Span
}

// Trace has ask run as part of a request, and gives its outcome with the trace of it.
func Trace(self Identity, r *http.Request, ask func(*Request) (any, error)) (any, Span, error) {
	request := &Request{Request: r, began: time.Now()}
	value, err := ask(request)
	request.mutex.Lock()
	defer request.mutex.Unlock()
	span := request.span
	span.Service, span.Pod, span.Machine = self.Service, self.Pod, self.Machine
	span.Milliseconds = float64(time.Since(request.began).Microseconds()) / 1000
	return value, span, err
}

// Note adds to the trace what is unusual about this answer.
func (request *Request) Note(words string) {
	request.mutex.Lock()
	defer request.mutex.Unlock()
	request.span.Note = words
}

func (request *Request) called(span Span) {
	request.mutex.Lock()
	defer request.mutex.Unlock()
	request.span.Calls = append(request.span.Calls, span)
}

// Endpoint answers each request with what answer makes of it, in a Reply.
func Endpoint(self Identity, answer func(*Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		value, span, err := Trace(self, r, answer)
		reply := Reply{Trace: span}
		if err == nil {
			reply.Value, err = json.Marshal(value)
		}
		if err != nil {
			reply.Error = err.Error()
			slog.Warn("refused", "method", r.Method, "path", r.URL.Path, "reason", reply.Error)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(Status(err))
		json.NewEncoder(w).Encode(reply)
	})
}

// Away is the status of an answer that lacks the database. Unlike a 503, it is not worth asking again at once.
const Away = http.StatusFailedDependency

// Status is the HTTP status that goes with an error.
func Status(err error) int {
	var refusal *Refusal
	switch {
	case err == nil:
		return http.StatusOK
	case errors.As(err, &refusal):
		return refusal.Status
	}
	return http.StatusBadGateway
}
