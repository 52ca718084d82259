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

// This file reads the content of an answer in all forms, and the audio.

// addContent reads a string or an array of parts. Any other value is the requested
// JSON, which some providers do not put into a string.
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
		return err // impossible: data is valid JSON
	}
	return a.addText(segment{}, b.String())
}

// addText appends text to the segment that r continues, or as a new segment. A
// thinking segment can consist of members without text, such as a signature.
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
		text = text[to.text.len():]
	}
	to.text.append(text)
	if !to.extend(r.extra) {
		return errTooMany
	}
	a.label(r, at)
	switch {
	case text == "":
		return nil
	case r.think:
		a.stream.sawThinking()
	default:
		a.stream.sawContent(false)
	}
	switch {
	case a.silent:
		return nil
	case r.think:
		return a.emit(llm.ReasoningDelta{Text: text})
	}
	return a.emit(llm.TextDelta{Text: text})
}

// continued returns the index of the segment that r continues, or -1. A label, which
// is the index or the id of a content part, decides first: the same label in an
// earlier delta means the same segment, and twice in one delta means two segments.
// Without a label, r continues the last segment of the same kind, unless one of both
// has members. Thinking continues until the signature.
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

// label enters the segment under the index and the id of r.
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

// repeatedBy reports whether text repeats the whole segment. The caller knows that text
// is the last piece.
func (r segment) repeatedBy(text string) bool {
	return r.text.len() > 0 && strings.HasPrefix(text, r.text.String()) && (r.text.len() >= minRepeat || r.text.len() == len(text))
}

// extend adds members, and reports whether there is room. A later value replaces an
// earlier value. The exception is a signature, which can come in pieces.
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

// firstText returns the first string that is not empty.
func firstText(values ...[]byte) []byte {
	for _, v := range values {
		if rawjson.Kind(v) == '"' && !rawjson.IsEmpty(v) {
			return v
		}
	}
	return nil
}

// others returns the unknown members with a value, but at most one more than
// maxPartMembers.
func others(data []byte, known ...string) (ms []llm.Member) {
	for name, v := range rawjson.RawMembers(data) {
		if len(ms) > maxPartMembers {
			break
		}
		if !slices.Contains(known, string(name)) && !rawjson.IsEmpty(v) {
			ms = append(ms, llm.Member{Name: string(name), Value: string(v)})
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

// addAudioData decodes base64 text. A piece can end anywhere, so the letters after the
// last group of four wait for the next piece.
func (a *completion) addAudioData(text string) {
	a.audioRest += text
	whole := len(a.audioRest) - len(a.audioRest)%4
	sound, _ := base64.StdEncoding.DecodeString(a.audioRest[:whole]) // invalid text ends the sound
	a.audio.Data, a.audioRest = append(a.audio.Data, sound...), a.audioRest[whole:]
}
