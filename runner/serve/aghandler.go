package serve

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// AGUI returns the handler for AG-UI 1.0 (HttpAgent of npm "@ag-ui/client"). Mount it at a
// path and below it:
//
//	POST path            a run; the answer is a stream of events
//	POST path/{id}/stop  stops the run of the thread; abortRun of the browser leaves the stream only
//
// The newest message of the user begins a run. A call waiting for a person ends the run with
// an interrupt. resume has the answers: {"approved": …, "reason": …, "arguments": …, "always": …}, all
// interrupts of a run at once. A post without messages and without resume gets the
// conversation as a snapshot, and then the rest of an unfinished answer. A post of a known
// message gets the same. Tools, context and state of the browser are ignored.
func (c *Chat) AGUI() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := c.serveAG(w, r)
		switch {
		case errors.Is(err, errBroken):
			panic(http.ErrAbortHandler) // an end of the response would look like the end of the answer
		case err != nil:
			refuse(w, err)
		}
	})
}

func (c *Chat) serveAG(w http.ResponseWriter, r *http.Request) error {
	if err := c.check(r); err != nil {
		return err
	}
	if r.Method != http.MethodPost {
		return &refusal{http.StatusMethodNotAllowed, "The method must be POST."}
	}
	if id, end := pathEnd(r); end == "stop" {
		return c.stopRun(w, r, id)
	}
	data, err := c.body(w, r)
	if err != nil {
		return err
	}
	var post agPost
	if json.Unmarshal(data, &post) != nil || post.RunID == "" || len(post.RunID) > maxID {
		return &refusal{http.StatusBadRequest, "The request is no input of a run."}
	}
	conv, err := c.open(r, post.ThreadID)
	if err != nil {
		return err
	}
	defer conv.leave()
	run, again, err := conv.beginAG(r.Context(), c.person(r), post)
	if err != nil {
		return err
	}
	return conv.sendAG(r.Context(), w, post, run, again)
}

// An agPost is the input of a run.
type agPost struct {
	ThreadID string `json:"threadId"`
	RunID    string `json:"runId"`
	Messages []struct {
		ID      string          `json:"id"`
		Role    string          `json:"role"`
		Content json.RawMessage `json:"content"`
		CallID  string          `json:"toolCallId"`
		Error   string          `json:"error"`
	} `json:"messages"`
	Resume []struct {
		InterruptID string `json:"interruptId"`
		Status      string `json:"status"`
		Payload     struct {
			Approved  bool            `json:"approved"`
			Reason    string          `json:"reason"`
			Arguments json.RawMessage `json:"arguments"`
			Always    event.Reach     `json:"always"`
		} `json:"payload"`
	} `json:"resume"`
}

// beginAG begins the run for a post of the browser. A nil run means no work.
func (conv *conversation) beginAG(ctx context.Context, person string, post agPost) (r *run, again bool, err error) {
	if said := post.answers(); len(said) > 0 {
		return conv.decide(ctx, person, said)
	}
	if len(post.Messages) == 0 {
		r, err = conv.unfinished(ctx)
		return r, true, err
	}
	last := post.Messages[len(post.Messages)-1]
	for i := len(post.Messages) - 1; i >= 0 && last.Role != "user"; i-- { // a page that comes back posts the answer, too
		last = post.Messages[i]
	}
	message, err := agContent(last.Role, last.Content)
	if err != nil {
		return nil, false, &refusal{http.StatusBadRequest, err.Error()}
	}
	return conv.beginMessage(ctx, person, last.ID, message)
}

// answers returns the answers to interrupts, and the results of tools of the front end at the
// end of the messages.
func (post agPost) answers() (said []answer) {
	for _, a := range post.Resume {
		said = append(said, answer{
			id: a.InterruptID, approved: a.Status == "resolved" && a.Payload.Approved, reason: a.Payload.Reason, arguments: a.Payload.Arguments, always: a.Payload.Always,
		})
	}
	for i := len(post.Messages) - 1; i >= 0 && post.Messages[i].Role == "tool"; i-- {
		m := post.Messages[i]
		said = append(said, answer{call: m.CallID, output: textOf(m.Content), failed: m.Error != "", reason: m.Error})
	}
	return said
}

// agContent returns a message of the user: a text, or parts.
func agContent(role string, content json.RawMessage) (llm.Message, error) {
	if role != "user" {
		return llm.Message{}, errors.New("the request has no message of the user")
	}
	var text string
	if json.Unmarshal(content, &text) == nil && text != "" {
		return llm.User(text), nil
	}
	var parts []struct {
		Type   string `json:"type"`
		Text   string `json:"text"`
		Source struct {
			Type     string `json:"type"`
			Value    string `json:"value"`
			MimeType string `json:"mimeType"`
		} `json:"source"`
	}
	if json.Unmarshal(content, &parts) != nil {
		return llm.Message{}, errors.New("the message is empty")
	}
	out := llm.Message{Role: llm.RoleUser}
	for _, p := range parts {
		switch {
		case p.Type == "text" && p.Text != "":
			out.Parts = append(out.Parts, llm.Text{Text: p.Text})
		case p.Source.Type == "data":
			part, err := filePart("data:"+p.Source.MimeType+";base64,"+p.Source.Value, p.Source.MimeType, "")
			if err != nil {
				return llm.Message{}, err
			}
			out.Parts = append(out.Parts, part)
		case p.Type != "text":
			return llm.Message{}, errors.New("a file must be data in base64")
		}
	}
	if len(out.Parts) == 0 {
		return llm.Message{}, errors.New("the message is empty")
	}
	return out, nil
}

func (conv *conversation) sendAG(ctx context.Context, w http.ResponseWriter, post agPost, r *run, again bool) error {
	var before []*agMessage
	var partial []piece
	var from start
	end := piece{kind: anEnd, end: paused}
	if again {
		h, err := conv.history(ctx, true)
		if err != nil {
			return err
		}
		before, from.after, end.questions, end.late = agMessages(h.Messages), h.seq, h.questions, h.late
		partial = h.partial
		if r != nil && r.answeredBefore() {
			r = nil
		}
		before = append(before, r.thinking(h.thoughts)...)
	}
	to := newAGWriter(conv.chat, w, post.ThreadID, post.RunID)
	err := to.begin(before)
	for _, p := range partial {
		if err == nil {
			err = to.write(p)
		}
	}
	switch {
	case err == nil && r != nil:
		return conv.send(ctx, r, from, to)
	case err == nil:
		if err = to.write(end); err == nil {
			err = to.flush()
		}
	}
	if err != nil {
		return errBroken
	}
	return nil
}

// thinking returns an empty message in place of unfinished reasoning. Without the empty
// message, a client would add the reasoning to the older text. thought is the id of the next
// text of the answer.
func (r *run) thinking(thought string) []*agMessage {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	live := r.live
	if len(live) > 0 && live[0].isBegin() {
		live = live[1:]
	}
	if len(live) == 0 || live[0].body != (event.Body)(event.ReasoningDelta{}) {
		return nil
	}
	return []*agMessage{{ID: thought, Role: "reasoning", Content: new("")}}
}

// An agMessage is a message of AG-UI.
type agMessage struct {
	ID         string   `json:"id"`
	Role       string   `json:"role"`
	Content    *string  `json:"content,omitempty"`
	ToolCalls  []agCall `json:"toolCalls,omitempty"`
	ToolCallID string   `json:"toolCallId,omitempty"`
	HelperID   string   `json:"subagentRunId,omitempty"`
}

type agCall struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

// agMessages returns messages of the AI SDK in the form of AG-UI, with the ids of the
// stream.
func agMessages(told []*uiTold) []*agMessage {
	out := []*agMessage{}
	for _, m := range told {
		if m.Role == "user" {
			text := ""
			for _, p := range m.Parts {
				if p.Text != nil {
					text += *p.Text
				}
			}
			out = append(out, &agMessage{ID: m.ID, Role: "user", Content: &text})
			continue
		}
		out = append(out, agAnswer(m)...)
	}
	return out
}

// An agGroup is a message of an answer, and the calls with results.
type agGroup struct {
	message *agMessage
	ended   []*uiPart
}

// agAnswer returns the messages of an answer, in the order in which a client has them after the
// stream: results stand behind the message with their call.
func agAnswer(m *uiTold) (out []*agMessage) {
	var all []*agGroup
	add := func(m *agMessage) *agGroup {
		all = append(all, &agGroup{message: m})
		return all[len(all)-1]
	}
	var outer *agGroup // that has the calls of the step
	steps := 0
	for _, p := range m.Parts {
		switch {
		case p.Type == "step-start":
			outer = nil
			steps++
		case p.Type == "reasoning":
			add(&agMessage{ID: p.text, Role: "reasoning", Content: p.Text})
		case p.Type == "text":
			outer = add(&agMessage{ID: p.text, Role: "assistant", Content: p.Text})
		case p.helper != nil:
			add(&agMessage{ID: p.ID, Role: "assistant", Content: &p.helper.text, HelperID: p.helper.name})
		case p.ToolCallID != "":
			g := outer
			if path := event.CallRef(p.ToolCallID).Path(); path != "" {
				g = groupOf(all, turnOf(p.ToolCallID))
				if g == nil {
					g = add(&agMessage{ID: turnOf(p.ToolCallID), Role: "assistant", HelperID: string(path)})
				}
			} else if g == nil {
				outer = add(&agMessage{ID: m.ID + ".s" + strconv.Itoa(steps), Role: "assistant"})
				g = outer
			}
			c := agCall{ID: p.ToolCallID, Type: "function"}
			c.Function.Name, c.Function.Arguments = p.name, cmp.Or(p.arguments, "{}")
			g.message.ToolCalls = append(g.message.ToolCalls, c)
			if p.result != nil {
				g.ended = append(g.ended, p)
			}
		}
	}
	for _, g := range all {
		out = append(out, g.message)
		slices.SortFunc(g.ended, func(a, b *uiPart) int { return a.ended - b.ended }) // as the stream told them
		for _, p := range g.ended {
			out = append(out, &agMessage{ID: p.ToolCallID + ".result", Role: "tool", ToolCallID: p.ToolCallID, Content: p.result, HelperID: g.message.HelperID})
		}
	}
	return out
}

// groupOf returns the group of a message, or nil.
func groupOf(all []*agGroup, id string) *agGroup {
	for _, g := range all {
		if g.message.ID == id {
			return g
		}
	}
	return nil
}
