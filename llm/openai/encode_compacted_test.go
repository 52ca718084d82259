package openai_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/appended"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

// TestEncodeCompacted: a runner vouches for each list of messages. After a compaction it
// sends a new list, which is encoded once more and then only grows. What is sent is what is
// sent without a memo, over both APIs.
func TestEncodeCompacted(t *testing.T) {
	t.Parallel()
	for _, api := range []openai.API{openai.APIChat, openai.APIResponses} {
		w := &wire{body: ok}
		config := w.config()
		config.API = api
		m := config.Model("m")
		memo := new(llm.Memo)
		messages := []llm.Message{llm.User("go")}
		sent := 0
		for n := 1; n <= 90; n++ {
			messages = append(messages, turn(n)...)
			if n%30 == 0 {
				size := len(turn(1))
				messages = slices.Concat(messages[:1], []llm.Message{llm.User("so far")}, messages[len(messages)-2*size:])
			}
			req := &llm.Request{Messages: messages, Memo: appended.Vouch(memo, messages)}
			_, _ = m.Generate(t.Context(), req, nil) // the answer of the wire is one of Chat Completions
			fresh := *req
			fresh.Memo = nil
			_, _ = m.Generate(t.Context(), &fresh, nil)
			require.Equal(t, w.bodies[len(w.bodies)-1], w.bodies[len(w.bodies)-2], "%s, turn %d", api, n)
			if n%30 == 29 || n == 90 {
				sent += len(w.bodies[len(w.bodies)-1])
			}
		}
		if api == openai.APIChat {
			require.LessOrEqual(t, openai.EncodedBytes(memo), sent, "each list once")
		}
	}
}
