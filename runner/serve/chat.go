package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"net/http"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// The defaults and bounds of a Config.
const (
	defaultMaxBody = 4 << 20
	maxID          = 300 // bytes of the id of a conversation
	writeTimeout   = 30 * time.Second
	heartbeat      = 15 * time.Second
	takeOver       = 2 * time.Second // between two tries to continue a run of another process
)

// A Config describes a chat.
type Config struct {
	// Runner runs the sessions. The Journal must be a [journal.Reader], as all journals of
	// this library are. Nil means a [journal.Memory]. Redact also changes the texts of
	// the events for browsers; a text is withheld if Redact panics.
	Runner runner.Runner
	// Agent answers. The contexts of the runs have the values of the first request of the
	// run, for example the user from a middleware.
	Agent *agent.Agent
	// Open opens a session of an engine whose runs belong to other processes, such as a
	// temporal.Session, and Reader reads these sessions. Open needs Reader. The runs then go on
	// without this process, and Shutdown does not wait for them. Of the Runner, the chat uses
	// Redact alone, and the Journal must be nil. Of the Agent, the chat uses the name and the
	// checks: give the Agent of the workers. [Chat.Live] takes what the workers do not store.
	// Nil means that the Runner runs the sessions in this process.
	Open   func(session string) Session
	Reader journal.Reader
	// Session returns the name of the session of a conversation. id comes from the browser:
	// the chat id of the AI SDK, or the thread id of AG-UI, with 1 to 300 bytes. Whoever can
	// reach a name can read and continue the session, so put the user into the name. An error
	// refuses the request with the status 403. The browser does not see the text of the error.
	// Session is required.
	Session func(r *http.Request, id string) (string, error)
	// Person returns the name of the visitor, for example of the user from a middleware. The
	// session records the name with each message and each decision of the request, as
	// [runner.By] does, also when the message waits in the queue. Runner.MayAnswer gets the
	// name, and browsers never read it. A refusal of MayAnswer answers with the status 403.
	// The handler calls Person once for each post to answer, after
	// Session, and from many goroutines at once. Nil, and an empty name, mean that no person
	// is recorded. A run with a name of more than 200 bytes fails before it records anything.
	Person func(r *http.Request) string
	// ErrorText returns the text for the browser when a run fails, or when Runner.MayAnswer
	// refuses an answer (a [*runner.DecisionError] with Err). Nil, and an empty text, mean a
	// sentence without a cause. The errors of runs have texts of providers and tools, so do not
	// show these texts unchanged.
	ErrorText func(error) string
	// Queue is the most messages waiting in a conversation while a run answers. The
	// messages are answered in their order, also when their pages go. Zero means that a
	// message during a run is refused with the status 409.
	Queue int
	// MaxBody bounds the body of a request in bytes. Zero means 4 MiB, -1 no limit. By default,
	// useChat posts the whole conversation each time.
	MaxBody int64
	// Origins are origins such as "https://app.example.com" whose pages may use the chat
	// beside the pages of the same origin. The handler sends no CORS headers; Origins is for a
	// middleware with such headers.
	Origins []string
	// FrontEnd has the names of tools whose results may come from the browser, usually made by
	// [tool.External]: useChat hands in results with addToolOutput, and AG-UI with messages of the
	// role tool. The results of all other calls, for example of a webhook, are refused
	// from a browser. Nil means none.
	FrontEnd []string
	// NamedTools gives tool parts of the AI SDK the type "tool-NAME", for typed
	// clients. By default, the type is "dynamic-tool".
	NamedTools bool
	// ResetStep uses the chunk "reset-step" when an answer begins anew, for example after a
	// broken connection to the model. Only clients with npm "ai" 7 know this chunk; a client with
	// 6 fails. By default, the data part "data-toolloop-restart" follows the withdrawn
	// texts.
	ResetStep bool
	// Logger gets the failures of runs. Nil means [slog.Default].
	Logger *slog.Logger
}

// A Session is a session of an engine whose runs belong to other processes; see Config.Open. It
// is safe for concurrent use.
type Session interface {
	// Stream is like Stream of [runner.Session], and yields the stored events. The end of ctx
	// ends the stream, and not the run. An input during a run is refused with a
	// [*journal.BusyError].
	Stream(ctx context.Context, a *agent.Agent, in ...runner.Input) iter.Seq2[event.Event, error]
	// Cancel ends the run that is going on, in any process. The run fails with
	// [context.Canceled]. Without a run, Cancel has no effect.
	Cancel(ctx context.Context) error
}

// A Chat serves conversations, and is safe for concurrent use.
type Chat struct {
	config Config
	reader journal.Reader
	guard  *http.CrossOriginProtection
	redact func(string) string
	hidden bool            // no deltas, because a check may withdraw an answer
	drain  context.Context // ends with Shutdown
	stop   context.CancelFunc

	mu            sync.Mutex
	conversations map[string]*conversation // guarded by mu; those in use
	down          bool                     // guarded by mu; after Shutdown
	runs          sync.WaitGroup
}

// Chat returns the chat, or an error for a Config without a valid Agent, without Session, with a
// Journal without the methods of a [journal.Reader], or with only Open or only Reader. The
// caller ends the chat with [Chat.Shutdown].
func (c Config) Chat() (*Chat, error) {
	reader, err := c.reader()
	switch {
	case err != nil:
		return nil, err
	case c.Session == nil:
		return nil, errors.New("serve: Session is nil: it must return the name of a session that only this visitor can reach")
	case c.Queue < 0:
		return nil, fmt.Errorf("serve: Queue is %d", c.Queue)
	}
	if err := c.Agent.Validate(); err != nil {
		return nil, fmt.Errorf("serve: %w", err)
	}
	guard := http.NewCrossOriginProtection()
	for _, o := range c.Origins {
		if err := guard.AddTrustedOrigin(o); err != nil {
			return nil, fmt.Errorf("serve: Origins: %w", err)
		}
	}
	c.MaxBody = cmp.Or(c.MaxBody, defaultMaxBody)
	chat := &Chat{config: c, reader: reader, guard: guard, hidden: checksOutput(c.Agent), conversations: map[string]*conversation{}}
	if c.Runner.Redact != nil {
		chat.redact = chat.safely(c.Runner.Redact)
	}
	chat.drain, chat.stop = context.WithCancel(context.Background())
	return chat, nil
}

// reader returns the Reader of the sessions. The Runner gets a Journal if the Runner needs one.
func (c *Config) reader() (journal.Reader, error) {
	switch {
	case (c.Open == nil) != (c.Reader == nil):
		return nil, errors.New("serve: Open and Reader belong together: one of them is nil")
	case c.Open != nil && c.Runner.Journal != nil:
		return nil, errors.New("serve: the Runner has a Journal, but Open has the sessions: leave it nil")
	case c.Open != nil:
		return c.Reader, nil
	case c.Runner.Journal == nil:
		c.Runner.Journal = new(journal.Memory)
	}
	reader, ok := c.Runner.Journal.(journal.Reader)
	if !ok {
		return nil, fmt.Errorf("serve: the Journal %T is no journal.Reader", c.Runner.Journal)
	}
	return reader, nil
}

// safely returns redact without its panics, which would end the program.
func (c *Chat) safely(redact func(string) string) func(string) string {
	return func(text string) (out string) {
		defer func() {
			if p := recover(); p != nil {
				c.logger().Error("Redact panicked", "panic", p, "stack", string(debug.Stack()))
				out = "[withheld]"
			}
		}()
		return redact(text)
	}
}

// checksOutput reports whether an agent of the conversation checks answers.
func checksOutput(a *agent.Agent) bool {
	return slices.ContainsFunc(a.Reachable(), func(a *agent.Agent) bool {
		return slices.ContainsFunc(a.Checks, func(c agent.Check) bool { return c.Output != nil })
	})
}

// Shutdown ends the chat in order. New messages get the status 503. Each run stops between
// two turns ([runner.Drain]), and the streams break off, so the pages try again and find the
// next process. The next process continues the runs. Runs of Config.Open go on, and only their
// streams break off. Shutdown returns when all runs have stopped, or with the cause of ctx; then
// Shutdown has cancelled the remaining runs, and has waited for their end. Call Shutdown before the Shutdown of the [http.Server], because the
// server waits for the streams.
func (c *Chat) Shutdown(ctx context.Context) error {
	c.mu.Lock()
	c.down = true
	c.mu.Unlock()
	c.stop()
	done := make(chan struct{})
	go func() { // ends with the runs
		c.runs.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	c.mu.Lock() // a conversation locks itself first, and then the chat
	all := slices.Collect(maps.Values(c.conversations))
	c.mu.Unlock()
	for _, conv := range all {
		conv.cancel(errShutdown)
	}
	<-done
	return context.Cause(ctx)
}

func (c *Chat) logger() *slog.Logger {
	if c.config.Logger != nil {
		return c.config.Logger
	}
	return slog.Default()
}

// ownText returns the text of the program for an error, or "".
func (c *Chat) ownText(err error) string {
	if c.config.ErrorText == nil {
		return ""
	}
	return c.config.ErrorText(err)
}

// errorText returns the text for a browser about a failed run, and a word for programs. A run
// that waited in the queue can be refused as well as fail.
func (c *Chat) errorText(err error) (text, code string) {
	text, code = "The answer failed.", "failed"
	if _, limit := errors.AsType[*runner.LimitError](err); limit {
		text = "The answer needs more work than is allowed."
	}
	if r, ok := errors.AsType[*refusal](c.refusalOf(err)); ok {
		text, code = r.text, "conflict"
		if r.status == http.StatusForbidden {
			code = "refused"
		}
	}
	return cmp.Or(c.ownText(err), text), code
}
