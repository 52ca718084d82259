package serve

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// A uiHistory is a conversation for a new page.
type uiHistory struct {
	Messages []*uiTold `json:"messages"`
	// Active means an unfinished answer: the message is not among Messages, and comes from
	// the stream.
	Active bool           `json:"active"`
	Status journal.Status `json:"status,omitempty"`

	questions []piece // that wait for a person
	late      []string
	partial   []piece // the marks of partial answers
	seq       int64   // of the last event
	thoughts  string  // the id of the next text
}

// A uiTold is a message in the form of the AI SDK.
type uiTold struct {
	ID       string          `json:"id"`
	Role     string          `json:"role"`
	Metadata json.RawMessage `json:"metadata,omitempty"`
	Parts    []*uiPart       `json:"parts"`
}

// A uiPart is a part of such a message.
type uiPart struct {
	Type       string          `json:"type"`
	ID         string          `json:"id,omitempty"`
	Text       *string         `json:"text,omitempty"`
	State      string          `json:"state,omitempty"`
	ToolName   string          `json:"toolName,omitempty"`
	ToolCallID string          `json:"toolCallId,omitempty"`
	Input      json.RawMessage `json:"input,omitempty"`
	Output     json.RawMessage `json:"output,omitempty"`
	ErrorText  string          `json:"errorText,omitempty"`
	Approval   *uiApproval     `json:"approval,omitempty"`
	MediaType  string          `json:"mediaType,omitempty"`
	Filename   string          `json:"filename,omitempty"`
	URL        string          `json:"url,omitempty"`
	Data       json.RawMessage `json:"data,omitempty"`

	text      string // the id of a text in the stream
	name      string // of a tool
	result    *string
	decided   *uiApproval
	arguments string // as the model wrote them
	ended     int    // counts the results of the conversation
	helper    *piece // an answer of a helper
}

type uiApproval struct {
	ID       string `json:"id"`
	Approved *bool  `json:"approved,omitempty"`
	Reason   string `json:"reason,omitempty"`
}

func (c *Chat) messagesUI(w http.ResponseWriter, r *http.Request, id string) error {
	conv, err := c.open(r, id)
	if err != nil {
		return err
	}
	defer conv.leave()
	h, err := conv.history(r.Context(), false)
	if err != nil {
		return err
	}
	data, err := json.Marshal(h)
	if err != nil {
		return err
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	_, err = w.Write(data)
	return err
}

// history returns the conversation so far. With all, an unfinished answer is in the history,
// too.
func (conv *conversation) history(ctx context.Context, all bool) (*uiHistory, error) {
	c := conv.chat
	var sum journal.Summary
	f := folder{chat: c, history: uiHistory{Messages: []*uiTold{}}}
	t := teller{tell: f.add}
	for e, err := range c.reader.Read(ctx, conv.name, 0) {
		if err != nil {
			return nil, err
		}
		sum.Add(e)
		t.add(c.public(e))
	}
	h := &f.history
	h.Status, h.seq, h.thoughts = sum.Status, sum.Seq, t.textID(t.texts+1)
	if h.Active = sum.Status == journal.Running; h.Active && !all {
		if n := len(h.Messages); n > 0 && h.Messages[n-1].ID == t.message {
			h.Messages = h.Messages[:n-1]
		}
	}
	return h, nil
}

// A folder makes messages of pieces, as the client of the AI SDK does.
type folder struct {
	chat    *Chat
	history uiHistory
	results int
}

func (f *folder) add(p piece) {
	if p.kind == aUser {
		f.addUser(p)
		return
	}
	m := f.message(p.to)
	switch p.kind {
	case aStep:
		m.Parts = append(m.Parts, &uiPart{Type: "step-start"})
	case aText, aThought:
		part := m.find(func(q *uiPart) bool { return q.text == p.id })
		if part == nil {
			part = &uiPart{Type: map[kind]string{aText: "text", aThought: "reasoning"}[p.kind], Text: new(string), State: "streaming", text: p.id}
			if m.Parts = append(m.Parts, part); p.kind == aThought {
				part.ID = p.id
			}
		}
		*part.Text += p.text
	case aTextEnd:
		if part := m.find(func(q *uiPart) bool { return q.text == p.id }); part != nil {
			part.State = "done"
		}
	case aFile:
		m.Parts = append(m.Parts, &uiPart{Type: "file", URL: p.text, MediaType: p.name})
	case aRestart:
		m.restart()
	case anEnd:
		if f.history.questions, f.history.late = p.questions, p.late; len(p.data) > 0 && p.end == finished {
			m.Metadata = uiEnd(p).MessageMetadata
		}
	case aCallEnd, aQuestion, anAnswer, aResult:
		f.addCall(m, p)
	case aPartial:
		f.history.partial = append(f.history.partial, p)
		fallthrough
	default:
		for _, c := range f.chat.uiChunks(p) {
			m.addData(c)
		}
		if p.kind == aHelperText {
			m.find(func(q *uiPart) bool { return q.ID == p.id }).helper = &p
		}
	}
	if p.kind == aQuestion && p.doubt {
		m.addData(f.chat.uiChunks(p)[1])
	}
}

func (f *folder) addUser(p piece) {
	m := &uiTold{ID: p.id, Role: "user", Parts: []*uiPart{}}
	for _, u := range p.parts {
		switch {
		case u.text != "":
			m.Parts = append(m.Parts, &uiPart{Type: "text", Text: &u.text})
		case u.url != "":
			m.Parts = append(m.Parts, &uiPart{Type: "file", URL: u.url, MediaType: u.mediaType, Filename: u.name})
		}
	}
	f.history.Messages = append(f.history.Messages, m)
}

// message returns the message of the assistant with an id.
func (f *folder) message(id string) *uiTold {
	for i := len(f.history.Messages) - 1; i >= 0; i-- {
		if m := f.history.Messages[i]; m.ID == id && m.Role == "assistant" {
			return m
		}
	}
	m := &uiTold{ID: id, Role: "assistant", Parts: []*uiPart{}}
	f.history.Messages = append(f.history.Messages, m)
	return m
}

// find returns the last fitting part, or nil.
func (m *uiTold) find(fits func(*uiPart) bool) *uiPart {
	for i := len(m.Parts) - 1; i >= 0; i-- {
		if fits(m.Parts[i]) {
			return m.Parts[i]
		}
	}
	return nil
}

// restart removes the texts of the last step.
func (m *uiTold) restart() {
	var kept []*uiPart
	last := 0
	for i, p := range m.Parts {
		if p.Type == "step-start" {
			last = i
		}
	}
	for i, p := range m.Parts {
		if i < last || p.Type != "text" && p.Type != "reasoning" && p.Type != "file" && p.Type != "data-toolloop-partial" {
			kept = append(kept, p)
		}
	}
	m.Parts = kept
}

func (m *uiTold) addData(c uiChunk) {
	if c.Transient || len(c.Data) == 0 {
		return
	}
	part := m.find(func(q *uiPart) bool { return c.ID != "" && q.Type == c.Type && q.ID == c.ID })
	if part == nil {
		part = &uiPart{Type: c.Type, ID: c.ID}
		m.Parts = append(m.Parts, part)
	}
	part.Data = c.Data
}

func (f *folder) addCall(m *uiTold, p piece) {
	part := m.find(func(q *uiPart) bool { return q.ToolCallID == p.id })
	if part == nil {
		part = &uiPart{Type: "dynamic-tool", ToolName: p.name, ToolCallID: p.id, Input: json.RawMessage("{}")}
		if f.chat.config.NamedTools {
			part.Type, part.ToolName = "tool-"+p.name, ""
		}
		m.Parts = append(m.Parts, part)
	}
	part.name = p.name
	switch p.kind {
	case aCallEnd:
		part.State, part.Input = "input-available", p.data
		if part.Approval != nil { // a call that runs has none in the client's schema
			part.decided, part.Approval = part.Approval, nil
		}
		if !p.again {
			part.arguments = p.text
		}
	case aQuestion:
		part.State, part.Approval = "approval-requested", &uiApproval{ID: approvalID(p)}
	case anAnswer:
		if part.Approval != nil {
			part.State, part.Approval.Approved, part.Approval.Reason = "approval-responded", new(!p.denied), p.text
		}
	case aResult:
		f.results++
		part.Output, part.ErrorText, part.result, part.ended = nil, "", &p.text, f.results
		if part.Approval == nil {
			part.Approval = part.decided
		}
		approved := part.Approval != nil && part.Approval.Approved != nil && *part.Approval.Approved
		if part.Approval != nil && !p.denied && !approved {
			part.Approval = nil
		}
		switch {
		case p.denied && part.Approval != nil:
			part.State = "output-denied"
		case p.isErr || p.denied:
			part.State, part.ErrorText = "output-error", p.text
		default:
			part.State, part.Output = "output-available", p.data
		}
	}
}
