package llm

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Part is a piece of a message. The set is closed: [Text], [Reasoning],
// [Refusal], [Image], [Audio], [File], [ToolCall], [ToolResult] and [RawPart],
// each by value. The same parts serve both directions.
//
// Extra in each part holds members that have no field here, such as
// "cache_control" of a text part or "extra_content" of a tool call. A client keeps a
// provider's members in Extra and sends a caller's members from Extra, except for
// members of tool calls that a provider is known to refuse.
type Part interface{ part() }

// Text is text of a person or a model.
type Text struct {
	Text  string   `json:"text"`
	Extra []Member `json:"extra,omitempty"`
}

// Reasoning is visible reasoning of a model. Reasoning is not part of the answer:
// [Message.Text] omits it.
type Reasoning struct {
	Text string `json:"text"`
	// Field is the name of the provider's member, for example "reasoning_content".
	// Some providers demand the text back under the same name. Empty means that the
	// reasoning came as a content part.
	Field string   `json:"field,omitempty"`
	Extra []Member `json:"extra,omitempty"`
}

// Refusal is the text with which a model declined to answer.
type Refusal struct {
	Text  string   `json:"text"`
	Extra []Member `json:"extra,omitempty"`
}

// Image is a picture, given by URL or by its bytes.
type Image struct {
	URL       string   `json:"url,omitempty"`        // http(s) or data URL; used if Data is empty
	Data      []byte   `json:"data,omitempty"`       // the encoded picture; base64 in JSON
	MediaType string   `json:"media_type,omitempty"` // of Data, for example "image/png"; empty: found from the bytes
	Detail    string   `json:"detail,omitempty"`     // "low", "high", "auto"; empty: the provider's default
	Extra     []Member `json:"extra,omitempty"`
}

// Audio is sound: input of the user (Data and Format), or output of a model with a
// Transcript and an ID, so that later messages can refer to the sound.
type Audio struct {
	Data       []byte   `json:"data,omitempty"` // base64 in JSON
	Format     string   `json:"format,omitempty"`
	ID         string   `json:"id,omitempty"`
	Transcript string   `json:"transcript,omitempty"`
	Extra      []Member `json:"extra,omitempty"`
}

// File is a document, given by the id of an uploaded file or by its bytes.
type File struct {
	ID        string   `json:"id,omitempty"`
	Name      string   `json:"name,omitempty"`
	Data      []byte   `json:"data,omitempty"` // base64 in JSON
	MediaType string   `json:"media_type,omitempty"`
	Extra     []Member `json:"extra,omitempty"`
}

// ToolCall is a model's request to call a tool.
type ToolCall struct {
	// ID is the provider's name for the call, verbatim. Providers repeat ids, so ids
	// only pair calls and results within a turn.
	ID   string `json:"id,omitempty"`
	Name string `json:"name"`
	// Arguments is the model's text, verbatim: usually a JSON object, but possibly any
	// text. Models write an empty text, white space or null for a tool without
	// parameters, and all of these mean {}.
	Arguments string   `json:"arguments"`
	Extra     []Member `json:"extra,omitempty"`
}

// ToolResult is the answer to a [ToolCall]. A message of RoleTool has a single
// ToolResult and no further part.
type ToolResult struct {
	CallID  string   `json:"call_id,omitempty"` // the ID of the answered call
	Name    string   `json:"name,omitempty"`    // the name of the tool
	Parts   Parts    `json:"parts"`             // usually one Text; never a call or a result
	IsError bool     `json:"is_error,omitempty"`
	Extra   []Member `json:"extra,omitempty"`
}

// RawPart is a part of a kind that this package does not know, as it was read:
// the JSON object, byte for byte. A client sends a received RawPart back unchanged or
// not at all. Only messages that were received or decoded contain a RawPart. Do not
// put a RawPart into a message that you write.
type RawPart struct {
	JSON string `json:"json"`
}

func (Text) part()       {}
func (Reasoning) part()  {}
func (Refusal) part()    {}
func (Image) part()      {}
func (Audio) part()      {}
func (File) part()       {}
func (ToolCall) part()   {}
func (ToolResult) part() {}
func (RawPart) part()    {}

// Text joins the text parts of the result, with a line break between parts that are
// not separated by white space. Clients send this text to providers that accept only
// one text as a result.
func (r ToolResult) Text() string {
	var all strings.Builder
	var before rune
	for _, t := range pick[Text](r.Parts) {
		if first, _ := utf8.DecodeRuneInString(t.Text); before != 0 && t.Text != "" && !unicode.IsSpace(before) && !unicode.IsSpace(first) {
			all.WriteByte('\n')
		}
		if t.Text != "" {
			before, _ = utf8.DecodeLastRuneInString(t.Text)
		}
		all.WriteString(t.Text)
	}
	return all.String()
}
