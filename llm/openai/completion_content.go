package openai

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// This file takes what an answer says: its content in all forms, and its audio.

// addContent takes a string or an array of parts. Any other value is the JSON
// that was asked for and that a provider did not put into a string.
func (a *completion) addContent(data []byte) error {
	switch rawjson.Kind(data) {
	case '"':
		return a.addText(segment{}, a.half.text(data))
	case 'n', 0:
		return nil
	case '[':
		for part := range rawjson.Elements(data) {
			if err := a.addPart(part); err != nil {
				return err
			}
		}
		return nil
	}
	var b bytes.Buffer
	if err := json.Compact(&b, data); err != nil {
		return err // cannot be: data was found to be valid
	}
	return a.addText(segment{}, b.String())
}

// addText appends text to the content: to the run that r goes on with, or as a run of
// its own. Thinking that has only members yet, such as its signature, is a run.
func (a *completion) addText(r segment, text string) error {
	if text == "" && len(r.extra) == 0 {
		return nil
	}
	at := a.continued(r)
	if at < 0 {
		if text == "" && !r.think {
			return nil
		}
		if at = len(a.content); at == maxParts {
			return errTooMany
		}
		a.content = append(a.content, segment{think: r.think})
	}
	to := &a.content[at]
	to.round = a.round
	if r.think && r.member("signature") != "" && to.repeatedBy(text) {
		text = text[len(to.text.bytes):]
	}
	to.text.bytes = append(to.text.bytes, text...)
	if !to.extend(r.extra) {
		return errTooMany
	}
	a.label(r, at)
	switch {
	case text == "":
		return nil
	case r.think:
		a.stream.sawThinking()
		return a.emit(llm.ReasoningDelta{Text: text})
	}
	a.stream.sawContent(false)
	return a.emit(llm.TextDelta{Text: text})
}

// continued returns the run that r is more of, or -1. It is the one of the same index
// or id, if it came in an earlier delta; else the last one, if it is of the same
// kind, and if neither has members of its own. Thinking goes on until it is signed.
func (a *completion) continued(r segment) int {
	for _, key := range r.labels() {
		if at, ok := a.byLabel[key]; ok {
			if to := a.content[at]; to.round == a.round || other(to.member("id"), r.member("id")) {
				return -1
			}
			return at
		}
	}
	last := len(a.content) - 1
	if last < 0 || a.content[last].raw != "" || a.content[last].think != r.think {
		return -1
	}
	to := a.content[last]
	switch {
	case len(to.extra)+len(r.extra) == 0:
		return last
	case len(r.labels()) > 0 || to.round == a.round:
		return -1
	case r.think && (to.member("signature") == "" || to.member("signature") == r.member("signature")):
		return last
	}
	return -1
}

// label enters the run under what r calls it by.
func (a *completion) label(r segment, at int) {
	for _, key := range r.labels() {
		if a.byLabel == nil {
			a.byLabel = map[string]int{}
		}
		a.byLabel[key] = at
	}
}

// labels are the index or the id of a content part, with its kind.
func (r segment) labels() (keys []string) {
	for _, name := range []string{"index", "id"} {
		if v := rawjson.Scalar([]byte(r.member(name))); v != "" {
			keys = append(keys, fmt.Sprintf("%s %v %s", name, r.think, v))
		}
	}
	return keys
}

func (r segment) member(name string) string {
	for _, m := range r.extra {
		if m.Name == name {
			return m.Value
		}
	}
	return ""
}

// repeatedBy reports whether text, which is known to end the run, is all of it again.
func (r segment) repeatedBy(text string) bool {
	return len(r.text.bytes) > 0 && strings.HasPrefix(text, string(r.text.bytes)) && (len(r.text.bytes) >= minRepeat || len(r.text.bytes) == len(text))
}

// extend takes further members, and reports whether there is room for them. A later
// value replaces an earlier one, but for a signature, which can come in pieces.
func (r *segment) extend(extra []llm.Member) bool {
	for _, m := range extra {
		at := slices.IndexFunc(r.extra, func(old llm.Member) bool { return old.Name == m.Name })
		if at < 0 {
			r.extra = append(r.extra, m)
			continue
		}
		if old := r.extra[at].Value; slices.Contains(opaqueMembers, m.Name) && rawjson.Kind([]byte(old)) == '"' && m.Value[0] == '"' {
			t := mergedValue{raw: []byte(old)}
			t.appendString([]byte(m.Value), true, false)
			m.Value = string(t.raw)
		}
		r.extra[at] = m
	}
	return len(r.extra) <= maxPartMembers
}

func (a *completion) addPart(data []byte) error {
	if rawjson.Kind(data) == '"' {
		return a.addText(segment{}, a.half.text(data))
	}
	typ := rawjson.Text(rawjson.Member(data, "type"))
	extra := others(data, "type", "text", typ)
	switch {
	case len(extra) > maxPartMembers || len(a.content) == maxParts:
		return errTooMany
	case typ == "text" || typ == "output_text":
		return a.addText(segment{extra: extra}, a.half.text(rawjson.Member(data, "text")))
	case typ == "thinking" || typ == "reasoning":
		return a.addText(segment{think: true, extra: extra}, a.thinkingPart(data, typ))
	case typ == "refusal":
		a.addRefusal(rawjson.Member(data, "refusal"))
		return nil
	}
	if rawjson.Kind(data) == '{' {
		a.stream.sawContent(false)
		a.content = append(a.content, segment{raw: string(data)})
	}
	return nil
}

// thinkingPart returns the text of a thinking part: a string, or a list of texts.
func (a *completion) thinkingPart(data []byte, typ string) string {
	inner := rawjson.Member(data, typ)
	if rawjson.Kind(inner) != '[' {
		return a.thinking.text(firstText(inner, rawjson.Member(data, "text")))
	}
	var b strings.Builder
	for e := range rawjson.Elements(inner) {
		b.WriteString(a.thinking.text(firstText(e, rawjson.Member(e, "text"))))
	}
	return b.String()
}

// firstText returns the first of the values that is a string and not empty.
func firstText(values ...[]byte) []byte {
	for _, v := range values {
		if rawjson.Kind(v) == '"' && !rawjson.IsEmpty(v) {
			return v
		}
	}
	return nil
}

// others returns the members that say something and are none of the known; of
// too many it returns one more than there may be.
func others(data []byte, known ...string) (ms []llm.Member) {
	for name, v := range rawjson.Members(data) {
		if len(ms) > maxPartMembers {
			break
		}
		if !slices.Contains(known, name) && !rawjson.IsEmpty(v) {
			ms = append(ms, llm.Member{Name: name, Value: string(v)})
		}
	}
	return ms
}

func (a *completion) addAudio(data []byte) {
	for name, v := range rawjson.Members(data) {
		if !rawjson.IsEmpty(v) {
			a.stream.sawContent(false)
		}
		switch name {
		case "id":
			a.audio.ID = cmp.Or(a.audio.ID, rawjson.Text(v))
		case "format":
			a.audio.Format = cmp.Or(a.audio.Format, rawjson.Text(v))
		case "transcript":
			a.transcript.add(v)
		case "data":
			a.addAudioData(rawjson.Text(v))
		}
	}
}

// addAudioData takes base64 text, which can be cut anywhere.
func (a *completion) addAudioData(text string) {
	a.audioRest += text
	whole := len(a.audioRest) - len(a.audioRest)%4
	sound, _ := base64.StdEncoding.DecodeString(a.audioRest[:whole]) // what is readable of it
	a.audio.Data, a.audioRest = append(a.audio.Data, sound...), a.audioRest[whole:]
}
