package llm

import (
	"encoding/json"
	"strings"
	"time"
)

// A Response is the whole answer of a model, streamed or not. The caller owns the
// Response.
type Response struct {
	ID        string // the provider's id of the answer
	RequestID string // the provider's id of the request, from a header; the provider's support asks for this id
	Model     string // the provider's name of the model that answered
	Message   Message
	Finish    Finish
	Usage     Usage
	RawUsage  json.RawMessage // the provider's usage object, unchanged, also with prices and times; nil if none
	LogProbs  json.RawMessage // the provider's log probabilities, unchanged; nil if none
	Extra     []Member        // all other members of the response that have no Go field, such as "citations"
	// RateLimits are the provider's limits in the headers of the response, by name. Nil
	// if the provider sends none.
	RateLimits []RateLimit
}

// A RateLimit is a limit of a provider, as the headers of a response report it. Requests
// of other programs count, too, so the numbers are soon out of date.
type RateLimit struct {
	// Name is the end of the header's name in lower case, such as "requests", "tokens"
	// or "tokens-day". Empty is the name of x-ratelimit-remaining, which counts requests.
	Name      string
	Limit     int64         // the maximum; 0 if unknown
	Remaining int64         // the rest
	Reset     time.Duration // from the response until Remaining is Limit again; 0 if unknown
}

// Finish says why the model stopped: in this library's words and in the provider's.
type Finish struct {
	Reason FinishReason `json:"reason,omitempty"`
	Raw    string       `json:"raw,omitempty"`    // "finish_reason", verbatim
	Native string       `json:"native,omitempty"` // "native_finish_reason" of routers, verbatim
}

// FinishReason is the unified reason. If the provider sends no finish reason but the
// answer is complete, the client sets FinishToolCalls or FinishStop, and Finish.Raw is
// empty. Empty means that neither the provider nor the client gave a reason.
type FinishReason string

// The finish reasons. FinishOther stands for a provider's reason that this package does
// not know.
const (
	FinishStop          FinishReason = "stop"           // the answer is complete
	FinishLength        FinishReason = "length"         // cut off by a limit on tokens
	FinishToolCalls     FinishReason = "tool_calls"     // the model waits for tool results
	FinishContentFilter FinishReason = "content_filter" // withheld or cut off by a filter
	FinishError         FinishReason = "error"          // the provider failed on the way
	FinishOther         FinishReason = "other"
)

var finishReasons = map[string]FinishReason{
	"stop": FinishStop, "eos": FinishStop, "eos_token": FinishStop, "end": FinishStop, "end_turn": FinishStop,
	"stop_sequence": FinishStop, "completed": FinishStop, "complete": FinishStop,
	"length": FinishLength, "max_tokens": FinishLength, "max_output_tokens": FinishLength,
	"model_context_window_exceeded": FinishLength,
	"tool_calls":                    FinishToolCalls, "tool_call": FinishToolCalls, "tool_use": FinishToolCalls, "function_call": FinishToolCalls,
	"content_filter": FinishContentFilter, "sensitive": FinishContentFilter, "safety": FinishContentFilter,
	"recitation": FinishContentFilter, "blocklist": FinishContentFilter, "prohibited_content": FinishContentFilter,
	"refusal": FinishContentFilter, "spii": FinishContentFilter,
	"error": FinishError, "network_error": FinishError, "abort": FinishError, "malformed_function_call": FinishError,
	"insufficient_system_resource": FinishError,
}

// FinishOf unifies a provider's reasons. A router's native reason for an incomplete
// answer wins, because routers report "tool_calls" even for truncated calls. The
// native reason also wins if the raw reason is missing.
func FinishOf(raw, native string) Finish {
	f := Finish{Raw: raw, Native: native, Reason: finishReason(raw)}
	switch n := finishReason(native); n {
	case FinishLength, FinishContentFilter, FinishError:
		f.Reason = n
	default:
		if f.Reason == "" {
			f.Reason = n
		}
	}
	return f
}

func finishReason(s string) FinishReason {
	if s == "" {
		return ""
	}
	if r, ok := finishReasons[strings.ToLower(s)]; ok {
		return r
	}
	return FinishOther
}

// Usage counts tokens. A count is zero if the provider did not report the count. The
// counts of cached, written and audio tokens are parts of InputTokens or OutputTokens.
// The count of reasoning tokens is normally a part of OutputTokens.
type Usage struct {
	InputTokens      int64 `json:"input_tokens"`                 // the prompt, cached tokens included
	CachedTokens     int64 `json:"cached_tokens,omitempty"`      // read from the provider's cache
	CacheWriteTokens int64 `json:"cache_write_tokens,omitempty"` // written to the provider's cache
	InputAudioTokens int64 `json:"input_audio_tokens,omitempty"`

	OutputTokens      int64 `json:"output_tokens"`              // the answer; the provider decides whether reasoning is included
	ReasoningTokens   int64 `json:"reasoning_tokens,omitempty"` // spent on thinking
	OutputAudioTokens int64 `json:"output_audio_tokens,omitempty"`

	// TotalTokens is the provider's total. Some providers include reasoning tokens and
	// others do not, so the total can differ from InputTokens + OutputTokens.
	TotalTokens int64 `json:"total_tokens,omitempty"`
}

// Add returns the sum of u and v, count by count.
func (u Usage) Add(v Usage) Usage {
	u.InputTokens += v.InputTokens
	u.CachedTokens += v.CachedTokens
	u.CacheWriteTokens += v.CacheWriteTokens
	u.InputAudioTokens += v.InputAudioTokens
	u.OutputTokens += v.OutputTokens
	u.ReasoningTokens += v.ReasoningTokens
	u.OutputAudioTokens += v.OutputAudioTokens
	u.TotalTokens += v.TotalTokens
	return u
}
