package openai_test

import (
	"bytes"
	"encoding/json"
	"io"
	"path/filepath"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/mutant"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

// FuzzResponsesStream holds for the Responses API what FuzzStream holds: no bytes
// panic, what is no answer is a typed error, an answer can be kept and sent back
// over both APIs, deltas say what the answer says unless a notice says otherwise,
// and none of it depends on how the bytes arrive.
func FuzzResponsesStream(f *testing.F) {
	bodies := bodiesOf(f, filepath.Join(responsesQuirksDir, "R*.txt"), "stream")
	for _, body := range append(bodies, mutant.Of(bodies, 1500)...) {
		f.Add(body, uint16(len(body)/2))
	}
	f.Fuzz(func(t *testing.T, body []byte, cut uint16) {
		at := int(cut) % (len(body) + 1)
		ask := func(r io.Reader) (*llm.Response, []llm.Delta, error) {
			return fuzzed{200, typed("text/event-stream"), r, openai.APIResponses}.ask(t, true)
		}
		resp, deltas, err := ask(bytes.NewReader(body))
		for _, r := range []io.Reader{
			io.MultiReader(bytes.NewReader(body[:at]), bytes.NewReader(body[at:])),
			iotest.OneByteReader(bytes.NewReader(body)),
		} {
			again, deltasAgain, errAgain := ask(r)
			require.Equal(t, resp, again)
			require.Equal(t, deltas, deltasAgain)
			require.Equal(t, timeless(err), timeless(errAgain))
		}
		if err != nil {
			requireTyped(t, err)
			return
		}
		requireGoesBack(t, resp)
		noticed := slices.ContainsFunc(deltas, func(d llm.Delta) bool { _, ok := d.(llm.Notice); return ok })
		if !noticed && len(resp.Message.Text()) > 0 && len(resp.Message.Text()) < len(shown(deltas)) {
			t.Fatalf("shown %q, and the answer is %q", shown(deltas), resp.Message.Text())
		}
	})
}

// FuzzResponsesDocument holds the same for documents.
func FuzzResponsesDocument(f *testing.F) {
	bodies := bodiesOf(f, filepath.Join(responsesQuirksDir, "R*.txt"), "answer")
	for _, body := range append(bodies, mutant.Of(bodies, 1500)...) {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		resp, _, err := fuzzed{200, typed("application/json"), bytes.NewReader(body), openai.APIResponses}.ask(t, false)
		if err != nil {
			requireTyped(t, err)
			return
		}
		requireGoesBack(t, resp)
	})
}

// requireGoesBack wants a response that can be kept as JSON and sent over both APIs.
func requireGoesBack(t *testing.T, resp *llm.Response) {
	t.Helper()
	requireSound(t, resp)
	w := &wire{body: `{"status":"completed","output":[]}`}
	c := w.config()
	c.API = openai.APIResponses
	_, err := c.Model("m").Generate(t.Context(), &llm.Request{Messages: []llm.Message{llm.User("hi"), resp.Message}}, nil)
	require.NoError(t, err)
	require.True(t, json.Valid([]byte(w.bodies[0])), w.bodies[0])
}
