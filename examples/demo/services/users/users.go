// Package users has the accounts of those who use applications.
package users

import (
	"context"
	"net/http"

	"anywhere.local/demo/service"
)

// Account is one user.
type Account struct {
	Name string `json:"name"`
	Home string `json:"home"`
}

var first = map[string]any{
	"leia": Account{"Leia", "Alderaan"},
	"luke": Account{"Luke", "Tatooine"},
	"han":  Account{"Han", "Corellia"},
}

// New has its accounts by way of the dbshell at a URL.
func New(self service.Identity, dbshell string) service.Server {
	records := service.NewRecords("users", dbshell)
	routes := http.NewServeMux()
	routes.Handle("GET /users/{name}", service.Endpoint(self, func(request *service.Request) (any, error) {
		return records.Get(request, request.PathValue("name"))
	}))
	return service.Server{Handler: routes, Work: func(ctx context.Context) { records.Seed(ctx, first) }}
}
