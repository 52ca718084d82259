package llm

import "strings"

// Role is the author of a message.
type Role string

// The roles of Chat Completions. Instructions of an agent are not in
// [Request.Messages]: the client makes the leading system message from
// [Request.Instructions]. RoleSystem is for system messages that are part of a history.
const (
	RoleSystem    Role = "system"
	RoleDeveloper Role = "developer" // what newer models of OpenAI call RoleSystem
	RoleUser      Role = "user"
	RoleAssistant Role = "assistant"
	RoleTool      Role = "tool"
)

// A Message is an entry of a conversation: a role and parts.
//
// A message of RoleTool holds a single [ToolResult]. [ToolCall], [Reasoning] and
// [Refusal] stand in messages of RoleAssistant only.
//
// A Message is plain data without hidden state: it can be compared with
// reflect.DeepEqual, and its JSON (see [Parts]) reads back to an equal value.
// Do not change a Message that was used in a request or a run.
type Message struct {
	Role  Role  `json:"role"`
	Parts Parts `json:"parts"`
	// Extra holds the members of the provider's message that have no field here, such
	// as "reasoning_details" or "annotations", in the provider's order. A member
	// "tool_calls" lists calls that the provider has run itself. The client decides
	// which members go back to the provider.
	Extra []Member `json:"extra,omitempty"`
}

// A Member is a member of a JSON object with its original text.
type Member struct {
	Name  string `json:"name"`
	Value string `json:"value"` // JSON text, byte for byte
}

// System returns a system message. Use [Request.Instructions] for instructions
// that are built anew for each request.
func System(text string) Message { return textMessage(RoleSystem, text, nil) }

// User returns a message of the user: the text, if it is not empty, and then
// the parts, such as an [Image].
func User(text string, parts ...Part) Message { return textMessage(RoleUser, text, parts) }

// Assistant returns a message of the model: the text, if it is not empty, and
// then the parts, such as a [ToolCall]. Use Assistant for histories from elsewhere
// and for scripted models.
func Assistant(text string, parts ...Part) Message {
	return textMessage(RoleAssistant, text, parts)
}

func textMessage(role Role, text string, parts []Part) Message {
	m := Message{Role: role}
	if text != "" {
		m.Parts = append(m.Parts, Text{Text: text})
	}
	m.Parts = append(m.Parts, parts...)
	return m
}

// Text returns the text parts of m joined with nothing between. Reasoning,
// refusals and the text inside tool results are not part of it.
func (m Message) Text() string {
	return join(m.Parts, func(t Text) string { return t.Text })
}

// Reasoning returns the reasoning parts of m joined with nothing between.
func (m Message) Reasoning() string {
	return join(m.Parts, func(r Reasoning) string { return r.Text })
}

// Refusal returns the refusal of m, or "" if the model did not refuse.
func (m Message) Refusal() string {
	return join(m.Parts, func(r Refusal) string { return r.Text })
}

// join joins the texts of the parts of type P.
func join[P Part](parts Parts, text func(P) string) string {
	var texts []string
	for _, p := range pick[P](parts) {
		texts = append(texts, text(p))
	}
	return strings.Join(texts, "") // which does not copy a single one
}

// pick returns the parts of type P.
func pick[P Part](parts Parts) []P {
	var picked []P
	for _, p := range parts {
		if p, ok := p.(P); ok {
			picked = append(picked, p)
		}
	}
	return picked
}

// Calls returns the tool calls of m in their order. The slice is the caller's.
func (m Message) Calls() []ToolCall { return pick[ToolCall](m.Parts) }

// Results returns the tool results of m in order. Only a message of RoleTool has a
// result. The slice is the caller's.
func (m Message) Results() []ToolResult { return pick[ToolResult](m.Parts) }
