package serve

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// turnOf returns the beginning of the reference of a call up to the turn, as in "r1.t1".
func turnOf(call string) string { return call[:max(0, strings.LastIndex(call, ".c"))] }

// call returns the knowledge about a call.
func (t *teller) call(ref event.CallRef) *call {
	if t.calls == nil {
		t.calls = map[event.CallRef]*call{}
	}
	c := t.calls[ref]
	if c == nil {
		c = new(call)
		t.calls[ref] = c
		t.order = append(t.order, ref)
	}
	return c
}

func (t *teller) callDelta(b event.CallDelta) {
	c := t.call(b.Call)
	if c.whole {
		return
	}
	c.name += b.Name
	c.arguments += b.Arguments
	text := b.Arguments
	if !c.announced {
		if c.name == "" || c.arguments == "" { // the name is whole when the arguments begin
			return
		}
		t.closeText()
		c.announced, text = true, c.arguments
		t.tellNow(piece{kind: aCall, id: string(b.Call), name: c.name})
	}
	if text != "" {
		t.tellNow(piece{kind: aCallText, id: string(b.Call), text: text})
	}
}

// wholeCall tells a whole call, once for the same arguments, or again.
func (t *teller) wholeCall(ref event.CallRef, name, arguments string, again bool) {
	c := t.call(ref)
	if c.done || c.whole && c.arguments == arguments && !again {
		return
	}
	t.closeText()
	if name == "" {
		name = "unknown"
	}
	if c.announced && !c.whole {
		t.tellRest(ref, c, arguments)
	}
	begun, told := c.announced, c.whole
	c.name, c.arguments, c.announced, c.whole = name, arguments, true, true
	t.tellNow(piece{kind: aCallEnd, id: string(ref), name: name, data: jsonOf(arguments), text: arguments, begun: begun, again: told})
}

// tellRest tells the rest of the arguments of a call, behind the deltas.
func (t *teller) tellRest(ref event.CallRef, c *call, arguments string) {
	rest, ok := strings.CutPrefix(arguments, c.arguments)
	switch {
	case !ok:
		t.tellNow(piece{kind: aCallLost, id: string(ref), name: c.name})
		c.announced = false
	case rest != "":
		t.tellNow(piece{kind: aCallText, id: string(ref), text: rest})
	}
}

func (t *teller) result(b event.ToolCallFinished) {
	c := t.calls[b.Call]
	if c == nil || !c.announced || c.done { // of a run before that is not told
		return
	}
	c.done, c.asked = true, false
	p := piece{kind: aResult, id: string(b.Call), name: c.name, isErr: b.Result.IsError, denied: b.Failure == "denied" && c.question > 0, text: clip(b.Result.Text(), maxResult)}
	if p.text == "" && p.isErr {
		p.text = "The call failed."
	}
	if p.denied {
		p.reason = c.reason
	}
	p.data = outputOf(b.Result)
	t.tellNow(p)
}

// paused asks about calls in doubt, and ends.
func (t *teller) paused(b event.RunPaused) {
	for _, ref := range b.Calls {
		if c := t.calls[ref]; c != nil && c.announced && !c.done && !c.asked && !c.deferred && c.began > 0 {
			t.tellNow(piece{kind: aQuestion, id: string(ref), name: c.name, seq: c.began, doubt: true})
		}
	}
	end := piece{end: paused, questions: t.questions(b.Calls)}
	for _, ref := range t.order {
		if c := t.calls[ref]; c.deferred && !c.done {
			end.late = append(end.late, string(ref))
		}
	}
	t.end(end)
}

// questions returns the calls waiting for a person.
func (t *teller) questions(calls []event.CallRef) (all []piece) {
	for _, ref := range calls {
		c := t.calls[ref]
		if c == nil || !c.announced || c.done || c.deferred {
			continue
		}
		p := piece{kind: aQuestion, to: t.message, id: string(ref), name: c.name, seq: c.question}
		if !c.asked {
			p.seq, p.doubt = c.began, true
		}
		all = append(all, p)
	}
	return all
}

func (t *teller) finished(b event.RunFinished) {
	if len(b.Output) > 0 {
		t.tellNow(piece{kind: anOutput, data: b.Output})
	}
	t.write(aText, b.Text)
	t.end(piece{end: finished, data: usageOf(b.Usage)})
}

// end ends a run.
func (t *teller) end(p piece) {
	t.closeText()
	if t.kept != nil && p.end == failed {
		t.tellNow(piece{kind: aPartial, id: t.textID(t.texts), seq: int64(t.steps)})
	}
	for _, ref := range t.order {
		if c := t.calls[ref]; c.announced && !c.done && p.end != paused {
			c.done = true
			t.tellNow(piece{kind: aResult, id: string(ref), name: c.name, isErr: true, text: "The call has no result.", data: json.RawMessage(`"The call has no result."`)})
			c.done = false // a later run can go on with the call
		}
	}
	t.closeStep()
	t.ended, t.last = p.end != paused, p.end
	p.kind = anEnd
	t.tellNow(p)
}

func usageOf(u llm.Usage) json.RawMessage {
	data, _ := json.Marshal(map[string]int64{"inputTokens": u.InputTokens, "outputTokens": u.OutputTokens, "totalTokens": u.TotalTokens}) // numbers
	return data
}

// maxResult bounds the text of a result for a page, in bytes. Proxies and clients have bounds
// on an event.
const maxResult = 1 << 20

// jsonOf returns a text as JSON: unchanged, or as a string.
func jsonOf(text string) json.RawMessage {
	if json.Valid([]byte(text)) {
		return json.RawMessage(text)
	}
	data, _ := json.Marshal(text) // cannot fail for a string
	return data
}

// outputOf returns a result as JSON: JSON unchanged, a text as a string, or a list of parts.
func outputOf(r llm.ToolResult) json.RawMessage {
	type part struct {
		Type      string `json:"type"`
		Text      string `json:"text,omitempty"`
		URL       string `json:"url,omitempty"`
		MediaType string `json:"mediaType,omitempty"`
		Name      string `json:"name,omitempty"`
	}
	var parts []part
	texts := true
	for _, p := range r.Parts {
		switch p := p.(type) {
		case llm.Text:
			parts = append(parts, part{Type: "text", Text: clip(p.Text, maxResult)})
			continue
		case llm.Image:
			parts = append(parts, part{Type: "image", URL: imageURL(p), MediaType: imageType(p)})
		case llm.Audio:
			parts = append(parts, part{Type: "audio", Text: p.Transcript})
		case llm.File:
			parts = append(parts, part{Type: "file", Name: p.Name, MediaType: mediaType(p.MediaType)})
		}
		texts = false
	}
	if text := r.Text(); texts {
		if len(text) > maxResult {
			return jsonString(clip(text, maxResult))
		}
		return jsonOf(text)
	}
	data, _ := json.Marshal(map[string]any{"parts": parts}) // strings
	return data
}

func jsonString(text string) json.RawMessage {
	data, _ := json.Marshal(text) // cannot fail for a string
	return data
}

// clip cuts a text and says so.
func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	n := cutAt(text, most)
	return text[:n] + fmt.Sprintf("… (%d bytes more)", len(text)-n)
}

// cutAt returns the length of the longest beginning of a text of at most n bytes, up to the
// end of a character.
func cutAt(text string, n int) int {
	if len(text) <= n {
		return len(text)
	}
	for k := n; k > n-utf8.UTFMax; k-- {
		if utf8.RuneStart(text[k]) {
			return k
		}
	}
	return n
}

func mediaType(s string) string {
	if s == "" {
		return "application/octet-stream"
	}
	return s
}

// imageType returns the media type of a picture.
func imageType(i llm.Image) string {
	switch {
	case i.MediaType != "":
		return i.MediaType
	case len(i.Data) > 0:
		return http.DetectContentType(i.Data)
	}
	return "image/*"
}

// imageURL returns the URL of a picture. A picture of more than a mebibyte has no
// URL, and neither has a picture with an address of a different kind.
func imageURL(i llm.Image) string {
	if len(i.Data) > 0 {
		return dataURL(imageType(i), i.Data)
	}
	for _, scheme := range []string{"https://", "http://", "data:image/"} {
		if len(i.URL) <= maxResult && len(i.URL) > len(scheme) && strings.EqualFold(i.URL[:len(scheme)], scheme) {
			return i.URL
		}
	}
	return ""
}

func dataURL(media string, data []byte) string {
	if len(data) > maxResult {
		return ""
	}
	return "data:" + mediaType(media) + ";base64," + base64.StdEncoding.EncodeToString(data)
}
