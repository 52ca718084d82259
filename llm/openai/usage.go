package openai

import (
	"bytes"
	"encoding/json"

	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// A usageTotal keeps the last usage with a count above zero. Providers send running
// totals, empty usages and nulls; usages within one answer are never summed.
type usageTotal struct {
	usage llm.Usage
	raw   json.RawMessage
}

// update keeps raw if raw has a count above zero, and reports whether it has.
func (t *usageTotal) update(raw []byte) bool {
	u := readUsage(raw)
	if u == (llm.Usage{}) {
		return false
	}
	t.usage, t.raw = u, bytes.Clone(raw)
	return true
}

// readUsage reads the counts under all known names. The first name with a count
// wins.
func readUsage(raw []byte) llm.Usage {
	counts := map[string]int64{}
	for name, v := range rawjson.Members(raw) {
		if len(counts) > maxCounts {
			break
		}
		counts[name] = count(v)
		for sub, v := range rawjson.Members(v) {
			if len(counts) > maxCounts {
				break
			}
			counts[name+"."+sub] = count(v)
		}
	}
	first := func(names ...string) int64 {
		for _, name := range names {
			if n := counts[name]; n > 0 {
				return n
			}
		}
		return 0
	}
	return llm.Usage{
		InputTokens: first("prompt_tokens", "input_tokens"),
		CachedTokens: first("prompt_tokens_details.cached_tokens", "input_tokens_details.cached_tokens",
			"prompt_cache_hit_tokens", "cache_read_input_tokens", "cached_tokens"),
		CacheWriteTokens:  first("prompt_tokens_details.cache_write_tokens", "cache_creation_input_tokens"),
		InputAudioTokens:  first("prompt_tokens_details.audio_tokens", "input_tokens_details.audio_tokens"),
		OutputTokens:      first("completion_tokens", "output_tokens"),
		ReasoningTokens:   first("completion_tokens_details.reasoning_tokens", "output_tokens_details.reasoning_tokens", "reasoning_tokens"),
		OutputAudioTokens: first("completion_tokens_details.audio_tokens", "output_tokens_details.audio_tokens"),
		TotalTokens:       first("total_tokens"),
	}
}
