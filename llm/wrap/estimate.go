package wrap

import "github.com/seed-916e8f6a/toolloop/llm"

// estimateTokens is the default of Limiter.Estimate.
func estimateTokens(req *llm.Request) int64 {
	const bytesPerToken, media = 4, 1000
	bytes, tokens := len(req.Instructions), req.MaxOutputTokens
	var count func(parts llm.Parts)
	count = func(parts llm.Parts) {
		for _, p := range parts {
			switch p := p.(type) {
			case llm.Text:
				bytes += len(p.Text)
			case llm.Reasoning:
				bytes += len(p.Text)
			case llm.Refusal:
				bytes += len(p.Text)
			case llm.ToolCall:
				bytes += len(p.Name) + len(p.Arguments)
			case llm.ToolResult:
				count(p.Parts)
			case llm.RawPart:
				bytes += len(p.JSON)
			case llm.Image, llm.Audio, llm.File:
				tokens += media
			}
		}
	}
	for _, m := range req.Messages {
		tokens += 4 // the role and the marks around a message
		count(m.Parts)
	}
	for _, t := range req.Tools {
		bytes += len(t.Name) + len(t.Description) + len(t.Schema)
	}
	for _, raw := range req.HostedTools {
		bytes += len(raw)
	}
	if req.Output != nil {
		bytes += len(req.Output.Schema)
	}
	return tokens + int64(bytes/bytesPerToken)
}
