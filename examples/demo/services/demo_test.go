package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"anywhere.local/demo/appmapper"
	"anywhere.local/demo/database"
	"anywhere.local/demo/dbshell"
	"anywhere.local/demo/frontend"
	"anywhere.local/demo/load"
	"anywhere.local/demo/metrics"
	"anywhere.local/demo/service"
	"anywhere.local/demo/users"
)

// run serves on an address of this computer; the end of what it gives is that of the service.
func run(t *testing.T, server service.Server, address string) (url string, end func()) {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- service.Serve(ctx, listener, server) }()
	end = func() {
		if cancel(); ctx != nil {
			if err := <-ended; err != nil {
				t.Error(err)
			}
			ctx = nil
		}
	}
	return "http://" + listener.Addr().String(), end
}

func who(name string) service.Identity {
	return service.Identity{Service: name, Pod: name + "-1", Machine: "here"}
}

// demo is all six services, each with a port of its own.
type demo struct {
	t                       *testing.T
	file, frontend, dbshell string
	database                string
	endDatabase             func()
}

func start(t *testing.T) *demo {
	made := &demo{t: t, file: filepath.Join(t.TempDir(), "entries.db"), database: "127.0.0.1:0"}
	made.startDatabase()
	serve := func(server service.Server) string {
		url, end := run(t, server, "127.0.0.1:0")
		t.Cleanup(end)
		return url
	}
	made.dbshell = serve(dbshell.New(who("dbshell"), "http://"+made.database))
	account, mapper := serve(users.New(who("users"), made.dbshell)), serve(appmapper.New(who("app-mapper"), made.dbshell))
	counted := serve(metrics.New(who("metrics"), made.dbshell))
	made.frontend = serve(frontend.New(who("frontend"), account, mapper, counted))
	t.Cleanup(func() { made.endDatabase() })
	for _, query := range []string{"?user=han&application=plans", "?user=luke&application=droids", "?user=leia"} {
		made.until("the first records", func() bool { return made.get("/api/visit"+query).Error == "" })
	}
	made.until("a copy", func() bool { return status(t, made.dbshell+"/readyz") == http.StatusOK })
	return made
}

func (made *demo) startDatabase() {
	server, err := database.New(who("database"), made.file)
	if err != nil {
		made.t.Fatal(err)
	}
	url, end := run(made.t, server, made.database)
	made.database, made.endDatabase = strings.TrimPrefix(url, "http://"), end
}

func (made *demo) get(path string) (reply service.Reply) {
	made.t.Helper()
	answer, err := http.Get(made.frontend + path)
	if err != nil {
		made.t.Fatal(err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&reply); err != nil {
		made.t.Fatal(err)
	}
	return reply
}

func (made *demo) visit() (visit frontend.Visit, reply service.Reply) {
	made.t.Helper()
	reply = made.get("/api/visit?user=luke&application=droids")
	if err := json.Unmarshal(reply.Value, &visit); err != nil {
		made.t.Fatal(reply.Error, err)
	}
	return visit, reply
}

func (made *demo) until(what string, true func() bool) {
	made.t.Helper()
	for end := time.Now().Add(30 * time.Second); !true(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			made.t.Fatalf("%s did not come", what)
		}
	}
}

func status(t *testing.T, url string) int {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode
}

func TestARequestTravelsThroughAllSix(t *testing.T) {
	made := start(t)
	before, _ := made.visit()
	visit, reply := made.visit()
	if visit.User.Home != "Tatooine" || visit.Application.Owner != "luke" || visit.Requests != before.Requests+1 {
		t.Error(visit)
	}
	for _, name := range []string{"frontend", "users", "app-mapper", "metrics", "dbshell", "database"} {
		if !reply.Trace.Services()[name] {
			t.Errorf("no %s in %+v", name, reply.Trace)
		}
	}
	if reply.Trace.Pod != "frontend-1" || reply.Trace.Machine != "here" || len(reply.Trace.Calls) != 3 {
		t.Errorf("%+v", reply.Trace)
	}
}

func TestCountsOutliveTheDatabasesProcess(t *testing.T) {
	made := start(t)
	before, _ := made.visit()
	made.endDatabase()
	made.startDatabase()
	if visit, reply := made.visit(); visit.Requests != before.Requests+1 || len(reply.Trace.Services()) != 6 {
		t.Error(visit, reply.Trace)
	}
}

func TestWithoutItsDatabaseItAnswersFromACopyAndCountsLater(t *testing.T) {
	made := start(t)
	first, _ := made.visit()
	made.endDatabase()
	for range 3 {
		visit, reply := made.visit()
		if visit.User.Name != "Luke" || hasDatabase(reply) || !strings.Contains(fmt.Sprint(reply.Trace), "away") {
			t.Errorf("%+v %+v", visit, reply.Trace)
		}
	}
	if reply := made.get("/api/visit?user=nobody"); !strings.Contains(reply.Error, "away") {
		t.Error(reply)
	}
	made.startDatabase()
	asked := first.Requests + 3
	made.until("every count", func() bool {
		visit, reply := made.visit()
		asked++
		return hasDatabase(reply) && visit.Requests == asked
	})
}

func TestACopyHasWhatAnotherShellWrote(t *testing.T) {
	made := start(t)
	other, end := run(t, dbshell.New(who("dbshell"), "http://"+made.database), "127.0.0.1:0")
	defer end()
	made.until("a copy", func() bool { return status(t, other+"/readyz") == http.StatusOK })
	ask := func(shell, query string) int {
		answer, err := http.Post(shell+"/query", "text/plain", strings.NewReader(query))
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		return answer.StatusCode
	}
	if code := ask(made.dbshell, "create a/b 1"); code != http.StatusOK {
		t.Fatal(code)
	}
	time.Sleep(6 * time.Second) // longer than a copy is kept
	made.endDatabase()
	if code := ask(other, "get a/b"); code != http.StatusOK {
		t.Error(code)
	}
	made.startDatabase()
}

func hasDatabase(reply service.Reply) bool { return reply.Trace.Services()["database"] }

func TestWhatIsUnknownIsNotCounted(t *testing.T) {
	made := start(t)
	for _, path := range []string{"/api/visit?user=nobody", "/api/visit?application=nothing"} {
		if code := status(t, made.frontend+path); code != http.StatusNotFound {
			t.Error(path, code)
		}
	}
	for _, name := range []string{"a%2fb%2fc%2fd%2fe", "A", "%20", "..%2f.."} {
		code := status(t, made.frontend+"/api/visit?user="+name)
		if code != http.StatusBadRequest && code != http.StatusNotFound {
			t.Error(name, code)
		}
	}
}

func TestAShellThatNeverReachedTheDatabaseIsNotReady(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	url, end := run(t, dbshell.New(who("dbshell"), gone.URL), "127.0.0.1:0")
	defer end()
	if status(t, url+"/readyz") != http.StatusServiceUnavailable || status(t, url+"/healthz") != http.StatusOK {
		t.Error("it is ready")
	}
}

func TestOnlyQueriesAreRun(t *testing.T) {
	made := start(t)
	ask := func(query string) (int, string) {
		answer, err := http.Post(made.dbshell+"/query", "text/plain", strings.NewReader(query))
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, _ := io.ReadAll(answer.Body)
		return answer.StatusCode, string(text)
	}
	wrong := []string{"", "drop users", "get", "get ../x", "get a?n=1", "add a/b one", "create a/b {", "create a/b"}
	for _, query := range wrong {
		if code, text := ask(query); code != http.StatusBadRequest {
			t.Error(query, code, text)
		}
	}
	for _, each := range []struct {
		query string
		code  int
	}{{"get no/such", 404}, {`create a/b {"c": 1}`, 200}, {"add a/b 1", 409}, {"add a/n -2", 200}} {
		if code, text := ask(each.query); code != each.code {
			t.Error(each.query, code, text)
		}
	}
	if _, text := ask("create a/b 2"); !strings.Contains(text, `{"c":1}`) {
		t.Error("it was replaced:", text)
	}
}

func TestARequestThatIsUnderWayIsAnswered(t *testing.T) {
	begun := make(chan struct{})
	slow := service.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(begun)
		time.Sleep(200 * time.Millisecond)
		fmt.Fprint(w, "done")
	})}
	url, end := run(t, slow, "127.0.0.1:0")
	answered := make(chan string)
	go func() {
		answer, err := http.Get(url)
		if err != nil {
			answered <- err.Error()
			return
		}
		text, _ := io.ReadAll(answer.Body)
		answered <- string(text)
	}()
	<-begun
	end()
	if text := <-answered; text != "done" {
		t.Error(text)
	}
}

func TestAPeerThatIsAwayForAMomentIsAskedAgain(t *testing.T) {
	asked := 0
	peer := httptest.NewServer(service.Endpoint(who("users"), func(*service.Request) (any, error) {
		if asked++; asked < 3 {
			return nil, &service.Refusal{Status: http.StatusServiceUnavailable, Message: "not now"}
		}
		return "here", nil
	}))
	defer peer.Close()
	reply, err := service.Peer{Name: "users", URL: peer.URL, Patience: 5 * time.Second}.Send(t.Context(), "GET", "/", "")
	if err != nil || string(reply.Value) != `"here"` || asked != 3 {
		t.Error(reply, err, asked)
	}
}

func TestThePageShowsTheTraceAndEscapesWhatItIsAsked(t *testing.T) {
	made := start(t)
	for path, wanted := range map[string]string{
		"/?user=luke&application=droids": "Luke of Tatooine uses Droids",
		"/?user=<script>":                "not a query",
	} {
		answer, err := http.Get(made.frontend + path)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		said := string(text)
		if !strings.Contains(said, wanted) || !strings.Contains(said, "frontend-1 on here") {
			t.Error(path, said)
		}
		if strings.Contains(said, "<script>") {
			t.Error("what was asked is not escaped:", said)
		}
	}
}

func TestTheLoadSaysWhatBecameOfItsRequests(t *testing.T) {
	made := start(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	var asked load.Load
	asked.Run(ctx, made.frontend+"/api/visit", 20)
	if asked.Asked < 5 || asked.Failed+asked.Repeated+asked.Partial != 0 {
		t.Error(asked.Asked, asked.Failed, asked.Repeated, asked.Partial)
	}
	asked.Tell()
	made.endDatabase()
	ctx, cancel = context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	var without load.Load
	without.Run(ctx, made.frontend+"/api/visit", 5)
	made.startDatabase()
	if without.Failed != 0 || without.Partial == 0 {
		t.Error(without.Failed, without.Partial)
	}
}
