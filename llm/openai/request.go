package openai

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"sync/atomic"

	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// An encoding is a request in the form of a profile.
type encoding struct {
	api   API
	body  body
	notes []string // repairs, for the caller
	// answer is the name of the tool whose arguments are the final answer; empty: none.
	answer string
}

// equal reports whether both are the same request.
func (e encoding) equal(other encoding) bool { return e.api == other.api && e.body.equal(other.body) }

// An encodingPlan has what all encodings of one profile by one client share.
type encodingPlan struct {
	profile *Profile
	rules   messageRules
	slot    messageSlot
	frames  frames
	opening atomic.Pointer[opening]
}

func (p *Profile) plan(origin string, maxResult int64) *encodingPlan {
	rules := p.messageRules(maxResult)
	if p.API == APIResponses {
		rules = p.itemRules(origin, maxResult)
	}
	return &encodingPlan{profile: p, rules: rules, slot: newMessageSlot(rules)}
}

// encode returns a request: the frame, the opening, and the messages, as far as possible
// from the memo.
func (n *encodingPlan) encode(req *llm.Request, model string) (e encoding, err error) {
	return n.encodeIn(nil, req, model)
}

// encodeIn is encode with memory for the list of segments.
func (n *encodingPlan) encodeIn(list body, req *llm.Request, model string) (e encoding, err error) {
	sent, answer := n.profile.withOutput(req)
	if sent != req {
		if err := n.profile.output(new(fields), req.Output); err != nil {
			return e, err
		}
		req = sent
	}
	if n.profile.API == APIResponses {
		e, err = n.encodeResponses(list, req, model)
	} else {
		e, err = n.encodeChat(list, req, model)
	}
	e.answer = answer
	return e, err
}

func (n *encodingPlan) encodeChat(list body, req *llm.Request, model string) (encoding, error) {
	w, err := n.slot.encode(req)
	if err != nil {
		return encoding{}, err
	}
	f, err := n.frame(req, model, w.called)
	if err != nil {
		return encoding{}, err
	}
	if f.whole {
		return encoding{api: APIChat, body: f.body(list, nil, w)}, nil
	}
	opening, err := n.open(req.Instructions, w.lead, len(w.messages)+len(w.last)+len(w.end) > 0)
	if err != nil {
		return encoding{}, err
	}
	return encoding{api: APIChat, body: f.body(list, opening, w), notes: w.notes}, nil
}

// frame returns the frame of a request, from the kept frames if possible.
func (n *encodingPlan) frame(req *llm.Request, model string, called bool) (*frame, error) {
	source := n.profile.frameSource(req, model, called)
	if f := n.frames.find(&source); f != nil {
		return f, nil
	}
	f, err := n.profile.makeFrame(req, model, called)
	if err != nil {
		return nil, err
	}
	n.frames.keep(&source, f)
	return f, nil
}

func (p *Profile) makeFrame(req *llm.Request, model string, called bool) (*frame, error) {
	if p.API == APIResponses {
		members, notes, err := p.responsesMembers(req, model)
		if err != nil {
			return nil, err
		}
		return frameOf(members, "input", notes), nil
	}
	members, err := p.members(req, model, called)
	if err != nil {
		return nil, err
	}
	return frameOf(members, "messages", nil), nil
}

// An opening is the system message of instructions.
type opening struct {
	instructions string
	text         []byte // with a comma
}

// open returns the system message at the front, with a comma if messages follow. The
// opening of the last instructions is kept: an agent has the same in each turn.
func (n *encodingPlan) open(instructions string, lead []llm.Message, more bool) ([]byte, error) {
	if o := n.opening.Load(); o != nil && more && len(lead) == 0 && o.instructions == instructions {
		return o.text, nil
	}
	system, err := n.rules.systemMessage(instructions, lead)
	if err != nil || system == nil {
		return nil, err
	}
	text := system.object()
	if !more {
		return text, nil
	}
	text = append(text, ',')
	if len(lead) == 0 && len(text) <= maxFrame {
		n.opening.Store(&opening{instructions, text})
	}
	return text, nil
}

// members lists all members of the request; "messages" has no value yet.
func (p *Profile) members(req *llm.Request, model string, called bool) (fields, error) {
	var f fields
	f.text("model", model)
	f.raw("messages", nil)
	if err := p.tools(&f, req, called); err != nil {
		return nil, err
	}
	if err := p.sampling(&f, &req.Settings); err != nil {
		return nil, err
	}
	p.toolEffort(&f)
	if err := p.output(&f, req.Output); err != nil {
		return nil, err
	}
	service(&f, &req.Settings)
	if req.Stream {
		f.raw("stream", []byte(`true`))
		f.raw("stream_options", []byte(`{"include_usage":true}`))
	}
	f = slices.DeleteFunc(f, func(m field) bool { return m.name != "messages" && slices.Contains(p.Omit, m.name) })
	for _, m := range req.Extra {
		if !rawjson.Valid(m.Value) {
			return nil, fmt.Errorf("openai: the extra member %q is not JSON", m.Name)
		}
		f.replace(m.Name, []byte(m.Value))
	}
	return f, nil
}

// noTool is the tool of a request that needs a tool and has no tool.
var noTool = llm.ToolDef{Name: "no_tool", Description: "Does nothing. Never call it."}

// tools writes the tools, the hosted tools last, and the settings for calls.
// Without tools it writes neither, because providers refuse such settings
// without tools.
func (p *Profile) tools(f *fields, req *llm.Request, called bool) error {
	tools, hosted, choice := p.choose(req)
	none := len(tools)+len(hosted) == 0
	if none {
		if !p.NeedTools || !called {
			return nil
		}
		tools = []llm.ToolDef{noTool}
	}
	list := make([][]byte, len(tools), len(tools)+len(hosted))
	for i, t := range tools {
		var err error
		if list[i], err = p.tool(t); err != nil {
			return err
		}
	}
	for _, raw := range hosted {
		list = append(list, raw)
	}
	f.raw("tools", array(list))
	if none {
		return nil
	}
	writeChoice(f, choice, chatFunction)
	boolean(f, "parallel_tool_calls", req.ParallelToolCalls)
	return nil
}

// writeChoice writes the tool choice. function is the form of a named function on
// the API.
func writeChoice(f *fields, choice llm.ToolChoice, function func(name string) fields) {
	if name, ok := choice.Named(); ok {
		f.raw("tool_choice", function(name).object())
		return
	}
	mode, names, among := choice.Among()
	if !among {
		f.textIf("tool_choice", string(choice))
		return
	}
	var list [][]byte
	for i, name := range names {
		if !slices.Contains(names[:i], name) { // a caller may repeat a name
			list = append(list, function(name).object())
		}
	}
	allowed := fields{{"mode", rawjson.AppendString(nil, string(mode))}, {"tools", array(list)}}
	typ := field{"type", []byte(`"allowed_tools"`)}
	if function("").has("function") { // Chat Completions nests the members
		allowed = fields{{"allowed_tools", allowed.object()}}
	}
	f.raw("tool_choice", append(fields{typ}, allowed...).object())
}

// chatFunction names a function on Chat Completions.
func chatFunction(name string) fields {
	return fields{{"type", []byte(`"function"`)}, {"function", fields{{"name", rawjson.AppendString(nil, name)}}.object()}}
}

// choose returns the tools to send, the caller's and the provider's, and the
// tool choice. If the provider takes no named tool, or no choice among tools, only
// the tools of the choice are sent.
func (p *Profile) choose(req *llm.Request) ([]llm.ToolDef, []json.RawMessage, llm.ToolChoice) {
	tools, hosted, choice := req.Tools, req.HostedTools, req.ToolChoice
	if name, named := choice.Named(); named && p.ToolChoice != ToolChoiceAny {
		i := slices.IndexFunc(tools, func(t llm.ToolDef) bool { return t.Name == name })
		tools, hosted, choice = tools[i:i+1], nil, llm.ToolRequired // Validate has found it
	}
	if mode, names, among := choice.Among(); among && !(p.AllowedTools && p.ToolChoice == ToolChoiceAny) {
		tools = slices.DeleteFunc(slices.Clone(tools), func(t llm.ToolDef) bool { return !slices.Contains(names, t.Name) })
		hosted, choice = nil, mode // the provider could choose a hosted tool
	}
	if p.ToolChoice == ToolChoiceAuto && choice != llm.ToolNone {
		choice = ""
	}
	return tools, hosted, choice
}

func (p *Profile) tool(t llm.ToolDef) ([]byte, error) {
	schema, strict := t.Schema, p.Strict == StrictTools && t.Strict != nil && p.Schema != SchemaGemini
	if strict {
		schema = t.Strict
	}
	if len(schema) > 0 && !rawjson.Valid(schema) {
		return nil, fmt.Errorf("openai: the schema of the tool %q is not JSON", t.Name)
	}
	var f fields
	f.text("name", t.Name)
	f.textIf("description", t.Description)
	f.raw("parameters", p.fit(parameters(schema)))
	if strict {
		f.raw("strict", []byte(`true`))
	}
	return fields{{"type", []byte(`"function"`)}, {"function", f.object()}}.object(), nil
}

// sampling writes the settings that shape the answer.
func (p *Profile) sampling(f *fields, s *llm.Settings) error {
	for _, number := range []struct {
		name  string
		value *float64
	}{
		{"temperature", s.Temperature}, {"top_p", s.TopP},
		{"frequency_penalty", s.FrequencyPenalty}, {"presence_penalty", s.PresencePenalty},
	} {
		if number.value == nil {
			continue
		}
		if math.IsNaN(*number.value) || math.IsInf(*number.value, 0) {
			return fmt.Errorf("openai: %s is %v", number.name, *number.value)
		}
		f.raw(number.name, encoded(*number.value))
	}
	integer(f, p.maxTokensField(), s.MaxOutputTokens)
	if len(s.Stop) > 0 {
		f.raw("stop", encoded(s.Stop))
	}
	if s.Seed != nil {
		f.raw("seed", encoded(*s.Seed))
	}
	integer(f, "n", int64(s.N))
	if s.LogProbs {
		f.raw("logprobs", []byte(`true`))
	}
	integer(f, "top_logprobs", int64(s.TopLogProbs))
	f.textIf("reasoning_effort", s.ReasoningEffort)
	f.textIf("verbosity", s.Verbosity)
	if len(s.Modalities) > 0 {
		f.raw("modalities", encoded(s.Modalities))
	}
	return nil
}

// effortOmitted is the value of Profile.ToolEffort that leaves the effort out.
const effortOmitted = "omit"

// toolEffort writes the effort that the provider takes with tools.
func (p *Profile) toolEffort(f *fields) {
	switch {
	case p.ToolEffort == "" || !f.has("tools"):
	case p.ToolEffort == effortOmitted:
		*f = slices.DeleteFunc(*f, func(m field) bool { return m.name == "reasoning_effort" })
	default:
		f.replace("reasoning_effort", rawjson.AppendString(nil, p.ToolEffort))
	}
}

// losesEffort reports whether the profile drops the effort of the request.
func (p *Profile) losesEffort(req *llm.Request) bool {
	return p.ToolEffort != "" && p.API != APIResponses && len(req.Tools) > 0 && req.ReasoningEffort != "" && req.ReasoningEffort != p.ToolEffort &&
		!slices.ContainsFunc(req.Extra, func(m llm.Member) bool { return m.Name == "reasoning_effort" })
}

// output writes the output format.
func (p *Profile) output(f *fields, o *llm.OutputFormat) error {
	if o == nil {
		return nil
	}
	typ := o.Type
	if typ == "" && len(o.Schema) > 0 {
		typ = "json_schema"
	}
	switch typ = cmp.Or(typ, "text"); typ {
	case "text", "json_object":
		f.raw("response_format", fields{{"type", encoded(typ)}}.object())
		return nil
	case "json_schema":
	default:
		return fmt.Errorf("openai: unknown output type %q", o.Type)
	}
	if !rawjson.Valid(o.Schema) {
		return fmt.Errorf("openai: the schema of the output is not JSON")
	}
	var s fields
	s.text("name", cmp.Or(o.Name, "output"))
	s.textIf("description", o.Description)
	s.raw("schema", p.fit(o.Schema))
	if p.Strict != StrictNever {
		boolean(&s, "strict", o.Strict)
	}
	f.raw("response_format", fields{{"type", []byte(`"json_schema"`)}, {"json_schema", s.object()}}.object())
	return nil
}

// service writes the settings for service and accounting.
func service(f *fields, s *llm.Settings) {
	f.textIf("service_tier", s.ServiceTier)
	boolean(f, "store", s.Store)
	f.textIf("prompt_cache_key", s.PromptCacheKey)
	f.textIf("safety_identifier", s.SafetyIdentifier)
	f.textIf("user", s.User)
	if len(s.Metadata) > 0 {
		f.raw("metadata", encoded(s.Metadata))
	}
}

func integer(f *fields, name string, n int64) {
	if n != 0 {
		f.raw(name, encoded(n))
	}
}

func boolean(f *fields, name string, b *bool) {
	if b != nil {
		f.raw(name, encoded(*b))
	}
}
