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

// A status is the outcome of a check.
type status string

const (
	works       status = "works"
	withProfile status = "works_with_profile" // works with the profile in the finding
	withNotice  status = "works_when_healed"  // works in a form that the client finds by itself, but with no known profile
	doubtful    status = "unclear"            // the provider refused nothing, but the answer shows no effect
	absent      status = "none"               // the provider does not have this optional feature
	fails       status = "fails"
	skipped     status = "skipped"
)

// A finding is the result of a check.
type finding struct {
	Check   string   `json:"check"`
	Status  status   `json:"status"`
	Profile []string `json:"profile,omitempty"` // the necessary fields, as in a literal
	Refused string   `json:"refused,omitempty"` // the provider's refusal without the fields
	Why     string   `json:"why,omitempty"`
}

// text returns the finding in one line.
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

// A document is the output with -json.
type document struct {
	BaseURL  string         `json:"base_url"`
	Embedded bool           `json:"embedded,omitempty"` // the provider is the embedded provider
	Model    string         `json:"model"`
	Checks   []finding      `json:"checks"`
	Profile  openai.Profile `json:"profile"`
	Code     string         `json:"code"`   // Profile as Go code
	Preset   bool           `json:"preset"` // Profile equals the library's profile for the provider
	Requests int            `json:"requests"`
	Tokens   struct {
		In  int64 `json:"in"`
		Out int64 `json:"out"`
	} `json:"tokens"`
}

// A report prints the findings.
type report struct {
	*cli.App // embedded: the flags and the output of the program
	*probe   // embedded: the findings are the probe's
	findings []finding
}

// begin prints the model and the address after the first answer.
func (r *report) begin() {
	r.Note("%s at %s", r.probe.model, r.where())
	if fields := changes(openai.Profile{}, r.known); len(fields) > 0 {
		r.lines("", "profile of the library: "+strings.Join(fields, ", "))
	}
	r.Note("")
}

func (r *report) where() string {
	if r.Embedded {
		return "the embedded provider"
	}
	return r.baseURL()
}

// baseURL returns the address of the provider, without secrets.
func (r *report) baseURL() string {
	u, err := url.Parse(r.config.BaseURL)
	if err != nil {
		return "" // the first request has failed
	}
	u.User, u.RawQuery = nil, ""
	return u.String()
}

// nameWidth is the width of the column of names.
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

// end prints the recommendation.
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
		return "Recommended: leave Config.Profile nil, which means:"
	}
	return "Recommended for Config.Profile:"
}

// lines prints a row of the table, in several lines if necessary.
func (r *report) lines(name, text string) {
	width := 0 // no limit
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

// minWidth is the smallest width at which lines are broken.
const minWidth = 20

// wrapped breaks a line into lines of at most width characters: between words, and
// inside of long words. It does not break lines for narrow terminals.
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
