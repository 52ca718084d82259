package llmtest

import (
	"encoding/json"
	"slices"
	"sync/atomic"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// A toolsMemo remembers the tools of the last request. All requests of an agent have the
// same tools, and their schemas are most of a request, so parsing them again was a fifth
// of the processor time of a load test.
type toolsMemo struct{ last atomic.Pointer[parsedTools] }

// parsedTools are the tools of a request, as llm represents them.
type parsedTools struct {
	text      string // of the member "tools"
	responses bool   // sent to the Responses API

	tools  []llm.ToolDef
	hosted []json.RawMessage
	fits   bool
}

// parse reads the tools of a request into r. The form of a tool differs between the two
// APIs, so each has its own function.
func (m *toolsMemo) parse(text string, r *llm.Request, responses bool, function func([]byte) (*llm.ToolDef, bool, error)) (fits bool, err error) {
	p := m.last.Load()
	if p == nil || p.text != text || p.responses != responses {
		p = &parsedTools{text: text, responses: responses}
		if err := p.parse(function); err != nil {
			return true, err
		}
		m.last.Store(p)
	}
	r.Tools, r.HostedTools = slices.Clone(p.tools), slices.Clone(p.hosted)
	return p.fits, nil
}

// parse reads the functions among the tools, and the provider's own tools if these stand
// last. fits is false if llm cannot represent all tools completely.
func (p *parsedTools) parse(function func([]byte) (*llm.ToolDef, bool, error)) error {
	var raws []json.RawMessage
	if err := json.Unmarshal([]byte(p.text), &raws); err != nil {
		return err
	}
	p.fits = true
	var hosted []json.RawMessage
	for i, raw := range raws {
		def, whole, err := function(raw)
		if err != nil {
			return atIndex(i, err)
		}
		if def == nil {
			hosted = append(hosted, raw)
			continue
		}
		p.fits = p.fits && whole && hosted == nil
		p.tools = append(p.tools, *def)
	}
	probe := llm.Request{Messages: []llm.Message{llm.User("")}, Settings: llm.Settings{HostedTools: hosted}}
	if p.fits = p.fits && probe.Validate() == nil; p.fits {
		p.hosted = hosted
	}
	return nil
}
