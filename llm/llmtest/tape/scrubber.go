package tape

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// scrubMark takes the place of a secret. No rule matches it.
const scrubMark = "[scrubbed]"

// knownKeys are the known forms of keys. If an expression has a group, the group is
// the key.
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

// A scrubber replaces secrets in files and in compared requests. Scrubbing twice has
// the same result as scrubbing once, because a scrubbed answer returns in the next
// request.
type scrubber struct {
	secrets *secrets            // nil: the known forms alone
	own     func(string) string // Tape.Scrub; may be nil
}

// A span is a range of bytes in a text.
type span struct{ from, to int }

// spans returns the places of secrets in text, in order and without overlaps.
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
	return mergeSpans(found)
}

func mergeSpans(spans []span) []span {
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
	redactPieces(pieces, s.spans(text))
	if s.own != nil {
		return s.own(pieces[0])
	}
	return pieces[0]
}

// redactPieces removes the spans from a text in pieces, and puts the mark at the
// begin of each span.
func redactPieces(pieces []string, spans []span) {
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

// deltas scrubs secrets that continue from one delta in the next.
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
	s.scrubSeries(series)
}

// scrubSeries scrubs secrets that extend over several pieces of a text.
func (s scrubber) scrubSeries(series map[string][]*string) {
	for _, places := range series {
		pieces := make([]string, len(places))
		for i, p := range places {
			pieces[i] = *p
		}
		redactPieces(pieces, acrossPieces(pieces, s.spans(strings.Join(pieces, ""))))
		for i, p := range places {
			*p = pieces[i]
		}
	}
}

// acrossPieces returns the spans that extend over several pieces. A span within a
// single piece is found there; between joined pieces it may be chance, because two
// adjacent ids can look like a key.
func acrossPieces(pieces []string, spans []span) []span {
	start := 0
	for _, p := range pieces {
		end := start + len(p)
		spans = slices.DeleteFunc(spans, func(s span) bool { return start <= s.from && s.to <= end })
		start = end
	}
	return spans
}

// content scrubs a body: JSON (also over several lines), the events of a stream, or
// text.
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
	s.scrubSeries(series)
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

// mapStrings returns a JSON document with each string replaced by the result of f.
// Unchanged values keep their text. f gets the name of the string's member, and a
// place. The place is the same in each event of a stream, because elements of an
// array are identified by their "index" only. Names of members are passed without a
// place.
func mapStrings(raw, place, name string, f func(place, name, text string) string) string {
	if trimmed := strings.TrimSpace(raw); trimmed != raw {
		before, after, _ := strings.Cut(raw, trimmed)
		return before + mapStrings(trimmed, place, name, f) + after
	}
	if !strings.HasPrefix(raw, `"`) {
		return mapItems(raw, place, name, f)
	}
	var text string
	_ = json.Unmarshal([]byte(raw), &text) // it is valid
	if out := f(place, name, text); out != text {
		return rawjson.Quote(out)
	}
	return raw
}

// mapItems is mapStrings for a value that is not a string.
func mapItems(raw, place, name string, f func(place, name, text string) string) string {
	open, closing, items := splitJSON(raw)
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

// indexOf returns the member "index" of an object, or "*".
func indexOf(raw string) string {
	members, _ := llm.ParseMembers([]byte(raw)) // no members if raw is not an object
	for _, m := range members {
		if m.Name == "index" {
			return m.Value
		}
	}
	return "*"
}

// isLogProb reports whether the members are a token with its log probability, not a
// secret.
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
