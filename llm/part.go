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
// Extra in each of them holds members that this package does not model (such
// as "cache_control" of a text part, or "extra_content" of a tool call). What
// came from a provider is kept there; what a caller puts there is sent, but for
// members of tool calls where a provider is known to refuse them.
type Part interface{ part() }

// Text is text that a person or a model wrote.
type Text struct {
	Text  string   `json:"text"`
	Extra []Member `json:"extra,omitempty"`
}

// Reasoning is what a model let us see of its thinking. It is not part of its
// answer, and [Message.Text] leaves it out.
type Reasoning struct {
	Text string `json:"text"`
	// Field is the member of the provider's message that the text came in, for
	// example "reasoning_content", so that the client can send it back under the
	// same name where a provider demands that. Empty if it came as a content part.
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

// Audio is sound: input of the user (Data and Format), or output of a model,
// which has an ID by which later messages can refer to it, and a Transcript.
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
	// ID is the provider's name for the call, verbatim. Providers repeat ids,
	// so nothing but the pairing of call and result within one turn rests on it.
	ID   string `json:"id,omitempty"`
	Name string `json:"name"`
	// Arguments is what the model wrote, verbatim. It is meant to be a JSON
	// object and may be anything. Nothing, white space and null, which models
	// write for tools without parameters, are {}.
	Arguments string   `json:"arguments"`
	Extra     []Member `json:"extra,omitempty"`
}

// ToolResult is the answer to a [ToolCall]. It stands alone in a message of RoleTool.
type ToolResult struct {
	CallID  string   `json:"call_id,omitempty"` // the ID of the call that it answers
	Name    string   `json:"name,omitempty"`    // the name of the tool
	Parts   Parts    `json:"parts"`             // usually one Text; never a call or a result
	IsError bool     `json:"is_error,omitempty"`
	Extra   []Member `json:"extra,omitempty"`
}

// RawPart is a part of a kind that this package does not know, as it was read:
// the JSON object, byte for byte. A client that received one sends it back as
// it stands, or not at all; it is never written for a new message.
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

// Text returns the text parts of the result, each on a line of its own unless there is
// white space between two: a tool that returns several says several things. It is what
// a model reads of the result where that has to be one text.
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
