package mcp_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/tool"
	"github.com/seed-916e8f6a/toolloop/tool/mcp"
)

// A stage is a run with a hostile server and a good server. The model calls a tool of
// each, and then answers.
type stage struct {
	server mcp.Server     // the hostile one; it is called "evil"
	steps  []llmtest.Step // nil: it calls evil__work and good__greet at once, and is done
	asks   bool           // approval is asked for as without Server.Ask
	decide func(context.Context, runner.Pending) (runner.Input, error)
	watch  func(event.Event) // sees each event
}

// An outcome is the part of a run that a hostile server can influence.
type outcome struct {
	Evil    string // what the model read of the last call of evil__work
	Failure string // its kind
	Notices string // a line each
}

// A told is all output of the client: for models, logs and people.
type told struct {
	requests []llm.Request
	events   string
	log      string
	status   []mcp.Status
	took     time.Duration // until the end of the run
}

func (s told) everything(t *testing.T) string {
	t.Helper()
	requests, err := json.Marshal(s.requests)
	require.NoError(t, err)
	var b strings.Builder
	for _, one := range s.status {
		status, err := json.Marshal(one.Definitions)
		require.NoError(t, err)
		left, err := json.Marshal(one.LeftOut)
		require.NoError(t, err)
		b.WriteString(string(status) + string(left))
		if one.Err != nil {
			b.WriteString(one.Err.Error())
		}
	}
	return string(requests) + s.events + s.log + b.String()
}

// offered returns the names of the tools in a request.
func (s told) offered(request int) []string {
	names := []string{}
	for _, def := range s.requests[request].Tools {
		names = append(names, def.Name)
	}
	return names
}

var evilWork = llmtest.Calls("evil__work", nil)

// twice are steps in which the model calls the hostile server twice.
func twice() []llmtest.Step {
	return []llmtest.Step{evilWork, evilWork.And(llmtest.Calls("good__greet", nil)), llmtest.Text("Done.")}
}

// play makes the run. It fails the test unless the run ends with the model's answer and
// the good tool worked.
func (s stage) play(t *testing.T) (outcome, told) {
	t.Helper()
	log := new(logged)
	s.server.Name = cmp.Or(s.server.Name, "evil")
	s.server.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if s.server.Ask == nil && !s.asks {
		s.server.Ask = never
	}
	if s.steps == nil {
		s.steps = []llmtest.Step{evilWork.And(llmtest.Calls("good__greet", nil)), llmtest.Text("Done.")}
	}
	client, err := mcp.Open(s.server, mcp.Server{Name: "good", Dial: goodServer(t), Ask: never})
	require.NoError(t, err)
	script := llmtest.Script(t, s.steps...)
	r := runner.Runner{Model: script, NoStream: true, Decide: s.decide, Limits: runner.Limits{Repeats: -1}, Logger: slog.New(slog.NewTextHandler(log, nil))}

	start := time.Now()
	out, events := s.run(t, r, &agent.Agent{Toolsets: client.Toolsets()})
	all := told{requests: script.Requests(), events: events, took: time.Since(start)}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	all.status = client.Status(ctx)
	require.NoError(t, client.Close())
	all.log = log.String()
	return out, all
}

func (s stage) run(t *testing.T, r runner.Runner, a *agent.Agent) (outcome, string) {
	t.Helper()
	var out outcome
	var events bytes.Buffer
	last, greeted := "", ""
	var notices []string
	for e, err := range r.Stream(t.Context(), a, llm.User("Work, and greet.")) {
		require.NoError(t, err)
		text, err := json.Marshal(e)
		require.NoError(t, err)
		events.Write(append(text, '\n'))
		if s.watch != nil {
			s.watch(e)
		}
		switch body := e.Body.(type) {
		case event.Notice:
			notices = append(notices, body.Text)
		case event.ModelAnswered:
			last = body.Message.Text()
		case event.ToolCallFinished:
			switch body.Result.Name {
			case "evil__work":
				out.Evil, out.Failure = textOf(body.Result.Parts), body.Failure
			case "good__greet":
				greeted = textOf(body.Result.Parts)
			}
		}
	}
	require.Equal(t, "Done.", last, "the model's answer")
	require.Equal(t, "Hello.", greeted, "what the good server said")
	out.Notices = strings.Join(notices, "\n")
	return out, events.String()
}

func textOf(parts llm.Parts) string {
	var b strings.Builder
	for _, p := range parts {
		if t, ok := p.(llm.Text); ok {
			b.WriteString(t.Text)
		}
	}
	return b.String()
}

// goodServer dials a server in this process with a tool that greets.
func goodServer(t *testing.T) func(context.Context) (sdk.Transport, error) {
	t.Helper()
	server := sdk.NewServer(&sdk.Implementation{Name: "good"}, nil)
	require.NoError(t, mcp.AddTools(server, made(tool.New("greet", "Greets.", func(context.Context, struct{}) (string, error) { return "Hello.", nil }))))
	return func(context.Context) (sdk.Transport, error) {
		ours, theirs := sdk.NewInMemoryTransports()
		_, err := server.Connect(context.WithoutCancel(t.Context()), theirs, nil) // until the client leaves
		return ours, err
	}
}
