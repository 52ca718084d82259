package openai

import (
	"regexp"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// withOutput returns the request in which the model is asked for the form of its final
// answer as the profile says. answer is the name of the tool that stands for the answer;
// empty: no tool does.
func (p *Profile) withOutput(req *llm.Request) (sent *llm.Request, answer string) {
	o := req.Output
	if o == nil || o.Type == "text" || o.Type == "" && len(o.Schema) == 0 {
		return req, ""
	}
	mayCall := len(req.Tools)+len(req.HostedTools) > 0 && req.ToolChoice != llm.ToolNone
	mode := p.Output
	if slices.Contains(p.Omit, "response_format") && mode != OutputTool {
		mode = OutputText
	}
	switch {
	case mode == OutputTool && o.Type != "json_object":
		return withAnswerTool(req, mayCall)
	case mode == OutputBeside, mode == OutputAlone && !mayCall:
		return req, ""
	}
	r := *req
	r.Output = nil
	if r.Instructions != "" {
		r.Instructions += "\n\n"
	}
	r.Instructions += formText(o)
	return &r, ""
}

// formText asks for the form in words.
func formText(o *llm.OutputFormat) string {
	text := "Write your final answer as JSON, without any other text"
	if o.Description != "" {
		text += " (" + o.Description + ")"
	}
	if len(o.Schema) == 0 {
		return text + ": one JSON object."
	}
	return text + ". The JSON must match this JSON Schema:\n" + string(o.Schema)
}

// withAnswerTool returns the request with a tool whose arguments are the answer. The model
// must call a tool, this or another.
func withAnswerTool(req *llm.Request, mayCall bool) (*llm.Request, string) {
	o, r := req.Output, *req
	def := llm.ToolDef{Name: "final_answer", Description: o.Description, Schema: o.Schema}
	if def.Description == "" {
		def.Description = "Gives your final answer. Call this tool once, alone, when you have finished."
	}
	if o.Strict != nil && *o.Strict {
		def.Strict = o.Schema
	}
	for slices.ContainsFunc(req.Tools, func(t llm.ToolDef) bool { return t.Name == def.Name }) {
		def.Name += "_"
	}
	r.Output = nil
	switch {
	case !mayCall:
		r.Tools, r.HostedTools, r.ToolChoice = []llm.ToolDef{def}, nil, llm.ToolNamed(def.Name)
		return &r, def.Name
	case r.ToolChoice == "" || r.ToolChoice == llm.ToolAuto:
		r.ToolChoice = llm.ToolRequired
	}
	r.Tools = append(slices.Clip(r.Tools), def)
	return &r, def.Name
}

// answered returns a request that declares the tool answer, and a sink for which the
// arguments of the tool are text.
func answered(answer string, req *llm.Request, emit func(llm.Delta) error) (*llm.Request, func(llm.Delta) error) {
	r := *req
	r.Tools = append(slices.Clip(r.Tools), llm.ToolDef{Name: answer})
	calls := map[int]bool{} // the calls of the tool, by index
	return &r, func(d llm.Delta) error {
		c, ok := d.(llm.CallDelta)
		switch {
		case !ok:
			if _, again := d.(llm.Restarted); again {
				clear(calls)
			}
			return emit(d)
		case c.Name == answer:
			calls[c.Index] = true
		case !calls[c.Index]:
			return emit(d)
		}
		if c.Arguments == "" {
			return nil
		}
		return emit(llm.TextDelta{Text: c.Arguments})
	}
}

// answerAsText replaces a call of the tool answer by its arguments as text. Beside other
// calls, the answer came too early and is dropped: the other results may change it.
func answerAsText(answer string, r *llm.Response) {
	var others bool
	found := -1
	for i, p := range r.Message.Parts {
		if c, ok := p.(llm.ToolCall); ok {
			others = others || c.Name != answer
			if c.Name == answer && found < 0 {
				found = i
			}
		}
	}
	if found < 0 {
		return
	}
	var parts llm.Parts
	for i, p := range r.Message.Parts {
		c, call := p.(llm.ToolCall)
		_, text := p.(llm.Text)
		switch {
		case call && c.Name == answer && i == found && !others:
			parts = append(parts, llm.Text{Text: c.Arguments})
		case call && c.Name == answer, text && !others: // an introduction is no part of the answer
		default:
			parts = append(parts, p)
		}
	}
	r.Message.Parts = parts
	if !others && r.Finish.Reason == llm.FinishToolCalls {
		r.Finish.Reason = llm.FinishStop
	}
}

// exclusiveText matches refusals of two members in one request.
var exclusiveText = regexp.MustCompile(`(?is)\b(cannot|can.?t|not (be )?(supported|allowed|used|combined|possible)|unsupported|incompatible|together|mutually exclusive)\b`)

// omitOutput changes the profile for a server that refuses an output format
// together with tools.
func omitOutput(p *Profile, e *llm.APIError) string {
	if p.Output != OutputBeside || !exclusiveText.MatchString(e.Message) {
		return ""
	}
	p.Output = OutputAlone
	return "requests that offer tools go without response_format"
}

// refusedFormat matches refusals of response_format itself, or of its type json_schema,
// such as "This response_format type is unavailable now" of DeepSeek.
var refusedFormat = both(`(response_?format|text\.format|json_schema|structured outputs?)`, `(unavailable|must be (one of|.?json_object|.?text)|`+refusal+`)`)

// formInText changes the profile for a server that takes no output format.
func formInText(p *Profile, e *llm.APIError) string {
	if p.Output == OutputText || strings.Contains(strings.ToLower(e.Message), "invalid schema") {
		return "" // another schema may be accepted
	}
	p.Output = OutputText
	return "the form of the answer is asked for in the instructions"
}
