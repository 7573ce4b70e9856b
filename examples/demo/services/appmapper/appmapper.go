// Package appmapper knows of each application who owns it, and which service it is.
package appmapper

import (
	"context"
	"net/http"

	"anywhere.local/demo/service"
)

// Application is one of them.
type Application struct {
	Name    string `json:"name"`
	Owner   string `json:"owner"`
	Service string `json:"service"`
}

var first = map[string]any{
	"falcon": Application{"Falcon", "han", "freight.outer-rim"},
	"droids": Application{"Droids", "luke", "repairs.tatooine"},
	"plans":  Application{"Plans", "leia", "archive.scarif"},
}

// New has its applications by way of the dbshell at a URL.
func New(self service.Identity, dbshell string) service.Server {
	records := service.NewRecords("applications", dbshell)
	routes := http.NewServeMux()
	routes.Handle("GET /applications/{name}", service.Endpoint(self, func(request *service.Request) (any, error) {
		return records.Get(request, request.PathValue("name"))
	}))
	return service.Server{Handler: routes, Work: func(ctx context.Context) { records.Seed(ctx, first) }}
}
