package openai

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// A refused picture stays in the conversation, so the provider would refuse
// each later request, too. The client therefore learns to send a note in its
// place. The newest message is the exception: the author must see the error,
// not an answer about a picture that no model saw. Sounds, videos and files are
// handled in the same way.

// refusedMedia are the media that a provider has refused, with the provider's words.
// It is never changed. Nil means no media.
type refusedMedia struct {
	kinds map[string]string // refused kinds, with the reason
	parts map[string]string // refused parts by digest, with the reason
}

// with returns u with further kinds and parts.
func (u *refusedMedia) with(kinds, parts map[string]string) *refusedMedia {
	next := &refusedMedia{kinds: maps.Clone(kinds), parts: maps.Clone(parts)}
	if u != nil {
		maps.Copy(next.kinds, u.kinds)
		maps.Copy(next.parts, u.parts)
	}
	return next
}

// reason returns why a part is not sent, or "" if the part is sent.
func (u *refusedMedia) reason(p llm.Part) string {
	kind := mediaKind(p)
	if kind == "" {
		return ""
	}
	if words, ok := u.kinds[kind]; ok {
		return "the provider takes none: " + words
	}
	if words, ok := u.parts[mediaDigest(p)]; ok {
		return "the provider refused it: " + words
	}
	return ""
}

// request returns the request with notes in place of refused media.
func (u *refusedMedia) request(req *llm.Request) *llm.Request {
	if u == nil {
		return req
	}
	r, asked := *req, newest(req.Messages)
	r.Messages = slices.Clone(req.Messages)
	for i, m := range r.Messages {
		if i != asked && m.Role != llm.RoleAssistant {
			r.Messages[i].Parts = u.replace(m.Parts)
		}
	}
	return &r
}

// replace returns the parts, or a copy with notes.
func (u *refusedMedia) replace(parts llm.Parts) llm.Parts {
	var out llm.Parts
	put := func(i int, p llm.Part) {
		if out == nil {
			out = slices.Clone(parts)
		}
		out[i] = p
	}
	for i, p := range parts {
		if result, ok := p.(llm.ToolResult); ok {
			if inner := u.replace(result.Parts); len(inner) > 0 && &inner[0] != &result.Parts[0] {
				result.Parts = inner
				put(i, result)
			}
		} else if why := u.reason(p); why != "" {
			put(i, llm.Text{Text: mediaNote(p, why)})
		}
	}
	if out == nil {
		return parts
	}
	return out
}

// newest returns the index of the newest message: the last user message, if neither
// the model nor a tool has answered since. Without such a message, newest returns -1.
func newest(messages []llm.Message) int {
	for i, m := range slices.Backward(messages) {
		switch m.Role {
		case llm.RoleUser:
			return i
		case llm.RoleAssistant, llm.RoleTool:
			return -1
		}
	}
	return -1
}

// mediaKind returns the kind of media: "image", "audio", "video" or "file", or
// "" for all other parts.
func mediaKind(p llm.Part) string {
	switch p := p.(type) {
	case llm.Image:
		return "image"
	case llm.Audio:
		return "audio"
	case llm.File:
		return "file"
	case llm.RawPart:
		typ := rawjson.Text(rawjson.Member([]byte(p.JSON), "type"))
		for _, kind := range mediaKinds {
			if strings.Contains(typ, kind) {
				return kind
			}
		}
	}
	return ""
}

// mediaValue returns the text that identifies the media: a URL, base64, an id,
// or JSON.
func mediaValue(p llm.Part) string {
	switch p := p.(type) {
	case llm.Image:
		if len(p.Data) > 0 {
			return dataURL(p.MediaType, p.Data)
		}
		return p.URL
	case llm.Audio:
		return base64.StdEncoding.EncodeToString(p.Data)
	case llm.File:
		if len(p.Data) > 0 {
			return dataURL(p.MediaType, p.Data)
		}
		return p.ID
	case llm.RawPart:
		return p.JSON
	}
	return ""
}

// mediaDigest identifies the media of a part anywhere in the conversation.
func mediaDigest(p llm.Part) string { return digest(mediaKind(p)+" "+mediaValue(p), 40) }

// mediaNote replaces a part that is not sent.
func mediaNote(p llm.Part, why string) string {
	name, size := mediaKind(p), 0
	switch p := p.(type) {
	case llm.Image:
		if len(p.Data) == 0 && !strings.HasPrefix(p.URL, "data:") {
			return fmt.Sprintf("\n[image %s: not shown, as %s]\n", p.URL, why)
		}
		size = max(len(p.Data), len(p.URL))
	case llm.Audio:
		size = len(p.Data)
	case llm.File:
		name, size = fmt.Sprintf("file %q", cmp.Or(p.Name, p.ID)), len(p.Data)
	case llm.RawPart:
		size = len(p.JSON)
	}
	return fmt.Sprintf("\n[%s of %d bytes: not shown, as %s]\n", name, size, why)
}
