package main

import (
	"fmt"
	"strings"
)

// answers returns the whole HTTP responses of a workload, one for each turn.
// includeUsage adds the chunk that a request with include_usage asks for.
func (w workload) answers(includeUsage bool) [][]byte {
	all := make([][]byte, w.turns+1)
	for t := range all {
		switch {
		case w.responses:
			all[t] = response("200 OK", w.responseDocument(t))
		case w.stream:
			all[t] = eventStream(w.chunks(t, includeUsage))
		default:
			all[t] = response("200 OK", w.chatDocument(t))
		}
	}
	return all
}

func response(status, body string) []byte {
	return fmt.Appendf(nil, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body)
}

// eventStream has one HTTP chunk for each event, as servers that flush each event.
func eventStream(events []string) []byte {
	b := []byte("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n")
	for _, e := range append(events, "[DONE]") {
		b = fmt.Appendf(b, "%x\r\ndata: %s\n\n\r\n", len(e)+8, e)
	}
	return append(b, "0\r\n\r\n"...)
}

const (
	answerHead = `"id":"chatcmpl-Cz1kTq7LrVx0aPbNeWm4uYdF","created":1764000000,"model":"gpt-4o-mini-2024-07-18"`
	answerTail = `"service_tier":"default","system_fingerprint":"fp_7c1e2b9d40"`
	chatUsage  = `"usage":{"prompt_tokens":57,"completion_tokens":17,"total_tokens":74,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},` +
		`"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}`
)

func (w workload) chatDocument(t int) string {
	message, reason := fmt.Sprintf(`"content":%q`, w.finalText()), "stop"
	if t < w.turns {
		calls := make([]string, w.calls)
		for i := range calls {
			calls[i] = fmt.Sprintf(`{"id":%q,"type":"function","function":{"name":%q,"arguments":%q}}`, callID(t, i), toolName, callArgs(t, i))
		}
		message, reason = `"content":null,"tool_calls":[`+strings.Join(calls, ",")+`]`, "tool_calls"
	}
	return `{` + answerHead + `,"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant",` + message +
		`,"refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"` + reason + `"}],` + chatUsage + `,` + answerTail + `}`
}

// chunks returns the events of a turn on Chat Completions.
func (w workload) chunks(t int, includeUsage bool) (events []string) {
	add := func(delta, reason string) { events = append(events, w.chunk(delta, reason)) }
	if t < w.turns {
		add(`{"role":"assistant","content":null}`, "null")
		for i := range w.calls {
			add(fmt.Sprintf(`{"tool_calls":[{"index":%d,"id":%q,"type":"function","function":{"name":%q,"arguments":""}}]}`, i, callID(t, i), toolName), "null")
			for _, piece := range cut(callArgs(t, i), w.pieces) {
				add(fmt.Sprintf(`{"tool_calls":[{"index":%d,"function":{"arguments":%q}}]}`, i, piece), "null")
			}
		}
		add(`{}`, `"tool_calls"`)
	} else {
		add(`{"role":"assistant","content":"","refusal":null}`, "null")
		for _, piece := range cut(w.finalText(), w.words) {
			add(fmt.Sprintf(`{"content":%q}`, piece), "null")
		}
		add(`{}`, `"stop"`)
	}
	if includeUsage {
		events = append(events, `{`+answerHead+`,"object":"chat.completion.chunk","choices":[],`+chatUsage+`}`)
	}
	return events
}

func (w workload) chunk(delta, reason string) string {
	if w.shuffled {
		return `{"choices":[{"finish_reason":` + reason + `,"delta":` + delta + `,"logprobs":null,"index":0}],` +
			answerTail + `,"object":"chat.completion.chunk",` + answerHead + `}`
	}
	return `{` + answerHead + `,"object":"chat.completion.chunk",` + answerTail +
		`,"choices":[{"index":0,"delta":` + delta + `,"logprobs":null,"finish_reason":` + reason + `}]}`
}

// cut cuts s into n pieces of the same length, but for the last.
func cut(s string, n int) (pieces []string) {
	step := (len(s) + n - 1) / n
	for ; len(s) > step; s = s[step:] {
		pieces = append(pieces, s[:step])
	}
	return append(pieces, s)
}

const responsesUsage = `"usage":{"input_tokens":57,"input_tokens_details":{"cached_tokens":0},"output_tokens":17,` +
	`"output_tokens_details":{"reasoning_tokens":0},"total_tokens":74}`

func (w workload) responseDocument(t int) string {
	items := []string{fmt.Sprintf(`{"id":"msg_%04d","type":"message","status":"completed","role":"assistant",`+
		`"content":[{"type":"output_text","annotations":[],"logprobs":[],"text":%q}]}`, t, w.finalText())}
	if t < w.turns {
		items = nil
		for i := range w.calls {
			items = append(items, fmt.Sprintf(`{"id":"fc_%04d_%02d","type":"function_call","status":"completed","arguments":%q,"call_id":%q,"name":%q}`,
				t, i, callArgs(t, i), callID(t, i), toolName))
		}
	}
	return fmt.Sprintf(`{"id":"resp_%04d","object":"response","created_at":1764000000,"status":"completed","error":null,"incomplete_details":null,`+
		`"instructions":null,"model":"gpt-4o-mini-2024-07-18","output":[%s],"parallel_tool_calls":true,"previous_response_id":null,`+
		`"reasoning":{"effort":null,"summary":null},"store":false,"temperature":1.0,"tool_choice":"auto","tools":[],"top_p":1.0,%s}`,
		t, strings.Join(items, ","), responsesUsage)
}
