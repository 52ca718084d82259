package openai

import (
	"cmp"
	"fmt"
	"slices"
)

// A Profile describes the form in which a provider takes requests. The zero
// value is the form of OpenAI and, as far as known, most other providers; every
// field is one difference.
//
// A profile changes only the requests. Nothing in a profile enters a message or
// anything else that is stored, so a conversation can go on with another
// provider.
type Profile struct {
	// API is the API for requests. Empty means Chat Completions, until the
	// provider refuses a request there and names the Responses API. Config.API
	// takes precedence.
	API API

	// Echo names the members of the model's messages to send back, such as
	// "reasoning_content" or "reasoning_details". Some providers demand these
	// members, and some providers refuse the members. "tool_calls" stands for the calls
	// that the provider has run itself. For members of tool calls see NoCallExtra.
	// Nil means that no member is sent back.
	Echo []string
	// EchoEmpty sends the first member of Echo as "" in messages that hold tool
	// calls and came without the member.
	EchoEmpty bool

	// MaxTokensField is the member that limits the tokens of the response. Empty
	// means "max_completion_tokens". Older servers know "max_tokens".
	MaxTokensField string

	// EmptyContent is the content of a message that holds only tool calls.
	EmptyContent EmptyContent
	// CallIDs is the format of tool call ids that the provider takes. The client
	// replaces an id in another format. The replacement depends only on the id, so
	// the call and the result have equal ids in every request.
	CallIDs CallIDs
	// NoCallExtra leaves unmodelled members of tool calls out of requests. Strict
	// providers refuse a conversation with such members from another provider.
	NoCallExtra bool
	// ToolName adds the name of the tool to each tool result.
	ToolName bool
	// ToolImages decides how the pictures in a tool result are sent.
	ToolImages ToolImages
	// Bridge inserts a short assistant message between a tool result and a user
	// message.
	Bridge bool

	// NoDeveloper sends messages of llm.RoleDeveloper with the role "system".
	NoDeveloper bool
	// KeepSystem leaves each system message at its place. False means that the
	// system messages at the front are joined, after the instructions, and that a
	// later system message becomes a part of the next user message, as the
	// templates of chat models expect.
	KeepSystem bool

	// Schema is the subset of JSON Schema that the provider knows.
	Schema Schema
	// SchemaOmit names keywords to leave out of schemas in addition to Schema,
	// such as "minimum". Nil means that no further keyword is left out.
	SchemaOmit []string
	// Strict decides which schemas are marked with "strict".
	Strict Strict
	// ToolChoice is the set of tool choices that the provider takes.
	ToolChoice ToolChoices
	// AllowedTools sends llm.ToolAmong as a tool_choice of type "allowed_tools" beside
	// all tools, if ToolChoice is ToolChoiceAny. False sends only the tools of the
	// choice, without hosted tools.
	AllowedTools bool
	// ToolEffort is the reasoning effort of requests with tools, for providers
	// that do not take every effort with tools. Empty means the effort of the
	// request. "omit" leaves the member out. Any other value is sent in place of
	// the effort of the request, even if the request has none. An llm.Notice
	// reports once per conversation that the requested effort is not sent.
	ToolEffort string
	// NeedTools adds a dummy tool to a request if the request has no tools and the
	// messages of the request hold calls.
	NeedTools bool
	// Output decides how the model is asked for Request.Output, the form of its final
	// answer.
	Output OutputMode

	// TextResults sends tool results to the Responses API as text alone. False
	// means that a result with pictures or files is a list of parts. Chat
	// Completions always takes text; see ToolImages.
	TextResults bool
	// NoReasoningItems leaves the reasoning of earlier responses and the items of
	// hosted tools out of requests to the Responses API. False means that reasoning
	// and items go back to the endpoint of the earlier response.
	NoReasoningItems bool

	// Omit names members of the request that are never sent, such as
	// "stream_options" or "parallel_tool_calls". Members of Settings.Extra are
	// sent nevertheless. Nil means that no member is left out.
	Omit []string
}

// API is one of the two APIs of OpenAI-compatible servers.
type API string

const (
	// APIAuto is Chat Completions, and the Responses API for models that refuse
	// Chat Completions: known models from the first request, other models after
	// they have refused a request.
	APIAuto      API = ""
	APIChat      API = "chat"      // Chat Completions, whatever the provider says
	APIResponses API = "responses" // the Responses API
)

// EmptyContent is the content of a message that holds only tool calls.
type EmptyContent string

const (
	ContentNull    EmptyContent = ""      // null
	ContentEmpty   EmptyContent = "empty" // ""
	ContentOmitted EmptyContent = "omit"  // the member is left out
)

// CallIDs is the format of tool call ids that a provider takes.
type CallIDs string

const (
	CallIDsAny   CallIDs = ""      // as the model gave them
	CallIDsShort CallIDs = "short" // up to 40 characters of any kind
	CallIDs40    CallIDs = "40"    // up to 40 letters, digits, _ and -
	CallIDsNine  CallIDs = "9"     // exactly nine letters and digits
)

// ToolImages decides how the pictures in a tool result are sent.
type ToolImages string

const (
	// ToolImagesNote replaces each picture by a note in the result.
	ToolImagesNote ToolImages = ""
	// ToolImagesUser sends the pictures in a user message after all results of
	// the turn. The model must accept pictures.
	ToolImagesUser ToolImages = "user"
)

// Schema is the subset of JSON Schema that a provider knows. Arguments must be
// validated against the full schema, whatever is sent.
type Schema string

const (
	SchemaFull      Schema = ""          // the whole schema, unchanged
	SchemaNoIDs     Schema = "no-ids"    // without $schema and $id
	SchemaGemini    Schema = "gemini"    // the subset of OpenAPI that Gemini knows
	SchemaUnbounded Schema = "unbounded" // without bounds on values, such as maxLength, pattern and format
	// SchemaGrammar is the subset that llama.cpp turns into a grammar: without
	// bounds on values, without true and false as schemas, and without references
	// to the whole schema.
	SchemaGrammar Schema = "grammar"
)

// Strict decides which schemas are marked with "strict".
type Strict string

const (
	// StrictOutput marks the schema of the response if the request says so.
	StrictOutput Strict = ""
	// StrictTools also sends and marks the strict form of each tool whose
	// definition has a strict form; tool.Tool.NotStrict gives the reason for a
	// tool without a strict form. Keywords that Schema leaves out are left out of
	// the strict form, too. SchemaGemini knows no closed objects, so the plain
	// form is sent there.
	StrictTools Strict = "tools"
	// StrictNever marks no schema.
	StrictNever Strict = "never"
)

// ToolChoices is the set of tool choices that a provider takes. If a request
// names a tool and the provider takes no names, the client sends only the named
// tool.
type ToolChoices string

const (
	ToolChoiceAny   ToolChoices = ""      // every tool choice
	ToolChoiceWords ToolChoices = "words" // no named tool: "required" is sent in place of a name
	ToolChoiceAuto  ToolChoices = "auto"  // "none" is sent, no other choice; the provider then behaves as with "auto"
)

// OutputMode decides how a model is asked for the form of its final answer. Whatever the
// mode, the answer is the text of the Response.
type OutputMode string

const (
	// OutputAlone sends response_format only if the model cannot call a tool. Many
	// servers apply the format to every response: the model writes JSON at once and never
	// calls a tool. In requests with tools, the instructions ask for the form.
	OutputAlone OutputMode = ""
	// OutputBeside sends response_format in every request, also beside tools.
	OutputBeside OutputMode = "beside"
	// OutputTool offers a tool whose arguments are the answer, in place of
	// response_format. The model must call a tool in every request. A format of the type
	// "json_object" has no schema and is asked for in the instructions.
	OutputTool OutputMode = "tool"
	// OutputText asks for the form in the instructions alone.
	OutputText OutputMode = "text"
)

// maxTokensField is the member that bounds the answer.
func (p *Profile) maxTokensField() string { return cmp.Or(p.MaxTokensField, newCap) }

const (
	newCap = "max_completion_tokens"
	oldCap = "max_tokens"
)

// clone returns a copy that shares no memory with p.
func (p Profile) clone() Profile {
	p.Echo, p.Omit, p.SchemaOmit = slices.Clone(p.Echo), slices.Clone(p.Omit), slices.Clone(p.SchemaOmit)
	return p
}

// check reports a field with an unknown value.
func (p *Profile) check() error {
	switch {
	case !slices.Contains([]API{APIAuto, APIChat, APIResponses}, p.API):
		return fmt.Errorf("openai: the API is %q", p.API)
	case !slices.Contains([]EmptyContent{ContentNull, ContentEmpty, ContentOmitted}, p.EmptyContent):
		return fmt.Errorf("openai: Profile.EmptyContent is %q", p.EmptyContent)
	case !slices.Contains([]CallIDs{CallIDsAny, CallIDsShort, CallIDs40, CallIDsNine}, p.CallIDs):
		return fmt.Errorf("openai: Profile.CallIDs is %q", p.CallIDs)
	case !slices.Contains([]ToolImages{ToolImagesNote, ToolImagesUser}, p.ToolImages):
		return fmt.Errorf("openai: Profile.ToolImages is %q", p.ToolImages)
	case !slices.Contains([]Schema{SchemaFull, SchemaNoIDs, SchemaGemini, SchemaUnbounded, SchemaGrammar}, p.Schema):
		return fmt.Errorf("openai: Profile.Schema is %q", p.Schema)
	case !slices.Contains([]Strict{StrictOutput, StrictTools, StrictNever}, p.Strict):
		return fmt.Errorf("openai: Profile.Strict is %q", p.Strict)
	case !slices.Contains([]OutputMode{OutputAlone, OutputBeside, OutputTool, OutputText}, p.Output):
		return fmt.Errorf("openai: Profile.Output is %q", p.Output)
	case !slices.Contains([]ToolChoices{ToolChoiceAny, ToolChoiceWords, ToolChoiceAuto}, p.ToolChoice):
		return fmt.Errorf("openai: Profile.ToolChoice is %q", p.ToolChoice)
	}
	return nil
}
