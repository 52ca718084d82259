package openai

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// This file takes what an answer says: its content in all forms, and its audio.

// addContent takes a string or an array of parts. Any other value is the JSON
// that was asked for and that a provider did not put into a string.
func (a *answer) addContent(data []byte) error {
	switch kind(data) {
	case '"':
		return a.say(run{}, a.half.text(data))
	case 'n', 0:
		return nil
	case '[':
		for part := range elements(data) {
			if err := a.part(part); err != nil {
				return err
			}
		}
		return nil
	}
	var b bytes.Buffer
	if err := json.Compact(&b, data); err != nil {
		return err // cannot be: data was found to be valid
	}
	return a.say(run{}, b.String())
}

// say appends text to the content: to the last run if that is of the same kind.
func (a *answer) say(r run, text string) error {
	if text == "" {
		return nil
	}
	last := len(a.content) - 1
	if last < 0 || a.content[last].raw != "" || a.content[last].think != r.think || len(a.content[last].extra)+len(r.extra) > 0 {
		if last++; last == mostParts {
			return errTooMany
		}
		a.content = append(a.content, r)
	}
	a.content[last].text = append(a.content[last].text, text...)
	if r.think {
		return a.emit(llm.ReasoningDelta{Text: text})
	}
	return a.emit(llm.TextDelta{Text: text})
}

func (a *answer) part(data []byte) error {
	if kind(data) == '"' {
		return a.say(run{}, str(data))
	}
	typ := str(member(data, "type"))
	extra := others(data, "type", "text", typ)
	switch {
	case len(extra) > mostPartMembers || len(a.content) == mostParts:
		return errTooMany
	case typ == "text" || typ == "output_text":
		return a.say(run{extra: extra}, str(member(data, "text")))
	case typ == "thinking" || typ == "reasoning":
		return a.say(run{think: true, extra: extra}, thinking(data, typ))
	case typ == "refusal":
		a.refusal.WriteString(str(member(data, "refusal")))
		return nil
	}
	if kind(data) == '{' {
		a.content = append(a.content, run{raw: string(data)})
	}
	return nil
}

// thinking returns the text of a thinking part: a string, or a list of texts.
func thinking(data []byte, typ string) string {
	inner := member(data, typ)
	if kind(inner) != '[' {
		return cmpOr(str(inner), str(member(data, "text")))
	}
	var b strings.Builder
	for e := range elements(inner) {
		b.WriteString(cmpOr(str(e), str(member(e, "text"))))
	}
	return b.String()
}

// others returns the members that say something and are none of the known; of
// too many it returns one more than there may be.
func others(data []byte, known ...string) (ms []llm.Member) {
	for name, v := range members(data) {
		if len(ms) > mostPartMembers {
			break
		}
		if !slices.Contains(known, name) && !isEmpty(v) {
			ms = append(ms, llm.Member{Name: name, Value: string(v)})
		}
	}
	return ms
}

func (a *answer) addAudio(data []byte) {
	for name, v := range members(data) {
		switch name {
		case "id":
			a.audio.ID = cmpOr(a.audio.ID, str(v))
		case "format":
			a.audio.Format = cmpOr(a.audio.Format, str(v))
		case "transcript":
			a.transcript = append(a.transcript, str(v)...)
		case "data":
			sound, _ := base64.StdEncoding.DecodeString(str(v)) // what is readable of it
			a.audio.Data = append(a.audio.Data, sound...)
		}
	}
}
