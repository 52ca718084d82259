package runner

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"time"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/compact"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// The defaults of a Runner's fields.
const (
	defaultMaxTurns         = 30
	defaultMaxInvalidRounds = 3
	defaultToolTimeout      = 2 * time.Minute
	defaultRunTimeout       = time.Hour
)

// A Runner is a configuration, like http.Client. The zero value works, a Runner may be
// copied, and a Runner may serve any number of runs at once. For each bound, zero means
// the stated default and -1 means no limit.
type Runner struct {
	// MaxTurns bounds the model's answers in a run. The default is 30.
	MaxTurns int
	// MaxInvalidRounds bounds the consecutive turns in which every tool call was wrong:
	// an unknown tool, invalid arguments, a call that the tool choice forbids,
	// [tool.Retry]. An error that a tool reports about its domain does not count. The
	// default is 3.
	MaxInvalidRounds int
	// ToolTimeout bounds the context of a tool call, unless the tool has its own timeout.
	// The default is 2 minutes. A function may return up to 5 seconds later, because a
	// known outcome is better than an unknown outcome. After that, the run leaves the
	// function behind.
	ToolTimeout time.Duration
	// RunTimeout bounds a run. The default is 1 hour.
	RunTimeout time.Duration
	// Limits bound what a run may spend.
	Limits Limits
	// AtLimit is called when one of Limits, MaxTurns, MaxInvalidRounds or the Budget is reached. If
	// answer is true, the run gets one last turn: the model is told to answer now, and no
	// call of that turn runs. An empty answer, or an answer in a wrong form, is corrected in
	// further turns, as always. Otherwise the run ends with err, or with the *[LimitError] if
	// err is nil. AtLimit is not called again in the run. [LastAnswer] is an AtLimit that
	// always gives the last turn. Nil means that the run ends with the *[LimitError].
	AtLimit func(ctx context.Context, limit *LimitError) (answer bool, err error)
	// Cost returns the cost of an answer, in a unit of the program, for example dollars.
	// model is the model that the provider reports. Nil means that costs are not counted.
	Cost func(model string, u llm.Usage) float64
	// Budget, if not nil, is a bound that all runs with the same Budget share.
	Budget *Budget
	// BeforeTurn, if not nil, is called before each turn and returns what changes in the turn:
	// the model, the settings, the tools on offer, the tool choice, messages to add. The zero
	// [Change] changes nothing.
	//
	//   - The event TurnPrepared records the answer, so BeforeTurn is not called again for a
	//     turn that was prepared before a crash. A Model and Settings are values that no
	//     event can hold: if the turn had one of these and no answer, BeforeTurn is called
	//     again with the same info, and only its Model and Settings count.
	//   - An error ends the run. A panic also ends the run, with an error, and the Logger gets
	//     the stack.
	//   - A run calls BeforeTurn before the agent's Instruct, and never twice at the same
	//     time. Runs that share a Runner call it from several goroutines.
	BeforeTurn func(ctx context.Context, info agent.Info) (Change, error)
	// Compact, if not nil, shortens a history that becomes too long for the model: before a
	// turn, and after the provider refused a request as too long. &compact.Policy{Tokens:
	// 100_000} is the simple case; see package compact.
	Compact *compact.Policy
	// PutAside is the number of bytes of text above which the result of a tool call is put
	// aside: the model gets the beginning of the result and its name, and the run offers the
	// tool read_result, which reads the whole result in pieces or searches in it. So a model
	// with a small context can work with large results, and a compaction loses nothing: the
	// model can read the result again, also in a later process.
	//
	//   - Zero means that every result stays in the conversation, as long as [tool.MaxResult]
	//     allows. The smallest other number is 1000. A negative number is an error.
	//   - The whole result has up to 16 MiB, or the bytes of the tool's own MaxResult. A
	//     session keeps the newest 32 MiB of such results for reading.
	//   - The event ToolCallFinished has the whole text. Redact has changed it.
	//   - The checks of results ([agent.Check]) see the beginning, and later each piece.
	//   - A call of read_result counts as every other call, and so do its tokens. Failures,
	//     and results of tools with [tool.Final], are not put aside.
	//   - The agent must not have a tool with the name read_result.
	PutAside int
	// StopWhen, if not nil, is called after the results of each turn, before the limits and
	// before the next turn. True ends the run with success: Result.Text is the text of the
	// last answer of the model, and Result.Messages ends with the results. info.Turn is the
	// turn that has ended. Conditions are combined by || and &&. For a tool whose result is
	// the answer of the run, see [tool.Final].
	//
	// The events record the decision. Only after a crash between the results and the next
	// event is StopWhen called again for a turn. A panic ends the run with an error, and the
	// Logger gets the stack. Runs that share a Runner call StopWhen from several goroutines.
	StopWhen func(info agent.Info) bool
	// MaxDepth bounds the depth of nested runs, this run included. A run is nested if a
	// tool's function starts the run with the context that the function got.
	//
	//   - Zero means 32 for an outermost run, and the bound of the outer run for a nested
	//     run. -1 adds no bound. A nested run cannot raise the bound of the outer run.
	//   - A run beyond the bound fails with a [*LimitError] before its first request. If
	//     the tool returns this error, the outer run ends, too, as with [tool.Abort]. So an
	//     agent that calls itself without end fails at every depth at once. If the outer
	//     run should go on, the tool must return a text in place of the error.
	MaxDepth int
	// Calls bounds the tool calls that run at the same time, over all runs with the same
	// CallLimit. Nil means 16 calls in each run.
	Calls *CallLimit
	// Model replaces the Model of every agent. Nil means the agent's own Model.
	Model llm.Model
	// Journal stores sessions. Nil means that each [Session] lives in memory.
	Journal journal.Journal
	// NoStream makes Stream ask the models for whole answers. The events are the same,
	// without deltas. Run never streams.
	NoStream bool
	// KeepPartial, if not zero, keeps the beginning of an answer that never comes, because the
	// run was cancelled, the request failed, or the process died: the event
	// [event.AnswerStreamed], [State.Partial], and pages, transcripts and reports have the text,
	// marked as a partial answer. Messages never have the text, so no model reads the text.
	//
	//   - A text is recorded at the latest KeepPartial after the text came, in one append
	//     without a sync, and when the request ends without an answer. -1 records only at the
	//     end, so a process that dies loses the text. A good value is 2 * time.Second: an answer
	//     of a minute costs 30 short appends, and the text is stored twice.
	//   - Only the streamed answers of a [Session] are kept: text and reasoning, also of helpers.
	//     Calls that the model was writing are not kept.
	//   - While a check of the agent beside the request has not passed, nothing is recorded. Other
	//     checks of the agent have not seen a partial answer.
	KeepPartial time.Duration
	// Redact changes the text of each result, failure and error before the model, an
	// event, a journal or a log gets the text. Use Redact to remove secrets.
	//
	//   - Redact gets the text of an error before the cut to 1 KB, and the text of a
	//     result after its bound ([tool.MaxResult]). Passwords in URLs are already gone;
	//     see KeepPasswords.
	//   - Redact is called from several goroutines at once.
	//   - If Redact panics, or does not return within 10 seconds, the runner withholds the
	//     text. Until that call returns, the runner withholds all other texts of the run.
	//   - Nil changes nothing.
	Redact func(string) string
	// KeepPasswords leaves passwords of URLs in the text of results. By default,
	// postgres://ann:s3cret@db becomes postgres://[redacted]@db, and the model's provider
	// never reads the password. Set KeepPasswords for an agent that edits files, because
	// such an agent would write the change back. Passwords in errors are always cut. The
	// comment of package tool defines a password.
	KeepPasswords bool
	// Decide decides about each call that waits for approval or is in doubt, one after the
	// other, before the run pauses, also about calls of helpers that run at the same time. Use
	// Decide for a terminal or a policy. An answer is recorded before the next question and
	// before the call runs, so a policy that adds up earlier calls ([CallsOf]) sees the
	// decisions of the same turn, and is not asked again after a crash. [By] names the policy.
	// Decide returns an answer of p, such as p.Approve(), or nil to leave the call undecided.
	// Approve, Deny and Edit do not answer a call in doubt (Pending.InDoubt): such an answer, or
	// one about a call in doubt for a call that waits for approval, leaves the call undecided,
	// with a warning in the log.
	// Decide is not asked about a call whose result comes later (Pending.Late), or about a call
	// with a standing answer: a bound that must hold there, too, belongs into MayAnswer. The context of Decide ends
	// when the question no longer waits (Pending.Until).
	//
	// If Decide returns an error, the call stays undecided, and Run returns the error. A
	// run that was going on then fails. A run that is being continued after a pause stays
	// paused. If Decide is nil, every call stays undecided.
	Decide func(ctx context.Context, p Pending) (Input, error)
	// MayAnswer, if not nil, is called before a decision about a call is recorded: with the
	// call, and with the decision (What, Person and Words; Seq is zero, and Person is "" without
	// [By]). For an edit, p.ToolCall has the new arguments. An error refuses the decision:
	// nothing is recorded, the call stays undecided, and Run returns a [*DecisionError] with
	// the error in it. So a requester cannot approve, and can withdraw:
	//
	//	MayAnswer: func(ctx context.Context, p runner.Pending, d runner.Decision) error {
	//		if d.What != "denied" && (d.Person == "" || slices.Contains(p.Persons, d.Person)) {
	//			return errors.New("another person must answer")
	//		}
	//		return nil
	//	}
	//
	// MayAnswer is asked about the answers of Decide, too, and not about results from outside.
	// It is asked about an answer that stands for later questions (d.Always), and again about
	// each later question (d.Standing, with the name of the person who gave the answer). If it
	// refuses then, the question waits.
	// If MayAnswer refuses an answer of Decide, the error counts as an error of Decide.
	// p is what the session knows, and not what the caller of Run has stored. If MayAnswer
	// panics, the decision is refused.
	MayAnswer func(ctx context.Context, p Pending, d Decision) error
	// Around, if not nil, is called when a piece of work begins: a run, a request to the
	// model, a call of a tool's function. The context that Around returns is the context
	// of the work, and of all work inside: the requests and calls of a run, and a run inside
	// a call. The function that Around returns is called when the work has ended, with the
	// outcome in w. Use Around for traces and for measurements; see package runner/otel.
	//
	//   - The returned context must come from ctx. Nil stands for ctx, a nil function for a
	//     function that does nothing.
	//   - The end function is called once for each work, also after a panic of a model, and
	//     when a function is left behind. The end of a run comes last, after its last event.
	//   - A call that is refused, or waits for approval, is no work before its function is
	//     called. A run that continues after a pause is a work again: see [Work].
	//   - Calls of Around overlap, because calls of tools do. Around is called on the
	//     goroutine of the work, and its time counts as time of the work. Around must not
	//     block: if Around or an end function blocks, the run can block, too.
	//   - A panic of Around or of an end function is logged, and changes nothing else.
	Around func(ctx context.Context, w *Work) (context.Context, func())
	// Logger logs with the agent, the session and the run as attributes:
	//
	//   - Info: a run began, finished, or lost its consumer.
	//   - Debug: a request was sent, a model answered, a tool call began or ended.
	//   - Warn: a run failed, a request is repeated, a client acted on its own, a function
	//     of the program was left behind.
	//   - Error: a function panicked (with its stack), a journal refused an event.
	//
	// Messages, arguments and results are never logged. A handler that blocks also blocks
	// the run.
	//
	// Nil means that warnings and errors of a Run go to [slog.Default], so that nobody
	// wonders about a wait before a retry. The failure of the run itself is not logged,
	// because the caller gets the error. A Stream then logs nothing, because its events
	// have the notices. Use slog.New(slog.DiscardHandler) to log nothing at all.
	Logger *slog.Logger
}

// Run calls the Run method of the zero [Runner].
func Run(ctx context.Context, a *agent.Agent, messages ...llm.Message) (*Result, error) {
	return Runner{}.Run(ctx, a, messages...)
}

// Stream calls the Stream method of the zero [Runner].
func Stream(ctx context.Context, a *agent.Agent, messages ...llm.Message) iter.Seq2[event.Event, error] {
	return Runner{}.Stream(ctx, a, messages...)
}

// Run runs an agent on messages until its final answer. The messages are the
// conversation so far; the last message is usually the user's. To continue later, pass
// the messages of the Result and a new message, or use a [Session].
//
// The Result is never nil: beside an error, the Result has the work done so far. The
// error is a [*LimitError], a [*FinishError], an [*OutputError], an [*llm.APIError], the
// error of [tool.Abort], the cause of ctx, or an error of another type for wrong arguments, which
// Run finds before the first request. errors.As and errors.Is see all of them through
// every wrap.
//
// Run asks Decide about a call that needs approval. If the call stays undecided, the run
// pauses, and the error is [ErrPaused]. Outside a [Session] a paused run cannot continue,
// so the call never runs. Use a Session if calls may wait.
func (r Runner) Run(ctx context.Context, a *agent.Agent, messages ...llm.Message) (*Result, error) {
	e := newEngine(&r, "", false)
	e.collect()
	e.given.messages = messages
	err := e.execute(ctx, a, e.given, nil)
	return e.result(), err
}

// Stream is like Run and yields every event as it happens.
//
//   - The sequence is lazy and single-use: nothing is sent before range.
//   - An error is the last pair, with the zero Event. Stream reports errors in no other
//     way.
//   - Leaving the loop early cancels the run and waits for its goroutines.
//   - Events are yielded on the goroutine of the loop.
//   - Recorded events are yielded, in order, before the next action starts. A loop that
//     leaves at a ToolCallStarted keeps the function from running.
//   - While the loop body holds an event, running tools continue, and their results are
//     recorded.
func (r Runner) Stream(ctx context.Context, a *agent.Agent, messages ...llm.Message) iter.Seq2[event.Event, error] {
	return once(func(yield func(event.Event, error) bool) {
		e := newEngine(&r, "", !r.NoStream)
		e.given.messages = messages
		err := e.execute(ctx, a, e.given, func(ev event.Event) bool { return yield(ev, nil) })
		if err != nil && !e.recorder.consumer.left {
			yield(event.Event{}, err)
		}
	})
}

var errUsed = errors.New("runner: this stream was consumed already")

// once returns a sequence that can be ranged over a single time.
func once(seq iter.Seq2[event.Event, error]) iter.Seq2[event.Event, error] {
	used := make(chan struct{}, 1)
	return func(yield func(event.Event, error) bool) {
		select {
		case used <- struct{}{}:
			seq(yield)
		default:
			yield(event.Event{}, errUsed)
		}
	}
}

// orDefault resolves a bound: zero becomes the default, a negative bound becomes 0 (no
// limit).
func orDefault[T int | time.Duration](v, def T) T {
	switch {
	case v == 0:
		return def
	case v < 0:
		return 0
	}
	return v
}
