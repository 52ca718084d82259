package report

import (
	"bufio"
	"crypto/sha256"
	_ "embed" // for the files of the page
	"encoding/base64"
	"html/template"
	"io"
	"sync"

	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// The bounds of a page, in bytes of text from events.
const (
	maxText  = 64 << 10 // of one text
	maxTexts = 16 << 20 // of all texts; what comes later is cut to maxLate
	maxLate  = 1 << 10
)

var (
	//go:embed page.css
	style string
	//go:embed page.js
	script string
	//go:embed page.gohtml
	body string
)

// bodyTemplate parses the page at its first use.
var bodyTemplate = sync.OnceValue(func() *template.Template { return template.Must(template.New("page").Parse(body)) })

// HTML writes a page about the events of a session, in their order. The page is one
// file: it loads nothing, can be read without scripts, and its policy
// (Content-Security-Policy) forbids all other content. #e12 in the address of the page is
// the event with the Seq 12, #q=refund is a search.
//
// Events without a Seq may be among the events: notices and repeated requests are shown,
// and the deltas of an answer that has no end. A text above 64 KiB is cut; after 16 MiB
// of texts, each text is cut to 1 KiB. The error is the error of w.
func HTML(w io.Writer, events []event.Event) error {
	p := read(events, &texts{each: maxText, left: maxTexts, late: maxLate})
	b := bufio.NewWriter(w)
	// The style and the script stand outside the template, because html/template drops
	// comments, and the policy names their digests.
	for _, s := range []string{
		"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
		`<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src '`, digest(style), `'; script-src '`, digest(script),
		"'; base-uri 'none'; form-action 'none'\">\n",
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n",
		"<meta name=\"referrer\" content=\"no-referrer\">\n<title>", template.HTMLEscapeString(p.Title), "</title>\n",
		"<style>", style, "</style>\n</head>\n",
	} {
		_, _ = b.WriteString(s) // Flush returns the first error
	}
	if err := bodyTemplate().Execute(b, p); err != nil {
		return err
	}
	_, _ = b.WriteString("<script>" + script + "</script>\n</body>\n</html>\n")
	return b.Flush()
}

// digest returns the source of a Content-Security-Policy for a text in the page.
func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
