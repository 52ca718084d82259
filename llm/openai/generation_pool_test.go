package openai_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/mutant"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
)

// TestGenerationsAreClean holds that memory for the next Generate has nothing of the last one.
func TestGenerationsAreClean(t *testing.T) {
	t.Parallel()
	require.Empty(t, openai.Unclean())
}

// FuzzUsedMemory holds that an answer in used memory is the answer in new memory, and that the
// next answer changes no answer before.
func FuzzUsedMemory(f *testing.F) {
	bodies := append(fixtureBodies(f, "stream"), fixtureBodies(f, "answer")...)
	for i, body := range append(bodies, mutant.Of(bodies, 1000)...) {
		f.Add(body, bodies[i*7%len(bodies)])
	}
	tools := []llm.ToolDef{{Name: "f"}, {Name: "read_file"}}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		var used openai.UsedMemory
		var all []*llm.Response
		var texts []string
		for _, body := range [][]byte{first, second, first} {
			var deltas, want []llm.Delta
			resp, err := used.Decode(bytes.NewReader(body), tools, func(d llm.Delta) { deltas = append(deltas, d) })
			other, otherErr := openai.DecodeStream(openai.APIChat, bytes.NewReader(body), false, tools, func(d llm.Delta) { want = append(want, d) })
			problem, _, _ := strings.Cut(fmt.Sprint(otherErr), "(retry after") // a moment later
			got, _, _ := strings.Cut(fmt.Sprint(err), "(retry after")
			require.Equal(t, problem, got)
			require.Equal(t, want, deltas)
			require.Equal(t, other, resp)
			b, err := json.Marshal(resp)
			require.NoError(t, err)
			all, texts = append(all, resp), append(texts, string(b))
		}
		for i, resp := range all {
			b, err := json.Marshal(resp)
			require.NoError(t, err)
			require.Equal(t, texts[i], string(b))
		}
	})
}

// TestSmallBodies: the server gets the same bytes of a body in memory and of a body that is
// read segment by segment, in requests that go on at the same time.
func TestSmallBodies(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var req struct{ Messages []struct{ Content string } }
		if err := json.Unmarshal(body, &req); err != nil || r.ContentLength != int64(len(body)) {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		text, _ := json.Marshal(req.Messages[len(req.Messages)-1].Content)
		_, _ = fmt.Fprintf(w, `{"choices":[{"message":{"content":%s}}]}`, text)
	}))
	defer server.Close()
	m := openai.Config{BaseURL: server.URL, Key: "sk-test", Retry: wrap.Retry{Attempts: 1}}.Model("m")
	var all sync.WaitGroup
	for n := range mutant.Some(60) {
		all.Go(func() {
			for i := range 10 {
				text := strings.Repeat(string(rune('a'+n%26)), 1+n*100+i) // up to 6 KB, over the bound of small bodies
				resp, err := m.Generate(t.Context(), &llm.Request{Messages: []llm.Message{llm.User(text)}}, nil)
				if err != nil || resp.Message.Text() != text {
					t.Errorf("%d bytes: %v", len(text), err)
				}
			}
		})
	}
	all.Wait()
}
