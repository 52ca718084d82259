package openai_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

// A responsesLine is one recorded interaction with the Responses API, and what a
// right decoder makes of its answer. The rules stand in the README beside the
// recordings.
type responsesLine struct {
	Repo, File string
	I          int
	Status     int
	CType      string
	Response   string
	Want       responsesWant
}

type responsesWant struct {
	Error, Stream            bool
	Text, Refusal, Reasoning string
	Calls                    []call
	Hosted                   []string
	Status, Incomplete       string
	Usage                    []int64
}

func (l responsesLine) String() string { return fmt.Sprintf("%s %s #%d", l.Repo, l.File, l.I) }

// interaction is the line in the form that the helpers of TestTraffic take.
func (l responsesLine) interaction() interaction {
	return interaction{Repo: l.Repo, File: l.File, I: l.I, Status: l.Status, CType: l.CType, Response: l.Response}
}

// responsesDir returns the folder of the recordings, or skips the test.
func responsesDir(t *testing.T) string {
	dir := cmp.Or(os.Getenv("TOOLLOOP_RESPONSES"), filepath.Join("..", "..", "..", "shared", "responses"))
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	if os.Getenv("TOOLLOOP_REQUIRE_SHARED") != "" {
		t.Fatalf("no recorded responses in %s, and TOOLLOOP_REQUIRE_SHARED is set", dir)
	}
	t.Skipf("no recorded responses in %s; TOOLLOOP_RESPONSES names another folder", dir)
	return ""
}

func readResponses(t *testing.T) (all []responsesLine) {
	files, err := filepath.Glob(filepath.Join(responsesDir(t), "*.jsonl"))
	require.NoError(t, err)
	for _, name := range files {
		if slices.Contains([]string{"sessions.jsonl", "excluded.jsonl", "made.jsonl"}, filepath.Base(name)) {
			continue
		}
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		for n, line := range bytes.Split(bytes.TrimSpace(data), []byte("\n")) {
			var x responsesLine
			require.NoError(t, json.Unmarshal(line, &x), "%s:%d", name, n+1)
			all = append(all, x)
		}
	}
	return all
}

// leastResponses is the number of recordings that the test needs at least.
const leastResponses = 1029 + 134

// TestResponsesTraffic decodes every recorded answer, and every stream again in
// other pieces and cut off. Its last line has the figures.
func TestResponsesTraffic(t *testing.T) {
	t.Parallel()
	all := readResponses(t)
	require.GreaterOrEqual(t, len(all), leastResponses)
	checked := all
	if raced { // the decoders have nothing in common that could race
		checked = nil
		for i := 0; i < len(all); i += 10 {
			checked = append(checked, all[i])
		}
	}
	differences := inParallel(len(checked), func(i int) string {
		if diff := checked[i].check(); diff != "" {
			return fmt.Sprintf("%v: %s", checked[i], diff)
		}
		return ""
	})
	for _, d := range differences {
		t.Error(d)
	}
	fmt.Printf("responses: %d of %d decoded\n", len(checked)-len(differences), len(checked))
}

// TestResponsesTrafficInPieces: a stream that is split at random bytes gives the
// same Response, and a stream that is cut off gives an error of kind truncated.
func TestResponsesTrafficInPieces(t *testing.T) {
	t.Parallel()
	streams := slices.DeleteFunc(readResponses(t), func(x responsesLine) bool { return !x.Want.Stream || x.Want.Error })
	if raced { // as above: every tenth, so that all files have some
		kept := streams[:0]
		for i := 0; i < len(streams); i += 10 {
			kept = append(kept, streams[i])
		}
		streams = kept
	}
	split := resplit(t, openai.Config{API: openai.APIResponses})
	for _, d := range inParallel(len(streams), func(i int) string {
		x := streams[i]
		diff := cmp.Or(split(x.interaction()), x.cutAnywhere())
		if diff == "" {
			return ""
		}
		return fmt.Sprintf("%v: %s", x, diff)
	}) {
		t.Error(d)
	}
}

// generate has the client decode a body that comes in these pieces.
func (l responsesLine) generate(pieces ...string) (resp *llm.Response, shown, thought string, err error) {
	var text, thinking strings.Builder
	config := openai.Config{
		BaseURL: "http://in.memory", API: openai.APIResponses, HTTPClient: &http.Client{Transport: served{x: l.interaction(), pieces: pieces}},
	}
	resp, err = generateWith(config, l.Want.Stream, func(d llm.Delta) {
		switch d := d.(type) {
		case llm.TextDelta:
			text.WriteString(d.Text)
		case llm.ReasoningDelta:
			thinking.WriteString(d.Text)
		}
	})
	return resp, text.String(), thinking.String(), err
}

// check says how the decoded answer differs from what is wanted.
func (l responsesLine) check() string {
	resp, shown, thought, err := l.generate(l.Response)
	if l.Want.Error {
		if api, ok := errors.AsType[*llm.APIError](err); !ok || api.Kind == "" || api.Message == "" {
			return fmt.Sprintf("want a typed error with words, got %v", err)
		}
		return ""
	}
	if err != nil {
		return "error: " + err.Error()
	}
	got := responsesWant{
		Stream: l.Want.Stream, Text: resp.Message.Text(), Refusal: resp.Message.Refusal(), Reasoning: resp.Message.Reasoning(),
		Status: resp.Finish.Raw, Incomplete: resp.Finish.Native, Hosted: hostedItems(resp.Message),
		Usage: []int64{resp.Usage.InputTokens, resp.Usage.OutputTokens, resp.Usage.CachedTokens, resp.Usage.ReasoningTokens},
	}
	for _, c := range resp.Message.Calls() {
		got.Calls = append(got.Calls, call{c.ID, c.Name, c.Arguments})
	}
	want := l.Want
	want.Calls, want.Hosted = append([]call(nil), want.Calls...), append([]string(nil), want.Hosted...)
	if !reflect.DeepEqual(want, got) {
		return fmt.Sprintf("want %+v\n got %+v", want, got)
	}
	contradicts := l.Want.Stream && (shown != got.Text || thought != got.Reasoning)
	if contradicts && !strings.Contains(l.File, "shell-container") { // a fixture that was shortened by hand
		return fmt.Sprintf("shown text %q and reasoning %q", shown, thought)
	}
	return ""
}

// hostedItems are the types of the items that the message keeps and that are
// neither text nor calls nor reasoning.
func hostedItems(m llm.Message) (types []string) {
	for _, x := range m.Extra {
		var output struct{ Items []struct{ Type string } }
		if x.Name != "responses_output" || json.Unmarshal([]byte(x.Value), &output) != nil {
			continue
		}
		for _, it := range output.Items {
			if !slices.Contains([]string{"message", "function_call", "reasoning"}, it.Type) {
				types = append(types, it.Type)
			}
		}
	}
	return types
}

// cutAnywhere cuts the stream at each of its events, and in the middle of some.
// Before the terminal event, an error of kind truncated is right; in the terminal
// event, also the whole answer.
func (l responsesLine) cutAnywhere() string {
	whole, _, _, err := l.generate(l.Response)
	if err != nil {
		return err.Error()
	}
	for _, at := range cuts(l.Response) {
		resp, _, _, err := l.generate(l.Response[:at])
		if err == nil {
			if !reflect.DeepEqual(resp, whole) {
				return fmt.Sprintf("cut at byte %d of %d: success that lost something: %+v", at, len(l.Response), resp)
			}
			continue
		}
		if api, ok := errors.AsType[*llm.APIError](err); !ok || api.Kind != llm.KindTruncated && strings.TrimSpace(l.Response[:at]) != "" {
			return fmt.Sprintf("cut at byte %d of %d: want an error of kind truncated, got %v", at, len(l.Response), err)
		}
	}
	return ""
}
