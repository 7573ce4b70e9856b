package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	connectSeconds = time.Second // a machine that is gone does not even refuse
	firstPause     = 50 * time.Millisecond
	longestPause   = 800 * time.Millisecond
)

var client = &http.Client{Transport: &http.Transport{
	DialContext:         (&net.Dialer{Timeout: connectSeconds}).DialContext,
	MaxIdleConnsPerHost: 16,
	IdleConnTimeout:     30 * time.Second, // shorter than a server's, so that seldom both end it at once
}}

// Peer is a service that another one asks, at URL. Patience is for how long an answer is tried for: what does not
// answer, or says that it cannot now, is asked again, as pods come and go.
type Peer struct {
	Name, URL string
	Patience  time.Duration
}

// Ask sends a request to the peer as part of one that is being answered; its answer's trace becomes part of that.
//
// It may arrive more than once.
func (peer Peer) Ask(request *Request, method, path, body string) (json.RawMessage, error) {
	reply, err := peer.Send(request.Context(), method, path, body)
	if reply.Trace.Service != "" {
		request.called(reply.Trace)
	}
	return reply.Value, err
}

// Send is Ask outside of any request.
func (peer Peer) Send(ctx context.Context, method, path, body string) (Reply, error) {
	ctx, cancel := context.WithTimeout(ctx, peer.Patience)
	defer cancel()
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		reply, err := peer.once(ctx, method, path, body)
		if err == nil || !passing(err) {
			return reply, err
		}
		select {
		case <-ctx.Done():
			return reply, &Refusal{http.StatusServiceUnavailable, fmt.Sprintf("%s does not answer: %v", peer.Name, err)}
		case <-time.After(pause):
		}
	}
}

func (peer Peer) once(ctx context.Context, method, path, body string) (reply Reply, err error) {
	ctx, cancel := context.WithTimeout(ctx, peer.Patience/2) // so that there is time for another pod
	defer cancel()
	asked, err := http.NewRequestWithContext(ctx, method, peer.URL+path, strings.NewReader(body))
	if err != nil {
		return reply, err
	}
	answer, err := client.Do(asked)
	if err != nil {
		return reply, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 16*bodyBytes))
	if err != nil {
		return reply, err
	}
	if err := json.Unmarshal(text, &reply); err != nil {
		return reply, &Refusal{http.StatusBadGateway, fmt.Sprintf("%s answers nonsense: %v", peer.Name, err)}
	}
	if answer.StatusCode >= 300 {
		return reply, &Refusal{answer.StatusCode, reply.Error}
	}
	return reply, nil
}

// passing tells errors that may be gone a moment later.
func passing(err error) bool {
	var refusal *Refusal
	if !errors.As(err, &refusal) {
		return true
	}
	return refusal.Status == http.StatusBadGateway || refusal.Status == http.StatusServiceUnavailable
}
