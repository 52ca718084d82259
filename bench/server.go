package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// A server is a scripted provider, as cheap as possible: the path of a request names the
// workload, the results in its body name the turn, and the answers were made before.
type server struct {
	listener net.Listener
	scripts  map[string]*script
	requests atomic.Int64
}

type script struct {
	workload              // embedded: the script answers the requests of this workload
	plain, usage [][]byte // HTTP responses by turn; usage with the usage of a stream
}

func serve(l net.Listener, all []workload) *server {
	s := &server{listener: l, scripts: map[string]*script{}}
	for _, w := range all {
		s.scripts[w.name] = &script{w, w.answers(false), w.answers(true)}
	}
	go s.accept()
	return s
}

func (s *server) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		go s.talk(c)
	}
}

// talk answers the requests of a connection until its end.
func (s *server) talk(c net.Conn) {
	defer c.Close()
	in := bufio.NewReaderSize(c, 32<<10)
	var body bytes.Buffer
	for {
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		body.Reset()
		if _, err := io.Copy(&body, req.Body); err != nil {
			return
		}
		if _, err := c.Write(s.answer(req.URL.Path, body.Bytes())); err != nil {
			return
		}
	}
}

// countPath is the path that returns the number of requests so far.
const countPath = "/requests"

func (s *server) answer(path string, body []byte) []byte {
	if path == countPath {
		return response("200 OK", fmt.Sprint(s.requests.Load()))
	}
	s.requests.Add(1)
	name, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	sc := s.scripts[name]
	if sc == nil {
		return refusal("no workload " + name)
	}
	turn, err := sc.turn(body)
	if err != nil {
		return refusal(err.Error())
	}
	if sc.wait > 0 {
		<-time.After(sc.wait)
	}
	if bytes.Contains(body, []byte(`"include_usage":true`)) {
		return sc.usage[turn]
	}
	return sc.plain[turn]
}

func refusal(why string) []byte {
	return response("400 Bad Request", fmt.Sprintf(`{"error":{"message":%q,"type":"invalid_request_error"}}`, why))
}

// turn returns the turn that a request asks for. The results of the turn before must
// stand in the request in the order of their calls.
func (sc *script) turn(body []byte) (int, error) {
	name := `"tool_call_id"`
	if sc.responses {
		name = `"function_call_output"`
	}
	n := bytes.Count(body, []byte(name))
	turn := n / sc.calls
	switch {
	case n%sc.calls != 0 || turn > sc.turns:
		return 0, fmt.Errorf("%d results", n)
	case !sc.responses && bytes.Contains(body, []byte(`"stream":true`)) != sc.stream:
		return 0, fmt.Errorf("a stream was wanted: %v", sc.stream)
	case turn == 0:
		return 0, nil
	}
	rest := body
	for i := range sc.calls { // the last mention of the first call is in its result
		id := []byte(callID(turn-1, i))
		at := bytes.Index(rest, id)
		if i == 0 {
			at = bytes.LastIndex(rest, id)
		}
		if at < 0 {
			return 0, fmt.Errorf("no result of %s in its place", id)
		}
		rest = rest[at:]
	}
	return turn, nil
}
