package loop

import "github.com/seed-916e8f6a/toolloop/llm"

// BytesPerToken is the usual length of a token in English text and in JSON.
const BytesPerToken = 4

// Estimate estimates the tokens of the next request: what the provider has counted up to
// the last answer, and a quarter of the bytes since. Before the first answer, and if the
// provider counts nothing, all bytes count, and overhead for the instructions and tools.
// Messages that wait for the next turn count, too.
func (s *State) Estimate(overhead int64) int64 { return s.estimate(overhead) + s.landing() }

// estimate is Estimate for the present history.
func (s *State) estimate(overhead int64) int64 {
	tokens, since := s.reported, s.answered
	if since == 0 {
		tokens = overhead
	}
	for _, m := range s.Messages[since:] {
		tokens += EstimateMessage(m)
	}
	return tokens
}

// EstimateMessage estimates the tokens of a message by its bytes. A picture counts as a
// thousand tokens.
func EstimateMessage(m llm.Message) int64 {
	n := 4 * BytesPerToken // the frame of a message
	for _, p := range m.Parts {
		n += sizeOf(p)
	}
	return int64(n / BytesPerToken)
}

func sizeOf(p llm.Part) int {
	switch p := p.(type) {
	case llm.Text:
		return len(p.Text)
	case llm.Reasoning, llm.Refusal:
		return 0 // sent back only in part
	case llm.ToolCall:
		return len(p.Name) + len(p.Arguments)
	case llm.ToolResult:
		n := 0
		for _, part := range p.Parts {
			n += sizeOf(part)
		}
		return n
	}
	return 1000 * BytesPerToken
}
