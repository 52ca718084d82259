package flow

import (
	"encoding/json"
	"time"
)

// The names are part of every history, and never change.
const (
	SessionName = "toolloop.Session"
	AdvanceName = "toolloop.Advance"
	CallName    = "toolloop.Call"
	ArchiveName = "toolloop.Archive"

	UpdateRun    = "run"
	UpdateSay    = "say"
	QueryEvents  = "events"
	QueryStatus  = "status"
	SignalCancel = "cancel"
	SignalEnd    = "end"

	// BusyType and UnfitType are the types of the errors with which the validator refuses an
	// input.
	BusyType  = "toolloop.busy"
	UnfitType = "toolloop.does_not_fit"
	// EndingType is the type of the error about a session that closes after its run and its
	// archive.
	EndingType = "toolloop.ending"
	// MovedType is the type of the error about messages whose client has not seen all events.
	MovedType = "toolloop.moved"
	// FullType is the type of the error about a session that takes no messages any more.
	FullType = "toolloop.full"
)

// Commands is the version of the workflow's commands, of which a replay must make the same again.
// A change of the commands increases Commands, and keeps the old ones for a Start with a lower
// version. An execution keeps the version of its Start. The client sets the version, the next
// execution gets the version of its worker, and a worker with a lower version leaves the session
// alone. So update workers before clients.
const Commands = 1

// Start is the first argument of the workflow. The second argument is the packed log of the
// execution before, or empty.
type Start struct {
	Commands  int           `json:"commands"`
	Session   string        `json:"session"`
	Heartbeat time.Duration `json:"heartbeat"`
	// MaxHistory is the number of events of an execution after which the session continues as
	// a new execution. 0 leaves the decision to the server.
	MaxHistory int `json:"max_history,omitempty"`

	Going   *Going     `json:"going,omitempty"` // nil: no run is going on
	Ends    []End      `json:"ends,omitempty"`
	Waiting []Question `json:"waiting,omitempty"`
	Due     *Due       `json:"due,omitempty"`   // nil: nothing happens without an input
	Late    []Ticket   `json:"late,omitempty"`  // inputs that wait for the end of the run
	Said    []string   `json:"said,omitempty"`  // the ids of the last updates with messages
	Ended   bool       `json:"ended,omitempty"` // the session closes after the run
}

// Due is when a paused run goes on without an input: a call then waits no longer.
type Due struct {
	At    time.Time `json:"at"`
	Agent string    `json:"agent"`
	Tries int       `json:"tries,omitempty"` // after which the call still waited: the clock of a worker is late
}

// Going is the current run.
type Going struct {
	Ticket   string         `json:"ticket"` // the id of the update that began the run or continued it; empty after a Due
	From     int            `json:"from"`   // the number of events before
	Agent    string         `json:"agent"`
	Deadline time.Time      `json:"deadline,omitzero"`
	Timeout  time.Duration  `json:"timeout,omitempty"` // the time of the run
	Dead     map[string]int `json:"dead,omitempty"`    // how often the attempts of a call died
	Canceled bool           `json:"canceled,omitempty"`
	Asked    []string       `json:"asked,omitempty"`  // calls that the program left undecided
	Outage   *Outage        `json:"outage,omitempty"` // nil: the last request to the model did not fail
}

// An Outage is the wait of a run for a model.
type Outage struct {
	Since time.Time `json:"since"`
	Tries int       `json:"tries"` // that failed
	Error string    `json:"error"` // of the last try
}

// An End is how the run of a ticket ended or paused. Len is the number of events up to the
// end.
type End struct {
	Ticket  string   `json:"ticket"`
	From    int      `json:"from"`
	Len     int      `json:"len"`
	Failure *Failure `json:"failure,omitempty"`
}

// A Question is the validator's knowledge of a waiting call.
type Question struct {
	Call string `json:"call"`
	Seq  int64  `json:"seq"`
}

// Input is the argument of the update: inputs of package runner, which the workflow does not
// read, but for the members of Question.
type Input struct {
	Agent  string            `json:"agent"`
	Inputs []json.RawMessage `json:"inputs"`
}

// A Ticket is an accepted input with the id of its update.
type Ticket struct {
	Input         // embedded: the JSON of a ticket has the members of the input
	Ticket string `json:"ticket"`
}

// Said is the argument of the update that adds messages: events that the workflow does not read.
type Said struct {
	Events []json.RawMessage `json:"events"`
	// Seen, if not nil, is the number of the events that the client has seen: the messages depend
	// on them.
	Seen *int `json:"seen,omitempty"`
}

// Taken is the result of the update. Done is false if the execution was over before the run.
type Taken struct {
	Done bool `json:"done"`
	End  End  `json:"end"`
	// Refused means: nothing was recorded.
	Refused bool `json:"refused,omitempty"`
}

// Status is the answer to a query.
type Status struct {
	Events int      `json:"events"`
	Going  *Going   `json:"going,omitempty"`
	Late   []string `json:"late,omitempty"` // the tickets of inputs that wait for the end of the run
	Ends   []End    `json:"ends,omitempty"`
}

// Range is the argument of the query for events: those after From, up to To, or all if To
// is 0.
type Range struct {
	From int `json:"from"`
	To   int `json:"to,omitempty"`
}

// A Page is a part of the events of a session. If it does not reach the end of the range,
// there are more.
type Page struct {
	Events []json.RawMessage `json:"events"`
	Total  int               `json:"total"` // the number of all events of the session
	// Conversation is the id of the first execution: all executions of a conversation have the id.
	Conversation string `json:"conversation,omitempty"`
}

// Advance is the argument of the activity that goes on with the machine.
type Advance struct {
	Session  string            `json:"session"`
	Agent    string            `json:"agent"`
	Events   int               `json:"events"` // the number of events of the session
	Inputs   []json.RawMessage `json:"inputs,omitempty"`
	Deadline time.Time         `json:"deadline,omitzero"`
	Fatal    *Failure          `json:"fatal,omitempty"`
	Unbegun  []string          `json:"unbegun,omitempty"`
	TooOften []string          `json:"too_often,omitempty"`
	Asked    []string          `json:"asked,omitempty"` // calls that the program left undecided in this run
}

// Advanced is the result of the activity.
type Advanced struct {
	Events  []json.RawMessage `json:"events,omitempty"`
	Jobs    []Job             `json:"jobs,omitempty"`
	Undo    int               `json:"undo,omitempty"`   // how many of the last events only end the run: without them, the run reads messages
	Closed  bool              `json:"closed,omitempty"` // the last event is the failure or the pause of the run: messages stand before it
	Again   bool              `json:"again,omitempty"`  // the worker stopped, or the events were too many at once
	Failure *Failure          `json:"failure,omitempty"`
	Timeout time.Duration     `json:"timeout,omitempty"` // the time of the run; 0 means no limit
	Past    int               `json:"past,omitempty"`    // an earlier run answered the input; its last event
	Waiting []Question        `json:"waiting,omitempty"`
	Until   time.Time         `json:"until,omitzero"`  // of a pause: the first time after which a call waits no longer
	Asked   []string          `json:"asked,omitempty"` // as in Advance, with those of this activity
	Down    *Down             `json:"down,omitempty"`  // with Again: why the run stopped
}

// Down is the failure of a model that another attempt may mend.
type Down struct {
	Failure    Failure       `json:"failure"`
	RetryAfter time.Duration `json:"retry_after,omitempty"`
	Longest    time.Duration `json:"longest"`            // the longest time that the run waits for the model
	Answered   bool          `json:"answered,omitempty"` // the model answered before the failure, in the same activity
}

// A Job is a call to run.
type Job struct {
	Call  string `json:"call"`
	Tool  string `json:"tool"`
	Alone bool   `json:"alone,omitempty"`
	Queue string `json:"queue,omitempty"`
}

// Call is the argument of the activity that runs a call.
type Call struct {
	Session  string    `json:"session"`
	Agent    string    `json:"agent"`
	Events   int       `json:"events"`
	Call     string    `json:"call"`
	Deadline time.Time `json:"deadline,omitzero"`
}

// Called is the result of the activity.
type Called struct {
	Events  []json.RawMessage `json:"events,omitempty"`
	Failure *Failure          `json:"failure,omitempty"` // ends the run
	// Elsewhere, if not empty, is the reason why the call did not begin on this worker.
	Elsewhere string `json:"elsewhere,omitempty"`
}

// Archive is the argument of the activity that copies the events of an ended session.
type Archive struct {
	Session string `json:"session"`
	Events  int    `json:"events"`
}

// A Failure is an error, as data.
type Failure struct {
	Text  string          `json:"text"`
	Kind  string          `json:"kind,omitempty"`
	Data  json.RawMessage `json:"data,omitempty"`
	Cause string          `json:"cause,omitempty"` // "canceled" or "deadline": of which context.Canceled or DeadlineExceeded
}
