package openai_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
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
		requireShown(t, resp, deltas)
	})
}

// requireShown wants deltas that say what the answer says: text, reasoning, and
// the arguments of each call. A notice allows a difference.
func requireShown(t *testing.T, resp *llm.Response, deltas []llm.Delta) {
	t.Helper()
	var text, reasoning strings.Builder
	calls := map[int]string{}
	for _, d := range deltas {
		switch d := d.(type) {
		case llm.TextDelta:
			text.WriteString(d.Text)
		case llm.ReasoningDelta:
			reasoning.WriteString(d.Text)
		case llm.CallDelta:
			calls[d.Index] += d.Arguments
		case llm.Notice:
			return
		}
	}
	want := map[int]string{}
	for i, c := range resp.Message.Calls() {
		want[i] = c.Arguments
	}
	require.Equal(t, resp.Message.Text(), text.String())
	require.Equal(t, resp.Message.Reasoning(), reasoning.String())
	require.Equal(t, want, calls)
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

// TestResponsesEvents puts events together at random: items of every type,
// announced, in pieces, done, in any order and number, under few indices and ids,
// so that they contradict each other in every way. The rules of
// FuzzResponsesStream hold, and each call of the answer was announced or done.
func TestResponsesEvents(t *testing.T) {
	t.Parallel()
	answers, notices := 0, 0
	for seed := range uint64(mutant.Some(20_000)) {
		r := rand.New(rand.NewPCG(seed, 1))
		var b strings.Builder
		for range 1 + r.IntN(9) {
			b.WriteString("data: " + randomEvent(r) + "\n\n")
		}
		status := []string{"completed", "completed", "incomplete"}[r.IntN(3)]
		fmt.Fprintf(&b, `data: {"type":"response.%s","response":{"status":%q,"output":[%s]}}`+"\n\n", status, status, randomOutput(r))
		resp, deltas, err := fuzzed{200, typed("text/event-stream"), strings.NewReader(b.String()), openai.APIResponses}.ask(t, true)
		if err != nil {
			requireTyped(t, err)
			continue
		}
		answers++
		if slices.ContainsFunc(deltas, func(d llm.Delta) bool { _, ok := d.(llm.Notice); return ok }) {
			notices++
		}
		func() {
			defer func() {
				if t.Failed() {
					t.Logf("seed %d:\n%s", seed, b.String())
				}
			}()
			requireShown(t, resp, deltas)
		}()
	}
	require.Greater(t, answers, mutant.Some(10_000))
	require.Greater(t, answers-notices, mutant.Some(2_000))
}

// randomItem returns an item of any type that says little.
func randomItem(r *rand.Rand) string {
	id, text := []string{`"id":"a",`, `"id":"b",`, ""}[r.IntN(3)], []string{"", "x", "xy", "z"}[r.IntN(4)]
	switch r.IntN(4) {
	case 0:
		return fmt.Sprintf(`{%s"type":"reasoning","summary":[{"type":"summary_text","text":%q}]}`, id, text)
	case 1:
		return fmt.Sprintf(`{%s"type":"function_call","call_id":"c%d","name":"f","arguments":%q}`, id, r.IntN(2), []string{"", "{}", `{"x":1}`}[r.IntN(3)])
	case 2:
		return fmt.Sprintf(`{%s"type":"web_search_call"}`, id)
	}
	return fmt.Sprintf(`{%s"type":"message","content":[{"type":"output_text","text":%q}]}`, id, text)
}

func randomOutput(r *rand.Rand) string {
	var items []string
	for range r.IntN(3) {
		items = append(items, randomItem(r))
	}
	return strings.Join(items, ",")
}

func randomEvent(r *rand.Rand) string {
	place := []string{`"output_index":0,`, `"output_index":1,`, ""}[r.IntN(3)]
	id := []string{`"item_id":"a",`, `"item_id":"b",`, ""}[r.IntN(3)]
	switch r.IntN(6) {
	case 0, 1:
		return fmt.Sprintf(`{"type":"response.output_item.added",%s"item":%s}`, place, randomItem(r))
	case 2:
		return fmt.Sprintf(`{"type":"response.output_item.done",%s"item":%s}`, place, randomItem(r))
	}
	typ := []string{"output_text", "reasoning_summary_text", "reasoning_text", "function_call_arguments"}[r.IntN(4)]
	text := []string{`"x"`, `"y"`, `"\ud83d"`, `"\ude00"`, `"{}"`}[r.IntN(5)]
	if r.IntN(4) == 0 {
		return fmt.Sprintf(`{"type":"response.%s.done",%s%s"text":%s,"arguments":%s}`, typ, place, id, text, text)
	}
	return fmt.Sprintf(`{"type":"response.%s.delta",%s%s"content_index":%d,"delta":%s}`, typ, place, id, r.IntN(2), text)
}
