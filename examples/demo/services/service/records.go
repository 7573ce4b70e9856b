package service

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

const (
	queryPatience = 8 * time.Second // half of it is longer than the dbshell has with the database
	seedPause     = 2 * time.Second
)

// Records are the entries of one kind that a service keeps in the database, by way of the dbshell at a URL.
type Records struct {
	kind    string
	dbshell Peer
}

// NewRecords are the records of a kind, such as users.
func NewRecords(kind, dbshell string) Records {
	return Records{kind, Peer{Name: "dbshell", URL: dbshell, Patience: queryPatience}}
}

// Get is a record by its name.
func (records Records) Get(request *Request, name string) (json.RawMessage, error) {
	return records.dbshell.Ask(request, http.MethodPost, "/query", fmt.Sprintf("get %s/%s", records.kind, name))
}

// Add adds to a record that is a number, and gives the sum.
func (records Records) Add(request *Request, name string, n int) (sum int, err error) {
	query := fmt.Sprintf("add %s/%s %d", records.kind, name, n)
	value, err := records.dbshell.Ask(request, http.MethodPost, "/query", query)
	if err == nil {
		err = json.Unmarshal(value, &sum)
	}
	return sum, err
}

// Seed makes the records that the demo begins with, as often as it takes; those that are there stay as they are.
func (records Records) Seed(ctx context.Context, first map[string]any) {
	for name, value := range first {
		text, err := json.Marshal(value)
		for err == nil && ctx.Err() == nil {
			query := fmt.Sprintf("create %s/%s %s", records.kind, name, text)
			if _, failed := records.dbshell.Send(ctx, http.MethodPost, "/query", query); failed == nil {
				break
			} else {
				slog.Warn("not kept yet", "record", records.kind+"/"+name, "reason", failed.Error())
			}
			select {
			case <-ctx.Done():
			case <-time.After(seedPause):
			}
		}
	}
}
