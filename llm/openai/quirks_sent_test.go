package openai_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// received is a request of the client.
type received struct {
	path   string
	header http.Header
	body   string
}

// checkSent compares the requests with the sent sections. There are as many
// requests as answers.
func (f *fixture) checkSent(mode string, requests []received) error {
	if n := len(f.of(f.source(mode))); len(requests) != n {
		return f.place(mode, "sent", fmt.Errorf("%d requests, want %d", len(requests), n))
	}
	for _, s := range f.of("sent") {
		words := strings.Fields(s.title)[1:]
		if len(words) > 1 && (words[0] == "answer" || words[0] == "stream") {
			if words[0] != mode {
				continue
			}
			words = words[1:]
		}
		if err := checkRequest(words, s.body, requests); err != nil {
			return f.place(mode, s.title, err)
		}
	}
	return nil
}

func checkRequest(words []string, assertions string, requests []received) error {
	n, err := strconv.Atoi(words[0])
	switch {
	case err != nil || n < 1:
		return errors.New("the number of a request is due")
	case len(words) == 2 && words[1] == "absent":
		if len(requests) >= n {
			return fmt.Errorf("there are %d requests", len(requests))
		}
		return nil
	case len(words) > 1:
		return fmt.Errorf("unknown word %q", words[1])
	case len(requests) < n:
		return fmt.Errorf("there are %d requests", len(requests))
	}
	for line := range strings.Lines(assertions) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if err := requests[n-1].assert(expand(line)); err != nil {
			return fmt.Errorf("%.100s: %w", line, err)
		}
	}
	return nil
}

// assert checks one line.
func (s received) assert(line string) error {
	subject, rest, _ := strings.Cut(line, " ")
	verb, object, _ := strings.Cut(rest, " ")
	switch subject {
	case "header":
		name, value, _ := strings.Cut(rest, " = ")
		return expect(s.header.Get(name) == value, "it is %q", s.header.Get(name))
	case "path":
		return expect(s.path == object && verb == "=", "it is %q", s.path)
	case "body":
		return expect((verb == "contains" || verb == "lacks") && strings.Contains(s.body, object) == (verb == "contains"), "the body is %.500s", s.body)
	}
	var body any
	if err := json.Unmarshal([]byte(s.body), &body); err != nil {
		return fmt.Errorf("the body: %w", err)
	}
	got, there := pointer(body, subject)
	switch verb {
	case "absent":
		return expect(!there, "it is %v", got)
	case "=":
		var want any
		if err := json.Unmarshal([]byte(object), &want); err != nil {
			return err
		}
		return expect(there && reflect.DeepEqual(got, want), "it is %#v", got)
	case "matches":
		re, err := regexp.Compile(object)
		if err != nil {
			return err
		}
		text, ok := got.(string)
		return expect(ok && re.MatchString(text), "it is %#v", got)
	case "same", "differs":
		other, also := pointer(body, object)
		return expect(there && also && reflect.DeepEqual(got, other) == (verb == "same"), "they are %#v and %#v", got, other)
	}
	return fmt.Errorf("unknown verb %q", verb)
}

func expect(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf(format, args...)
}

// pointer follows a JSON pointer.
func pointer(v any, path string) (any, bool) {
	for token := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		token = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
		switch node := v.(type) {
		case map[string]any:
			next, ok := node[token]
			if !ok {
				return nil, false
			}
			v = next
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(node) {
				return nil, false
			}
			v = node[i]
		default:
			return nil, false
		}
	}
	return v, true
}
