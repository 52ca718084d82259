package runner_test

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/compact"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// book is a long text with characters of one to four bytes.
var book = func() string {
	var b strings.Builder
	for i := range 300 {
		fmt.Fprintf(&b, "line %d: aé€😀\n", i)
	}
	return b.String()
}()

// library returns a tool that returns the book, in memory after an image, and its set.
func library(opts ...tool.Option) (tool.Tool, tool.Set) {
	t := tool.Must(tool.New("fetch_book", "Fetches a book.", func(context.Context, struct{}) (llm.Parts, error) {
		return llm.Parts{llm.Image{URL: "https://example.com/cover.png"}, llm.Text{Text: book}}, nil
	}, append(opts, tool.Idempotent())...))
	return t, tool.Set{Name: "library", Deferred: true, List: func(context.Context) ([]tool.Tool, error) { return []tool.Tool{t}, nil }}
}

var (
	nextOffset = regexp.MustCompile(`"offset":(\d+)|at offset (\d+)\.\]$`)
	pieceText  = regexp.MustCompile(`(?s)^\[Result [^\n]*\]\n(.*)\n\[[^\n]*\]$`)
	beginText  = regexp.MustCompile(`(?s)^(.*)\n\[This is the beginning`)
)

// bookworm is a model that fetches the book and reads on until the end. Its answer is the
// number of characters.
func bookworm(t *testing.T, limit int) *llmtest.Model {
	return llmtest.NewScript(llmtest.Reply(func(_ context.Context, req *llm.Request) (*llm.Response, error) {
		last := req.Messages[len(req.Messages)-1]
		if last.Role != llm.RoleTool {
			return llmtest.Calls("fetch_book", nil).Response()
		}
		r := last.Results()[0]
		require.False(t, r.IsError, r.Text())
		require.LessOrEqual(t, len(r.Text()), limit)
		next := nextOffset.FindStringSubmatch(r.Text())
		if next == nil {
			return llmtest.Text(fmt.Sprint(len(read(t, req.Messages)))).Response()
		}
		n, err := strconv.Atoi(next[1] + next[2])
		require.NoError(t, err)
		return llmtest.Calls("read_result", map[string]any{"result": "r1.t1.c0", "offset": n}).Response()
	}).Forever())
}

// read joins the pieces of the book in a history.
func read(t *testing.T, messages []llm.Message) (text string) {
	for _, m := range messages {
		for _, r := range m.Results() {
			form := pieceText
			if r.Name == "fetch_book" {
				form = beginText
			}
			piece := form.FindStringSubmatch(r.Text())
			require.NotNil(t, piece, r.Text())
			text += piece[1]
		}
	}
	return text
}

// TestPutAside reads a long result in pieces: the pieces are the whole result, on both wires
// and in a process that knows only a journal that ends after any event.
func TestPutAside(t *testing.T) {
	t.Parallel()
	const limit = 1500
	fetch, _ := library()
	a := &agent.Agent{Tools: []tool.Tool{fetch}}
	for _, api := range []openai.API{openai.APIChat, openai.APIResponses} {
		model := openai.Config{HTTPClient: bookworm(t, limit).Client(), Key: "k", API: api}.Model("m")
		store := new(journal.Memory)
		r := runner.Runner{Journal: store, Model: model, PutAside: limit, MaxTurns: -1}
		result, err := r.Session("s").Run(t.Context(), a, runner.Say(llm.User("Read.")))
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(len(book)), result.Text)
		require.Equal(t, book, read(t, result.Messages))
		for cut := 2; cut < len(result.Events)-1; cut++ {
			r.Journal = journalOf(t, result.Events[:cut])
			again, err := r.Session("s").Run(t.Context(), a)
			require.NoError(t, err, "cut after %d", cut)
			require.Equal(t, book, read(t, again.Messages))
		}
	}
}

// TestReadResult: lists, searches, pieces and mistakes, after a compaction has removed the
// beginning of the result, in a later process, and for a tool of a deferred set.
func TestReadResult(t *testing.T) {
	t.Parallel()
	const limit = 1200
	_, set := library()
	a := &agent.Agent{Toolsets: []tool.Set{set}}
	store := new(journal.Memory)
	secret := func(s string) string { return strings.ReplaceAll(s, "line 7:", "line [redacted]:") }
	say := func(policy *compact.Policy, steps ...llmtest.Step) []string {
		r := runner.Runner{Journal: store, Model: llmtest.Script(t, steps...), PutAside: limit, Compact: policy, Redact: secret}
		result, err := r.Session("s").Run(t.Context(), a, runner.Say(llm.User("Read.")))
		require.NoError(t, err)
		texts := results(result.Messages)
		for _, text := range texts {
			require.LessOrEqual(t, len(text), limit)
		}
		return texts
	}
	of := func(in map[string]any) llmtest.Step { return llmtest.Calls("read_result", in) }
	fine := llmtest.Text("Fine.")
	texts := say(nil, llmtest.Calls("search_tools", map[string]string{"query": "book"}), llmtest.Calls("fetch_book", nil), fine)
	require.Contains(t, texts[1], `of 4399 characters. The result is kept. Read on: read_result {"result":"r1.t2.c0","offset":`)
	require.Empty(t, say(&compact.Policy{Tokens: 1, Strategy: compact.DropTurns(1)}, fine))

	texts = say(nil, of(nil).And(of(map[string]any{"result": "r1.t2.c0", "search": "LINE 29"})).
		And(of(map[string]any{"result": "r1.t2.c0", "search": "line 7:"})).
		And(of(map[string]any{"result": "r1.t2.c0", "offset": 4379})).
		And(of(map[string]any{"result": "r1.t2.c0", "offset": 19, "length": 6})).
		And(of(map[string]any{"result": "r1.t2.c0", "offset": 4400})).
		And(of(map[string]any{"result": "r9", "offset": 1})).
		And(of(map[string]any{"result": "r1.t2.c0", "offset": -1})), fine)
	for i, want := range []string{
		"These results can be read:\nr1.t2.c0: fetch_book, 4399 characters",
		"[Result r1.t2.c0 of fetch_book: places of \"LINE 29\" from offset 0 on.]\noffset 405: ",
		"[Result r1.t2.c0 of fetch_book: \"line [redacted]:\" does not occur from offset 0 on.]", // Redact changed this text, too
		"[Result r1.t2.c0 of fetch_book: 20 characters from offset 4379 on, of 4399.]\naé€😀\nline 299: aé€😀\n\n[This is the end of the result.]",
		"[Result r1.t2.c0 of fetch_book: 6 characters from offset 19 on, of 4399.]\n",
		"the offset is 4400, but the result r1.t2.c0 has 4399 characters",
		"no result with the name \"r9\" is kept. These results can be read:\nr1.t2.c0: fetch_book, 4399 characters",
		"/offset",
	} {
		require.Contains(t, texts[i], want)
	}
	places := regexp.MustCompile(`offset (\d+): `).FindAllStringSubmatch(texts[1], -1)
	require.Len(t, places, 5)
	require.Contains(t, texts[1], "[There are more: search from offset ")
	runes := []rune(secret(book))
	for _, p := range places {
		at, err := strconv.Atoi(p[1])
		require.NoError(t, err)
		require.Equal(t, "line 29", string(runes[at:at+7]))
	}
}

// TestPutAsideSparing: what stays whole, and the bound of 256 KiB that falls.
func TestPutAsideSparing(t *testing.T) {
	t.Parallel()
	run := func(aside int, opts ...tool.Option) *runner.Result {
		fetch, _ := library(opts...)
		r := runner.Runner{Model: llmtest.NewScript(llmtest.Calls("fetch_book", nil), llmtest.Text("Fine.")), PutAside: aside}
		result, err := r.Run(t.Context(), &agent.Agent{Tools: []tool.Tool{fetch}}, llm.User("Read."))
		require.NoError(t, err)
		return result
	}
	whole := func(r *runner.Result) (text string) {
		for _, e := range r.Events {
			if b, ok := e.Body.(event.ToolCallFinished); ok {
				text += b.Whole
			}
		}
		return text
	}
	for _, aside := range []int{0, len(book)} {
		result := run(aside)
		require.Empty(t, whole(result))
		require.Equal(t, book, result.Messages[2].Results()[0].Text())
	}
	require.Equal(t, book, run(1000, tool.Final()).Text)
	result := run(1000)
	require.Equal(t, book, whole(result))
	require.Equal(t, llm.Image{URL: "https://example.com/cover.png"}, result.Messages[2].Results()[0].Parts[1])
	require.Contains(t, whole(run(1000, tool.MaxResult(2000))), "[The result is cut off: ")

	huge := tool.Must(tool.New("huge", "", func(context.Context, struct{}) (string, error) { return strings.Repeat("x", 1<<20), nil }))
	r := runner.Runner{Model: llmtest.NewScript(llmtest.Calls("huge", nil), llmtest.Text("Fine.")), PutAside: 8 << 10}
	result, err := r.Run(t.Context(), &agent.Agent{Tools: []tool.Tool{huge}}, llm.User("Read."))
	require.NoError(t, err)
	require.Len(t, whole(result), 1<<20)
}

// TestPutAsideMistakes: errors before the first request.
func TestPutAsideMistakes(t *testing.T) {
	t.Parallel()
	model := llmtest.Script(t)
	for _, n := range []int{-1, 1, 999} {
		_, err := runner.Runner{Model: model, PutAside: n}.Run(t.Context(), &agent.Agent{}, llm.User("Hi."))
		require.EqualError(t, err, fmt.Sprintf("runner: PutAside is %d; the smallest number of bytes is 1000", n))
	}
	own := plug("read_result", "Mine.")
	_, err := runner.Runner{Model: model, PutAside: 1000}.Run(t.Context(), &agent.Agent{Tools: []tool.Tool{own}}, llm.User("Hi."))
	require.EqualError(t, err, `runner: agent "agent" has a tool "read_result", and Runner.PutAside adds one with this name`)
	set := tool.Set{Name: "x", List: func(context.Context) ([]tool.Tool, error) { return []tool.Tool{own}, nil }}
	_, err = runner.Runner{Model: model, PutAside: 1000}.Run(t.Context(), &agent.Agent{Toolsets: []tool.Set{set}}, llm.User("Hi."))
	require.EqualError(t, err, `turn 1: agent "agent": two tools are named "read_result"`)
}
