package serve

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

var errBroken = errors.New("serve: the stream breaks off")

// UIStream returns the handler for the AI SDK. Mount it at a path and below it:
//
//	POST path              a message, or decisions about calls; the answer is a stream
//	GET  path/{id}/stream  the unfinished answer, from the beginning; 204 without an answer
//	GET  path/{id}/messages  the conversation as {"messages": […], "active": …}
//	POST path/{id}/stop    stops the run; chat.stop() of the browser leaves the stream only.
//	                       A run in a foreign process goes on: the status is 409. A run of
//	                       Config.Open stops wherever it is. Messages that wait in the queue
//	                       are still answered
//
// With messages and active, a page begins at the same place: give messages to useChat, and set
// resume to active.
func (c *Chat) UIStream() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := c.serveUI(w, r)
		switch {
		case errors.Is(err, errBroken):
			panic(http.ErrAbortHandler) // an end of the response would look like the end of the answer
		case err != nil:
			refuse(w, err)
		}
	})
}

func (c *Chat) serveUI(w http.ResponseWriter, r *http.Request) error {
	if err := c.check(r); err != nil {
		return err
	}
	id, end := pathEnd(r)
	switch {
	case r.Method == http.MethodPost && end == "stop":
		return c.stopRun(w, r, id)
	case r.Method == http.MethodPost:
		return c.postUI(w, r)
	case r.Method != http.MethodGet:
		return &refusal{http.StatusMethodNotAllowed, "The method must be GET or POST."}
	case end == "stream":
		return c.resumeUI(w, r, id)
	case end == "messages":
		return c.messagesUI(w, r, id)
	}
	return &refusal{http.StatusNotFound, "There is nothing here."}
}

// A uiPost is a post of the browser.
type uiPost struct {
	ID       string            `json:"id"`
	Messages []json.RawMessage `json:"messages"`
	Message  json.RawMessage   `json:"message"`
	Trigger  string            `json:"trigger"`
}

// A uiMessage is a message of the browser. Only the words of a person count.
type uiMessage struct {
	ID    string `json:"id"`
	Role  string `json:"role"`
	Parts []struct {
		Type      string `json:"type"`
		Text      string `json:"text"`
		URL       string `json:"url"`
		MediaType string `json:"mediaType"`
		Filename  string `json:"filename"`
		State     string `json:"state"`
		// CallID, Output and ErrorText are the result of a tool of the front end.
		CallID    string          `json:"toolCallId"`
		Output    json.RawMessage `json:"output"`
		ErrorText string          `json:"errorText"`
		Approval  *struct {
			ID       string `json:"id"`
			Approved bool   `json:"approved"`
			Reason   string `json:"reason"`
			Always   string `json:"always"`
		} `json:"approval"`
	} `json:"parts"`
}

func (c *Chat) postUI(w http.ResponseWriter, r *http.Request) error {
	data, err := c.body(w, r)
	if err != nil {
		return err
	}
	post, m := uiPost{}, uiMessage{}
	if err := json.Unmarshal(data, &post); err != nil {
		return &refusal{http.StatusBadRequest, "The request is no JSON of a chat."}
	}
	if n := len(post.Messages); n > 0 {
		post.Message = post.Messages[n-1]
	}
	if err := json.Unmarshal(post.Message, &m); err != nil {
		return &refusal{http.StatusBadRequest, "The request has no message."}
	}
	conv, err := c.open(r, post.ID)
	if err != nil {
		return err
	}
	defer conv.leave()
	run, whole, err := conv.beginUI(r.Context(), c.person(r), m, post.Trigger == "regenerate-message")
	if err != nil {
		return err
	}
	return conv.send(r.Context(), run, start{whole: whole}, newUIWriter(c, w))
}

// send follows a run. The page may go meanwhile.
func (conv *conversation) send(ctx context.Context, r *run, from start, to writer) error {
	if err := conv.follow(ctx, r, from, to); err != nil {
		conv.chat.logger().DebugContext(ctx, "a stream of a chat broke off", "session", conv.name, "error", err)
		return errBroken
	}
	return nil
}

// beginUI begins the run for a message of the browser. whole means a stream with the whole
// message of the assistant.
func (conv *conversation) beginUI(ctx context.Context, person string, m uiMessage, again bool) (r *run, whole bool, err error) {
	if m.Role == "assistant" {
		var said []answer
		for _, p := range m.Parts {
			switch {
			case p.State == "approval-responded" && p.Approval != nil:
				said = append(said, answer{id: p.Approval.ID, approved: p.Approval.Approved, reason: p.Approval.Reason, always: event.Reach(p.Approval.Always)})
			case p.State == "output-available" && p.CallID != "":
				said = append(said, answer{call: p.CallID, output: textOf(p.Output)})
			case p.State == "output-error" && p.CallID != "":
				said = append(said, answer{call: p.CallID, failed: true, reason: p.ErrorText})
			}
		}
		return conv.decide(ctx, person, said)
	}
	message, err := m.message()
	if err != nil {
		return nil, false, &refusal{http.StatusBadRequest, err.Error()}
	}
	r, whole, err = conv.beginMessage(ctx, person, m.ID, message)
	if err == nil && again && r.answeredBefore() {
		return nil, false, &refusal{http.StatusConflict, "This answer is finished, and cannot be made again."}
	}
	return r, whole, err
}

// beginMessage begins the run for a message of the user. again means a known message.
func (conv *conversation) beginMessage(ctx context.Context, person, id string, m llm.Message) (r *run, again bool, err error) {
	if id == "" || len(id) > maxID {
		return conv.begin(ctx, "", runner.By(person, runner.Say(m)))
	}
	if ownID(id) {
		return nil, false, &refusal{http.StatusBadRequest, "The server itself gives ids such as m1 and u1 to messages. Send a message with another id, for example a random one."}
	}
	key := keyPrefix + id
	return conv.begin(ctx, key, runner.By(person, runner.Once(key, m)))
}

// message returns the message for the model.
func (m uiMessage) message() (llm.Message, error) {
	if m.Role != "user" {
		return llm.Message{}, fmt.Errorf("a message with the role %.20q cannot be sent", m.Role)
	}
	out := llm.Message{Role: llm.RoleUser}
	for _, p := range m.Parts {
		switch {
		case p.Type == "text" && p.Text != "":
			out.Parts = append(out.Parts, llm.Text{Text: p.Text})
		case p.Type == "file":
			part, err := filePart(p.URL, p.MediaType, p.Filename)
			if err != nil {
				return llm.Message{}, err
			}
			out.Parts = append(out.Parts, part)
		}
	}
	if len(out.Parts) == 0 {
		return llm.Message{}, errors.New("the message is empty")
	}
	return out, nil
}

// filePart returns a file of the browser from a data URL. An address would make the provider
// load any page for the visitor.
func filePart(address, media, name string) (llm.Part, error) {
	rest, ok := strings.CutPrefix(address, "data:")
	head, text, ok2 := strings.Cut(rest, ",")
	head, ok3 := strings.CutSuffix(head, ";base64")
	data, err := base64.StdEncoding.DecodeString(text)
	if !ok || !ok2 || !ok3 || err != nil || len(data) == 0 {
		return nil, errors.New("a file must be a data URL in base64")
	}
	if media == "" {
		media = head
	}
	if strings.HasPrefix(media, "image/") {
		return llm.Image{Data: data, MediaType: media}, nil
	}
	return llm.File{Name: name, MediaType: media, Data: data}, nil
}

// textOf returns the text of JSON: of a string, the content.
func textOf(data json.RawMessage) string {
	var text string
	if json.Unmarshal(data, &text) == nil {
		return text
	}
	return string(data)
}

// An answer is a person's answer to a question of ours, or the result of a call of
// the front end.
type answer struct {
	call   string // the call of a result; empty for a question
	output string
	failed bool // the call failed for the reason

	id       string
	approved bool
	reason   string
	// arguments replace those of the call. Nil means no replacement.
	arguments json.RawMessage
	always    event.Reach // see runner.Pending.ApproveAlways
}

// approvalID names a question: a later question about the same call has a different id.
func approvalID(p piece) string { return p.id + "@" + strconv.FormatInt(p.seq, 10) }

// decide continues a run with answers of a person. The calls come from the journal.
func (conv *conversation) decide(ctx context.Context, person string, said []answer) (r *run, whole bool, err error) {
	var in []runner.Input
	if len(said) > 0 {
		state, err := conv.state(ctx)
		if err != nil {
			return nil, false, err
		}
		for _, p := range state.Pending {
			for _, a := range said {
				if conv.fits(p, a) {
					if a.always != "" && (p.InDoubt || len(a.arguments) > 0) {
						return nil, false, &refusal{http.StatusBadRequest, "An answer about a call in doubt, or with other arguments, cannot stand for later calls."}
					}
					in = append(in, runner.By(person, decisionOf(p, a)))
					break
				}
			}
		}
	}
	if len(in) > 0 {
		return conv.begin(ctx, "", in...)
	}
	if len(said) > 0 {
		return nil, false, conv.chat.refusalOf(&runner.DecisionError{})
	}
	return nil, false, conv.chat.refusalOf(runner.ErrNoInput)
}

// fits reports whether an answer is about a waiting call.
func (conv *conversation) fits(p runner.Pending, a answer) bool {
	if p.Late {
		return a.call == string(p.Call) && slices.Contains(conv.chat.config.FrontEnd, p.ToolCall.Name)
	}
	return a.call == "" && a.id == approvalID(piece{id: string(p.Call), seq: p.Seq})
}

func decisionOf(p runner.Pending, a answer) runner.Input {
	switch {
	case p.Late && a.failed:
		return p.Fail(a.reason)
	case p.Late:
		return p.Result(llm.Text{Text: a.output})
	case p.InDoubt && a.approved:
		return p.RunAgain()
	case p.InDoubt:
		return p.Unknown()
	case a.approved && len(a.arguments) > 0:
		return p.Edit(a.arguments)
	case a.approved && a.always != "":
		return p.ApproveAlways(a.always)
	case a.approved:
		return p.Approve()
	case a.always != "":
		return p.DenyAlways(a.always, a.reason)
	}
	return p.Deny(a.reason)
}

// unfinished returns the active run, also after a restart of the program, or nil.
func (conv *conversation) unfinished(ctx context.Context) (*run, error) {
	if r := conv.current(); r != nil {
		return r, nil
	}
	var sum journal.Summary
	for e, err := range conv.chat.reader.Read(ctx, conv.name, 0) {
		if err != nil {
			return nil, err
		}
		sum.Add(e)
	}
	if sum.Status != journal.Running {
		return conv.current(), nil
	}
	r, _, err := conv.start(ctx, 0, "")
	if errors.Is(err, errTaken) {
		return conv.current(), nil
	}
	return r, conv.chat.refusalOf(err)
}

func (c *Chat) resumeUI(w http.ResponseWriter, r *http.Request, id string) error {
	conv, err := c.open(r, id)
	if err != nil {
		return err
	}
	defer conv.leave()
	run, err := conv.unfinished(r.Context())
	if err != nil {
		return err
	}
	if run == nil {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return conv.send(r.Context(), run, start{whole: true}, newUIWriter(c, w))
}

func (c *Chat) stopRun(w http.ResponseWriter, r *http.Request, id string) error {
	conv, err := c.open(r, id)
	if err != nil {
		return err
	}
	defer conv.leave()
	if conv.other != nil {
		err = conv.stopElsewhere(r.Context())
	} else if !conv.cancel(errStopped) {
		err = &refusal{http.StatusConflict, "Another server writes the answer, and only that server can stop it."}
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
