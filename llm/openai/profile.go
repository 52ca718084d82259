package openai

import (
	"fmt"
	"slices"
)

// A Profile says in which form a provider takes requests. The zero value is
// what OpenAI takes and, as far as is known, most others do; every field is one
// way to differ.
//
// A profile changes only what is sent. Nothing of it enters a message or any
// other thing that is kept, so that a conversation can go on with another
// provider.
type Profile struct {
	// API is the one that requests go to. Empty: Chat Completions, until the
	// provider refuses a request there and names the Responses API. Config.API
	// takes its place.
	API API

	// Echo names the members of the model's messages that are sent back with
	// them, such as "reasoning_content" or "reasoning_details". Some providers
	// demand it and others refuse it. "tool_calls" stands for the calls that the
	// provider has run itself. Members of tool calls are another matter: see
	// NoCallExtra. Nil: none.
	Echo []string
	// EchoEmpty sends "" as the first member of Echo in messages that hold tool
	// calls and came without it.
	EchoEmpty bool

	// MaxTokensField is the member that bounds the answer. Empty:
	// "max_completion_tokens". Older servers know "max_tokens".
	MaxTokensField string

	// EmptyContent is the content of a message that holds nothing but calls.
	EmptyContent EmptyContent
	// CallIDs says which ids of tool calls the provider takes. Others are
	// replaced, in the call and in its result, always by the same.
	CallIDs CallIDs
	// NoCallExtra leaves out the members of tool calls that nobody modelled, which
	// another provider gave: strict ones refuse a conversation that was begun there.
	NoCallExtra bool
	// ToolName adds the name of the tool to its results.
	ToolName bool
	// ToolImages says how the pictures in the result of a tool travel.
	ToolImages ToolImages
	// Bridge puts a short message of the assistant between the result of a tool
	// and a message of the user.
	Bridge bool

	// NoDeveloper sends messages of llm.RoleDeveloper as those of the system.
	NoDeveloper bool
	// KeepSystem leaves each system message where it stands. False: those at the
	// front, the instructions first, are one, and one further back becomes a part
	// of the next message of the user, as templates of chat models want it.
	KeepSystem bool

	// Schema is the part of JSON Schema that the provider knows.
	Schema Schema
	// SchemaOmit names keywords that are left out of schemas, whatever Schema says,
	// such as "minimum". Nil: none.
	SchemaOmit []string
	// Strict says whether schemas are marked with "strict".
	Strict Strict
	// ToolChoice says which tool choices the provider takes.
	ToolChoice ToolChoices
	// ToolEffort is the reasoning effort of requests with tools, where the provider
	// does not take every one there. Empty: as the request says. "omit": the member
	// is left out. Anything else is sent in its place, whether the request asks for
	// an effort or not. An llm.Notice tells of each conversation that does not get
	// the effort that it asks for.
	ToolEffort string
	// NeedTools adds a tool that does nothing to a request without tools whose
	// messages hold calls.
	NeedTools bool
	// OutputAlone sends Request.Output only if the model cannot call a tool. Some
	// servers apply the form to every answer: the model answers in JSON at once and
	// never calls a tool. Without the form, the server does not constrain the final
	// answer. Describe the form in the instructions, or ask for the answer in a request
	// without tools. A notice says so once in a conversation.
	OutputAlone bool

	// TextResults sends the results of tools to the Responses API as text alone.
	// False: a result with pictures or files is a list of parts there. Chat
	// Completions always takes text; see ToolImages.
	TextResults bool
	// NoReasoningItems leaves the reasoning of earlier answers out of requests to
	// the Responses API. False: it goes back to the endpoint that it came from.
	NoReasoningItems bool

	// Omit names members of the request that are never sent, such as
	// "stream_options" or "parallel_tool_calls". Those of Settings.Extra are sent
	// all the same. Nil: none.
	Omit []string
}

// API is one of the two ways in which OpenAI-compatible servers are asked.
type API string

const (
	// APIAuto is Chat Completions, and the Responses API for models that refuse
	// Chat Completions: known ones from the first request, others once they have
	// refused a request.
	APIAuto      API = ""
	APIChat      API = "chat"      // Chat Completions, whatever the provider says
	APIResponses API = "responses" // the Responses API
)

// EmptyContent is the content of a message that holds nothing but calls.
type EmptyContent string

const (
	ContentNull    EmptyContent = ""      // null
	ContentEmpty   EmptyContent = "empty" // ""
	ContentOmitted EmptyContent = "omit"  // the member is left out
)

// CallIDs says which ids of tool calls a provider takes.
type CallIDs string

const (
	CallIDsAny   CallIDs = ""      // as the model gave them
	CallIDsShort CallIDs = "short" // up to 40 characters of any kind
	CallIDs40    CallIDs = "40"    // up to 40 letters, digits, _ and -
	CallIDsNine  CallIDs = "9"     // exactly nine letters and digits
)

// ToolImages says how the pictures in the result of a tool travel.
type ToolImages string

const (
	// ToolImagesNote says in the result that there is a picture, and no more.
	ToolImagesNote ToolImages = ""
	// ToolImagesUser sends them as a message of the user behind all results of
	// the turn. The model has to be one that sees.
	ToolImagesUser ToolImages = "user"
)

// Schema is the part of JSON Schema that a provider knows. Whatever is sent,
// arguments are to be validated against the whole.
type Schema string

const (
	SchemaFull      Schema = ""          // all of it: sent as it stands
	SchemaNoIDs     Schema = "no-ids"    // without $schema and $id
	SchemaGemini    Schema = "gemini"    // the subset of OpenAPI that Gemini knows
	SchemaUnbounded Schema = "unbounded" // without bounds on values, such as maxLength, pattern and format
	// SchemaGrammar is what llama.cpp makes a grammar of: that without bounds on
	// values, true and false in the place of schemas, and references to the whole.
	SchemaGrammar Schema = "grammar"
)

// Strict says whether schemas are marked with "strict".
type Strict string

const (
	// StrictOutput marks the schema of the answer if the request says so.
	StrictOutput Strict = ""
	// StrictTools also sends the strict form of those tools whose definition has
	// one, and marks it; tool.Tool.NotStrict says why one has none. What Schema
	// leaves out is left out of it too. With SchemaGemini, which knows no closed
	// objects, no form is strict, and the plain one is sent.
	StrictTools Strict = "tools"
	// StrictNever marks none.
	StrictNever Strict = "never"
)

// ToolChoices says which tool choices a provider takes. Where a named tool is
// not taken, no other tool is sent.
type ToolChoices string

const (
	ToolChoiceAny   ToolChoices = ""      // all
	ToolChoiceWords ToolChoices = "words" // no named tool: that is "required"
	ToolChoiceAuto  ToolChoices = "auto"  // nothing but none: all others are left to the model
)

// maxTokensField is the member that bounds the answer.
func (p *Profile) maxTokensField() string { return cmpOr(p.MaxTokensField, newCap) }

const (
	newCap = "max_completion_tokens"
	oldCap = "max_tokens"
)

// clone returns a copy that shares nothing with p.
func (p Profile) clone() Profile {
	p.Echo, p.Omit, p.SchemaOmit = slices.Clone(p.Echo), slices.Clone(p.Omit), slices.Clone(p.SchemaOmit)
	return p
}

// check reports a value that is none of the field's.
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
	case !slices.Contains([]ToolChoices{ToolChoiceAny, ToolChoiceWords, ToolChoiceAuto}, p.ToolChoice):
		return fmt.Errorf("openai: Profile.ToolChoice is %q", p.ToolChoice)
	}
	return nil
}
