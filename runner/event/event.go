package event

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// An Event is one thing that happened. Its JSON is one flat object: "seq",
// "time" and "type" (the Body's name in snake_case), then the Body's members.
// json.Marshal escapes <, > and & in it; a json.Encoder with SetEscapeHTML(false)
// does not.
type Event struct {
	Seq  int64     // position in the session, from 1; 0 for ephemeral events
	Time time.Time // UTC
	Body Body
}

// A Body says what happened. The set is closed, and the values in this package,
// not pointers to them, are its members. What a body points to is shared with the
// run and the journal, and only for reading.
type Body interface{ event() }

// A CallRef is our own name of a tool call, since providers repeat ids: run,
// turn and position in the model's answer, as in "r1.t3.c0". With the name of
// the session it is also the call's idempotency key.
type CallRef string

// NewCallRef names a call. Runs and turns count from 1, calls from 0.
func NewCallRef(run, turn, call int) CallRef {
	return CallRef(fmt.Sprintf("r%d.t%d.c%d", run, turn, call))
}

// Version is that of the events which this package writes. It grows when a
// version that is older could not read a session any more.
const Version = 1

// HashArguments names arguments, so that what was decided about is what runs.
func HashArguments(arguments string) string {
	sum := sha256.Sum256([]byte(arguments))
	return hex.EncodeToString(sum[:16])
}

// RunStarted begins a run: turns until a final answer, a pause or an error. A
// paused run goes on without another one.
type RunStarted struct {
	// Version is that of the events of the run; 0 stands for 1.
	Version int    `json:"version,omitempty"`
	Run     int    `json:"run"` // counts the runs of a session from 1
	Agent   string `json:"agent"`
	// ID is random and differs between all runs of all sessions. It begins the
	// idempotency keys of the run's calls.
	ID string `json:"id"`
}

// UserMessaged adds a message that the caller gave. It need not have RoleUser:
// who brings a history along brings answers and results, too.
type UserMessaged struct {
	Message llm.Message `json:"message"`
}

// TurnPrepared fixes what the next request is made of beside the history. A turn
// whose process died before the answer came is prepared again where the agent has
// become another.
type TurnPrepared struct {
	Turn  int    `json:"turn"` // counts the turns of a run from 1
	Agent string `json:"agent"`
	// Instructions of the request. Nil: as in the turn before.
	Instructions *string `json:"instructions,omitempty"`
	// Tools are those that are offered. Nil: as in the turn before.
	Tools []OfferedTool `json:"tools,omitzero"`
	// ToolChoice is the choice that the runner enforces for the answer: "none",
	// "required" or a named tool. Empty: the model may call any tool, or none.
	ToolChoice llm.ToolChoice `json:"tool_choice,omitempty"`
}

// OfferedTool names a tool and what a model was told about it.
type OfferedTool struct {
	Name        string `json:"name"`
	Fingerprint string `json:"fingerprint"` // of its name, description and schema
}

// ModelAnswered brings a model's whole answer, as it came. The members are those
// of [llm.Response].
type ModelAnswered struct {
	Turn      int             `json:"turn"`
	Message   llm.Message     `json:"message"`
	Finish    llm.Finish      `json:"finish"`
	Usage     llm.Usage       `json:"usage"`
	RawUsage  json.RawMessage `json:"raw_usage,omitempty"`
	LogProbs  json.RawMessage `json:"log_probs,omitempty"`
	Model     string          `json:"model,omitempty"`
	ID        string          `json:"id,omitempty"`
	RequestID string          `json:"request_id,omitempty"`
	Extra     []llm.Member    `json:"extra,omitempty"`
}

// ToolCallStarted is recorded before a tool's function runs: from here on the
// call may have had an effect. Calls that are refused before do not start.
type ToolCallStarted struct {
	Call CallRef `json:"call"`
	ID   string  `json:"id,omitempty"` // the provider's id of the call
	Name string  `json:"name"`
	// Arguments are the ones that the function gets: checked, JSON text.
	Arguments string `json:"arguments"`
	// Repairs say, a sentence each, how they differ from what the model wrote, or
	// from what a person wrote instead.
	Repairs []string `json:"repairs,omitempty"`
}

// ToolCallFinished brings what the model will be told of a call.
type ToolCallFinished struct {
	Call   CallRef        `json:"call"`
	Result llm.ToolResult `json:"result"`
	// Failure is the kind of failure, by the names of package tool, or "".
	Failure string `json:"failure,omitempty"`
	// Error is the cause for people, where it says more than the result. It is
	// redacted as the result is.
	Error string `json:"error,omitempty"`
	// Rejected: the model's call was wrong. There is no such tool, the arguments
	// do not fit, or the tool's function asked for others.
	Rejected bool `json:"rejected,omitempty"`
	// Began is when the tool's function was called, which is after ToolCallStarted
	// where a limit on concurrent calls made it wait. UTC; zero if it was not.
	Began time.Time `json:"began,omitzero"`
}

// ApprovalAsked holds a call back until somebody decides about it. It has not
// run.
type ApprovalAsked struct {
	Call CallRef `json:"call"`
	ID   string  `json:"id,omitempty"` // the provider's id of the call
	Name string  `json:"name"`
	// Arguments are the ones that the function would get: checked, JSON text.
	Arguments string `json:"arguments"`
	// Hash is [HashArguments] of them.
	Hash    string   `json:"hash"`
	Repairs []string `json:"repairs,omitempty"` // as in ToolCallStarted
	// Fingerprint is that of the tool, as in OfferedTool. Should the tool be
	// another one when the call is approved, it is asked about again.
	Fingerprint string `json:"fingerprint,omitempty"`
}

// ApprovalDecided answers an ApprovalAsked.
type ApprovalDecided struct {
	Call     CallRef `json:"call"`
	Hash     string  `json:"hash"` // of what was asked
	Approved bool    `json:"approved,omitempty"`
	// Reason is why it was not approved; the model reads it.
	Reason string `json:"reason,omitempty"`
	// Arguments run in place of those that were asked about; empty: those.
	Arguments string   `json:"arguments,omitempty"`
	Repairs   []string `json:"repairs,omitempty"` // of these Arguments
}

// A Doubt is what was decided about a call that was started and whose end was
// never recorded.
type Doubt string

// The decisions about a call in doubt.
const (
	Happened    Doubt = "happened"     // it took effect; its result follows
	NotHappened Doubt = "not_happened" // it took no effect; the model is told so
	RunAgain    Doubt = "run_again"    // it runs again, with the same key
	Unknown     Doubt = "unknown"      // the model is told that nobody knows
)

// InDoubtDecided says what became of a call in doubt.
type InDoubtDecided struct {
	Call     CallRef `json:"call"`
	Decision Doubt   `json:"decision"`
	// By is "caller", "tool" (it asked the outside world), "idempotent", or "runner":
	// the run ended before it called the function. That takes the start back: the call
	// is in the state before its ToolCallStarted.
	By string `json:"by"`
}

// RunPaused stops a run until somebody decides about the calls: they wait for
// approval or are in doubt. Nothing runs.
type RunPaused struct {
	Run   int       `json:"run"`
	Calls []CallRef `json:"calls"`
}

// OutputRejected sets an unusable answer aside, such as an empty one. The model
// is asked again.
type OutputRejected struct {
	Turn   int    `json:"turn"`
	Reason string `json:"reason"`
	// Message is what the model is told. It is part of the history; the answer is not.
	Message llm.Message `json:"message"`
}

// LimitReached says that a limit ends the run.
type LimitReached struct {
	Limit string `json:"limit"` // "turns" or "invalid_rounds"
	Max   int    `json:"max"`
}

// RunFinished ends a run with a final answer, that of the last ModelAnswered.
type RunFinished struct {
	Run   int       `json:"run"`
	Turns int       `json:"turns"`
	Usage llm.Usage `json:"usage"` // the sum over the turns
}

// RunFailed ends a run without one.
type RunFailed struct {
	Run   int       `json:"run"`
	Turns int       `json:"turns"`
	Usage llm.Usage `json:"usage"`
	Error string    `json:"error"`
}

// TextDelta is more text of the answer that is on its way.
type TextDelta struct {
	Text string `json:"text"`
}

// ReasoningDelta is more of the model's visible thinking.
type ReasoningDelta struct {
	Text string `json:"text"`
}

// CallDelta is more of a tool call that the model is writing.
type CallDelta struct {
	Call      CallRef `json:"call"`
	Name      string  `json:"name,omitempty"`
	Arguments string  `json:"arguments,omitempty"` // a fragment
}

// ToolProgress is how far a running call has come, as its function says. Of
// reports that nobody has seen yet only the last is shown.
type ToolProgress struct {
	Call    CallRef `json:"call"`
	Name    string  `json:"name"`
	Done    float64 `json:"done"`
	Total   float64 `json:"total,omitempty"` // 0: not known
	Message string  `json:"message,omitempty"`
}

// Restarted says that the model is asked again: the deltas of this turn are void.
type Restarted struct {
	Turn  int    `json:"turn"`
	Error string `json:"error,omitempty"` // why
}

// Notice tells of something that was done without being asked for, or that people
// should know: a request that was changed to suit a provider, tools that are new,
// gone or different, and a toolset that could not be listed and that the run does
// without. The last is told once while it stays the same.
type Notice struct {
	Text string `json:"text"`
}

func (RunStarted) event()       {}
func (UserMessaged) event()     {}
func (TurnPrepared) event()     {}
func (ModelAnswered) event()    {}
func (ToolCallStarted) event()  {}
func (ToolCallFinished) event() {}
func (ApprovalAsked) event()    {}
func (ApprovalDecided) event()  {}
func (InDoubtDecided) event()   {}
func (RunPaused) event()        {}
func (OutputRejected) event()   {}
func (LimitReached) event()     {}
func (RunFinished) event()      {}
func (RunFailed) event()        {}
func (TextDelta) event()        {}
func (ReasoningDelta) event()   {}
func (CallDelta) event()        {}
func (ToolProgress) event()     {}
func (Restarted) event()        {}
func (Notice) event()           {}
