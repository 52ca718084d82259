package openai

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// This file keeps what the requests of an agent share: everything but the instructions and
// the messages. To parse the schemas of the tools and to write them again for each request
// was a third of all allocations of a short run. A frame is found by the contents of a
// request, not by addresses, so a caller may change a tool or a setting in its place.
// TestFrameNoticesChanges changes each field of a request.

// A frame is the text of a request without messages.
type frame struct {
	head  []byte // up to the list of messages, with its bracket
	tail  []byte // the end of the list, and all behind it
	whole bool   // head is the whole request: the caller wrote the messages, in Settings.Extra
	notes []string
}

// frameOf divides the members of a request at the list of messages.
func frameOf(members fields, list string, notes []string) *frame {
	at := slices.IndexFunc(members, func(m field) bool { return m.name == list })
	if members[at].value != nil {
		return &frame{head: members.object(), whole: true, notes: notes}
	}
	members[at].value = []byte{'['}
	tail := []byte{']'}
	if rest := members[at+1:]; len(rest) > 0 {
		tail = rest.list(append(tail, ','))
	}
	return &frame{head: members[:at+1].list([]byte{'{'}), tail: append(tail, '}'), notes: notes}
}

// body returns the body of a request, in the memory of list: the frame around the opening and
// the messages.
func (f *frame) body(list body, opening []byte, w encodedMessages) body {
	if f.whole {
		return body{f.head}
	}
	b := append(slices.Grow(list[:0], 5+len(w.messages)), f.head)
	if len(opening) > 0 {
		b = append(b, opening)
	}
	b = append(b, w.messages...)
	for _, segment := range [...][]byte{w.last, w.end} {
		if len(segment) > 0 {
			b = append(b, segment)
		}
	}
	return append(b, f.tail)
}

// A frameSource is everything that a frame depends on, beside the profile.
type frameSource struct {
	model        string
	instructions string // of the Responses API, which has no message for them
	called       bool   // the conversation has a call
	stream       bool
	tools        []llm.ToolDef
	output       *llm.OutputFormat
	settings     *llm.Settings
}

func (p *Profile) frameSource(req *llm.Request, model string, called bool) frameSource {
	s := frameSource{model: model, called: called, stream: req.Stream, tools: req.Tools, output: req.Output, settings: &req.Settings}
	if p.API == APIResponses {
		s.instructions = req.Instructions
	}
	return s
}

// same reports whether two sources give the same frame.
func (s *frameSource) same(o *frameSource) bool {
	return s.model == o.model && s.instructions == o.instructions && s.called == o.called && s.stream == o.stream &&
		slices.EqualFunc(s.tools, o.tools, sameTool) && sameOutput(s.output, o.output) && sameSettings(s.settings, o.settings)
}

// clone returns a copy that shares no memory that a caller can change.
func (s frameSource) clone() frameSource {
	s.tools = slices.Clone(s.tools)
	for i := range s.tools {
		s.tools[i].Schema, s.tools[i].Strict = bytes.Clone(s.tools[i].Schema), bytes.Clone(s.tools[i].Strict)
	}
	if s.output != nil {
		output := *s.output
		output.Schema, output.Strict = bytes.Clone(output.Schema), clonePointer(output.Strict)
		s.output = &output
	}
	t := *s.settings
	t.ParallelToolCalls, t.Store, t.Seed = clonePointer(t.ParallelToolCalls), clonePointer(t.Store), clonePointer(t.Seed)
	t.Temperature, t.TopP = clonePointer(t.Temperature), clonePointer(t.TopP)
	t.FrequencyPenalty, t.PresencePenalty = clonePointer(t.FrequencyPenalty), clonePointer(t.PresencePenalty)
	t.Stop, t.Modalities, t.Extra, t.Metadata = slices.Clone(t.Stop), slices.Clone(t.Modalities), slices.Clone(t.Extra), maps.Clone(t.Metadata)
	t.HostedTools = slices.Clone(t.HostedTools)
	for i, raw := range t.HostedTools {
		t.HostedTools[i] = bytes.Clone(raw)
	}
	s.settings = &t
	return s
}

func clonePointer[T any](p *T) *T {
	if p == nil {
		return nil
	}
	return new(*p)
}

func sameTool(a, b llm.ToolDef) bool {
	return a.Name == b.Name && a.Description == b.Description && sameRaw(a.Schema, b.Schema) && sameRaw(a.Strict, b.Strict)
}

// sameRaw compares texts. Nil is not empty: a Strict of nil means that there is none.
func sameRaw(a, b json.RawMessage) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }

func sameOutput(a, b *llm.OutputFormat) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Type == b.Type && a.Name == b.Name && a.Description == b.Description && sameRaw(a.Schema, b.Schema) && samePointer(a.Strict, b.Strict)
}

func samePointer[T comparable](a, b *T) bool { return a == b || a != nil && b != nil && *a == *b }

// sameNumber compares the bits: 0 and -0 are written differently.
func sameNumber(a, b *float64) bool {
	return a == b || a != nil && b != nil && math.Float64bits(*a) == math.Float64bits(*b)
}

func sameSettings(a, b *llm.Settings) bool {
	return a.ToolChoice == b.ToolChoice && samePointer(a.ParallelToolCalls, b.ParallelToolCalls) &&
		slices.EqualFunc(a.HostedTools, b.HostedTools, sameRaw) &&
		sameNumber(a.Temperature, b.Temperature) && sameNumber(a.TopP, b.TopP) &&
		a.MaxOutputTokens == b.MaxOutputTokens && slices.Equal(a.Stop, b.Stop) && samePointer(a.Seed, b.Seed) &&
		sameNumber(a.FrequencyPenalty, b.FrequencyPenalty) && sameNumber(a.PresencePenalty, b.PresencePenalty) &&
		a.LogProbs == b.LogProbs && a.TopLogProbs == b.TopLogProbs && a.N == b.N &&
		a.ReasoningEffort == b.ReasoningEffort && a.ReasoningSummary == b.ReasoningSummary && a.Verbosity == b.Verbosity &&
		slices.Equal(a.Modalities, b.Modalities) && a.ServiceTier == b.ServiceTier && samePointer(a.Store, b.Store) &&
		a.PromptCacheKey == b.PromptCacheKey && a.SafetyIdentifier == b.SafetyIdentifier && a.User == b.User &&
		maps.Equal(a.Metadata, b.Metadata) && slices.Equal(a.Extra, b.Extra)
}

const (
	// maxFrames bounds the frames of a dialect: an agent asks with and without tools, and
	// with and without a tool choice, and a program has some agents.
	maxFrames = 16
	// maxFrame bounds the bytes of a kept frame. Longer frames are written for each request.
	maxFrame = 256 << 10
)

// frames are the latest frames of a dialect. The zero value has none. It is safe for
// concurrent use.
type frames struct {
	kept atomic.Pointer[[]keptFrame] // the newest first; a list is never changed
	mu   sync.Mutex                  // held to replace the list
}

type keptFrame struct {
	source frameSource
	frame  *frame
}

// find returns the frame of a source, or nil.
func (f *frames) find(s *frameSource) *frame {
	list := f.kept.Load()
	if list == nil {
		return nil
	}
	for i := range *list {
		if k := &(*list)[i]; k.source.same(s) {
			return k.frame
		}
	}
	return nil
}

// keep adds a frame in place of the oldest.
func (f *frames) keep(s *frameSource, made *frame) {
	if len(made.head)+len(made.tail) > maxFrame {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.find(s) != nil { // by a concurrent request
		return
	}
	list := []keptFrame{{s.clone(), made}}
	if old := f.kept.Load(); old != nil {
		list = append(list, (*old)[:min(len(*old), maxFrames-1)]...)
	}
	f.kept.Store(&list)
}
