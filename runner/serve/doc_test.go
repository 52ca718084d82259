package serve_test

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/serve"
)

// docText returns the package documentation.
func docText(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	return strings.ReplaceAll(string(text), "\n//", "\n")
}

// TestDocPosts: the posts in the documentation work.
func TestDocPosts(t *testing.T) {
	t.Parallel()
	posts := regexp.MustCompile(`(?s) -d '(.*?)'\n`).FindAllStringSubmatch(docText(t), -1)
	require.Len(t, posts, 2)
	synctest.Test(t, func(t *testing.T) {
		s := open(t, serve.Config{Agent: desk(llmtest.Script(t, llmtest.Calls("pay", lookArgs{"W1"}), llmtest.Text("Not paid.")))})
		asked := s.do(t, http.MethodPost, "/chat", posts[0][1]).all(t)
		require.Contains(t, asked, `{"type":"tool-approval-request","toolCallId":"r1.t1.c0","approvalId":"r1.t1.c0@5"}`)
		require.Equal(t, asked, s.do(t, http.MethodPost, "/chat", posts[0][1]).all(t))
		denied := s.do(t, http.MethodPost, "/chat", posts[1][1]).all(t)
		require.Contains(t, denied, `{"type":"tool-output-denied","toolCallId":"r1.t1.c0","reason":"too much"}`)
		require.Equal(t, "Not paid.", textOf(t, denied))
		require.Contains(t, s.text(t, "/chat/c/messages"), `"reason":"too much"`)
	})
}

// TestDocParts: the documentation has every data part of the code, and no others.
func TestDocParts(t *testing.T) {
	t.Parallel()
	name := regexp.MustCompile(`data-toolloop-[a-z]+`)
	set := func(names []string) map[string]bool {
		all := map[string]bool{}
		for _, n := range names {
			all[n] = true
		}
		return all
	}
	files, err := filepath.Glob("ui*.go")
	require.NoError(t, err)
	var code []string
	for _, f := range files {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		code = append(code, name.FindAllString(string(text), -1)...)
	}
	require.NotEmpty(t, code)
	var told []string
	for _, row := range regexp.MustCompile(`(?m)^\t(data-toolloop-[a-z]+) `).FindAllStringSubmatch(docText(t), -1) {
		told = append(told, row[1])
	}
	require.Equal(t, set(code), set(told))
}

// TestDoubt: the chat asks about a call whose process died, with a warning, and approval runs
// the call again.
func TestDoubt(t *testing.T) {
	t.Parallel()
	for _, approved := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			store := new(journal.Memory)
			r := runner.Runner{Journal: store}
			first := desk(llmtest.Script(t, look("W1"), llmtest.Text("Sent.")))
			_, err := r.Session("whole").Run(t.Context(), first, runner.Say(llm.User("Where is W1?")))
			require.NoError(t, err)
			var died int64 // at the beginning of the call
			for e, err := range store.Read(t.Context(), "whole", 0) {
				require.NoError(t, err)
				if _, began := e.Body.(event.ToolCallStarted); began {
					died = e.Seq
				}
			}
			require.NoError(t, journal.Fork(t.Context(), store, "whole", died, "c"))

			s := open(t, serve.Config{Runner: r, Agent: desk(llmtest.Script(t, llmtest.Text("It is on its way.")))})
			asked := strings.Join(s.do(t, http.MethodGet, "/chat/c/stream", "").all(t), "\n")
			question := regexp.MustCompile(`"approvalId":"(r1.t1.c0@\d+)"`).FindStringSubmatch(asked)
			require.Len(t, question, 2, asked)
			warning := `{"approvalId":"` + question[1] + `","text":"The call was interrupted, and nobody knows whether it took effect. Approval runs it again.","toolCallId":"r1.t1.c0"}`
			require.Contains(t, asked, `{"type":"tool-approval-request","toolCallId":"r1.t1.c0","approvalId":"`+question[1]+`"}`+"\n"+
				`{"type":"data-toolloop-doubt","id":"r1.t1.c0","data":`+warning+`}`)
			require.Contains(t, s.text(t, "/chat/c/messages"), warning)

			said := s.answers(t, approved, question[1]).all(t)
			require.Equal(t, "It is on its way.", textOf(t, said))
			ran := strings.Contains(strings.Join(said, "\n"), `"output":{"order":"W1","state":"sent"}`)
			require.Equal(t, approved, ran, said)
		})
	}
}
