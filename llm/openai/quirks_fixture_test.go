package openai_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
)

// A fixture is a file of testdata/wire/quirks; its README.md says what stands
// in it. Beyond that, everywhere but in the head,
//
//	{{repeat 1000 ": ping\n\n"}}  stands for the JSON string, so many times
//	{{now+60:http}}               for the time in 60 seconds, as in Retry-After;
//	                              :s and :ms for seconds and milliseconds since 1970
//
// and the value of a header flag may hold %20. More flags: split=N sends N bytes
// at a time. A host may have a path behind it, else that is /v1. There are also
// "sent answer N" and "sent stream N", the assertions "/a differs /b" and
// "path = …", the prefixes request: and sent: of mutations, which see titles too
// (" 429 " is a status), and in extra and callextra null for what must not be
// there. In a call, a member that is left out is not compared.
type fixture struct {
	name     string
	head     map[string]string
	sections []section
	mutated  map[string]bool // which kinds of section a mutation has changed
}

// A section is what stands between two lines "-- … --". A mutation sees both
// parts of it.
type section struct {
	title string // of its first line, without the dashes
	body  string
}

// kind is the first word of the title.
func (s section) kind() string { return strings.Fields(s.title + " ?")[0] }

var heads = []string{"title", "who", "host", "model", "retries", "api"}

func readFixture(path string) (*fixture, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f := &fixture{name: filepath.Base(path), head: map[string]string{}}
	for line := range strings.Lines(string(data)) {
		text := strings.TrimRight(line, "\n")
		last := len(f.sections) - 1
		switch title, ok := strings.CutPrefix(text, "-- "); {
		case ok && strings.HasSuffix(title, " --"):
			f.sections = append(f.sections, section{title: strings.TrimSuffix(title, " --")})
		case last >= 0:
			f.sections[last].body += line
		case strings.TrimSpace(text) != "":
			name, value, ok := strings.Cut(text, ":")
			if !ok || !slices.Contains(heads, name) {
				return nil, fmt.Errorf("%s: head: %q", f.name, text)
			}
			f.head[name] = strings.TrimSpace(value)
		}
	}
	for i, s := range f.sections {
		f.sections[i].body = strings.TrimSuffix(s.body, "\n")
	}
	return f, f.validate()
}

func (f *fixture) validate() error {
	for _, name := range heads[:2] {
		if f.head[name] == "" {
			return fmt.Errorf("%s: head: %s is missing", f.name, name)
		}
	}
	for _, s := range f.sections {
		if !slices.Contains([]string{"request", "answer", "stream", "want", "sent", "mutate"}, s.kind()) {
			return fmt.Errorf("%s: unknown section %q", f.name, s.title)
		}
	}
	if len(f.modes()) == 0 {
		return fmt.Errorf("%s: there is neither an answer nor a stream", f.name)
	}
	if _, same := f.section(sameAsAnswer); same && (len(f.of("answer")) == 0 || len(f.of("stream")) > 1) {
		return fmt.Errorf("%s: %q without answers, or beside streams", f.name, sameAsAnswer)
	}
	if len(f.of("want"))+len(f.of("sent")) == 0 {
		return fmt.Errorf("%s: there is neither a want nor a sent", f.name)
	}
	return nil
}

// of returns the sections of a kind.
func (f *fixture) of(kind string) (some []section) {
	for _, s := range f.sections {
		if s.kind() == kind {
			some = append(some, s)
		}
	}
	return some
}

// section returns the only section of that title, and "" if there is none.
func (f *fixture) section(title string) (string, bool) {
	for _, s := range f.sections {
		if s.title == title {
			return s.body, true
		}
	}
	return "", false
}

const sameAsAnswer = "stream as answer"

// modes returns in which ways the fixture is run: "answer", "stream", or both.
func (f *fixture) modes() (modes []string) {
	for _, mode := range []string{"answer", "stream"} {
		if len(f.of(mode)) > 0 {
			modes = append(modes, mode)
		}
	}
	return modes
}

// source returns the kind of section that the answers of a mode stand in.
func (f *fixture) source(mode string) string {
	if _, same := f.section(sameAsAnswer); same {
		return "answer"
	}
	return mode
}

// changed reports whether a mutation has changed anything that the mode sees.
func (f *fixture) changed(mode string) bool {
	return f.mutated[f.source(mode)] || f.mutated["request"] ||
		f.mutated["want"] || f.mutated["want "+mode] || f.mutated["sent"] || f.mutated["sent "+mode]
}

// request is the default if the fixture has none.
func (f *fixture) request() (*llm.Request, error) {
	text, ok := f.section("request")
	if !ok {
		text = `{"messages":[{"role":"user","content":"Hi."}],"tools":[
			{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{}}}},
			{"type":"function","function":{"name":"g","parameters":{"type":"object","properties":{}}}}]}`
	}
	req, err := llmtest.ParseRequest([]byte(expand(text)))
	if err != nil {
		return nil, fmt.Errorf("%s: request: %w", f.name, err)
	}
	return req, nil
}

// A reply is one answer of the provider.
type reply struct {
	status     int
	header     http.Header
	body       []byte
	cut, split int // 0: not
}

func (f *fixture) replies(mode string) (replies []reply, err error) {
	for _, s := range f.of(f.source(mode)) {
		r, err := s.reply()
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", f.name, s.title, err)
		}
		replies = append(replies, r)
	}
	return replies, nil
}

func (s section) reply() (r reply, err error) {
	words := strings.Fields(s.title)
	if len(words) < 3 {
		return r, fmt.Errorf("a status and a type are due")
	}
	if r.status, err = strconv.Atoi(words[1]); err != nil {
		return r, err
	}
	r.header = http.Header{"Content-Type": nil} // none
	if words[2] != "none" {
		r.header.Set("Content-Type", words[2])
	}
	r.body = []byte(expand(s.body))
	for _, flag := range words[3:] {
		if err := r.flag(flag); err != nil {
			return r, err
		}
	}
	return r, nil
}

// flag changes the reply. Flags act in the order in which they stand.
func (r *reply) flag(flag string) (err error) {
	name, value, _ := strings.Cut(flag, "=")
	switch name {
	case "crlf":
		r.body = bytes.ReplaceAll(r.body, []byte("\n"), []byte("\r\n"))
	case "cr":
		r.body = bytes.ReplaceAll(r.body, []byte("\n"), []byte("\r"))
	case "bom":
		r.body = append([]byte("\xef\xbb\xbf"), r.body...)
	case "noeol":
		r.body = bytes.TrimRight(r.body, "\r\n")
	case "gzip":
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write(r.body) // to memory
		_ = z.Close()
		r.body = b.Bytes()
		r.header.Set("Content-Encoding", "gzip")
	case "cut":
		if r.cut, err = strconv.Atoi(value); err == nil && r.cut > len(r.body) {
			err = fmt.Errorf("%s: the body has %d bytes", flag, len(r.body))
		}
	case "split":
		r.split, err = strconv.Atoi(value)
	case "header":
		name, text, ok := strings.Cut(value, ":")
		if text, err = url.PathUnescape(text); !ok {
			err = fmt.Errorf("%s: the colon is missing", flag)
		}
		r.header.Add(name, expand(text))
	default:
		err = fmt.Errorf("unknown flag %q", flag)
	}
	return err
}

var places = regexp.MustCompile(`\{\{repeat (\d+) ("(?:[^"\\]|\\.)*")\}\}|\{\{now([+-]\d+):(http|s|ms)\}\}`)

// expand puts in what {{…}} stands for.
func expand(text string) string {
	return places.ReplaceAllStringFunc(text, func(place string) string {
		m := places.FindStringSubmatch(place)
		if m[1] != "" {
			n, _ := strconv.Atoi(m[1])
			var piece string
			_ = json.Unmarshal([]byte(m[2]), &piece) // places has seen to its form
			return strings.Repeat(piece, n)
		}
		seconds, _ := strconv.Atoi(m[3])
		at := time.Now().Add(time.Duration(seconds) * time.Second)
		switch m[4] {
		case "http":
			return at.UTC().Format(http.TimeFormat)
		case "s":
			return strconv.FormatInt(at.Unix(), 10)
		}
		return strconv.FormatInt(at.UnixMilli(), 10)
	})
}

// A mutation breaks the rule that a fixture is about. Kind is "" for the
// answers and streams, or the kind of section that it changes.
type mutation struct{ kind, old, new string }

func (m mutation) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s %.60q => %.60q", m.kind, m.old, m.new))
}

func (f *fixture) mutations() (all []mutation, err error) {
	for _, s := range f.of("mutate") {
		for line := range strings.Lines(s.body) {
			if strings.TrimSpace(line) == "" {
				continue
			}
			m, err := readMutation(line)
			if err != nil {
				return nil, fmt.Errorf("%s: mutate: %.80s: %w", f.name, line, err)
			}
			all = append(all, m)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: there is no mutation", f.name)
	}
	return all, nil
}

func readMutation(line string) (m mutation, err error) {
	for _, kind := range []string{"want", "sent", "request"} {
		if rest, ok := strings.CutPrefix(line, kind+":"); ok {
			m.kind, line = kind, rest
		}
	}
	dec := json.NewDecoder(strings.NewReader(line))
	if err := dec.Decode(&m.old); err != nil {
		return m, err
	}
	rest, ok := strings.CutPrefix(strings.TrimSpace(line[dec.InputOffset():]), "=>")
	if !ok {
		return m, fmt.Errorf("there is no => behind the first string")
	}
	return m, json.Unmarshal([]byte(rest), &m.new)
}

// mutate returns the fixture with the mutation in it.
func (f *fixture) mutate(m mutation) (*fixture, error) {
	g := *f
	g.sections, g.mutated = slices.Clone(f.sections), map[string]bool{}
	for i, s := range g.sections {
		kind := s.kind()
		if kind != m.kind && (m.kind != "" || kind != "answer" && kind != "stream") {
			continue
		}
		title, body := strings.ReplaceAll(s.title, m.old, m.new), strings.ReplaceAll(s.body, m.old, m.new)
		if title == s.title && body == s.body {
			continue
		}
		g.sections[i] = section{title, body}
		for _, mode := range []string{"answer", "stream"} {
			if strings.HasPrefix(s.title, m.kind+" "+mode) {
				kind += " " + mode
			}
		}
		g.mutated[kind] = true
	}
	if len(g.mutated) == 0 {
		return nil, fmt.Errorf("%s: mutate: %s: there is no such text", f.name, m)
	}
	return &g, nil
}
