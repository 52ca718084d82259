package llmtest

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// parseContent reads content: a string, null, or a list of parts.
func parseContent(value string) (llm.Parts, error) {
	var text *string
	if json.Unmarshal([]byte(value), &text) == nil {
		if text == nil || *text == "" {
			return nil, nil
		}
		return llm.Parts{llm.Text{Text: *text}}, nil
	}
	var raws []json.RawMessage
	if err := json.Unmarshal([]byte(value), &raws); err != nil {
		return nil, err
	}
	var parts llm.Parts
	for i, raw := range raws {
		p, err := parsePart(raw)
		if err != nil {
			return nil, atIndex(i, err)
		}
		parts = append(parts, p)
	}
	return parts, nil
}

// parsePart reads a content part. A part that llm cannot represent completely becomes
// a RawPart.
func parsePart(raw []byte) (llm.Part, error) {
	members, err := membersOf(raw)
	if err != nil {
		return nil, err
	}
	kind, err := stringMember(members, "type")
	if err != nil {
		return nil, err
	}
	if kind == "" {
		kind = inferredType(members)
	}
	var part llm.Part
	switch kind {
	case "text":
		part, err = parseText(members)
	case "refusal":
		part, err = parseRefusal(members)
	case "image_url":
		part = parseImage(members)
	case "input_audio":
		part = parseAudio(members)
	case "file":
		part = parseFile(members)
	}
	if part == nil && err == nil {
		return llm.RawPart{JSON: string(raw)}, nil
	}
	return part, err
}

// inferredType returns the type of a part without "type", by the name of its content.
// The result is "" if the part has no known content, or the contents of several
// types.
func inferredType(members []llm.Member) string {
	var kind string
	for _, m := range members {
		if slices.Contains([]string{"text", "refusal", "image_url", "input_audio", "file"}, m.Name) {
			if kind != "" {
				return ""
			}
			kind = m.Name
		}
	}
	return kind
}

func parseText(members []llm.Member) (llm.Part, error) {
	text, err := stringMember(members, "text")
	return llm.Text{Text: text, Extra: others(members, "text")}, err
}

func parseRefusal(members []llm.Member) (llm.Part, error) {
	text, err := stringMember(members, "refusal")
	return llm.Refusal{Text: text, Extra: others(members, "refusal")}, err
}

func parseImage(members []llm.Member) llm.Part {
	inner, ok := innerStrings(members, "image_url", "url", "detail")
	if !ok {
		return nil
	}
	image := llm.Image{URL: inner["url"], Detail: inner["detail"], Extra: others(members, "image_url")}
	if data, mediaType, ok := cutDataURL(image.URL); ok {
		image.URL, image.Data, image.MediaType = "", data, mediaType
	}
	return image
}

func parseAudio(members []llm.Member) llm.Part {
	inner, ok := innerStrings(members, "input_audio", "data", "format")
	if !ok {
		return nil
	}
	data, ok := decode64(inner["data"])
	if !ok {
		return nil
	}
	return llm.Audio{Data: data, Format: inner["format"], Extra: others(members, "input_audio")}
}

func parseFile(members []llm.Member) llm.Part {
	inner, ok := innerStrings(members, "file", "file_id", "filename", "file_data")
	if !ok {
		return nil
	}
	file := llm.File{ID: inner["file_id"], Name: inner["filename"], Extra: others(members, "file")}
	if text := inner["file_data"]; text != "" {
		if file.Data, file.MediaType, ok = cutDataURL(text); !ok {
			return nil
		}
	}
	return file
}

// innerStrings reads the member name, an object of strings. ok is false if the value
// is not an object, or if the object has members beyond names: no part of llm can
// hold these.
func innerStrings(members []llm.Member, name string, names ...string) (values map[string]string, ok bool) {
	for _, m := range members {
		if m.Name != name {
			continue
		}
		inner, err := membersOf([]byte(m.Value))
		if err != nil || inner == nil {
			return nil, false
		}
		values = map[string]string{}
		for _, member := range inner {
			var s string
			if !slices.Contains(names, member.Name) || json.Unmarshal([]byte(member.Value), &s) != nil {
				return nil, false
			}
			values[member.Name] = s
		}
	}
	return values, values != nil
}

func stringMember(members []llm.Member, name string) (string, error) {
	var s string
	for _, m := range members {
		if m.Name == name {
			if err := json.Unmarshal([]byte(m.Value), &s); err != nil {
				return "", at(name, err)
			}
		}
	}
	return s, nil
}

// others returns the members of a part except "type" and the content.
func others(members []llm.Member, content string) []llm.Member {
	var out []llm.Member
	for _, m := range members {
		if m.Name != "type" && m.Name != content {
			out = append(out, m)
		}
	}
	return out
}

// cutDataURL splits a data URL. ok is false unless data and media type are enough to
// write the same URL again.
func cutDataURL(url string) (data []byte, mediaType string, ok bool) {
	rest, isData := strings.CutPrefix(url, "data:")
	mediaType, text, found := strings.Cut(rest, ";base64,")
	if !isData || !found {
		return nil, "", false
	}
	data, ok = decode64(text)
	return data, mediaType, ok
}

// decode64 decodes base64. The result is false for text that is not in canonical
// form.
func decode64(text string) ([]byte, bool) {
	data, err := base64.StdEncoding.DecodeString(text)
	return data, err == nil && len(data) > 0 && base64.StdEncoding.EncodeToString(data) == text
}
