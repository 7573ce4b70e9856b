// Package metrics counts requests, by application.
package metrics

import (
	"net/http"
	"sync"

	"anywhere.local/demo/service"
)

const later = "the database is away: counted later"

// New keeps its counts by way of the dbshell at a URL.
func New(self service.Identity, dbshell string) service.Server {
	made := &counter{records: service.NewRecords("requests", dbshell), owed: map[string]int{}, last: map[string]int{}}
	routes := http.NewServeMux()
	routes.Handle("POST /requests/{name}", service.Endpoint(self, made.count))
	return service.Server{Handler: routes}
}

// counter remembers what it owes the database, for which the next request is there; it is lost with the pod.
type counter struct {
	records service.Records
	mutex   sync.Mutex
	owed    map[string]int
	last    map[string]int // the sums that the database said last
}

func (counter *counter) count(request *service.Request) (any, error) {
	name := request.PathValue("name")
	n := counter.take(name)
	sum, err := counter.records.Add(request, name, n)
	if err == nil {
		counter.said(name, sum)
		return sum, nil
	}
	owed := counter.owe(name, n)
	if service.Status(err) == service.Away {
		request.Note(later)
		return owed, nil
	}
	return nil, err
}

// take is what is to be added: this request, and what is owed, which then is not any more.
func (counter *counter) take(name string) int {
	counter.mutex.Lock()
	defer counter.mutex.Unlock()
	n := counter.owed[name] + 1
	delete(counter.owed, name)
	return n
}

// owe gives the sum as it will be.
func (counter *counter) owe(name string, n int) int {
	counter.mutex.Lock()
	defer counter.mutex.Unlock()
	counter.owed[name] += n
	return counter.last[name] + counter.owed[name]
}

func (counter *counter) said(name string, sum int) {
	counter.mutex.Lock()
	defer counter.mutex.Unlock()
	counter.last[name] = max(counter.last[name], sum)
}
