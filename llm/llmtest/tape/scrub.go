package tape

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/internal/secret"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// scrubMark takes the place of a secret. No rule matches it.
const scrubMark = "[scrubbed]"

// shortestSecret is the length from which on a secret is looked for wherever it
// may stand. A shorter one could be part of any word.
const shortestSecret = 8

// secrets are the values that were seen where secrets are. They are guarded, for
// requests come at once.
type secrets struct {
	mu    sync.Mutex
	texts []string // the longest first: one may hold another
}

func (s *secrets) add(text string) {
	text = strings.TrimSpace(text)
	if len(text) < shortestSecret || strings.Contains(text, scrubMark) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.texts = secret.LongestFirst(append(s.texts, text, url.QueryEscape(text), url.PathEscape(text)), shortestSecret)
}

func (s *secrets) all() []string {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.texts)
}

// check reports a secret that is in text all the same.
func (s *secrets) check(text string) error {
	for _, value := range s.all() {
		if strings.Contains(text, value) || strings.Contains(text, strings.Trim(rawjson.Quote(value), `"`)) {
			return errors.New("a secret stands where it cannot be cut out")
		}
	}
	return nil
}

// addEnvironment adds what looks like a key. Short values are names of things.
func (s *secrets) addEnvironment(environ []string) {
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if len(value) < 2*shortestSecret {
			continue
		}
		name = strings.ToUpper(name)
		for _, end := range []string{"_KEY", "_TOKEN", "_SECRET", "_PASSWORD"} {
			if strings.HasSuffix(name, end) {
				s.add(value)
			}
		}
	}
}

func (s *secrets) addRequest(r *http.Request) {
	s.addHeader(r.Header)
	s.add(r.URL.User.Username()) // a tape is a file that others read, so the name is removed, too
	for _, v := range append(secret.OfUser(r.URL.User), secret.OfQuery(r.URL.Query())...) {
		s.add(v)
	}
}

func (s *secrets) addHeader(h http.Header) {
	for name, values := range h {
		if !secret.IsHeader(name) {
			continue
		}
		for _, v := range values {
			s.addValue(v)
		}
	}
}

// addValue adds the value of a header, whole and without its scheme, and what is
// in Basic credentials and cookies.
func (s *secrets) addValue(v string) {
	s.add(v)
	if scheme, rest, ok := strings.Cut(v, " "); ok {
		s.add(rest)
		if plain, err := base64.StdEncoding.DecodeString(strings.TrimSpace(rest)); err == nil && strings.EqualFold(scheme, "basic") {
			user, password, _ := strings.Cut(string(plain), ":")
			s.add(user)
			s.add(password)
		}
	}
	for _, field := range strings.Split(v, ";") {
		name, value, ok := strings.Cut(strings.TrimSpace(field), "=")
		if ok && !slices.Contains([]string{"expires", "domain", "path", "samesite", "max-age"}, strings.ToLower(name)) {
			s.add(strings.Trim(value, `"`))
		}
	}
}

// knownKeys are the forms of keys. Where there is a group, it alone is the key.
var knownKeys = []*regexp.Regexp{
	regexp.MustCompile(`\b(?:sk|pk|rk)-[A-Za-z0-9][A-Za-z0-9_-]{14,}`),
	regexp.MustCompile(`\b(?:gsk|hf|ghp|gho|ghs|github_pat|glpat|xoxb|xoxp)[_-][A-Za-z0-9_-]{16,}`),
	regexp.MustCompile(`\bxai-[A-Za-z0-9_-]{16,}`),
	regexp.MustCompile(`\bAIza[A-Za-z0-9_-]{30,}`),
	regexp.MustCompile(`\b(?:AKIA|ASIA)[A-Z0-9]{16}\b`),
	regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+`),
	regexp.MustCompile(`(?i)\bbearer\s+([A-Za-z._~+/=-]*[0-9][A-Za-z0-9._~+/=-]{7,})`),
	regexp.MustCompile(`://([^/\s"'@\[]*)@`),
}

// A scrubber cuts secrets out of what is written and compared. It is
// idempotent: an answer that was scrubbed comes back within the next request.
type scrubber struct {
	secrets *secrets            // nil: the known forms alone
	own     func(string) string // Tape.Scrub; may be nil
}

// A span is a piece of a text, from a byte up to another.
type span struct{ from, to int }

// spans returns where the secrets in text are, in order and apart.
func (s scrubber) spans(text string) []span {
	var found []span
	for _, value := range s.secrets.all() {
		for i := 0; ; {
			n := strings.Index(text[i:], value)
			if n < 0 {
				break
			}
			found = append(found, span{i + n, i + n + len(value)})
			i += n + len(value)
		}
	}
	for _, form := range knownKeys {
		for _, m := range form.FindAllStringSubmatchIndex(text, -1) {
			found = append(found, span{m[len(m)-2], m[len(m)-1]})
		}
	}
	return merged(found)
}

func merged(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return a.from - b.from })
	var out []span
	for _, s := range spans {
		switch n := len(out); {
		case s.from == s.to:
		case n > 0 && s.from < out[n-1].to:
			out[n-1].to = max(out[n-1].to, s.to)
		default:
			out = append(out, s)
		}
	}
	return out
}

func (s scrubber) text(text string) string {
	pieces := []string{text}
	cutPieces(pieces, s.spans(text))
	if s.own != nil {
		return s.own(pieces[0])
	}
	return pieces[0]
}

// cutPieces cuts the spans out of a text that is in pieces. The mark stands
// where a secret begins.
func cutPieces(pieces []string, spans []span) {
	start := 0
	for i, p := range pieces {
		var b strings.Builder
		done := 0 // bytes of p that were dealt with
		for _, s := range spans {
			from, to := max(s.from-start, 0), min(s.to-start, len(p))
			if from >= to {
				continue
			}
			b.WriteString(p[done:from])
			if s.from >= start {
				b.WriteString(scrubMark)
			}
			done = to
		}
		b.WriteString(p[done:])
		pieces[i] = b.String()
		start += len(p)
	}
}

// json scrubs each string of a JSON document, names of members included.
func (s scrubber) json(doc []byte) []byte {
	return []byte(mapStrings(string(doc), "", "", func(_, name, text string) string {
		if text != "" && secretMember(name) {
			return scrubMark
		}
		return s.text(text)
	}))
}

// deltas scrubs what is in two of them.
func (s scrubber) deltas(deltas []tapedDelta) {
	series := map[string][]*string{}
	for _, d := range deltas {
		switch {
		case d.Text != nil:
			series["text"] = append(series["text"], d.Text)
		case d.Reasoning != nil:
			series["reasoning"] = append(series["reasoning"], d.Reasoning)
		case d.Call != nil:
			name := fmt.Sprint(d.Call.Index)
			series[name] = append(series[name], &d.Call.Arguments)
		}
	}
	s.series(series)
}

// series cuts out what stands in more than one piece of a text.
func (s scrubber) series(series map[string][]*string) {
	for _, places := range series {
		pieces := make([]string, len(places))
		for i, p := range places {
			pieces[i] = *p
		}
		cutPieces(pieces, crossing(pieces, s.spans(strings.Join(pieces, ""))))
		for i, p := range places {
			*p = pieces[i]
		}
	}
}

// crossing returns the spans that are not within one piece, which are found in
// that piece. Others are chance: two ids in a row may look like a key.
func crossing(pieces []string, spans []span) []span {
	start := 0
	for _, p := range pieces {
		end := start + len(p)
		spans = slices.DeleteFunc(spans, func(s span) bool { return start <= s.from && s.to <= end })
		start = end
	}
	return spans
}

// content scrubs a body: JSON, be it written over several lines, the events of a
// stream, or text.
func (s scrubber) content(c content) content {
	text := strings.Join(c.Lines, "\n")
	switch {
	case c.Lines == nil: // JSON is scrubbed with the file
	case json.Valid([]byte(text)):
		if scrubbed := s.json([]byte(text)); string(scrubbed) != text {
			return content{Body: scrubbed}
		}
	default:
		c.Lines = s.events(c.Lines)
	}
	return c
}

// events scrubs the documents in the lines of a stream. Lines without a secret
// stay as they are, byte for byte.
func (s scrubber) events(lines []string) []string {
	out := slices.Clone(lines)
	series := map[string][]*string{}
	each := func(f func(place, name, text string) string) {
		for i, line := range out {
			if data, ok := strings.CutPrefix(line, "data:"); ok && json.Valid([]byte(data)) {
				out[i] = "data:" + mapStrings(data, "", "", f)
			}
		}
	}
	each(func(place, _, text string) string {
		if place != "" {
			series[place] = append(series[place], &text)
		}
		return text
	})
	s.series(series)
	each(func(place, _, text string) string {
		if place == "" {
			return text
		}
		text, series[place] = *series[place][0], series[place][1:]
		return text
	})
	for i, line := range out {
		if data, ok := strings.CutPrefix(line, "data:"); ok && json.Valid([]byte(data)) {
			out[i] = "data:" + string(s.json([]byte(data)))
		}
	}
	return out
}

// mapStrings returns a JSON document with each string replaced by what f makes
// of it. It is the same text where nothing was changed. f gets the name of the
// member that the string is the value of, and a place that is the same in each
// event of a stream: elements of an array are told apart by their "index" alone.
// Names of members are strings without a place.
func mapStrings(raw, place, name string, f func(place, name, text string) string) string {
	if trimmed := strings.TrimSpace(raw); trimmed != raw {
		before, after, _ := strings.Cut(raw, trimmed)
		return before + mapStrings(trimmed, place, name, f) + after
	}
	open, closing, items := taken(raw)
	if strings.HasPrefix(raw, `"`) {
		var text string
		_ = json.Unmarshal([]byte(raw), &text) // it is valid
		if out := f(place, name, text); out != text {
			return rawjson.Quote(out)
		}
		return raw
	}
	changed := false
	for i, it := range items {
		next, own := place+"/"+it.Name, it.Name
		if open == '[' {
			next, own = place+"/"+indexOf(it.Value), name
		} else {
			items[i].Name = f("", "", it.Name)
			if it.Name == "token" && isLogProb(items) {
				own = ""
			}
		}
		items[i].Value = mapStrings(it.Value, next, own, f)
		changed = changed || items[i] != it
	}
	if !changed {
		return raw
	}
	if open == '{' {
		return rawjson.Object(items).String()
	}
	var values []string
	for _, it := range items {
		values = append(values, it.Value)
	}
	return string(open) + strings.Join(values, ",") + string(closing)
}

// indexOf returns the member "index" of an object, and "*" for all else.
func indexOf(raw string) string {
	members, _ := llm.ParseMembers([]byte(raw)) // none of what is no object
	for _, m := range members {
		if m.Name == "index" {
			return m.Value
		}
	}
	return "*"
}

// isLogProb tells the object of a token from one of credentials.
func isLogProb(members []llm.Member) bool {
	return slices.ContainsFunc(members, func(m llm.Member) bool { return m.Name == "logprob" || m.Name == "prob" })
}

// secretMembers are the names of members whose strings are secrets, in lower case
// and without - and _.
var secretMembers = []string{
	"apikey", "xapikey", "accesskey", "secretkey", "secretaccesskey", "privatekey", "clientsecret", "secret", "secrets",
	"password", "passwd", "passphrase", "authorization", "proxyauthorization", "accesstoken", "refreshtoken", "idtoken",
	"authtoken", "bearertoken", "sessiontoken", "token", "credential", "credentials", "cookie", "setcookie",
}

func secretMember(name string) bool {
	return slices.Contains(secretMembers, strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(name)))
}
