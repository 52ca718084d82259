package serve

import (
	"cmp"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// A refusal is an answer without a stream. The browser shows the text.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string { return r.text }

func refuse(w http.ResponseWriter, err error) {
	r, ok := errors.AsType[*refusal](err)
	if !ok {
		r = &refusal{http.StatusInternalServerError, "The server failed."}
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, r.text, r.status)
}

// check refuses requests of pages of foreign origins, also requests to read, because a stream
// continues an unfinished run.
func (c *Chat) check(r *http.Request) error {
	changes := r.Clone(r.Context())
	changes.Method = http.MethodPost
	if c.guard.Check(changes) != nil {
		return &refusal{http.StatusForbidden, "The request comes from a page of another origin."}
	}
	return nil
}

// body reads the body of a request.
func (c *Chat) body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return nil, &refusal{http.StatusUnsupportedMediaType, "The content type must be application/json."}
	}
	in := r.Body
	if c.config.MaxBody > 0 {
		in = http.MaxBytesReader(w, in, c.config.MaxBody)
	}
	data, err := io.ReadAll(in)
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return nil, &refusal{http.StatusRequestEntityTooLarge, "The request is too large. Send only the last message of the conversation."}
	}
	if err != nil {
		return nil, &refusal{http.StatusBadRequest, "The request broke off."}
	}
	return data, nil
}

// open returns the conversation with an id of the browser. The caller leaves it.
func (c *Chat) open(r *http.Request, id string) (*conversation, error) {
	if id == "" || len(id) > maxID {
		return nil, &refusal{http.StatusBadRequest, "The conversation needs an id of 1 to 300 bytes."}
	}
	name, err := c.config.Session(r, id)
	if err == nil {
		err = journal.CheckName(name)
	}
	if err != nil {
		c.logger().InfoContext(r.Context(), "a chat was refused", "id", id, "error", err)
		return nil, &refusal{http.StatusForbidden, "You may not use this conversation."}
	}
	return c.enter(name), nil
}

// person returns the name of the visitor, or "".
func (c *Chat) person(r *http.Request) string {
	if c.config.Person == nil {
		return ""
	}
	return c.config.Person(r)
}

// pathEnd returns the last part of the path and the id before the last part, as in
// "/api/chat/some%20id/stream".
func pathEnd(r *http.Request) (id, end string) {
	parts := strings.Split(r.URL.EscapedPath(), "/")
	if len(parts) < 2 {
		return "", ""
	}
	id, err := url.PathUnescape(parts[len(parts)-2])
	if err != nil {
		return "", ""
	}
	return id, parts[len(parts)-1]
}

// begin starts a run and waits for the first event, unless the run is in the queue. again
// means a known input.
func (conv *conversation) begin(ctx context.Context, key string, in ...runner.Input) (r *run, again bool, err error) {
	r, again, err = conv.start(ctx, conv.chat.config.Queue, key, in...)
	if err != nil || r.queued {
		return r, again, conv.chat.refusalOf(err)
	}
	first, over, err := r.begun(ctx)
	if first == 0 && over && err != nil && !errors.Is(err, runner.ErrPaused) {
		if once, ok := errors.AsType[*runner.OnceError](err); ok && once.Failed != "" { // the message is in the conversation: go on from there
			r, _, err = conv.begin(ctx, key)
			return r, true, err
		}
		return nil, false, conv.chat.refusalOf(err)
	}
	if first == 0 && !over {
		return nil, false, errBroken // the browser has gone
	}
	return r, again || r.answeredBefore(), nil
}

// refusalOf returns the answer to a browser about a run that did not begin.
func (c *Chat) refusalOf(err error) error {
	if err == nil {
		return nil
	}
	conflict := func(text string) error { return &refusal{http.StatusConflict, text} }
	_, busy := errors.AsType[*journal.BusyError](err)
	decision, decided := errors.AsType[*runner.DecisionError](err)
	_, once := errors.AsType[*runner.OnceError](err)
	switch {
	case decided && decision.Err != nil: // the first case: MayAnswer may return any error
		return &refusal{http.StatusForbidden, cmp.Or(c.ownText(err), "You may not answer this question.")}
	case errors.Is(err, errTaken), busy:
		return conflict("The conversation is being answered. Send the message when the answer is there.")
	case errors.Is(err, errFull):
		return conflict("Too many messages wait in this conversation.")
	case errors.Is(err, errShutdown), errors.Is(err, runner.ErrDrained):
		return &refusal{http.StatusServiceUnavailable, "The server is restarting. Try again."}
	case decided:
		return conflict("This question is answered already, or has changed. Load the conversation again.")
	case once:
		return conflict("The conversation has another message with this id.")
	case errors.Is(err, runner.ErrNoInput):
		return conflict("There is nothing to answer.")
	}
	return err
}
