package inspect

import (
	"bytes"
	"context"
	_ "embed" // for the files of the pages
	"html/template"
	"log/slog"
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/internal/pages"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// A Handler serves the pages. Set the fields before the first request, and use a Handler
// by pointer; then a Handler is safe for concurrent use. The path of a request means
// nothing to a Handler.
type Handler struct {
	// Reader has the sessions. The journals of this library are Readers. The errors of the
	// Reader go to [slog.Default]. Only visitors who may answer read them, because an error
	// can name files, hosts and users.
	Reader journal.Reader
	// Visitor names the sender of a request and the sender's rights. Visitor is called for
	// each request, and every few minutes while a page follows a session. Nil means that
	// everybody may see every session, and nobody may answer.
	Visitor func(*http.Request) Visitor
	// Answer gives the answer of a visitor to the session, and returns soon: the run that
	// goes on with the answer belongs in the background, or to a worker of a queue. The
	// context ends with the request. The visitor reads the error: a [*runner.DecisionError]
	// as a refusal (status 403 with the error of Runner.MayAnswer, 409 otherwise), a
	// [*journal.BusyError] as a reason to answer again later (409), another error as a
	// failure (500). Nil means that nobody may answer.
	//
	// If two visitors answer the same question, the first answer counts, and the second
	// visitor reads who was first. The Handler knows the answers of the events, and the
	// answers of the last minute that went through the Handler. If Answer knows of an
	// earlier answer that waits, for example in a queue, Answer returns [ErrAnswered].
	Answer func(ctx context.Context, session string, in runner.Input) error
	// CrossOrigin refuses answers from pages of other sites. Nil means that only pages of
	// the same origin may send answers.
	CrossOrigin *http.CrossOriginProtection

	begin   sync.Once
	renders chan struct{} // a token for each page that is made at the same time
	streams chan struct{} // a token for each page that follows a session
	given   given
	lists   pace
}

// A Visitor is somebody who looks at the pages. The zero Visitor sees every session and
// may not answer.
type Visitor struct {
	// Name is recorded with the answers of the visitor, see [runner.By], and other visitors
	// read it. A name above 200 bytes is cut.
	Name string
	// Answers means that the visitor may answer questions.
	Answers bool
	// Sees reports whether the visitor may see a session. Nil means every session. For the
	// visitor, a hidden session does not exist.
	Sees func(session string) bool
}

func (v Visitor) sees(session string) bool { return v.Sees == nil || v.Sees(session) }

// maxName bounds the name of a visitor, in bytes, as runner.By does.
const maxName = 200

// maxStreams bounds the pages that follow a session at the same time.
const maxStreams = 500

func (h *Handler) start() {
	h.begin.Do(func() {
		h.renders = make(chan struct{}, runtime.GOMAXPROCS(0))
		h.streams = make(chan struct{}, maxStreams)
		h.given.changed = make(chan struct{})
	})
}

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.start()
	header(w.Header())
	var v Visitor
	if h.Visitor != nil {
		v = h.Visitor(r)
		v.Name = clip.Cut(v.Name, maxName)
	}
	if h.Visitor == nil || h.Answer == nil {
		v.Answers = false
	}
	query := r.URL.Query()
	session := query.Get("session")
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodPost:
		w.Header().Set("Allow", "GET, HEAD, POST")
		h.refuse(w, http.StatusMethodNotAllowed, "The page does not know the method "+r.Method+".", "")
	case session == "" && r.Method != http.MethodPost:
		h.list(w, r, v)
	case journal.CheckName(session) != nil || !v.sees(session):
		h.unknown(w)
	case r.Method == http.MethodPost:
		h.answer(w, r, v, session)
	case query.Has("live") && r.Method == http.MethodGet:
		h.live(w, r, v, session)
	default:
		h.session(w, r, v, session)
	}
}

var (
	//go:embed inspect.css
	style string
	//go:embed inspect.js
	script string
	//go:embed inspect.gohtml
	body string
)

// parsed has the templates, parsed at their first use.
var parsed = sync.OnceValue(func() *template.Template { return template.Must(template.New("").Parse(body)) })

// policy forbids everything but the styles and scripts of the pages, by their digests.
var policy = sync.OnceValue(func() string {
	return "default-src 'none'; style-src '" + pages.Digest(pages.Style) + "' '" + pages.Digest(style) +
		"'; script-src '" + pages.Digest(pages.Script) + "' '" + pages.Digest(script) +
		"'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
})

func header(h http.Header) {
	h.Set("Content-Security-Policy", policy())
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	// Without a referrer at all, the Origin of a form is "null", and the form is refused.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// maxWrite bounds the time of a write to a slow visitor.
const maxWrite = time.Minute

// write writes a page with a template as its body.
func (h *Handler) write(w http.ResponseWriter, status int, title, name string, data any) {
	var page bytes.Buffer
	page.WriteString("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n" +
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n<title>")
	page.WriteString(template.HTMLEscapeString(title))
	page.WriteString("</title>\n<style>" + pages.Style + "</style>\n<style>" + style + "</style>\n</head>\n<body>\n")
	if err := parsed().ExecuteTemplate(&page, name, data); err != nil {
		panic(err) // a wrong template
	}
	if name == "session" {
		page.WriteString("<script>" + pages.Script + "</script>\n")
	}
	page.WriteString("<script>" + script + "</script>\n</body>\n</html>\n")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(maxWrite)) // where there is one
	w.WriteHeader(status)
	_, _ = w.Write(page.Bytes()) // the visitor has left
}

// A refusal is a page with one sentence.
type refusal struct {
	Text string
	Back string // the query of a page to go on with
}

func (h *Handler) refuse(w http.ResponseWriter, status int, text, back string) {
	if back == "" {
		back = "?"
	}
	h.write(w, status, http.StatusText(status), "refusal", refusal{pages.Text(text), back})
}

func (h *Handler) unknown(w http.ResponseWriter) {
	h.refuse(w, http.StatusNotFound, "There is no such session, or you may not see it.", "")
}

// failed tells the visitor about an error of the Reader.
func (h *Handler) failed(w http.ResponseWriter, r *http.Request, v Visitor, err error) {
	if r.Context().Err() != nil {
		return // nobody reads it
	}
	text := "The journal cannot be read. The log of the program has the reason."
	if why := told(r.Context(), v, r.URL.Query().Get("session"), err); why != "" {
		text = "The journal cannot be read: " + why
	}
	h.refuse(w, http.StatusInternalServerError, text, "")
}

// told logs an error of the Reader, and returns its text for the visitor. The text is "" for
// visitors who may not answer: the error can name files, hosts and users.
func told(ctx context.Context, v Visitor, session string, err error) string {
	slog.Default().ErrorContext(ctx, "inspect: the journal cannot be read", "session", session, "error", err)
	if !v.Answers {
		return ""
	}
	return pages.Text(err.Error())
}
