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

// A usageName is the name of a count: a member of the usage, or of an object in it.
type usageName struct{ object, member string }

// usageNames are the known names of each field of [llm.Usage] in the order of the
// fields, the name that wins first.
var usageNames = [...][]usageName{
	{{"", "prompt_tokens"}, {"", "input_tokens"}},
	{
		{"prompt_tokens_details", "cached_tokens"}, {"input_tokens_details", "cached_tokens"},
		{"", "prompt_cache_hit_tokens"}, {"", "cache_read_input_tokens"}, {"", "cached_tokens"},
	},
	{{"prompt_tokens_details", "cache_write_tokens"}, {"", "cache_creation_input_tokens"}},
	{{"prompt_tokens_details", "audio_tokens"}, {"input_tokens_details", "audio_tokens"}},
	{{"", "completion_tokens"}, {"", "output_tokens"}},
	{{"completion_tokens_details", "reasoning_tokens"}, {"output_tokens_details", "reasoning_tokens"}, {"", "reasoning_tokens"}},
	{{"completion_tokens_details", "audio_tokens"}, {"output_tokens_details", "audio_tokens"}},
	{{"", "total_tokens"}},
}

// maxUsageNames is the length of the longest list in usageNames.
const maxUsageNames = 5

// usageCounts are the counts of a usage under each name of usageNames.
type usageCounts [len(usageNames)][maxUsageNames]int64

// readUsage reads the counts under all known names. The first name with a count
// wins.
func readUsage(raw []byte) llm.Usage {
	var counts usageCounts
	for name, v := range rawjson.RawMembers(raw) {
		counts.set(nil, name, v)
		for member, v := range rawjson.RawMembers(v) {
			counts.set(name, member, v)
		}
	}
	return llm.Usage{
		InputTokens:       counts.first(0),
		CachedTokens:      counts.first(1),
		CacheWriteTokens:  counts.first(2),
		InputAudioTokens:  counts.first(3),
		OutputTokens:      counts.first(4),
		ReasoningTokens:   counts.first(5),
		OutputAudioTokens: counts.first(6),
		TotalTokens:       counts.first(7),
	}
}

// set keeps the count if the name is known. A later count replaces an earlier count
// under the same name.
func (c *usageCounts) set(object, member, v []byte) {
	for i, names := range usageNames {
		for j, name := range names {
			if name.member == string(member) && name.object == string(object) {
				c[i][j] = count(v)
			}
		}
	}
}

// first returns the first count above zero of a field.
func (c *usageCounts) first(field int) int64 {
	for _, n := range c[field] {
		if n > 0 {
			return n
		}
	}
	return 0
}
