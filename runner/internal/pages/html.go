// Package pages makes the page of a session: whole for runner/report, and in parts for
// runner/inspect.
package pages

import (
	"bufio"
	"crypto/sha256"
	_ "embed" // for the files of the page
	"encoding/base64"
	"html/template"
	"io"
	"strconv"
	"sync"

	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// The bounds of a page, in bytes of text from events.
const (
	maxText  = 64 << 10 // of one text
	maxTexts = 16 << 20 // of all texts; what comes later is cut to maxLate
	maxLate  = 1 << 10
)

// Style and Script are those of the page. Nobody changes them.
var (
	//go:embed page.css
	Style string
	//go:embed page.js
	Script string
	//go:embed page.gohtml
	body string
)

// parsed has the templates, parsed at their first use.
var parsed = sync.OnceValue(func() *template.Template { return template.Must(template.New("").Parse(body)) })

// HTML is HTML of runner/report.
func HTML(w io.Writer, events []event.Event) error {
	p := read(events, &texts{each: maxText, left: maxTexts, late: maxLate})
	b := bufio.NewWriter(w)
	// The style and the script stand outside the template, because html/template drops
	// comments, and the policy names their digests.
	for _, s := range []string{
		"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
		`<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src '`, Digest(Style), `'; script-src '`, Digest(Script),
		"'; base-uri 'none'; form-action 'none'\">\n",
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n",
		"<meta name=\"referrer\" content=\"no-referrer\">\n<title>", template.HTMLEscapeString(p.Title), "</title>\n",
		"<style>", Style, "</style>\n</head>\n",
	} {
		_, _ = b.WriteString(s) // Flush returns the first error
	}
	if err := parsed().ExecuteTemplate(b, "page", p); err != nil {
		return err
	}
	_, _ = b.WriteString("<script>" + Script + "</script>\n</body>\n</html>\n")
	return b.Flush()
}

// Digest returns the source of a Content-Security-Policy for a text in the page.
func Digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// A Part is a piece of the page that changes on its own: an element with the key as its
// data-part.
type Part struct {
	Key  string        `json:"key"`
	Run  string        `json:"run,omitempty"` // the key of the run with the part; empty outside of runs
	HTML template.HTML `json:"html"`
}

// A Sheet is the page of a session in parts.
type Sheet struct {
	Title, Status     string
	Top, Strip, Usage Part
	Runs              []Part // headings, notes and cards, in order; a heading is its own run
	Tools, Keys       template.HTML
}

// Parts returns the page in parts. A part keeps its key when events are added.
func Parts(events []event.Event) (*Sheet, error) {
	p := read(events, &texts{each: maxText, left: maxTexts, late: maxLate})
	s := &Sheet{Title: p.Title, Status: p.Status}
	var r renderer
	s.Top, s.Strip, s.Usage = Part{Key: "top", HTML: r.html("top", p)}, Part{Key: "strip", HTML: r.html("strip", p)}, Part{Key: "usage", HTML: r.html("usage", p)}
	s.Tools, s.Keys = r.html("tools", nil), r.html("keys", nil)
	for i, e := range p.Entries {
		e.Key = e.key(i)
		if e.Kind != "run" {
			s.Runs = append(s.Runs, Part{Key: e.Key, HTML: r.html("entry", e)})
			continue
		}
		s.Runs = append(s.Runs, Part{Key: e.Key, Run: e.Key, HTML: r.html("heading", e)})
		for k, inner := range e.Inner {
			inner.Key = e.Key + "-" + inner.key(k)
			s.Runs = append(s.Runs, Part{Key: inner.Key, Run: e.Key, HTML: r.html("inner", inner)})
		}
	}
	return s, r.err
}

// key names an entry by its first event. An entry without an event keeps its place.
func (e *entry) key(at int) string {
	if len(e.Marks) > 0 && e.Marks[0].ID > 0 {
		return "e" + strconv.FormatInt(e.Marks[0].ID, 10)
	}
	return "n" + strconv.Itoa(at)
}

// A renderer executes templates up to the first error.
type renderer struct{ err error }

func (r *renderer) html(name string, data any) (html template.HTML) {
	if r.err == nil {
		html, r.err = Execute(parsed(), name, data)
	}
	return html
}
