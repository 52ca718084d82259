package main

import (
	"fmt"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"

	"golang.org/x/term"

	"github.com/seed-916e8f6a/toolloop/examples/internal/cli"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

// status is the outcome of a check.
type status string

const (
	works       status = "works"
	withProfile status = "works_with_profile" // which the finding names
	withNotice  status = "works_when_healed"  // in a form that the client finds by itself, and no known profile does
	doubtful    status = "unclear"            // nothing was refused, and no effect shown
	absent      status = "none"               // the provider does not have it, and need not
	fails       status = "fails"
	skipped     status = "skipped"
)

// finding is what came of a check.
type finding struct {
	Check   string   `json:"check"`
	Status  status   `json:"status"`
	Profile []string `json:"profile,omitempty"` // the fields that it takes, as in a literal
	Refused string   `json:"refused,omitempty"` // what the provider says without them
	Why     string   `json:"why,omitempty"`
}

// text is a finding in one line.
func (f finding) text() string {
	text := map[status]string{
		works: "works", withProfile: "works with ", withNotice: "works when the client changes the request", doubtful: "unclear", absent: "none", fails: "fails", skipped: "skipped",
	}[f.Status] + strings.Join(f.Profile, ", ")
	switch {
	case f.Why == "":
		return text
	case f.Status == works || f.Status == withProfile || f.Status == absent:
		return text + " (" + f.Why + ")"
	}
	return text + ": " + f.Why
}

// document is what -json prints.
type document struct {
	BaseURL  string         `json:"base_url"`
	Embedded bool           `json:"embedded,omitempty"` // there is no other provider
	Model    string         `json:"model"`
	Checks   []finding      `json:"checks"`
	Profile  openai.Profile `json:"profile"`
	Code     string         `json:"code"`   // Profile in Go
	Preset   bool           `json:"preset"` // it is what the library knows of the provider anyway
	Requests int            `json:"requests"`
	Tokens   struct {
		In  int64 `json:"in"`
		Out int64 `json:"out"`
	} `json:"tokens"`
}

// report prints what is found out.
type report struct {
	*cli.App
	*probe
	findings []finding
}

// begin tells who is probed, as soon as it has answered.
func (r *report) begin() {
	r.Note("%s at %s", r.probe.model, r.where())
	if fields := changes(openai.Profile{}, r.known); len(fields) > 0 {
		r.lines("", "known of it: "+strings.Join(fields, ", "))
	}
	r.Note("")
}

func (r *report) where() string {
	if r.Embedded {
		return "the embedded provider"
	}
	return r.baseURL()
}

// baseURL is where the provider is, without what may be secret.
func (r *report) baseURL() string {
	u, err := url.Parse(r.config.BaseURL)
	if err != nil {
		return "" // the first request has failed
	}
	u.User, u.RawQuery = nil, ""
	return u.String()
}

// nameWidth is that of the column of names.
const nameWidth = 22

func (r *report) add(f finding) {
	r.findings = append(r.findings, f)
	switch {
	case r.JSON:
		return
	case len(r.findings) == 1:
		r.begin()
	}
	r.lines(f.Check, f.text())
	if f.Refused != "" {
		r.lines("", "without: "+f.Refused)
	}
}

// end prints what is recommended.
func (r *report) end() {
	preset := reflect.DeepEqual(r.profile, r.known)
	if r.JSON {
		d := document{
			BaseURL: r.baseURL(), Embedded: r.Embedded, Model: r.probe.model, Checks: r.findings,
			Profile: r.profile, Code: code(r.profile), Preset: preset, Requests: r.requests,
		}
		d.Tokens.In, d.Tokens.Out = r.usage.InputTokens, r.usage.OutputTokens
		r.PrintJSON(d)
		return
	}
	r.Note("")
	r.Note("%d requests, tokens: %d in, %d out", r.requests, r.usage.InputTokens, r.usage.OutputTokens)
	r.Note("")
	r.Text(recommendation(preset) + "\n\n" + code(r.profile) + "\n")
}

func recommendation(preset bool) string {
	if preset {
		return "Recommended: leave Config.Profile nil, which is this:"
	}
	return "Recommended for Config.Profile:"
}

// lines prints a row of the table, in several lines if it has to.
func (r *report) lines(name, text string) {
	width := 0 // no end
	if cli.IsTerminal(os.Stdout) {
		if w, _, err := term.GetSize(int(os.Stdout.Fd())); err == nil {
			width = w - nameWidth - 1
		}
	}
	for i, line := range wrapped(cli.OneLine(text), width) {
		if i > 0 {
			name = ""
		}
		r.Text(fmt.Sprintf("%-*s%s\n", nameWidth, name, line))
	}
}

// minWidth is the least for which lines are broken.
const minWidth = 20

// wrapped breaks a line into lines of at most so many characters: between words,
// and in those that are too long. Narrow ones it leaves to the terminal.
func wrapped(line string, width int) []string {
	if width < minWidth {
		return []string{line}
	}
	lines := []string{""}
	for word := range strings.FieldsSeq(line) {
		last := len(lines) - 1
		for chunk := range slices.Chunk([]rune(word), width) {
			switch n := len([]rune(lines[last])); {
			case n == 0:
				lines[last] = string(chunk)
			case n+1+len(chunk) <= width:
				lines[last] += " " + string(chunk)
			default:
				lines = append(lines, string(chunk))
				last++
			}
		}
	}
	return lines
}
