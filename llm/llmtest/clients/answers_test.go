package clients_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
)

const (
	chat      = "chat"
	responses = "responses"
)

// A question is one request of a client to a script, on one API.
type question struct {
	API    string `json:"api"`
	Stream bool   `json:"stream"`
	// Result makes the client answer the calls of the first answer with this text, in
	// a second request.
	Result string `json:"result,omitempty"`
}

func (q question) String() string {
	if q.Stream {
		return q.API + " stream"
	}
	return q.API
}

// questions are all ways to ask.
var questions = []question{{API: chat}, {API: chat, Stream: true}, {API: responses}, {API: responses, Stream: true}}

// said is an answer in the client's words.
type said struct {
	Text, Reasoning, Refusal string
	Finish                   string
	Calls                    []call
	Usage                    usage
	Deltas                   string // of a stream: the texts and refusals of all its events
}

// A call is a tool call.
type call struct{ ID, Name, Arguments string }

type usage struct{ Input, Cached, Output, Reasoning int64 }

// A failure is an error in the client's words.
type failure struct {
	Name    string // the type of the error
	Status  int    // of HTTP; 0: the client does not tell
	Code    string
	Message string
	Cause   string
}

func (f *failure) Error() string {
	return fmt.Sprintf("%s %d %s: %s (%s)", f.Name, f.Status, f.Code, f.Message, f.Cause)
}

// A client is a foreign client in front of a seat on the wire.
type client struct {
	name string
	ask  func(t *testing.T, m *llmtest.Model, q question) (said, error)
	// hear turns an answer in the words of Chat Completions into the words of the client.
	hear func(q question, answer said) said
	// seeds is the number of seeds with which a stream is cut into pieces of random sizes.
	seeds uint64
}

// clients are all clients. Without the packages from npm, their tests skip.
func clients(t *testing.T, test func(t *testing.T, c client)) {
	t.Helper()
	t.Run("openai-go", func(t *testing.T) {
		t.Parallel()
		for seat := range seats {
			t.Run(seat, func(t *testing.T) {
				t.Parallel()
				test(t, officialGo(seat))
			})
		}
	})
	t.Run("npm", func(t *testing.T) {
		t.Parallel()
		process := packages.Start(t, "ask.mjs")
		t.Run("openai", func(t *testing.T) { test(t, client{"openai", asks(process, "openai"), hearOfficial, 1}) })
		t.Run("ai", func(t *testing.T) { test(t, client{"ai", asks(process, "ai"), hearAI, 1}) })
	})
}

// hearOfficial: the official clients return what the wire says. A response has no
// finish reason, but a status.
func hearOfficial(q question, answer said) said {
	if q.API == responses {
		answer.Finish = map[string]string{
			"stop": "completed", "tool_calls": "completed", "length": "max_output_tokens", "content_filter": "content_filter", "error": "failed",
		}[answer.Finish]
	}
	return answer
}

// hearAI: the AI SDK has one form for both APIs. A refusal is a text, and reasoning
// on Chat Completions is not read.
func hearAI(q question, answer said) said {
	answer.Finish = strings.ReplaceAll(answer.Finish, "_", "-")
	if answer.Refusal != "" {
		answer.Text, answer.Refusal, answer.Finish = answer.Refusal, "", "content-filter"
	}
	if q.API == chat {
		answer.Reasoning = ""
	}
	return answer
}

// An answer is a step of a script, and its words.
type answer struct {
	name string
	step llmtest.Step
	want said
	only string // the API that has such an answer; empty: both
}

func answers() []answer {
	usual := usage{Input: 10, Output: 5}
	full := llm.Usage{InputTokens: 30, CachedTokens: 20, OutputTokens: 14, ReasoningTokens: 4, TotalTokens: 44}
	search := llm.RawPart{JSON: `{"id":"ws_1","type":"web_search_call","status":"completed","action":{"type":"search","query":"weather"}}`}
	return []answer{
		{"text", llmtest.Text("It is 22 °C, 今天北京的天气."), said{Text: "It is 22 °C, 今天北京的天气.", Finish: "stop", Usage: usual}, ""},
		{"empty", llmtest.Text(""), said{Finish: "stop", Usage: usual}, ""},
		{"refusal", llmtest.Refusal("I will not do that."), said{Refusal: "I will not do that.", Finish: "stop", Usage: usual}, ""},
		{"length", llmtest.Text("It is").Finish("length"), said{Text: "It is", Finish: "length", Usage: usual}, ""},
		{"filter", llmtest.Text("It is").Finish("content_filter"), said{Text: "It is", Finish: "content_filter", Usage: usual}, ""},
		{"usage", llmtest.Text("a").Usage(full), said{Text: "a", Finish: "stop", Usage: usage{30, 20, 14, 4}}, ""},
		{"thought", llmtest.Reasoning("Hm.").And(llmtest.Text("Yes.")), said{Text: "Yes.", Reasoning: "Hm.", Finish: "stop", Usage: usual}, ""},
		{"hosted", llmtest.Parts(search, llm.Text{Text: "Rain."}), said{Text: "Rain.", Finish: "stop", Usage: usual}, responses},
		{
			"call", llmtest.Calls("f", map[string]string{"city": "Beijing"}),
			said{Calls: []call{{"call_1", "f", `{"city":"Beijing"}`}}, Finish: "tool_calls", Usage: usual}, "",
		},
		{
			"thought and call", llmtest.Reasoning("Hm.").And(llmtest.Calls("f", nil)),
			said{Reasoning: "Hm.", Calls: []call{{"call_1", "f", `{}`}}, Finish: "tool_calls", Usage: usual}, "",
		},
		{
			"parallel calls", llmtest.Text("Let me see.").And(llmtest.Calls("f", `{"a":1}`), llmtest.Calls("g", nil), llmtest.Calls("h", `{"b":[1,2,3]}`)),
			said{
				Text: "Let me see.", Finish: "tool_calls", Usage: usual,
				Calls: []call{{"call_1", "f", `{"a":1}`}, {"call_2", "g", `{}`}, {"call_3", "h", `{"b":[1,2,3]}`}},
			}, "",
		},
	}
}

// TestAnswers: every client takes every answer of our seats on both APIs, streamed and
// not, in pieces of all sizes.
func TestAnswers(t *testing.T) {
	t.Parallel()
	clients(t, func(t *testing.T, c client) {
		for _, a := range answers() {
			for _, q := range questions {
				if a.only != "" && a.only != q.API {
					continue
				}
				c.run(t, a.name, q, func(t *testing.T) { c.takes(t, a, q) })
			}
		}
	})
}

func (c client) takes(t *testing.T, a answer, q question) {
	t.Helper()
	want := c.hear(q, a.want)
	if !q.Stream {
		got, err := c.ask(t, llmtest.Script(t, a.step), q)
		require.NoError(t, err)
		require.Equal(t, want, got)
		return
	}
	want.Deltas = want.Text + want.Refusal
	for size := -1; size < 5; size++ {
		for seed := range c.seeds { // zero: pieces of one size
			m := llmtest.Script(t, a.step)
			m.ChunkSize, m.Seed = size, seed
			got, err := c.ask(t, m, q)
			require.NoError(t, err)
			require.Equal(t, want, got, "size %d, seed %d", size, seed)
		}
	}
}

// TestToolTurn: a client sends an answer with calls and the results back, and the
// script finds its answer in the request.
func TestToolTurn(t *testing.T) {
	t.Parallel()
	clients(t, func(t *testing.T, c client) {
		for _, q := range questions {
			q.Result = "22 °C"
			c.run(t, "turn", q, func(t *testing.T) {
				calls := llmtest.Text("Let me see.").And(llmtest.Calls("f", `{"a":1}`), llmtest.Calls("g", nil))
				m := llmtest.Script(t, calls, llmtest.Text("It is 22 °C.").When(llmtest.HasResult("f")))
				got, err := c.ask(t, m, q)
				require.NoError(t, err)
				require.Equal(t, "It is 22 °C.", got.Text)
				require.Equal(t, []llm.Message{
					llm.User("hi"),
					llm.Assistant("Let me see.", llm.ToolCall{ID: "call_1", Name: "f", Arguments: `{"a":1}`}, llm.ToolCall{ID: "call_2", Name: "g", Arguments: "{}"}),
					result("call_1", "f", q.Result), result("call_2", "g", q.Result),
				}, plain(m.Requests()[1].Messages))
			})
		}
	})
}

// TestThoughtTurn: on the Responses API, a client sends reasoning back before the call
// that it led to, as OpenAI wants it, and the script's check of the protocol agrees.
func TestThoughtTurn(t *testing.T) {
	t.Parallel()
	clients(t, func(t *testing.T, c client) {
		for _, q := range questions[2:] {
			q.Result = "22 °C"
			c.run(t, "thought", q, func(t *testing.T) {
				m := llmtest.Script(t, llmtest.Reasoning("Hm.").And(llmtest.Calls("f", nil)), llmtest.Text("It is 22 °C."))
				got, err := c.ask(t, m, q)
				require.NoError(t, err)
				require.Equal(t, "It is 22 °C.", got.Text)
				sent := m.Requests()[1].Messages[1]
				require.Len(t, sent.Parts, 2)
				thought, ok := sent.Parts[0].(llm.Reasoning)
				require.True(t, ok, "%T", sent.Parts[0])
				require.Equal(t, "Hm.", thought.Text)
			})
		}
	})
}

func result(id, name, text string) llm.Message {
	return llm.Message{Role: llm.RoleTool, Parts: llm.Parts{llm.ToolResult{CallID: id, Name: name, Parts: llm.Parts{llm.Text{Text: text}}}}}
}

// plain returns the messages without extra members, such as the status of an item,
// which clients may send or leave out.
func plain(messages []llm.Message) []llm.Message {
	messages = slices.Clone(messages)
	for i, m := range messages {
		m.Extra, m.Parts = nil, slices.Clone(m.Parts)
		for j, p := range m.Parts {
			switch p := p.(type) {
			case llm.Text:
				p.Extra = nil
				m.Parts[j] = p
			case llm.ToolCall:
				p.Extra = nil
				m.Parts[j] = p
			}
		}
		messages[i] = m
	}
	return messages
}

// A trouble is a step without a whole answer.
type trouble struct {
	name     string
	step     llmtest.Step
	official string // a pattern for the error of the official clients
	ai       string // a pattern for the error of the AI SDK
	streamed bool   // the trouble is one of streams only
}

func troubles() []trouble {
	fail := func(kind llm.ErrorKind) llmtest.Step {
		return llmtest.Fail(&llm.APIError{Kind: kind, RetryAfter: 2 * time.Second})
	}
	text := llmtest.Text("one two three")
	const (
		cut    = `unexpected EOF|UND_ERR_SOCKET`
		broken = `connection reset by peer|ECONNRESET|UND_ERR_SOCKET` // Node reads one or the other
	)
	return []trouble{
		{"rate limit", fail(llm.KindRateLimit), `429 rate_limit_exceeded: .*Rate limit reached\.`, `429 rate_limit_exceeded: Rate limit reached\.`, false},
		{"auth", fail(llm.KindAuth), ` 401 invalid_api_key: `, ` 401 invalid_api_key: `, false},
		{"quota", fail(llm.KindQuota), ` 429 insufficient_quota: `, ` 429 insufficient_quota: `, false},
		{"not found", fail(llm.KindNotFound), ` 404 model_not_found: `, ` 404 model_not_found: `, false},
		{"status", text.With(llmtest.Status(503, nil, "busy")), ` 503 `, ` 503 `, false},
		{"stall", text.With(llmtest.Stall(1, time.Millisecond)), cut, cut, false},
		{"cut", text.With(llmtest.Cut(1)), cut, cut, false},
		{"bytes", text.With(llmtest.CutBytes(500)), cut, cut, true},
		{"reset", text.With(llmtest.Reset(1)), broken, broken, false},
		{"no answer", text.With(llmtest.Reset(-1)), broken, broken, false},
		{
			"error event", text.With(llmtest.ErrorEvent(1, &llm.APIError{Kind: llm.KindOverloaded})),
			`"code": ?"overloaded"|overloaded: .*engine`, ` overloaded: The engine is currently overloaded`, true,
		},
		{"garbage", text.With(llmtest.GarbageEvent(1, "<html>")), `JSON|invalid character '<'`, `JSON`, false},
	}
}

// TestFaults: every client finds out about every fault, and reads its fields.
func TestFaults(t *testing.T) {
	t.Parallel()
	clients(t, func(t *testing.T, c client) {
		for _, f := range troubles() {
			for _, q := range questions {
				if f.streamed && !q.Stream {
					continue
				}
				c.run(t, f.name, q, func(t *testing.T) {
					_, err := c.ask(t, llmtest.Script(t, f.step), q)
					require.Error(t, err)
					pattern := f.official
					if c.name == "ai" {
						pattern = f.ai
					}
					require.Regexp(t, regexp.MustCompile(pattern), err.Error())
				})
			}
		}
	})
}

// TestHarmless: faults that leave the answer whole.
func TestHarmless(t *testing.T) {
	t.Parallel()
	clients(t, func(t *testing.T, c client) {
		for name, fault := range map[string]llmtest.Fault{
			"late": llmtest.Late(time.Millisecond), "type": llmtest.ContentType("text/plain"), "no type": llmtest.ContentType(""),
		} {
			for _, q := range questions {
				if name != "late" && !q.Stream {
					continue // official clients read no JSON from another type
				}
				c.run(t, name, q, func(t *testing.T) {
					got, err := c.ask(t, llmtest.Script(t, llmtest.Text("one two three").With(fault)), q)
					require.NoError(t, err)
					require.Equal(t, "one two three", got.Text)
				})
			}
		}
	})
}
