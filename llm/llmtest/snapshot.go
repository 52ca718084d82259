package llmtest

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// snapshot returns a deep copy of a request.
func snapshot(req *llm.Request) llm.Request {
	out := *req
	out.Memo = nil
	out.Messages = slices.Clone(req.Messages)
	for i, m := range out.Messages {
		out.Messages[i].Parts = copyParts(m.Parts)
		out.Messages[i].Extra = slices.Clone(m.Extra)
	}
	out.Tools = slices.Clone(req.Tools)
	for i, t := range out.Tools {
		out.Tools[i].Schema, out.Tools[i].Strict = bytes.Clone(t.Schema), bytes.Clone(t.Strict)
	}
	if req.Output != nil {
		output := *req.Output
		output.Schema = bytes.Clone(output.Schema)
		output.Strict = copyOf(output.Strict)
		out.Output = &output
	}
	copySettings(&out.Settings)
	return out
}

func copySettings(s *llm.Settings) {
	s.ParallelToolCalls = copyOf(s.ParallelToolCalls)
	s.Temperature = copyOf(s.Temperature)
	s.TopP = copyOf(s.TopP)
	s.Stop = slices.Clone(s.Stop)
	s.Seed = copyOf(s.Seed)
	s.FrequencyPenalty = copyOf(s.FrequencyPenalty)
	s.PresencePenalty = copyOf(s.PresencePenalty)
	s.Modalities = slices.Clone(s.Modalities)
	s.Store = copyOf(s.Store)
	s.Metadata = maps.Clone(s.Metadata)
	s.Extra = slices.Clone(s.Extra)
	s.HostedTools = slices.Clone(s.HostedTools)
	for i, raw := range s.HostedTools {
		s.HostedTools[i] = bytes.Clone(raw)
	}
}

func copyOf[T any](p *T) *T {
	if p == nil {
		return nil
	}
	return new(*p)
}

func copyParts(parts llm.Parts) llm.Parts {
	out := slices.Clone(parts)
	for i, p := range out {
		out[i] = copyPart(p)
	}
	return out
}

func copyPart(p llm.Part) llm.Part {
	switch p := p.(type) {
	case llm.Text:
		p.Extra = slices.Clone(p.Extra)
		return p
	case llm.Reasoning:
		p.Extra = slices.Clone(p.Extra)
		return p
	case llm.Refusal:
		p.Extra = slices.Clone(p.Extra)
		return p
	case llm.Image:
		p.Data, p.Extra = bytes.Clone(p.Data), slices.Clone(p.Extra)
		return p
	case llm.Audio:
		p.Data, p.Extra = bytes.Clone(p.Data), slices.Clone(p.Extra)
		return p
	case llm.File:
		p.Data, p.Extra = bytes.Clone(p.Data), slices.Clone(p.Extra)
		return p
	case llm.ToolCall:
		p.Extra = slices.Clone(p.Extra)
		return p
	case llm.ToolResult:
		p.Parts, p.Extra = copyParts(p.Parts), slices.Clone(p.Extra)
		return p
	}
	return p // a RawPart, or nil
}

// compacted returns valid JSON without white space between tokens and with valid
// UTF-8, so that the result fits on one line.
func compacted(text []byte) json.RawMessage {
	var b bytes.Buffer
	_ = json.Compact(&b, bytes.ToValidUTF8(text, []byte("\uFFFD")))
	return b.Bytes()
}

// compactMembers copies members, with their values compacted.
func compactMembers(members []llm.Member) []llm.Member {
	if len(members) == 0 {
		return nil
	}
	out := make([]llm.Member, len(members))
	for i, m := range members {
		out[i] = llm.Member{Name: utf8Text(m.Name), Value: string(compacted([]byte(m.Value)))}
	}
	return out
}

// utf8Text replaces each invalid byte by U+FFFD, as decoders of JSON do.
func utf8Text(s string) string { return string([]rune(s)) }
