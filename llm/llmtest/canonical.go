package llmtest

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// canonical returns a deep copy of resp in the form of the wire: parts in the order
// of the wire, adjacent plain texts joined, empty texts omitted, reasoning with the
// name of its member, JSON without white space, the finish reason as llm's value and
// as the provider's string. checkResponse has accepted resp.
func canonical(resp *llm.Response) *llm.Response {
	out := *resp
	out.Message = llm.Message{Role: llm.RoleAssistant, Extra: compactMembers(resp.Message.Extra)}
	if i := slices.IndexFunc(out.Message.Extra, isHosted); i >= 0 { // clients read this member last
		hosted := out.Message.Extra[i]
		out.Message.Extra = append(slices.Delete(out.Message.Extra, i, i+1), hosted)
	}
	parts := slices.Clone(resp.Message.Parts)
	slices.SortStableFunc(parts, func(a, b llm.Part) int { return cmp.Compare(rank(a), rank(b)) })
	for _, p := range parts {
		out.Message.Parts = appendPart(out.Message.Parts, canonicalPart(p))
	}
	if resp.Finish != (llm.Finish{}) {
		out.Finish = canonicalFinish(resp.Finish)
	}
	if resp.RawUsage != nil {
		out.RawUsage = compacted(resp.RawUsage)
	}
	if resp.LogProbs != nil {
		out.LogProbs = compacted(resp.LogProbs)
	}
	out.Extra, out.RateLimits = compactMembers(resp.Extra), slices.Clone(resp.RateLimits)
	return &out
}

// canonicalFinish derives the reason again, as every client does.
func canonicalFinish(f llm.Finish) llm.Finish {
	if f.Raw == "" && f.Native == "" {
		f.Raw = string(f.Reason)
	}
	return llm.FinishOf(utf8Text(f.Raw), utf8Text(f.Native))
}

// canonicalPart returns the part as clients read the part, or nil for an empty part.
func canonicalPart(p llm.Part) llm.Part {
	switch p := p.(type) {
	case llm.Text:
		if p.Text == "" {
			return nil
		}
		return llm.Text{Text: utf8Text(p.Text), Extra: compactMembers(p.Extra)}
	case llm.Reasoning:
		if p.Text == "" {
			return nil
		}
		out := llm.Reasoning{Text: utf8Text(p.Text), Field: p.Field, Extra: compactMembers(p.Extra)}
		if out.Extra == nil {
			out.Field = cmp.Or(p.Field, reasoningFields[0])
		}
		return out
	case llm.Refusal:
		if p.Text == "" {
			return nil
		}
		return llm.Refusal{Text: utf8Text(p.Text)}
	case llm.Audio:
		out := llm.Audio{ID: utf8Text(p.ID), Format: utf8Text(p.Format), Transcript: utf8Text(p.Transcript), Extra: compactMembers(p.Extra)}
		if len(p.Data) > 0 {
			out.Data = bytes.Clone(p.Data)
		}
		return out
	case llm.ToolCall:
		return llm.ToolCall{ID: utf8Text(p.ID), Name: utf8Text(p.Name), Arguments: canonicalArguments(p.Arguments), Extra: compactMembers(p.Extra)}
	case llm.RawPart:
		return llm.RawPart{JSON: string(compacted([]byte(p.JSON)))}
	}
	return p
}

// canonicalArguments replaces empty, blank and null arguments by {}, as documented in
// llm.ToolCall.
func canonicalArguments(text string) string {
	switch strings.TrimSpace(text) {
	case "", "null":
		return "{}"
	}
	return utf8Text(text)
}

// appendPart appends p, or joins p with the last part if the wire cannot separate the
// two.
func appendPart(parts llm.Parts, p llm.Part) llm.Parts {
	if p == nil {
		return parts
	}
	if n := len(parts); n > 0 {
		if both := joinParts(parts[n-1], p); both != nil {
			parts[n-1] = both
			return parts
		}
	}
	return append(parts, p)
}

func joinParts(a, b llm.Part) llm.Part {
	switch b := b.(type) {
	case llm.Text:
		if a, ok := a.(llm.Text); ok && a.Extra == nil && b.Extra == nil {
			return llm.Text{Text: a.Text + b.Text}
		}
	case llm.Reasoning:
		if a, ok := a.(llm.Reasoning); ok && !isContentPart(a) && !isContentPart(b) {
			a.Text += b.Text
			return a
		}
	case llm.Refusal:
		if a, ok := a.(llm.Refusal); ok {
			a.Text += b.Text
			return a
		}
	}
	return nil
}

// isContentPart reports whether reasoning is sent as a part of the content. Only this
// form has further members.
func isContentPart(r llm.Reasoning) bool { return len(r.Extra) > 0 }

// rank returns the place of a part in a message on the wire.
func rank(p llm.Part) int {
	switch p := p.(type) {
	case llm.Reasoning:
		if !isContentPart(p) {
			return 0
		}
	case llm.Refusal:
		return 2
	case llm.Audio:
		return 3
	case llm.ToolCall:
		return 4
	}
	return 1
}
