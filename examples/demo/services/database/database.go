// Package database keeps entries, a JSON value by key, in one file. What it acknowledges is on the disk.
package database

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"go.etcd.io/bbolt"

	"anywhere.local/demo/service"
)

const (
	lockSeconds = 10 * time.Second // for the process before this one to let the file go
	valueBytes  = 4 << 10
)

var bucket = []byte("entries")

// New opens the database in a file, which is made where there is none.
func New(self service.Identity, file string) (service.Server, error) {
	store, err := bbolt.Open(file, 0o600, &bbolt.Options{Timeout: lockSeconds})
	if err != nil {
		return service.Server{}, err
	}
	err = store.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(bucket)
		return err
	})
	kept := entries{store}
	routes := http.NewServeMux()
	routes.Handle("GET /entries", service.Endpoint(self, kept.all))
	routes.Handle("GET /entries/{key...}", service.Endpoint(self, kept.get))
	routes.Handle("PUT /entries/{key...}", service.Endpoint(self, kept.create))
	routes.Handle("POST /entries/{key...}", service.Endpoint(self, kept.add))
	return service.Server{Handler: routes, Close: store.Close}, err
}

type entries struct{ store *bbolt.DB }

func (kept entries) all(*service.Request) (any, error) {
	found := map[string]json.RawMessage{}
	err := kept.store.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucket).ForEach(func(key, value []byte) error {
			found[string(key)] = append(json.RawMessage{}, value...) // which is gone with the transaction
			return nil
		})
	})
	return found, err
}

func (kept entries) get(request *service.Request) (any, error) {
	var found json.RawMessage
	err := kept.store.View(func(tx *bbolt.Tx) error {
		found = append(found, tx.Bucket(bucket).Get([]byte(request.PathValue("key")))...)
		return nil
	})
	if err == nil && found == nil {
		err = &service.Refusal{Status: http.StatusNotFound, Message: "there is no " + request.PathValue("key")}
	}
	return found, err
}

// create makes an entry of the body; one that is there stays as it is. It answers with the one that is there then.
func (kept entries) create(request *service.Request) (any, error) {
	var value json.RawMessage
	if err := json.NewDecoder(http.MaxBytesReader(nil, request.Body, valueBytes)).Decode(&value); err != nil {
		return nil, &service.Refusal{Status: http.StatusBadRequest, Message: "the value is no JSON: " + err.Error()}
	}
	return value, kept.store.Update(func(tx *bbolt.Tx) error {
		key := []byte(request.PathValue("key"))
		if there := tx.Bucket(bucket).Get(key); there != nil {
			value = append(json.RawMessage{}, there...)
			return nil
		}
		return tx.Bucket(bucket).Put(key, value)
	})
}

// add adds the number ?n= to an entry that is a number, and makes it where there is none; it answers with the sum.
func (kept entries) add(request *service.Request) (any, error) {
	n, err := strconv.Atoi(request.URL.Query().Get("n"))
	if err != nil {
		return nil, &service.Refusal{Status: http.StatusBadRequest, Message: "n is no number"}
	}
	sum := 0
	err = kept.store.Update(func(tx *bbolt.Tx) error {
		key := []byte(request.PathValue("key"))
		if there := tx.Bucket(bucket).Get(key); there != nil {
			if err := json.Unmarshal(there, &sum); err != nil {
				return &service.Refusal{Status: http.StatusConflict, Message: string(key) + " is no number"}
			}
		}
		sum += n
		return tx.Bucket(bucket).Put(key, []byte(strconv.Itoa(sum)))
	})
	var refusal *service.Refusal
	if err != nil && !errors.As(err, &refusal) {
		err = &service.Refusal{Status: http.StatusInsufficientStorage, Message: err.Error()}
	}
	return sum, err
}
