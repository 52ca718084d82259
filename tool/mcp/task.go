package mcp

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/seed-916e8f6a/toolloop/tool"
)

// The SDK knows no tasks, and sends nothing that it does not know. What is said of them
// is a call of a tool to it, which goes out as what its disguise makes of it.
type disguise func(params json.RawMessage) (method string, own json.RawMessage)

// asTask lets a call be made as a task. Whoever is to forget it may do so once nobody
// can ask for it any more.
func asTask(ctx context.Context) disguise {
	task := json.RawMessage(`{}`)
	if end, ok := ctx.Deadline(); ok {
		task = fmt.Appendf(nil, `{"ttl":%d}`, max(time.Until(end), 0).Milliseconds()+keepTask.Milliseconds())
	}
	return func(params json.RawMessage) (string, json.RawMessage) {
		return "tools/call", with(params, member{name: "task", value: task})
	}
}

// asMethod takes the arguments of a call for the parameters of a method. The name of
// the tool is the method's: as it is, the call would be one of a tool that nobody has.
func asMethod(method string) disguise {
	return func(params json.RawMessage) (string, json.RawMessage) {
		var p struct {
			Arguments json.RawMessage `json:"arguments"`
		}
		_ = json.Unmarshal(params, &p) // the SDK wrote it
		return method, p.Arguments
	}
}

// tasksRefused says why calls cannot be made as tasks; nil: they can.
func tasksRefused(hello *sdk.InitializeResult) error {
	announced := carried(hello.Meta)
	delete(hello.Meta, rawKey) // the SDK keeps it
	for _, name := range []string{"capabilities", "tasks", "requests", "tools", "call"} {
		var inner json.RawMessage
		_ = fields{name: &inner}.decode(announced) // what is odd is not announced
		announced = inner
	}
	switch call := string(announced); {
	case hello.ProtocolVersion != oldProtocol:
		return fmt.Errorf("it can be called as a task only, as the protocol %s has it, and the server speaks %s", oldProtocol, line(hello.ProtocolVersion, 32))
	case call == "" || call == "null" || call == "false":
		return errors.New("it can be called as a task only, and the server does not announce that its tools can be")
	}
	return nil
}

const (
	// defaultPoll is how long to wait before a task is asked for again, if its server
	// does not say it; minPoll and maxPoll bound what it says.
	defaultPoll = time.Second
	minPoll     = 100 * time.Millisecond
	maxPoll     = 30 * time.Second
	// maxLapses is how many requests in a row may fail while the connection stands:
	// what they ask for is still there.
	maxLapses = 3
	// giveUp is how long a server has to take note that a task is given up.
	giveUp = time.Second
	// keepTask is how long a task is to be kept beyond the end of its call.
	keepTask  = time.Minute
	maxTaskID = 1 << 10 // in bytes
)

// The states of a task. In a state that is not known it cannot be waited for.
const (
	taskWorking   = "working"
	taskAsks      = "input_required" // who asks for the result is asked
	taskCompleted = "completed"
	taskFailed    = "failed"
	taskCancelled = "cancelled"
)

// wireTask is a task as a server says it.
type wireTask struct {
	id, state, message string
	pollInterval       json.RawMessage // in milliseconds
}

func (w *wireTask) UnmarshalJSON(text []byte) error {
	return fields{"taskId": &w.id, "status": &w.state, "statusMessage": &w.message, "pollInterval": &w.pollInterval}.decode(text)
}

// taskOf reads the answer to a call that was to become a task. nil: it is the result.
func taskOf(text json.RawMessage) *wireTask {
	var wrapped, id, content json.RawMessage                                      // a task may be without its wrapping
	_ = fields{"task": &wrapped, "taskId": &id, "content": &content}.decode(text) // what is no object is no task
	switch {
	case len(wrapped) > 0 && string(wrapped) != "null":
		text = wrapped
	case len(id) == 0 || len(content) > 0:
		return nil
	}
	t := new(wireTask)
	_ = json.Unmarshal(text, t) // what cannot be read is as if it were not there
	return t
}

func (w wireTask) over() bool {
	return w.state == taskCompleted || w.state == taskFailed || w.state == taskCancelled
}

func (w wireTask) interval() time.Duration {
	ms, _ := strconv.ParseFloat(string(w.pollInterval), 64) // beyond all numbers: infinite
	if ms <= 0 {
		return defaultPoll
	}
	return max(minPoll, time.Duration(min(ms, float64(maxPoll.Milliseconds())))*time.Millisecond)
}

// A task is a call that the server makes beside, and is asked for.
type task struct {
	*link
	live *live
	def  Definition
	tell *teller
	wireTask
}

// callTask makes a call as a task. A server that answers it at once may.
func (l *link) callTask(ctx context.Context, lv *live, s *sending, d Definition, params *sdk.CallToolParams, tell *teller) (*sdk.CallToolResult, error) {
	s.as = asTask(ctx)
	res, err := lv.call(ctx, s, params)
	if err != nil {
		return nil, err
	}
	begun := taskOf(carried(res.Meta))
	if begun == nil {
		return res, nil
	}
	t := &task{link: l, live: lv, def: d, tell: tell, wireTask: *begun}
	if t.id == "" || len(t.id) > maxTaskID {
		return nil, t.doubt("began the call as a task that nobody can ask for", nil)
	}
	tell.status(t.message)
	res, err = t.follow(ctx)
	if err != nil && !t.over() {
		t.giveUp(ctx)
	}
	return res, err
}

// follow asks for a task until there is its result.
func (t *task) follow(ctx context.Context) (*sdk.CallToolResult, error) {
	for lapses := 0; ; {
		res, err := t.step(ctx)
		switch {
		case res != nil:
			return res, nil
		case err == nil:
			lapses = 0
		case isLapse(err) && lapses < maxLapses && t.pause(ctx):
			lapses++
		default:
			return nil, err
		}
	}
}

// isLapse reports whether a request failed of which the connection takes no harm, as
// far as the request shows.
func isLapse(err error) bool {
	_, final := errors.AsType[*verdict](err)
	return !final && !isAnswer(err) && !errors.Is(err, sdk.ErrConnectionClosed)
}

// step asks for the result if it may be there, else and after that for the state. It
// returns nothing if there is to be another step.
func (t *task) step(ctx context.Context) (*sdk.CallToolResult, error) {
	if !t.over() && t.state != taskWorking && t.state != taskAsks {
		return nil, t.doubt(fmt.Sprintf("says of the call what cannot be understood (that it is %q)", line(t.secrets.hide(t.state), 64)), nil)
	}
	if t.state != taskWorking {
		res, err := t.ask(ctx, "tasks/result")
		if err == nil || !isAnswer(err) {
			return res, err
		}
		if t.over() {
			return nil, t.ended(err)
		}
	}
	t.pause(ctx) // if it cannot be asked for, the question tells
	res, err := t.ask(ctx, "tasks/get")
	switch {
	case err == nil:
		t.take(carried(res.Meta))
		return nil, nil
	case isAnswer(err):
		return nil, t.doubt("does not say what became of the call"+because(t.errorText(err)), t.secrets.err(err))
	}
	return nil, err
}

// take notes what a server says of the task by now.
func (t *task) take(text json.RawMessage) {
	var now wireTask
	_ = json.Unmarshal(text, &now) // what cannot be read is as if it were not there
	now.id = t.id
	t.wireTask = now
	t.tell.status(t.message)
}

// ended is the failure of a task that is over, for whose result the server answers
// with an error.
func (t *task) ended(err error) error {
	said, cause := line(t.secrets.hide(t.message), maxErrorText/4), t.secrets.err(err)
	if answer := t.errorText(err); !strings.Contains(said, answer) {
		said = strings.TrimSpace(said + because(answer))
	}
	switch t.state {
	case taskCompleted:
		said = "The tool ran, but the server does not give its result: " + cmp.Or(said, "it does not say why")
	case taskCancelled:
		return t.doubt("cancelled the call"+because(said), cause)
	}
	return &verdict{tool.Fail(tool.Failed, said, cause)}
}

// A verdict is the failure of a call, which nothing that is known of its connection
// makes another one.
type verdict struct{ failure *tool.Error }

func (v *verdict) Error() string { return v.failure.Error() }

// doubt is the verdict on a call that may have had its effect.
func (t *task) doubt(happened string, cause error) error {
	return &verdict{t.link.doubt(t.def, happened, cause)}
}

// errorText is what a server answered.
func (t *task) errorText(err error) string {
	answer, _ := errors.AsType[*jsonrpc.Error](err)
	return line(t.secrets.hide(answer.Message), maxErrorText/4)
}

// because puts what was said behind what it is about.
func because(said string) string {
	if said == "" {
		return ""
	}
	return " (" + said + ")"
}

// ask asks for something about the task. The question is not the call: how far it came
// says nothing of that.
func (t *task) ask(ctx context.Context, method string) (*sdk.CallToolResult, error) {
	s := &sending{as: asMethod(method)}
	res, err := t.live.call(ctx, s, &sdk.CallToolParams{Name: method, Arguments: map[string]string{"taskId": t.id}})
	if err != nil {
		return nil, s.explain(err)
	}
	return res, nil
}

// pause waits before the task is asked for again. It reports whether it can be.
func (t *task) pause(ctx context.Context) bool {
	timer := time.NewTimer(t.interval())
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-t.live.gone:
	case <-ctx.Done():
	}
	return false
}

// giveUp tells the server that nobody waits for the task any more.
func (t *task) giveUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveUp)
	defer cancel()
	_, _ = t.ask(ctx, "tasks/cancel") // it may be over, or the server gone
}

// A teller reports the progress of a task, and its states between.
type teller struct {
	to func(done, total float64, message string)

	mu          sync.Mutex
	done, total float64
	last        string // state
}

func (t *teller) progress(done, total float64, message string) {
	t.mu.Lock()
	t.done, t.total = done, total
	t.mu.Unlock()
	t.to(done, total, message)
}

// status reports what a server says of a state, if that is news.
func (t *teller) status(message string) {
	message = line(message, maxErrorText)
	t.mu.Lock()
	done, total, news := t.done, t.total, message != "" && message != t.last
	t.last = message
	t.mu.Unlock()
	if news {
		t.to(done, total, message)
	}
}
