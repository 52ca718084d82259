package report

import (
	"io"

	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/pages"
)

// HTML writes a page about the events of a session, in their order. The page is one
// file: it loads nothing, can be read without scripts, and its policy
// (Content-Security-Policy) forbids all other content. #e12 in the address of the page is
// the event with the Seq 12, #q=refund is a search.
//
// Events without a Seq may be among the events: notices and repeated requests are shown,
// and the deltas of an answer that has no end. A text above 64 KiB is cut; after 16 MiB
// of texts, each text is cut to 1 KiB. The error is the error of w.
func HTML(w io.Writer, events []event.Event) error { return pages.HTML(w, events) }

// Markdown writes a report about the events of a session as Markdown for a ticket: less
// than 64 KiB. A text above 2 KiB is cut. If the report is too long, its middle is left
// out, with a note. All texts of the events stand in code, so no text becomes a link, a
// mention or markup. The error is the error of w.
func Markdown(w io.Writer, events []event.Event) error { return pages.Markdown(w, events) }
