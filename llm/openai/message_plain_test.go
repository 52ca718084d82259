package openai_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

// pool has the values that a conversation is made of. A byte chooses one.
type pool[T any] []T

func (p pool[T]) at(c byte) T { return p[int(c)%len(p)] }

var (
	shapes = pool[int]{1, 1, 1, 0, 2} // numbers of parts of a result
	texts  = pool[string]{"", " ", "hi", "a \"b\"\n\\", "\xff\u2028é", "\x00", strings.Repeat("long ", 20)}
	ids    = pool[string]{"c1", "c2", "", "c1", "call_1_0", strings.Repeat("x", 50), "odd id\n"}
	names  = pool[string]{"f", "get_weather", "", "no such name", strings.Repeat("n", 70), "é"}
	args   = pool[string]{"{}", `{"a":1}`, ` {"a":"é"} `, "", "null", "[]", "{", `{"a":1}x`, "{\"a\":\"\xff\"}"}
	extra  = pool[[]llm.Member]{nil, nil, nil, nil, {}, {{Name: "x", Value: "1"}}, {{Name: "type", Value: `"builtin_function"`}}, {{Name: "bad", Value: "{"}}, {{Name: "tool_calls", Value: "[{}]"}}}
)

// messageOf makes a message of some bytes, and returns the bytes that are left.
func messageOf(data []byte) (llm.Message, []byte) {
	next := func() (c byte) {
		if len(data) > 0 {
			c, data = data[0], data[1:]
		}
		return c
	}
	m := llm.Message{Role: (pool[llm.Role]{llm.RoleUser, llm.RoleAssistant, llm.RoleTool, llm.RoleAssistant, llm.RoleTool, llm.RoleSystem, llm.RoleDeveloper, "critic"}).at(next())}
	text := func() llm.Text { return llm.Text{Text: texts.at(next()), Extra: extra.at(next())} }
	for range next() % 4 {
		kind := next() % 16
		switch {
		case kind == 0:
			m.Parts = append(m.Parts, llm.Reasoning{Text: texts.at(next()), Field: "reasoning_content"})
		case kind == 1:
			m.Parts = append(m.Parts, llm.Image{URL: "https://h.test/a.png"})
		case kind == 2:
			m.Parts = append(m.Parts, llm.Refusal{Text: texts.at(next())})
		case m.Role == llm.RoleAssistant && kind > 7:
			m.Parts = append(m.Parts, llm.ToolCall{ID: ids.at(next()), Name: names.at(next()), Arguments: args.at(next()), Extra: extra.at(next())})
		case m.Role == llm.RoleTool && kind > 3:
			r := llm.ToolResult{CallID: ids.at(next()), Name: names.at(next()), Extra: extra.at(next())}
			for range shapes.at(next()) {
				r.Parts = append(r.Parts, text())
			}
			m.Parts = append(m.Parts, r)
		default:
			m.Parts = append(m.Parts, text())
		}
	}
	m.Extra = extra.at(next())
	return m, data
}

var plainProfiles = pool[openai.Profile]{
	{}, {}, {Bridge: true}, {ToolName: true}, {CallIDs: openai.CallIDsNine}, {CallIDs: openai.CallIDsShort}, {EmptyContent: openai.ContentOmitted},
	{EmptyContent: openai.ContentEmpty}, {Echo: []string{"reasoning_content"}, EchoEmpty: true}, {Echo: []string{"tool_calls"}}, {NoCallExtra: true}, {ToolImages: openai.ToolImagesUser}, {KeepSystem: true},
}

// FuzzPlainMessages compares the fast path for usual messages with the general encoder:
// both write the same bytes and leave the same state, also for the message after.
func FuzzPlainMessages(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 600 {
		seed := make([]byte, 20+r.IntN(120))
		for i := range seed {
			seed[i] = byte(r.Uint32())
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) == 0 {
			return
		}
		limit := pool[int64]{1 << 20, 1 << 20, 30}.at(data[0] >> 4)
		pair := openai.NewEncoderPair(plainProfiles.at(data[0]), limit)
		var m llm.Message
		for data = data[1:]; len(data) > 0; {
			m, data = messageOf(data)
			difference, _ := pair.Add(m)
			require.Empty(t, difference)
		}
	})
}

// TestPlainMessagesAreUsual: the fast path takes the messages of an ordinary run.
func TestPlainMessagesAreUsual(t *testing.T) {
	t.Parallel()
	pair := openai.NewEncoderPair(openai.Profile{}, 1<<20)
	call := llm.ToolCall{ID: "a", Name: "f", Arguments: `{"n":1}`}
	for _, m := range []llm.Message{
		llm.User("go"), llm.Assistant("let me see", call, llm.ToolCall{ID: "b", Name: "g", Arguments: "{}"}), result("b", "1"), result("a", "2"),
		{Role: llm.RoleAssistant, Parts: llm.Parts{llm.Reasoning{Text: "hm"}, call}, Extra: []llm.Member{{Name: "annotations", Value: "[]"}}}, result("a", "3"), llm.Assistant("done"), llm.User(""),
	} {
		difference, usual := pair.Add(m)
		require.Empty(t, difference)
		require.True(t, usual, m)
	}
}
