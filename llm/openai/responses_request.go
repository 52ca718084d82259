package openai

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// encodeResponses returns a request to the Responses API: the frame and the items, as far
// as possible from the memo.
func (n *encodingPlan) encodeResponses(list body, req *llm.Request, model string) (encoding, error) {
	f, err := n.frame(req, model, false)
	if err != nil {
		return encoding{}, err
	}
	if f.whole {
		return encoding{api: APIResponses, body: f.body(list, nil, encodedMessages{}), notes: f.notes}, nil
	}
	w, err := n.slot.encode(req)
	if err != nil {
		return encoding{}, err
	}
	return encoding{api: APIResponses, body: f.body(list, nil, w), notes: slices.Concat(f.notes, w.notes)}, nil
}

// itemRules are the rules for items.
func (p *Profile) itemRules(origin string, maxResult int64) messageRules {
	return messageRules{
		responses: true, origin: origin, textResults: p.TextResults, noReasoning: p.NoReasoningItems,
		images: p.ToolImages, maxResult: maxResult, noDeveloper: p.NoDeveloper, keepSystem: true,
	}
}

// responsesMembers lists all members of a request to the Responses API; "input"
// has no value yet.
func (p *Profile) responsesMembers(req *llm.Request, model string) (fields, []string, error) {
	var f fields
	f.text("model", model)
	f.textIf("instructions", req.Instructions)
	f.raw("input", nil)
	if err := p.responsesTools(&f, req); err != nil {
		return nil, nil, err
	}
	notes, err := p.responsesSampling(&f, &req.Settings)
	if err != nil {
		return nil, nil, err
	}
	if err := p.responsesText(&f, req); err != nil {
		return nil, nil, err
	}
	service(&f, &req.Settings)
	if req.Store == nil { // the API stores answers unless it is told not to
		f.raw("store", []byte(`false`))
	}
	include := []string{"reasoning.encrypted_content"}
	if req.LogProbs {
		include = append(include, "message.output_text.logprobs")
	}
	f.raw("include", encoded(include))
	if req.Stream {
		f.raw("stream", []byte(`true`))
	}
	f = slices.DeleteFunc(f, func(m field) bool { return m.name != "input" && slices.Contains(p.Omit, m.name) })
	for _, m := range req.Extra {
		if !rawjson.Valid(m.Value) {
			return nil, nil, fmt.Errorf("openai: the extra member %q is not JSON", m.Name)
		}
		f.replace(m.Name, []byte(m.Value))
	}
	return f, notes, nil
}

// responsesTools writes the tools and the choice among them. A function is strict
// there unless the request says otherwise, so "strict" is always sent.
func (p *Profile) responsesTools(f *fields, req *llm.Request) error {
	tools, hosted, choice := p.choose(req)
	if len(tools)+len(hosted) == 0 {
		return nil
	}
	list := make([][]byte, 0, len(tools)+len(hosted))
	for _, t := range tools {
		raw, err := p.responsesTool(t)
		if err != nil {
			return err
		}
		list = append(list, raw)
	}
	for _, raw := range hosted {
		list = append(list, raw)
	}
	f.raw("tools", array(list))
	writeChoice(f, choice, flatFunction)
	boolean(f, "parallel_tool_calls", req.ParallelToolCalls)
	return nil
}

// flatFunction names a function on the Responses API.
func flatFunction(name string) fields {
	return fields{{"type", []byte(`"function"`)}, {"name", rawjson.AppendString(nil, name)}}
}

func (p *Profile) responsesTool(t llm.ToolDef) ([]byte, error) {
	schema, strict := t.Schema, p.Strict != StrictNever && t.Strict != nil && p.Schema != SchemaGemini
	if strict {
		schema = t.Strict
	}
	if len(schema) > 0 && !rawjson.Valid(schema) {
		return nil, fmt.Errorf("openai: the schema of the tool %q is not JSON", t.Name)
	}
	var f fields
	f.text("type", "function")
	f.text("name", t.Name)
	f.textIf("description", t.Description)
	f.raw("parameters", p.fit(parameters(schema)))
	if !slices.Contains(p.Omit, "strict") {
		f.raw("strict", encoded(strict))
	}
	return f.object(), nil
}

// responsesSampling writes the settings that shape the answer. The API lacks some
// settings of Chat Completions. Stop and Modalities are errors, because their absence
// would change the answer. The seed and the penalties are left out with a note.
func (p *Profile) responsesSampling(f *fields, s *llm.Settings) (notes []string, err error) {
	var chat fields
	if err := p.sampling(&chat, s); err != nil {
		return nil, err
	}
	var dropped []string
	for _, m := range chat {
		switch m.name {
		case "temperature", "top_p", "top_logprobs":
			f.raw(m.name, m.value)
		case p.maxTokensField():
			f.raw("max_output_tokens", m.value)
		case "reasoning_effort", "verbosity", "logprobs", "n": // written elsewhere, or nothing to say
		case "modalities":
			if slices.ContainsFunc(s.Modalities, func(m string) bool { return m != "text" }) {
				return nil, fmt.Errorf("openai: the Responses API has no modalities: %q was asked for", s.Modalities)
			}
		case "stop":
			return nil, errors.New("openai: the Responses API has no stop texts; leave Settings.Stop empty, or set Config.API to APIChat")
		default:
			dropped = append(dropped, m.name)
		}
	}
	if len(dropped) > 0 {
		notes = append(notes, "the Responses API does not know "+strings.Join(dropped, " and ")+": the request goes without")
	}
	var reasoning fields
	if !slices.Contains(p.Omit, "reasoning_effort") {
		reasoning.textIf("effort", s.ReasoningEffort)
	}
	if !slices.Contains(p.Omit, "reasoning_summary") {
		reasoning.textIf("summary", s.ReasoningSummary)
	}
	if len(reasoning) > 0 {
		f.raw("reasoning", reasoning.object())
	}
	return notes, nil
}

// responsesText writes the form of the answer.
func (p *Profile) responsesText(f *fields, req *llm.Request) error {
	var chat, text fields
	if err := p.output(&chat, req.Output); err != nil {
		return err
	}
	if len(chat) > 0 {
		format := fields{{"type", rawjson.Member(chat[0].value, "type")}}
		for name, v := range rawjson.Members(rawjson.Member(chat[0].value, "json_schema")) {
			format.raw(name, v)
		}
		text.raw("format", format.object())
	}
	if !slices.Contains(p.Omit, "verbosity") {
		text.textIf("verbosity", req.Verbosity)
	}
	if len(text) > 0 {
		f.raw("text", text.object())
	}
	return nil
}
