package llm

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A Request asks a [Model] for the next message of a conversation.
//
// A Model does not change a Request and does not keep it after Generate has
// returned. The slices stay the caller's, and the caller must not change them while
// Generate runs.
type Request struct {
	// Model is the name of the model. Empty means the name that the [Model] was made
	// with.
	Model string
	// Instructions become the leading system message. They are not part of the
	// history: the caller builds them for each request. Empty means no instructions.
	Instructions string
	// Messages is the conversation so far; it must not be empty.
	Messages []Message
	// Tools are the tools that the model may call. Their names differ.
	Tools []ToolDef
	// Output asks for a final answer of a certain form. Nil means text.
	Output *OutputFormat
	// Stream asks for the answer piece by piece on the wire. The Response is
	// whole in either case; without Stream there are no text deltas.
	Stream bool

	Settings // embedded: users set req.Temperature, and an agent has the same Settings

	// Memo lets a client reuse the encoded messages of earlier requests of this
	// conversation. Nil is right for a single request. See [Memo].
	Memo *Memo
}

// Settings are the knobs of a request. The zero value leaves each to the provider: a
// nil pointer, an empty string or slice, and the number 0 are not sent. Providers
// refuse or ignore unknown members.
type Settings struct {
	ToolChoice        ToolChoice
	ParallelToolCalls *bool // whether one answer may hold several tool calls
	// HostedTools are tools run by the provider. Each is a JSON object in the
	// provider's form, such as {"type":"web_search"} or
	// {"type":"mcp","server_label":…}. The client sends these objects after Tools,
	// byte for byte. Their results appear in [Message].Extra and [Response].Extra. A
	// tool choice cannot name a hosted tool; a member "tool_choice" in Extra can. A
	// request has at most 128 hosted tools, each of at most 1 MiB. Do not change the
	// bytes after use.
	HostedTools []json.RawMessage

	Temperature *float64 // 0 to 2; new(0.2) makes a pointer to 0.2
	TopP        *float64 // 0 to 1
	// MaxOutputTokens bounds the answer, reasoning included. Zero sends no bound.
	MaxOutputTokens  int64
	Stop             []string // texts that end the answer
	Seed             *int64
	FrequencyPenalty *float64 // -2 to 2
	PresencePenalty  *float64 // -2 to 2
	LogProbs         bool     // asks for the log probabilities of the answer's tokens
	TopLogProbs      int      // with LogProbs: how many alternatives per token
	// N is the number of answers. A number above 1 is an error, because a
	// conversation continues from a single answer.
	N int

	ReasoningEffort string // "minimal", "low", "medium", "high", or what the provider takes
	// ReasoningSummary asks the Responses API for a summary of the reasoning: "auto",
	// "concise" or "detailed". Empty means that no summary is requested. Clients of
	// Chat Completions ignore ReasoningSummary.
	ReasoningSummary string
	Verbosity        string   // "low", "medium", "high"
	Modalities       []string // "text", "audio"

	ServiceTier      string
	Store            *bool
	PromptCacheKey   string
	SafetyIdentifier string
	User             string
	Metadata         map[string]string

	// Extra members are written into the request unchanged, after all others. A
	// member with the name of an existing member replaces that member.
	Extra []Member
}

// ToolChoice says whether the model may, must or must not call tools. The zero
// value sends no choice; providers then behave as with ToolAuto.
type ToolChoice string

// The general choices. [ToolNamed] makes the choice of a particular tool, and
// [ToolAmong] of some tools.
const (
	ToolAuto     ToolChoice = "auto"
	ToolNone     ToolChoice = "none"
	ToolRequired ToolChoice = "required"
)

const namedPrefix = "tool:"

// ToolNamed makes the model call the tool of that name.
func ToolNamed(name string) ToolChoice { return ToolChoice(namedPrefix + name) }

// ToolAmong limits the model to the tools of these names. mode is [ToolAuto], or
// [ToolRequired] if the model must call one of them. If the provider accepts a choice
// among tools, the request still has the other tools, which keeps the prompt cache. If
// the provider does not, the request has only the named tools. A runner does not run a
// call of another tool. Hosted tools cannot be named.
func ToolAmong(mode ToolChoice, names ...string) ToolChoice {
	list, _ := json.Marshal(names) // texts always marshal
	return mode + among + ToolChoice(list)
}

// among stands between the mode and the names of ToolAmong.
const among = " among "

// Among returns the mode and the names given to [ToolAmong], and false for any other
// choice.
func (c ToolChoice) Among() (mode ToolChoice, names []string, ok bool) {
	before, list, found := strings.Cut(string(c), among)
	if _, named := c.Named(); !found || named {
		return "", nil, false
	}
	var listed []string // not names: the usual choice has no list and must cost nothing
	if json.Unmarshal([]byte(list), &listed) != nil {
		return "", nil, false
	}
	return ToolChoice(before), listed, true
}

// Named returns the name given to [ToolNamed], and false for any other choice.
func (c ToolChoice) Named() (string, bool) { return strings.CutPrefix(string(c), namedPrefix) }

// ToolDef describes a tool to a model. Package tool runs tools.
type ToolDef struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Schema      json.RawMessage `json:"schema"` // JSON Schema of the arguments: an object type
	// Strict is the schema rewritten for providers that enforce schemas
	// ("strict": true). Nil means that the tool has no strict form.
	Strict json.RawMessage `json:"strict,omitempty"`
}

// OutputFormat is the form of a final answer.
type OutputFormat struct {
	// Type is "text", "json_object" or "json_schema". Empty means "json_schema" if
	// there is a Schema, and "text" otherwise.
	Type        string          `json:"type,omitempty"`
	Name        string          `json:"name,omitempty"` // of the schema; empty: "output"
	Description string          `json:"description,omitempty"`
	Schema      json.RawMessage `json:"schema,omitempty"`
	Strict      *bool           `json:"strict,omitempty"`
}

// Validate reports mistakes for which every provider would refuse the request. A
// Model calls Validate before it sends, so callers need not.
func (r *Request) Validate() error {
	switch {
	case r.N > 1:
		return fmt.Errorf("llm: n is %d: one answer is asked for at a time", r.N)
	case r.N < 0:
		return fmt.Errorf("llm: n is %d", r.N)
	case len(r.Messages) == 0:
		return errors.New("llm: the request has no messages")
	case r.MaxOutputTokens < 0:
		return fmt.Errorf("llm: MaxOutputTokens is %d", r.MaxOutputTokens)
	}
	if err := r.validateHosted(); err != nil {
		return err
	}
	if err := r.validateNames(); err != nil {
		return err
	}
	return r.validateChoice()
}

// fewTools is the number of tools up to which a comparison of all names costs less than
// a map.
const fewTools = 16

func (r *Request) validateNames() error {
	if len(r.Tools) <= fewTools {
		for i, t := range r.Tools {
			if hasTool(r.Tools[:i], t.Name) {
				return fmt.Errorf("llm: two tools are named %q", t.Name)
			}
		}
		return nil
	}
	names := make(map[string]bool, len(r.Tools))
	for _, t := range r.Tools {
		if names[t.Name] {
			return fmt.Errorf("llm: two tools are named %q", t.Name)
		}
		names[t.Name] = true
	}
	return nil
}

func hasTool(tools []ToolDef, name string) bool {
	return slices.ContainsFunc(tools, func(t ToolDef) bool { return t.Name == name })
}

const (
	mostHosted    = 128
	longestHosted = 1 << 20
)

func (r *Request) validateHosted() error {
	if len(r.HostedTools) > mostHosted {
		return fmt.Errorf("llm: %d hosted tools, of %d at most", len(r.HostedTools), mostHosted)
	}
	for i, raw := range r.HostedTools {
		if len(raw) > longestHosted {
			return fmt.Errorf("llm: hosted tool %d: %d bytes, of %d at most", i, len(raw), longestHosted)
		}
		var object map[string]json.RawMessage
		if err := json.Unmarshal(raw, &object); err != nil || object == nil {
			return fmt.Errorf("llm: hosted tool %d: is not a JSON object", i)
		}
		if kind := string(object["type"]); kind == `"function"` || kind == `"custom"` { // whose calls the provider leaves to us
			return fmt.Errorf("llm: hosted tool %d: a tool of type %s is run by the caller, so it belongs into Tools", i, kind)
		}
	}
	return nil
}

func (r *Request) validateChoice() error {
	name, named := r.ToolChoice.Named()
	switch {
	case named && !hasTool(r.Tools, name):
		return fmt.Errorf("llm: the tool choice names %q, which is not a tool of the request", name)
	case named:
		return nil
	}
	if mode, names, ok := r.ToolChoice.Among(); ok {
		return r.validateAmong(mode, names)
	}
	switch r.ToolChoice {
	case "", ToolAuto, ToolNone, ToolRequired:
		return nil
	}
	return fmt.Errorf("llm: unknown tool choice %q", string(r.ToolChoice))
}

func (r *Request) validateAmong(mode ToolChoice, names []string) error {
	if mode != ToolAuto && mode != ToolRequired {
		return fmt.Errorf("llm: the tool choice among tools has the mode %q, not %q or %q", string(mode), string(ToolAuto), string(ToolRequired))
	}
	if len(names) == 0 {
		return errors.New("llm: the tool choice among tools names no tool")
	}
	for _, name := range names {
		if !hasTool(r.Tools, name) {
			return fmt.Errorf("llm: the tool choice names %q, which is not a tool of the request", name)
		}
	}
	return nil
}
