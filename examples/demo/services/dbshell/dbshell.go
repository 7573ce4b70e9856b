// Package dbshell runs queries on the database, and is the only one that talks to it. While the database is away, as
// when its machine is drained, it reads from a copy of its own, and says so in the trace.
//
//	get KEY           the value of an entry
//	create KEY JSON   makes an entry; one that is there stays as it is
//	add KEY NUMBER    adds to an entry that is a number
package dbshell

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"anywhere.local/demo/service"
)

const (
	patience  = 3 * time.Second // for the database
	spared    = 5 * time.Second // for which it is not asked again once it did not answer
	refreshed = 5 * time.Second // after which the copy is made anew
	fromCopy  = "the database is away: from a copy"
)

var away = &service.Refusal{Status: service.Away, Message: "the database is away"}

var unknown = &service.Refusal{
	Status:  http.StatusBadRequest,
	Message: "not a query: get KEY, create KEY JSON or add KEY NUMBER",
}

var query = regexp.MustCompile(`^(get|create|add) ([a-z0-9-]{1,63}(?:/[a-z0-9-]{1,63}){0,3})(?: (.+))?$`)

// New is the shell of the database at a URL.
func New(self service.Identity, database string) service.Server {
	made := &shell{database: service.Peer{Name: "database", URL: database, Patience: patience}}
	routes := http.NewServeMux()
	routes.Handle("POST /query", service.Endpoint(self, made.run))
	return service.Server{Handler: routes, Ready: made.ready, Work: made.follow}
}

type shell struct {
	database service.Peer
	mutex    sync.Mutex
	copy     map[string]json.RawMessage // nil until there is one
	again    time.Time                  // when the database is asked again
}

// follow makes the copy, and makes it anew every few seconds, as other shells change entries too. Until there is one
// the pod is not ready, so that nobody asks one that starts while the database is away.
func (shell *shell) follow(ctx context.Context) {
	for pause := time.Second; ctx.Err() == nil; {
		reply, err := shell.database.Send(ctx, http.MethodGet, "/entries", "")
		found := map[string]json.RawMessage{}
		if err = errors.Join(err, json.Unmarshal(reply.Value, &found)); err == nil {
			shell.take(found)
			pause = refreshed
		} else if shell.ready() != nil {
			slog.Warn("no copy yet", "reason", err.Error())
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

func (shell *shell) take(found map[string]json.RawMessage) {
	shell.mutex.Lock()
	defer shell.mutex.Unlock()
	shell.copy = found
}

func (shell *shell) ready() error {
	shell.mutex.Lock()
	defer shell.mutex.Unlock()
	if shell.copy == nil {
		return errors.New("the database was not reached yet")
	}
	return nil
}

func (shell *shell) run(request *service.Request) (any, error) {
	text, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	words := query.FindStringSubmatch(strings.TrimSpace(string(text)))
	if words == nil {
		return nil, unknown
	}
	verb, key, operand := words[1], words[2], words[3]
	var value json.RawMessage
	switch verb {
	case "get":
		value, err = shell.ask(request, http.MethodGet, key, "", "")
	case "create":
		value, err = shell.ask(request, http.MethodPut, key, "", operand)
	case "add":
		value, err = shell.ask(request, http.MethodPost, key, "?n="+url.QueryEscape(operand), "")
	}
	if kept := shell.kept(key); verb == "get" && service.Status(err) == service.Away && kept != nil {
		request.Note(fromCopy)
		return kept, nil
	}
	return value, err
}

// ask asks the database for an entry, and takes what it answers into the copy.
func (shell *shell) ask(request *service.Request, method, key, parameters, body string) (json.RawMessage, error) {
	if shell.spares() {
		return nil, away
	}
	value, err := shell.database.Ask(request, method, "/entries/"+key+parameters, body)
	shell.mutex.Lock()
	defer shell.mutex.Unlock()
	switch service.Status(err) {
	case http.StatusOK:
		if shell.copy != nil {
			shell.copy[key] = value
		}
	case http.StatusServiceUnavailable, http.StatusBadGateway:
		if request.Context().Err() == nil { // else it is who asked that is gone
			shell.again = time.Now().Add(spared)
		}
		return nil, away
	}
	return value, err
}

// spares says whether the database did not answer a moment ago.
func (shell *shell) spares() bool {
	shell.mutex.Lock()
	defer shell.mutex.Unlock()
	return time.Now().Before(shell.again)
}

func (shell *shell) kept(key string) json.RawMessage {
	shell.mutex.Lock()
	defer shell.mutex.Unlock()
	return shell.copy[key]
}
