package openai

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// noOutput is what a tool result without content says: an empty one ends the
// loop of some models, and is refused by some providers.
const noOutput = "(no output)"

// contentOf returns the content of a message: a string if it is plain text,
// else a list of parts; nil if there is nothing.
func contentOf(parts llm.Parts) ([]byte, error) {
	if text, plain := plainText(parts); plain {
		if text == "" {
			return nil, nil
		}
		return rawjson.AppendString(nil, text), nil
	}
	list := make([][]byte, 0, len(parts))
	for i, p := range parts {
		part, err := encodePart(p)
		if err != nil {
			return nil, fmt.Errorf("part %d: %w", i, err)
		}
		list = append(list, part)
	}
	return array(list), nil
}

// plainText returns the text of at most one text part without extra members.
func plainText(parts llm.Parts) (string, bool) {
	switch len(parts) {
	case 0:
		return "", true
	case 1:
		t, ok := parts[0].(llm.Text)
		return t.Text, ok && len(t.Extra) == 0
	}
	return "", false
}

func encodePart(p llm.Part) ([]byte, error) {
	switch p := p.(type) {
	case llm.Text:
		return object("text", rawjson.AppendString(nil, p.Text), p.Extra)
	case llm.Image:
		image, err := imageURL(p)
		if err != nil {
			return nil, err
		}
		return object("image_url", image, p.Extra)
	case llm.Audio:
		if len(p.Data) == 0 {
			return nil, errors.New("the audio has no Data")
		}
		f := fields{{"data", rawjson.AppendString(nil, base64.StdEncoding.EncodeToString(p.Data))}}
		f.text("format", p.Format)
		return object("input_audio", f.object(), p.Extra)
	case llm.File:
		if len(p.Data) == 0 && p.ID == "" {
			return nil, errors.New("the file has neither ID nor Data")
		}
		return object("file", file(p), p.Extra)
	case llm.RawPart:
		if !rawjson.Valid(p.JSON) {
			return nil, errors.New("a raw part is not JSON")
		}
		return []byte(p.JSON), nil
	}
	return nil, fmt.Errorf("a %T does not stand in such a message", p)
}

// object returns the JSON of a part: the type, a member with the name of the type,
// and the extra members.
func object(typ string, value []byte, extra []llm.Member) ([]byte, error) {
	f := fields{{"type", rawjson.AppendString(nil, typ)}, {typ, value}}
	if err := extend(&f, extra); err != nil {
		return nil, err
	}
	return f.object(), nil
}

func imageURL(p llm.Image) ([]byte, error) {
	url := p.URL
	if len(p.Data) > 0 {
		url = dataURL(p.MediaType, p.Data)
		if p.MediaType == "" && !strings.HasPrefix(url, "data:image/") {
			return nil, errors.New("the bytes of the image are in no format that is known; set its MediaType")
		}
	}
	if url == "" {
		return nil, errors.New("the image has neither URL nor Data")
	}
	f := fields{{"url", rawjson.AppendString(nil, url)}}
	f.textIf("detail", p.Detail)
	return f.object(), nil
}

func file(p llm.File) []byte {
	var f fields
	f.textIf("file_id", p.ID)
	f.textIf("filename", p.Name)
	if len(p.Data) > 0 {
		f.text("file_data", dataURL(p.MediaType, p.Data))
	}
	return f.object()
}

func dataURL(mediaType string, data []byte) string {
	if mediaType == "" {
		mediaType, _, _ = strings.Cut(http.DetectContentType(data), ";")
	}
	return "data:" + mediaType + ";base64," + base64.StdEncoding.EncodeToString(data)
}

// resultText returns the text of a tool message. note returns a line of text in place
// of a part that is not text.
func resultText(r llm.ToolResult, note func(llm.Part) string) string {
	said := make(llm.Parts, len(r.Parts))
	for i, p := range r.Parts {
		if t, ok := p.(llm.Text); ok {
			said[i] = t
		} else {
			said[i] = llm.Text{Text: note(p)}
		}
	}
	text := llm.ToolResult{Parts: said}.Text()
	if strings.TrimSpace(text) == "" {
		return noOutput
	}
	return text
}

// partNote returns the text in place of a part that a tool message cannot hold.
func partNote(p llm.Part) string {
	switch p := p.(type) {
	case llm.Image:
		if len(p.Data) == 0 && !strings.HasPrefix(p.URL, "data:") {
			return "[image " + p.URL + "]"
		}
		return fmt.Sprintf("[image of %d bytes: not shown]", max(len(p.Data), len(p.URL)))
	case llm.Audio:
		if p.Transcript != "" {
			return p.Transcript
		}
		return fmt.Sprintf("[audio of %d bytes: not shown]", len(p.Data))
	case llm.File:
		return fmt.Sprintf("[file %q of %d bytes: not shown]", p.Name, len(p.Data))
	case llm.RawPart:
		return p.JSON
	}
	return fmt.Sprintf("[%T: not shown]", p)
}
