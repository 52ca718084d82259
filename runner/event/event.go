package event

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// An Event is a fact about a run. The JSON of an Event is a flat object: "seq",
// "time" and "type" (the Body's name in snake_case), then the Body's members.
// json.Marshal escapes <, > and & in it; a json.Encoder with SetEscapeHTML(false)
// does not.
//
// The JSON is for the store: it holds the system prompt of the agent (TurnPrepared), keys
// and the provider's data. [Event.Public] is the view for a browser.
type Event struct {
	Seq  int64     // position in the session, from 1; 0 for ephemeral events
	Time time.Time // UTC
	// Path is the call whose helper's run the event belongs to ("path" in the JSON). Empty
	// for the events of the outermost run.
	Path CallRef
	Body Body
}

// A Body is the content of an Event. The set is closed: its members are the values of
// this package, not pointers to these values. The run and the journal share the data
// that a body points to, so only read that data.
type Body interface{ event() }

// A CallRef is our own name of a tool call, because providers repeat ids: run, turn
// and position in the model's answer, as in "r1.t3.c0". The idempotency key of the call
// is the name of the session (if any), the random id of the run, and the CallRef, joined by
// slashes. A call in the run of a helper has the reference of the helper's call in front:
// "r1.t3.c0/r1.t1.c0".
type CallRef string

// NewCallRef returns the reference of a call. Runs and turns count from 1, calls from 0.
func NewCallRef(run, turn, call int) CallRef {
	b := strconv.AppendInt(append(make([]byte, 0, 24), 'r'), int64(run), 10)
	b = strconv.AppendInt(append(b, ".t"...), int64(turn), 10)
	b = strconv.AppendInt(append(b, ".c"...), int64(call), 10)
	return CallRef(b)
}

// Under returns the reference of a call in the run of a helper. path is the reference of the
// helper's call; an empty path changes nothing.
func (r CallRef) Under(path CallRef) CallRef {
	if path == "" {
		return r
	}
	return path + "/" + r
}

// Path returns the reference of the helper's call whose run made the call, or "" for a call
// of the outermost run.
func (r CallRef) Path() CallRef {
	return r[:max(0, strings.LastIndexByte(string(r), '/'))]
}

// Version is the version of the events that this package writes. A new version means
// that older programs cannot read the session.
const Version = 1

// HashArguments returns a hash of arguments. By the hash, a run checks that a call
// runs with the approved arguments.
func HashArguments(arguments string) string {
	sum := sha256.Sum256([]byte(arguments))
	return hex.EncodeToString(sum[:16])
}

// RunStarted begins a run: turns until a final answer or an error. A pause does not end a
// run: a paused run continues without another RunStarted.
type RunStarted struct {
	// Version is the version of the run's events; 0 stands for 1.
	Version int    `json:"version,omitempty"`
	Run     int    `json:"run"` // counts the runs of a session from 1
	Agent   string `json:"agent"`
	// ID is random and differs between all runs of all sessions. It begins the
	// idempotency keys of the run's calls.
	ID string `json:"id"`
	// Trace is a text of runner.Runner.Around for the process that continues the run, such
	// as a traceparent.
	Trace string `json:"trace,omitempty"`
}

// UserMessaged adds a message of the caller: at the begin of a run, or with Said at any
// time. The message can have any role: a caller's history includes answers and results.
type UserMessaged struct {
	Message llm.Message `json:"message"`
	// Said means that the message came by Session.Say. It waits, and enters the history
	// with the next TurnPrepared or before the first message of the next run.
	Said bool `json:"said,omitempty"`
	// AtEnd means that the message waits until the run would finish.
	AtEnd bool `json:"at_end,omitempty"`
	// Key is the caller's key of runner.Once or Session.SayOnce. All messages of such an
	// input have its key, and are one append.
	Key string `json:"key,omitempty"`
	// Person is the name of the person who said the message; see runner.By. Empty means not
	// known.
	Person string `json:"person,omitempty"`
}

// TurnPrepared records the instructions, the tools and the tool choice of the next
// request. If the process died before the answer and the agent has changed since, the
// turn is prepared again.
type TurnPrepared struct {
	Turn  int    `json:"turn"` // counts the turns of a run from 1
	Agent string `json:"agent"`
	// Instructions of the request. Nil means the instructions of the previous turn.
	Instructions *string `json:"instructions,omitempty"`
	// Tools are the tools of the agent. Nil means the tools of the previous turn.
	Tools []OfferedTool `json:"tools,omitzero"`
	// ToolChoice is the choice that the runner enforces for the answer: "none",
	// "required", a named tool, or a choice among tools. Empty means that the runner
	// enforces no choice.
	ToolChoice llm.ToolChoice `json:"tool_choice,omitempty"`
	// Output is a fingerprint of the form of the final answer. Empty means that the
	// final answer can be any text.
	Output string `json:"output,omitempty"`
	// The rest is the answer of runner.Runner.BeforeTurn, if the answer changed something:
	//
	// Offer has the names of the tools that the model may call in this turn. Nil means all
	// Tools.
	Offer []string `json:"offer,omitzero"`
	// Chosen is the tool choice of the request.
	Chosen llm.ToolChoice `json:"chosen,omitempty"`
	// Messages enter the history before the request.
	Messages []llm.Message `json:"messages,omitempty"`
	// Changed means that the turn has another model or other settings, which an event
	// cannot hold.
	Changed bool `json:"changed,omitempty"`
}

// OfferedTool is a tool in a request, with a fingerprint of its definition.
type OfferedTool struct {
	Name        string `json:"name"`
	Fingerprint string `json:"fingerprint"` // of its name, description and schema
}

// ModelAnswered has a model's whole answer, unchanged. The members are the members of
// [llm.Response], and Cost.
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
	// Cost is the cost of the answer by runner.Runner.Cost, in the unit of the program.
	Cost float64 `json:"cost,omitempty"`
	// Work is the time of the answer in nanoseconds, without waits, if
	// runner.Limits.WorkTime is set.
	Work time.Duration `json:"work,omitempty"`
}

// ToolCallStarted is recorded before a tool's function is invoked. After this event the
// call may have had an effect. A refused call has no ToolCallStarted.
type ToolCallStarted struct {
	Call CallRef `json:"call"`
	ID   string  `json:"id,omitempty"` // the provider's id of the call
	Name string  `json:"name"`
	// Arguments are the checked arguments for the function, as JSON text.
	Arguments string `json:"arguments"`
	// Repairs are sentences about the differences between Arguments and the text of the
	// model, or of the person who edited the call.
	Repairs []string `json:"repairs,omitempty"`
	// Helper means that the work of the call is the run of a helper. The events of that run
	// have the call as their Path.
	Helper bool `json:"helper,omitempty"`
}

// ToolCallDeferred says that the result of a call comes later, from outside of the run: the
// tool's function returned tool.Later, or the tool is a tool.External. The call may have
// had its effect.
type ToolCallDeferred struct {
	Call CallRef `json:"call"`
	Name string  `json:"name"`
	// Handle is the tool's name for what it waits for.
	Handle string `json:"handle,omitempty"`
	// Until is the time (UTC) after which a run that continues gives the result up; see
	// tool.LateWithin. Zero means no such time.
	Until time.Time `json:"until,omitzero"`
	Began time.Time `json:"began,omitzero"` // as in ToolCallFinished
}

// ToolCallFinished has the result of a call for the model.
type ToolCallFinished struct {
	Call   CallRef        `json:"call"`
	Result llm.ToolResult `json:"result"`
	// Whole is the whole text of a long result; see runner.Runner.PutAside. Result then has
	// the beginning and a note.
	Whole string `json:"whole,omitempty"`
	// Failure is the kind of failure, a name of package tool. Empty means success.
	Failure string `json:"failure,omitempty"`
	// Error is the cause for people, if the cause says more than the result. Error is
	// redacted like the result.
	Error string `json:"error,omitempty"`
	// Rejected means that the model's call was wrong: the tool does not exist, the
	// arguments do not fit, the tool choice forbids the call, or the tool's function
	// asked for other arguments.
	Rejected bool `json:"rejected,omitempty"`
	// Given is not nil for a result that came from outside; see runner.Pending.Result.
	Given *Given `json:"given,omitempty"`
	// Began is the time (UTC) at which the tool's function was invoked. A limit on
	// concurrent calls can delay Began after ToolCallStarted. Zero means that the function
	// was not invoked. Of a helper's call, Began is the time at which the last process began
	// or continued the helper's run.
	Began time.Time `json:"began,omitzero"`
	// Handoff is the name of the agent that gets the conversation by this call. The [HandedOff]
	// comes after the results of all calls of the answer. Empty for every other call.
	Handoff string `json:"handoff,omitempty"`
}

// ApprovalAsked says that a call waits for approval. The call has not run.
type ApprovalAsked struct {
	Call CallRef `json:"call"`
	ID   string  `json:"id,omitempty"` // the provider's id of the call
	Name string  `json:"name"`
	// Arguments are the checked arguments for the function, as JSON text.
	Arguments string `json:"arguments"`
	// Hash is [HashArguments] of Arguments.
	Hash    string   `json:"hash"`
	Repairs []string `json:"repairs,omitempty"` // as in ToolCallStarted
	// Fingerprint is the tool's fingerprint, as in OfferedTool. If the tool has changed
	// when the call is approved, the run asks again.
	Fingerprint string `json:"fingerprint,omitempty"`
	// Until is the time (UTC) after which the call can no longer be approved. Zero means no
	// such time.
	Until time.Time `json:"until,omitzero"`
}

// ApprovalDecided answers an ApprovalAsked.
type ApprovalDecided struct {
	Call     CallRef `json:"call"`
	Hash     string  `json:"hash"` // Hash of the ApprovalAsked
	Approved bool    `json:"approved,omitempty"`
	// Reason is the reason of a denial. The model reads Reason.
	Reason string `json:"reason,omitempty"`
	// Arguments replace the arguments of the question. Empty means no replacement.
	Arguments string   `json:"arguments,omitempty"`
	Repairs   []string `json:"repairs,omitempty"` // of these Arguments
	// Person is the name of the person who answered, and Words is what the person said about
	// the answer; see runner.By. The model reads neither. Empty means not known.
	Person string `json:"person,omitempty"`
	Words  string `json:"words,omitempty"`
	// Always says for which later questions of the session the answer stands. Empty means
	// for none.
	Always Reach `json:"always,omitempty"`
	// Standing is the Seq of an earlier ApprovalDecided that stands for this question. Nobody
	// was asked: Person is the name in the earlier event. 0 means that this is an answer of
	// its own.
	Standing int64 `json:"standing,omitempty"`
	// Checksum is that of the answer as it was given, before Redact. An answer that
	// comes again has the same. Zero means that this is no answer of a caller.
	Checksum int64 `json:"checksum,omitempty"`
}

// A Doubt is a decision about a call that began and has no recorded end.
type Doubt string

// The decisions about a call in doubt.
const (
	Happened    Doubt = "happened"     // the effect happened; a result follows
	NotHappened Doubt = "not_happened" // no effect happened; the model reads that
	RunAgain    Doubt = "run_again"    // the call runs again under the same key
	Unknown     Doubt = "unknown"      // the model reads that nobody knows
)

// InDoubtDecided records the decision about a call in doubt.
type InDoubtDecided struct {
	Call     CallRef `json:"call"`
	Decision Doubt   `json:"decision"`
	// By is the source of the decision: "caller", "tool" (its Reconcile),
	// "idempotent", or "runner". "runner" means that the run ended before the tool's
	// function was invoked, so the call counts again as not started.
	By string `json:"by"`
	// Person, Words and Checksum are those of [ApprovalDecided], for the source "caller".
	Person   string `json:"person,omitempty"`
	Words    string `json:"words,omitempty"`
	Checksum int64  `json:"checksum,omitempty"`
}

// RunPaused stops a run until somebody decides about calls that wait for approval or
// are in doubt, or until the results of deferred calls come. Nothing runs during a pause.
type RunPaused struct {
	Run   int       `json:"run"`
	Calls []CallRef `json:"calls"`
	// Late are those of Calls that wait for a result from outside, and for no decision.
	Late []CallRef `json:"late,omitempty"`
	// Until is the earliest time (UTC) after which one of Calls no longer waits, so the run
	// has something to do without an answer. Zero means no such time.
	Until time.Time `json:"until,omitzero"`
}

// OutputRejected rejects an unusable answer. The run asks the model again.
type OutputRejected struct {
	Turn int `json:"turn"`
	// Reason is "empty", "lost_calls" or "no_call", as in runner.FinishError, or about
	// the form of the final answer: [MisfitOutput] or [RefusedOutput].
	Reason string `json:"reason"`
	// Message tells the model the reason. Message is part of the history. The answer is
	// part of the history only if it has text.
	Message llm.Message `json:"message"`
}

// The reasons of an OutputRejected about the form of the final answer.
const (
	MisfitOutput  = "output"         // the answer is not JSON or does not fit the schema
	RefusedOutput = "refused_output" // a check of the program refused the answer
)

// LimitReached records a limit of the run. The run ends, or gets one last turn.
type LimitReached struct {
	Limit string  `json:"limit"`          // as in runner.LimitError
	Max   int64   `json:"max"`            // 0 for "cost"
	Cost  float64 `json:"cost,omitempty"` // bound of "cost", in the unit of the program
	// Message asks the model for its answer in a last turn without tools. Nil means that
	// the run ends.
	Message *llm.Message `json:"message,omitempty"`
}

// StallDetected says that the model repeats the same calls and gets the same results.
type StallDetected struct {
	Turn int `json:"turn"`
	// Message tells the model. Message is part of the history.
	Message llm.Message `json:"message"`
}

// Checked records what a check of the agent says about a message, a call, a result or an
// answer.
type Checked struct {
	Turn  int    `json:"turn"`  // the turn that reads an input or a result, or whose answer is checked
	Check string `json:"check"` // the name of the check
	Stage string `json:"stage"` // "input", "call", "result" or "output"
	// Call is the call of the stages "call" and "result".
	Call CallRef `json:"call,omitempty"`
	// At is the position of the message in the history, from 0, for the stage "input".
	At int `json:"at,omitempty"`
	// Verdict is "pass", "stop", "replace" or "again". "failed" means that the check did not
	// end well or was cut short; the run fails, or another check has stopped the run.
	Verdict string `json:"verdict"`
	// Reason is the reason of "stop" and "again", or the error of "failed".
	Reason string `json:"reason,omitempty"`
	// Text is what counts from now on: the new text or the new arguments for "replace", and
	// what the model reads for "again" and for a result that was stopped.
	Text string `json:"text,omitempty"`
	// Usage is the usage of the models that the check asked. It is a part of the usage of the
	// run. An answer that a check beside its request discarded counts here, too. Cost is the
	// cost of these answers.
	Usage llm.Usage `json:"usage,omitzero"`
	Cost  float64   `json:"cost,omitempty"`
	// Work is the time of a request beside the check whose answer does not count, as in
	// [ModelAnswered].
	Work time.Duration `json:"work,omitempty"`
}

// RunFinished ends a run. The last ModelAnswered has the final answer, unless the run was
// Stopped, or a later [Checked] replaced the text of the answer.
type RunFinished struct {
	Run   int       `json:"run"`
	Turns int       `json:"turns"`
	Usage llm.Usage `json:"usage"` // the sum over the turns
	// Output is the final answer as validated JSON, if the agent has an Output; or the
	// result of a tool with tool.Final, if the result is JSON.
	Output json.RawMessage `json:"output,omitempty"`
	// Repairs are sentences about the differences between Output and the text of the
	// model.
	Repairs []string `json:"repairs,omitempty"`
	// Stopped means that the run ended after results of tools: the answer is the result of
	// a tool with tool.Final, or a condition of the program was met.
	Stopped bool `json:"stopped,omitempty"`
	// Text is the result of a tool with tool.Final, if the result is not JSON. JSON is in
	// Output.
	Text string `json:"text,omitempty"`
}

// RunFailed ends a run without a final answer.
type RunFailed struct {
	Run   int       `json:"run"`
	Turns int       `json:"turns"`
	Usage llm.Usage `json:"usage"`
	Error string    `json:"error"`
}

// TextDelta is more text of the current answer.
type TextDelta struct {
	Text string `json:"text"`
}

// PartialOutput is the final answer so far, while the model writes the answer in the form
// of the agent's Output. Open strings, arrays and objects are closed, so Value is JSON,
// but members are missing or cut short. The final value is RunFinished.Output.
type PartialOutput struct {
	Value json.RawMessage `json:"value"`
}

// ReasoningDelta is more of the model's visible reasoning.
type ReasoningDelta struct {
	Text string `json:"text"`
}

// CallDelta is more of a tool call that the model is writing.
type CallDelta struct {
	Call      CallRef `json:"call"`
	Name      string  `json:"name,omitempty"`
	Arguments string  `json:"arguments,omitempty"` // a fragment
}

// ToolProgress is a progress report of a running call's function. A newer report
// replaces a report that nobody has read.
type ToolProgress struct {
	Call    CallRef `json:"call"`
	Name    string  `json:"name"`
	Done    float64 `json:"done"`
	Total   float64 `json:"total,omitempty"` // 0: not known
	Message string  `json:"message,omitempty"`
}

// Restarted says that the model is asked again. Discard the deltas of this turn.
type Restarted struct {
	Turn  int    `json:"turn"`
	Error string `json:"error,omitempty"` // why
}

// Notice reports something that people should know: a request that was changed for
// a provider, new, removed or changed tools, a toolset that could not be listed. A
// toolset that cannot be listed is reported once, and again when the reason
// changes.
type Notice struct {
	Text string `json:"text"`
}

func (RunStarted) event()       {}
func (UserMessaged) event()     {}
func (TurnPrepared) event()     {}
func (ModelAnswered) event()    {}
func (AnswerStreamed) event()   {}
func (ToolCallStarted) event()  {}
func (ToolCallDeferred) event() {}
func (ToolCallFinished) event() {}
func (ApprovalAsked) event()    {}
func (ApprovalDecided) event()  {}
func (StandingRevoked) event()  {}
func (InDoubtDecided) event()   {}
func (RunPaused) event()        {}
func (OutputRejected) event()   {}
func (LimitReached) event()     {}
func (StallDetected) event()    {}
func (Compacted) event()        {}
func (Checked) event()          {}
func (HandedOff) event()        {}
func (RunFinished) event()      {}
func (RunFailed) event()        {}
func (TextDelta) event()        {}
func (PartialOutput) event()    {}
func (ReasoningDelta) event()   {}
func (CallDelta) event()        {}
func (ToolProgress) event()     {}
func (Restarted) event()        {}
func (Notice) event()           {}
