package openai

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// encode returns the body of a request: a head that ends where the messages
// begin, the messages as far as possible from the memo, and a tail.
func (c *client) encode(req *llm.Request, model string) (body, error) {
	history, err := c.history(req)
	if err != nil {
		return nil, err
	}
	members, err := c.members(req, model)
	if err != nil {
		return nil, err
	}
	at := 0
	for i, m := range members {
		if m.name == "messages" {
			at = i
			break
		}
	}
	if members[at].value != nil { // the caller's own, of Settings.Extra
		return body{members.object()}, nil
	}
	members[at].value = systemMessage(req.Instructions, len(history) > 0)
	head := members[:at+1].list([]byte{'{'})
	tail := []byte{']'}
	if rest := members[at+1:]; len(rest) > 0 {
		tail = rest.list(append(tail, ','))
	}
	return body{head, history, append(tail, '}')}, nil
}

// systemMessage opens the list of messages.
func systemMessage(instructions string, more bool) []byte {
	b := []byte{'['}
	if instructions == "" {
		return b
	}
	b = append(b, fields{{"role", []byte(`"system"`)}, {"content", appendString(nil, instructions)}}.object()...)
	if more {
		b = append(b, ',')
	}
	return b
}

// members lists all members of the request; "messages" has no value yet.
func (c *client) members(req *llm.Request, model string) (fields, error) {
	var f fields
	f.text("model", model)
	f.raw("messages", nil)
	if err := c.tools(&f, req); err != nil {
		return nil, err
	}
	if err := c.sampling(&f, &req.Settings); err != nil {
		return nil, err
	}
	if err := output(&f, req.Output); err != nil {
		return nil, err
	}
	service(&f, &req.Settings)
	if req.Stream {
		f.raw("stream", []byte(`true`))
		f.raw("stream_options", []byte(`{"include_usage":true}`))
	}
	for _, m := range req.Extra {
		if !json.Valid([]byte(m.Value)) {
			return nil, fmt.Errorf("openai: the extra member %q is no JSON", m.Name)
		}
		f.replace(m.Name, []byte(m.Value))
	}
	return f, nil
}

// tools writes the tools and what is said about calling them; without tools
// nothing, as providers refuse the one without the other.
func (c *client) tools(f *fields, req *llm.Request) error {
	if len(req.Tools) == 0 {
		return nil
	}
	list := make([][]byte, len(req.Tools))
	for i, t := range req.Tools {
		var err error
		if list[i], err = c.tool(t); err != nil {
			return err
		}
	}
	f.raw("tools", array(list))
	if name, ok := req.ToolChoice.Named(); ok {
		f.raw("tool_choice", fields{{"type", []byte(`"function"`)}, {"function", fields{{"name", appendString(nil, name)}}.object()}}.object())
	} else {
		f.textIf("tool_choice", string(req.ToolChoice))
	}
	boolean(f, "parallel_tool_calls", req.ParallelToolCalls)
	return nil
}

func (c *client) tool(t llm.ToolDef) ([]byte, error) {
	schema, strict := t.Schema, c.StrictTools && t.Strict != nil
	if strict {
		schema = t.Strict
	}
	if len(schema) == 0 {
		schema = json.RawMessage(`{"type":"object","properties":{}}`)
	}
	if !json.Valid(schema) {
		return nil, fmt.Errorf("openai: the schema of the tool %q is no JSON", t.Name)
	}
	var f fields
	f.text("name", t.Name)
	f.textIf("description", t.Description)
	f.raw("parameters", schema)
	if strict {
		f.raw("strict", []byte(`true`))
	}
	return fields{{"type", []byte(`"function"`)}, {"function", f.object()}}.object(), nil
}

// sampling writes what shapes the answer.
func (c *client) sampling(f *fields, s *llm.Settings) error {
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
	integer(f, cmpOr(c.MaxTokensField, "max_completion_tokens"), s.MaxOutputTokens)
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

// output writes the form of the answer.
func output(f *fields, o *llm.OutputFormat) error {
	if o == nil {
		return nil
	}
	typ := o.Type
	if typ == "" && len(o.Schema) > 0 {
		typ = "json_schema"
	}
	switch typ = cmpOr(typ, "text"); typ {
	case "text", "json_object":
		f.raw("response_format", fields{{"type", encoded(typ)}}.object())
		return nil
	case "json_schema":
	default:
		return fmt.Errorf("openai: unknown output type %q", o.Type)
	}
	if !json.Valid(o.Schema) {
		return fmt.Errorf("openai: the schema of the output is no JSON")
	}
	var s fields
	s.text("name", cmpOr(o.Name, "output"))
	s.textIf("description", o.Description)
	s.raw("schema", o.Schema)
	boolean(&s, "strict", o.Strict)
	f.raw("response_format", fields{{"type", []byte(`"json_schema"`)}, {"json_schema", s.object()}}.object())
	return nil
}

// service writes what concerns the provider and its books.
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
