// Package frontend is what people see: a page, and the same as JSON. Both take one request through all six services.
package frontend

import (
	_ "embed"
	"encoding/json"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"sync"
	"time"

	"anywhere.local/demo/appmapper"
	"anywhere.local/demo/service"
	"anywhere.local/demo/users"
)

const patience = 20 * time.Second // half of it is longer than what it asks has with the dbshell

//go:embed page.html
var text string

var page = template.Must(template.New("page").Parse(text))

// Visit is what a user gets of an application.
type Visit struct {
	User        users.Account         `json:"user"`
	Application appmapper.Application `json:"application"`
	Requests    int                   `json:"requests"`
}

// New asks its peers at these URLs.
func New(self service.Identity, usersURL, appmapperURL, metricsURL string) service.Server {
	made := frontend{
		users:     service.Peer{Name: "users", URL: usersURL, Patience: patience},
		appmapper: service.Peer{Name: "app-mapper", URL: appmapperURL, Patience: patience},
		metrics:   service.Peer{Name: "metrics", URL: metricsURL, Patience: patience},
	}
	routes := http.NewServeMux()
	routes.Handle("GET /api/visit", service.Endpoint(self, func(request *service.Request) (any, error) {
		return made.visit(request)
	}))
	routes.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		value, span, err := service.Trace(self, r, func(request *service.Request) (any, error) { return made.visit(request) })
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'")
		w.WriteHeader(service.Status(err))
		page.Execute(w, map[string]any{"Visit": value, "Trace": span, "Error": err})
	})
	return service.Server{Handler: routes}
}

type frontend struct{ users, appmapper, metrics service.Peer }

// visit has the account and the application looked up at once, and counts the request once there are both.
func (frontend frontend) visit(request *service.Request) (visit Visit, err error) {
	query := request.URL.Query()
	user, application := or(query.Get("user"), "leia"), or(query.Get("application"), "falcon")
	var failed [2]error
	var both sync.WaitGroup
	both.Go(func() {
		failed[0] = ask(request, frontend.users, http.MethodGet, "/users/"+url.PathEscape(user), &visit.User)
	})
	both.Go(func() {
		path := "/applications/" + url.PathEscape(application)
		failed[1] = ask(request, frontend.appmapper, http.MethodGet, path, &visit.Application)
	})
	both.Wait()
	if err := errors.Join(failed[:]...); err != nil {
		return visit, err
	}
	path := "/requests/" + url.PathEscape(application)
	return visit, ask(request, frontend.metrics, http.MethodPost, path, &visit.Requests)
}

func ask(request *service.Request, peer service.Peer, method, path string, value any) error {
	found, err := peer.Ask(request, method, path, "")
	if service.Status(err) == service.Away { // to those outside it is all one
		return &service.Refusal{Status: http.StatusServiceUnavailable, Message: err.Error()}
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(found, value)
}

func or(given, usual string) string {
	if given == "" {
		return usual
	}
	return given
}
