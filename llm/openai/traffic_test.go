package openai_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
)

// An interaction is one recorded request with its response, and what a right
// decoder makes of it. The rules stand in the README beside the recordings.
type interaction struct {
	Repo, File string
	I          int
	Host       string
	Status     int
	CType      string
	Response   string
	Want       outcome
}

// leastTraffic is the number of recordings that the test needs at least, unless
// TOOLLOOP_TRAFFIC names another folder.
const leastTraffic = 1010

type outcome struct {
	Error   bool
	Stream  bool
	Text    string
	Refusal string
	Calls   []call
	Finish  string
	Native  string
	Usage   []int64
}

type call struct{ ID, Name, Arguments string }

func (i interaction) String() string { return fmt.Sprintf("%s %s #%d", i.Repo, i.File, i.I) }

// trafficDir returns the folder of the recordings, or skips the test.
func trafficDir(t *testing.T) string {
	dir := cmp.Or(os.Getenv("TOOLLOOP_TRAFFIC"), filepath.Join("..", "..", "..", "shared", "traffic"))
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	if os.Getenv("TOOLLOOP_REQUIRE_SHARED") != "" {
		t.Fatalf("no recorded traffic in %s, and TOOLLOOP_REQUIRE_SHARED is set", dir)
	}
	t.Skipf("no recorded traffic in %s; TOOLLOOP_TRAFFIC names another folder", dir)
	return ""
}

func readTraffic(t *testing.T) []interaction {
	files, err := filepath.Glob(filepath.Join(trafficDir(t), "*.jsonl"))
	require.NoError(t, err)
	var all []interaction
	for _, name := range files {
		if base := filepath.Base(name); base == "sessions.jsonl" || base == "excluded.jsonl" {
			continue
		}
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		for n, line := range bytes.Split(bytes.TrimSpace(data), []byte("\n")) {
			var x interaction
			require.NoError(t, json.Unmarshal(line, &x), "%s:%d", name, n+1)
			all = append(all, x)
		}
	}
	require.NotEmpty(t, all, "the folder of recordings is empty")
	if os.Getenv("TOOLLOOP_TRAFFIC") == "" {
		require.GreaterOrEqual(t, len(all), leastTraffic)
	}
	return all
}

// TestTraffic decodes every recorded answer over real HTTP, and every stream
// again in other pieces and cut off. Its last line has the figures.
func TestTraffic(t *testing.T) {
	t.Parallel()
	all := readTraffic(t)
	if raced { // what takes a second takes ten then, and the clients have nothing in common that could race
		all = every(all, 10)
	}
	streams := slices.DeleteFunc(slices.Clone(all), func(x interaction) bool { return !x.Want.Stream || x.Want.Error })
	t.Run("split", func(t *testing.T) { report(t, streams, resplit(t, openai.Config{})) })
	t.Run("cut", func(t *testing.T) { report(t, streams, cutAnywhere) })
	t.Run("streamed", func(t *testing.T) { report(t, all, streamed) })
	failed := report(t, all, overHTTP)
	fmt.Printf("traffic: %d of %d decoded\n", len(all)-failed, len(all))
}

// every returns one in n, from the first on.
func every(all []interaction, n int) (some []interaction) {
	for i := 0; i < len(all); i += n {
		some = append(some, all[i])
	}
	return some
}

// report checks all and fails for each that differs.
func report(t *testing.T, all []interaction, check func(interaction) string) (failed int) {
	differences := inParallel(len(all), func(i int) string {
		if diff := check(all[i]); diff != "" {
			return fmt.Sprintf("%v: %s", all[i], diff)
		}
		return ""
	})
	for _, d := range differences {
		t.Error(d)
	}
	return len(differences)
}

// inParallel runs check for 0..n-1 and returns what it says that is not empty.
func inParallel(n int, check func(i int) string) []string {
	out := make([]string, n)
	next := make(chan int)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range next {
				out[i] = check(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	return slices.DeleteFunc(out, func(s string) bool { return s == "" })
}

func overHTTP(x interaction) string {
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header()["Content-Type"] = nil
		if x.CType != "" {
			w.Header().Set("Content-Type", x.CType)
		}
		w.WriteHeader(x.Status)
		_, _ = io.WriteString(w, x.Response)
	}))
	defer server.Close()
	again := wrap.Retry{Attempts: attempts, MinDelay: -1}
	resp, shown, err := generate(openai.Config{BaseURL: server.URL, Retry: again}, x.Want.Stream)
	if x.Want.Error {
		return x.compareError(err, int(requests.Load()))
	}
	return x.compare(resp, shown, err)
}

// attempts is how often the client may try.
const attempts = 2

// compareError says how an error differs from what is wanted.
func (x interaction) compareError(err error, requests int) string {
	api, ok := errors.AsType[*llm.APIError](err)
	if !ok || api.Kind == "" || strings.Contains(err.Error(), "sk-of") {
		return fmt.Sprintf("want a typed error, got %v", err)
	}
	kind, known := map[int]llm.ErrorKind{
		http.StatusOK: llm.KindMalformed, http.StatusBadRequest: llm.KindInvalidRequest, http.StatusUnauthorized: llm.KindAuth,
		http.StatusNotFound: llm.KindNotFound, http.StatusTooManyRequests: llm.KindRateLimit,
	}[x.Status]
	if x.Status == http.StatusOK && x.Response != "" { // one that tells of an error
		known = false
	}
	tries := 1
	if api.Retryable() {
		tries = attempts
	}
	switch {
	case known && kind != api.Kind:
		return fmt.Sprintf("want an error of kind %s, got %v", kind, err)
	case known && api.Retryable() != (kind == llm.KindRateLimit):
		return fmt.Sprintf("the error is retryable: %v: %v", api.Retryable(), err)
	case requests != tries:
		return fmt.Sprintf("%d requests, want %d: %v", requests, tries, err)
	}
	return ""
}

// generate asks and collects the text that was shown.
func generate(c openai.Config, stream bool) (resp *llm.Response, shown string, err error) {
	var text strings.Builder
	resp, err = generateWith(c, stream, func(d llm.Delta) {
		switch d := d.(type) {
		case llm.TextDelta:
			text.WriteString(d.Text)
		case llm.Restarted:
			text.Reset()
		}
	})
	return resp, text.String(), err
}

// generateWith asks, once unless c says otherwise.
func generateWith(c openai.Config, stream bool, sink func(llm.Delta)) (*llm.Response, error) {
	c.Key = "sk-of-the-traffic-test"
	c.Retry.Attempts = cmp.Or(c.Retry.Attempts, 1)
	req := &llm.Request{Messages: []llm.Message{llm.User("hi")}, Stream: stream}
	return c.Model("m").Generate(context.Background(), req, sink)
}

// compare says how a result differs from what is wanted; "" if it does not.
func (x interaction) compare(resp *llm.Response, shown string, err error) string {
	if err != nil {
		return "error: " + err.Error()
	}
	want, got := x.Want, outcomeOf(resp)
	got.Stream = want.Stream // see streamed
	if want.Stream && shown != got.Text {
		return fmt.Sprintf("shown text %q, text of the response %q", shown, got.Text)
	}
	want.Calls = slices.Clone(want.Calls)
	for i := range want.Calls {
		if a := want.Calls[i].Arguments; a == "" || a == "null" {
			want.Calls[i].Arguments = "{}"
		}
	}
	if x.isObject() && sameJSON(want.Text, got.Text) {
		got.Text = want.Text
	}
	if len(want.Calls) == 0 {
		want.Calls = nil
	}
	if !reflect.DeepEqual(want, got) {
		return fmt.Sprintf("want %+v\n got %+v", want, got)
	}
	if reason := want.reason(); resp.Finish.Reason != reason {
		return fmt.Sprintf("the finish reason is %q, want %q", resp.Finish.Reason, reason)
	}
	return ""
}

// reason is the finish reason in our words. The native reason of a router counts
// where it says that the answer is not whole.
func (want outcome) reason() llm.FinishReason {
	words := map[string]llm.FinishReason{
		"stop": llm.FinishStop, "eos": llm.FinishStop, "end_turn": llm.FinishStop, "stop_sequence": llm.FinishStop, "completed": llm.FinishStop,
		"tool_calls": llm.FinishToolCalls, "tool_use": llm.FinishToolCalls, "function_call": llm.FinishToolCalls,
		"length": llm.FinishLength, "max_tokens": llm.FinishLength, "max_output_tokens": llm.FinishLength,
		"content_filter": llm.FinishContentFilter, "safety": llm.FinishContentFilter, "refusal": llm.FinishContentFilter,
		"error": llm.FinishError, "malformed_function_call": llm.FinishError, "network_error": llm.FinishError,
	}
	finish, native := words[strings.ToLower(want.Finish)], words[strings.ToLower(want.Native)]
	switch {
	case native == llm.FinishLength, native == llm.FinishContentFilter, native == llm.FinishError:
		return native
	case finish != "":
		return finish
	case want.Finish != "", native == "" && want.Native != "":
		return llm.FinishOther
	case native != "":
		return native
	case len(want.Calls) > 0:
		return llm.FinishToolCalls
	}
	return llm.FinishStop
}

func outcomeOf(resp *llm.Response) outcome {
	got := outcome{
		Text: resp.Message.Text(), Refusal: resp.Message.Refusal(),
		Finish: resp.Finish.Raw, Native: resp.Finish.Native,
	}
	for _, c := range resp.Message.Calls() {
		got.Calls = append(got.Calls, call{c.ID, c.Name, c.Arguments})
	}
	if resp.RawUsage != nil {
		got.Usage = []int64{resp.Usage.InputTokens, resp.Usage.OutputTokens}
	}
	return got
}

// isObject reports whether the answer is an object in place of its text.
func (x interaction) isObject() bool {
	var doc struct {
		Choices []struct {
			Message struct{ Content json.RawMessage }
		}
	}
	return json.Unmarshal([]byte(x.Response), &doc) == nil && len(doc.Choices) > 0 && bytes.HasPrefix(doc.Choices[0].Message.Content, []byte("{"))
}

func sameJSON(want, got string) bool {
	var a, b any
	return json.Unmarshal([]byte(want), &a) == nil && json.Unmarshal([]byte(got), &b) == nil && reflect.DeepEqual(a, b)
}

// streamed says whether an answer is told from a stream: something of a stream is
// shown before its end was read, and nothing of a document.
func streamed(x interaction) string {
	want := x.Want
	if want.Error || want.Text == "" && len(want.Calls) == 0 { // nothing of a refusal is shown
		return ""
	}
	ended, early := false, false
	c := openai.Config{BaseURL: "http://in.memory", HTTPClient: &http.Client{Transport: served{x, strings.SplitAfter(x.Response, "\n"), &ended}}}
	_, err := generateWith(c, true, func(d llm.Delta) {
		if _, notice := d.(llm.Notice); !notice {
			early = early || !ended
		}
	})
	if err != nil || early != want.Stream {
		return fmt.Sprintf("shown before the end: %v, want %v; %v", early, want.Stream, err)
	}
	return ""
}

// served is a transport that answers with one body, in the pieces it is given.
type served struct {
	x      interaction
	pieces []string
	ended  *bool // set when the body was read to its end
}

func (s served) RoundTrip(r *http.Request) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, r.Body)
	h := http.Header{}
	if s.x.CType != "" {
		h.Set("Content-Type", s.x.CType)
	}
	readers := make([]io.Reader, len(s.pieces))
	for i, p := range s.pieces {
		readers[i] = strings.NewReader(p)
	}
	if s.ended != nil {
		readers = append(readers, readerFunc(func([]byte) (int, error) { *s.ended = true; return 0, io.EOF }))
	}
	// MultiReader gives at most one piece per Read.
	return &http.Response{StatusCode: s.x.Status, Header: h, Body: io.NopCloser(io.MultiReader(readers...)), Request: r}, nil
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func inPieces(c openai.Config, x interaction, pieces ...string) (*llm.Response, error) {
	c.BaseURL, c.HTTPClient = "http://in.memory", &http.Client{Transport: served{x: x, pieces: pieces}}
	resp, _, err := generate(c, true)
	return resp, err
}

// resplit feeds a stream again, split at random bytes: the Response must be the
// same to the last field.
func resplit(t *testing.T, c openai.Config) func(interaction) string {
	seed := uint64(1)
	if s, err := strconv.ParseUint(os.Getenv("TOOLLOOP_SEED"), 10, 64); err == nil {
		seed = s
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("to repeat: TOOLLOOP_SEED=%d", seed)
		}
	})
	return func(x interaction) string {
		rnd := rand.New(rand.NewPCG(seed, uint64(len(x.Response))))
		whole, err := inPieces(c, x, x.Response)
		if err != nil {
			return err.Error()
		}
		for _, cuts := range []int{40, len(x.Response) / 3} {
			resp, err := inPieces(c, x, split(x.Response, rnd, cuts)...)
			if err != nil || !reflect.DeepEqual(whole, resp) {
				return fmt.Sprintf("split at %d bytes: want %+v\n got %+v %v", cuts, whole, resp, err)
			}
		}
		return ""
	}
}

func split(s string, rnd *rand.Rand, cuts int) []string {
	at := []int{0, len(s)}
	for range cuts {
		at = append(at, rnd.IntN(len(s)+1))
	}
	slices.Sort(at)
	var pieces []string
	for i := range len(at) - 1 {
		pieces = append(pieces, s[at[i]:at[i+1]])
	}
	return pieces
}

// cutAnywhere feeds a stream cut off at each of its events, and in the middle of
// some.
//
// A cut stream is an error of kind truncated, unless its finish reason had come.
// Then it may be the whole answer: message, finish, id and model are those of the
// whole stream, and only what providers send after the finish (usage, and members
// beside the choice) may be missing.
func cutAnywhere(x interaction) string {
	whole, err := inPieces(openai.Config{}, x, x.Response)
	if err != nil {
		return err.Error()
	}
	at := cuts(x.Response)
	for i := range at {
		if diff := cutOff(x, x.Response[:at[i]], whole); diff != "" {
			return fmt.Sprintf("cut at byte %d of %d: %s", at[i], len(x.Response), diff)
		}
	}
	return ""
}

// cuts returns the end of every event, and the middle of the first and last few
// lines.
func cuts(s string) []int {
	const few = 10
	var at []int
	lines := strings.SplitAfter(s, "\n")
	for i, pos := 0, 0; i < len(lines); i++ {
		if strings.TrimSpace(lines[i]) == "" || i == 0 {
			// A cut costs a decoding of the whole stream up to there, on one goroutine:
			// in the middle, the race detector gets every eighth.
			if !raced || i < few || i > len(lines)-few || i/2%8 == 0 {
				at = append(at, pos)
			}
		} else if i < few || i > len(lines)-few {
			at = append(at, pos+len(lines[i])/2, pos+len(lines[i]))
		}
		pos += len(lines[i])
	}
	return at
}

func cutOff(x interaction, prefix string, whole *llm.Response) string {
	resp, err := inPieces(openai.Config{}, x, prefix)
	if err != nil {
		if api, ok := errors.AsType[*llm.APIError](err); !ok || api.Kind != llm.KindTruncated && strings.TrimSpace(prefix) != "" {
			return fmt.Sprintf("want an error of kind truncated, got %v", err)
		}
		return ""
	}
	switch {
	case resp.Finish.Raw == "" && resp.Finish.Native == "" && !strings.Contains(prefix, "[DONE]"):
		return "success without a finish reason"
	case !reflect.DeepEqual(resp.Message, whole.Message), resp.Finish != whole.Finish, resp.ID != whole.ID, resp.Model != whole.Model:
		return fmt.Sprintf("success that lost something: %+v\nof %+v", resp, whole)
	case resp.RawUsage != nil && resp.Usage != whole.Usage && whole.RawUsage == nil:
		return "usage from nowhere"
	}
	return ""
}
