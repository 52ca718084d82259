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
	case mode == OutputTool && o.Type != "json_object" && !(mayCall && forcesCall(req.ToolChoice)):
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

// forcesCall reports whether a choice makes the model call a tool of certain names. The
// tool of the answer is none of them, so the form is asked for in words.
func forcesCall(c llm.ToolChoice) bool {
	_, named := c.Named()
	mode, _, among := c.Among()
	return named || among && mode == llm.ToolRequired
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
	_, names, among := r.ToolChoice.Among()
	switch {
	case !mayCall:
		r.Tools, r.HostedTools, r.ToolChoice = []llm.ToolDef{def}, nil, llm.ToolNamed(def.Name)
		return &r, def.Name
	case r.ToolChoice == "" || r.ToolChoice == llm.ToolAuto:
		r.ToolChoice = llm.ToolRequired
	case among:
		r.ToolChoice = llm.ToolAmong(llm.ToolRequired, append(names, def.Name)...)
	}
	r.Tools = append(slices.Clip(r.Tools), def)
	return &r, def.Name
}

// An answerSink passes deltas on. The arguments of the tool answer are text.
//
// The text of the model waits until another tool is called, or until the end: an
// introduction in front of the answer's call is no part of the answer, and a reader of the
// stream could not take it back. A Restarted would also take back the reasoning, and
// readers would count another attempt. The model must call a tool, so text that turns out
// to be the answer is rare, and then comes in one piece. So do the arguments of a second
// call of the answer's tool, which are usually those of the first.
type answerSink struct {
	answer string
	emit   func(llm.Delta) error
	calls  map[int]bool // the calls of the tool, by index; true: the first one
	others bool         // another tool was called
	heard  bool         // the response came in deltas
	held   strings.Builder
	passed strings.Builder // the text that was passed on
}

// answered returns a request that declares the tool answer, and a sink for its deltas.
func answered(answer string, req *llm.Request, emit func(llm.Delta) error) (*llm.Request, *answerSink) {
	r := *req
	r.Tools = append(slices.Clip(r.Tools), llm.ToolDef{Name: answer})
	return &r, &answerSink{answer: answer, emit: emit, calls: map[int]bool{}}
}

func (s *answerSink) add(d llm.Delta) error {
	switch d := d.(type) {
	case llm.TextDelta:
		s.heard = true
		if s.others {
			return s.text(d.Text)
		}
		s.held.WriteString(d.Text)
		return nil
	case llm.CallDelta:
		s.heard = true
		if _, begun := s.calls[d.Index]; d.Name == s.answer && !begun {
			s.calls[d.Index] = len(s.calls) == 0
		}
		first, own := s.calls[d.Index]
		switch {
		case own && (!first || s.others):
			return nil
		case own:
			return s.text(d.Arguments)
		case !s.others:
			s.others = true
			if err := s.text(s.held.String()); err != nil {
				return err
			}
		}
	}
	return s.emit(d)
}

func (s *answerSink) text(text string) error {
	if text == "" {
		return nil
	}
	s.passed.WriteString(text)
	return s.emit(llm.TextDelta{Text: text})
}

// end replaces the call in the response, and passes on the text that waited.
func (s *answerSink) end(r *llm.Response) error {
	answerAsText(s.answer, r)
	rest, ok := strings.CutPrefix(r.Message.Text(), s.passed.String())
	if !ok || !s.heard {
		return nil
	}
	return s.text(rest)
}

// answerAsText replaces the call of the tool answer by its arguments as text. Beside other
// calls, the answer came too early and is dropped: the other results may change it. Of
// calls with different arguments none is preferred: the text has them all, and is no
// answer in the form.
func answerAsText(answer string, r *llm.Response) {
	var others bool
	var answers []string
	for _, p := range r.Message.Parts {
		if c, ok := p.(llm.ToolCall); ok {
			others = others || c.Name != answer
			if c.Name == answer && !slices.Contains(answers, c.Arguments) {
				answers = append(answers, c.Arguments)
			}
		}
	}
	if len(answers) == 0 {
		return
	}
	var parts llm.Parts
	written := others
	for _, p := range r.Message.Parts {
		c, call := p.(llm.ToolCall)
		_, text := p.(llm.Text)
		switch {
		case call && c.Name == answer && !written:
			parts = append(parts, llm.Text{Text: strings.Join(answers, "\n")})
			written = true
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
