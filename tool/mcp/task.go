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

// A rewriter changes the method and the parameters of a request on its way out. The SDK
// cannot send tasks/* requests, so we send CallTool and rewrite it.
type rewriter func(params json.RawMessage) (method string, own json.RawMessage)

// asTask makes a call a task. The server may forget the task once the call has timed
// out.
func asTask(ctx context.Context) rewriter {
	task := json.RawMessage(`{}`)
	if end, ok := ctx.Deadline(); ok {
		task = fmt.Appendf(nil, `{"ttl":%d}`, max(time.Until(end), 0).Milliseconds()+taskTTLMargin.Milliseconds())
	}
	return func(params json.RawMessage) (string, json.RawMessage) {
		return "tools/call", withMember(params, member{name: "task", value: task})
	}
}

// asMethod turns a call into a request of another method, with the call's arguments as
// parameters. The call's tool has the name of the method: if the rewriting failed, no
// real tool would be called.
func asMethod(method string) rewriter {
	return func(params json.RawMessage) (string, json.RawMessage) {
		var p struct {
			Arguments json.RawMessage `json:"arguments"`
		}
		_ = json.Unmarshal(params, &p) // cannot fail: the SDK wrote it
		return method, p.Arguments
	}
}

// tasksRefused returns the reason why calls cannot be tasks, or nil.
func tasksRefused(hello *sdk.InitializeResult) error {
	announced := rawResult(hello.Meta)
	delete(hello.Meta, rawKey) // the SDK keeps the result, so save memory
	for _, name := range []string{"capabilities", "tasks", "requests", "tools", "call"} {
		var inner json.RawMessage
		_ = fields{name: &inner}.decode(announced) // an invalid capability counts as missing
		announced = inner
	}
	switch call := string(announced); {
	case hello.ProtocolVersion != oldProtocol:
		return fmt.Errorf("it requires calls as tasks, as in protocol %s, and the server speaks %s", oldProtocol, line(hello.ProtocolVersion, 32))
	case call == "" || call == "null" || call == "false":
		return errors.New("it requires calls as tasks, and the server does not support tasks for its tools")
	}
	return nil
}

const (
	// defaultPoll is the time between requests about a task, if the server names no
	// time. minPoll and maxPoll bound the server's time.
	defaultPoll = time.Second
	minPoll     = 100 * time.Millisecond
	maxPoll     = 30 * time.Second
	// maxFailures is how many consecutive requests about a task may fail while the
	// connection works; the task still exists.
	maxFailures = 3
	// cancelTimeout bounds the request that cancels a task.
	cancelTimeout = time.Second
	// taskTTLMargin is how long the server should keep a task after the end of its
	// call.
	taskTTLMargin = time.Minute
	maxTaskID     = 1 << 10 // in bytes
)

// The states of a task. A task in an unknown state cannot be waited for.
const (
	taskWorking       = "working"
	taskInputRequired = "input_required" // the request for the result delivers the server's questions
	taskCompleted     = "completed"
	taskFailed        = "failed"
	taskCancelled     = "cancelled"
)

// wireTask is a task as the server sends it.
type wireTask struct {
	id, status, message string
	pollInterval        json.RawMessage // in milliseconds
}

func (w *wireTask) UnmarshalJSON(text []byte) error {
	return fields{"taskId": &w.id, "status": &w.status, "statusMessage": &w.message, "pollInterval": &w.pollInterval}.decode(text)
}

// taskOf reads the response to a call that should become a task. It returns nil if the
// response is the result of the call.
func taskOf(text json.RawMessage) *wireTask {
	var wrapped, id, content json.RawMessage                                      // some servers send the task unwrapped
	_ = fields{"task": &wrapped, "taskId": &id, "content": &content}.decode(text) // if it is not an object, it is not a task
	switch {
	case len(wrapped) > 0 && string(wrapped) != "null":
		text = wrapped
	case len(id) == 0 || len(content) > 0:
		return nil
	}
	t := new(wireTask)
	_ = json.Unmarshal(text, t) // invalid members count as missing
	return t
}

func (w wireTask) over() bool {
	return w.status == taskCompleted || w.status == taskFailed || w.status == taskCancelled
}

func (w wireTask) interval() time.Duration {
	ms, _ := strconv.ParseFloat(string(w.pollInterval), 64) // infinite if it exceeds a float64
	if ms <= 0 {
		return defaultPoll
	}
	return max(minPoll, time.Duration(min(ms, float64(maxPoll.Milliseconds())))*time.Millisecond)
}

// A task is a call that the server runs in the background.
type task struct {
	link     *link
	conn     *connection
	def      Definition
	progress *progressReporter
	now      wireTask // the last state that the server reported
}

// callTask makes a call as a task. The server may also return the result at once.
func (l *link) callTask(ctx context.Context, conn *connection, s *delivery, d Definition, params *sdk.CallToolParams, tell *progressReporter) (*sdk.CallToolResult, error) {
	s.rewrite = asTask(ctx)
	res, err := conn.call(ctx, s, params)
	if err != nil {
		return nil, err
	}
	begun := taskOf(rawResult(res.Meta))
	if begun == nil {
		return res, nil
	}
	t := &task{link: l, conn: conn, def: d, progress: tell, now: *begun}
	if t.now.id == "" || len(t.now.id) > maxTaskID {
		return nil, t.outcomeUnknown("began the call as a task without a usable id", nil)
	}
	tell.status(t.now.message)
	res, err = t.follow(ctx)
	if err != nil && !t.now.over() {
		t.cancel(ctx)
	}
	return res, err
}

// follow asks for the task until the result is there.
func (t *task) follow(ctx context.Context) (*sdk.CallToolResult, error) {
	for lapses := 0; ; {
		res, err := t.step(ctx)
		switch {
		case res != nil:
			return res, nil
		case err == nil:
			lapses = 0
		case isTransient(err) && lapses < maxFailures && t.pause(ctx):
			lapses++
		default:
			return nil, err
		}
	}
}

// isTransient reports whether a request failed although the connection may still work.
func isTransient(err error) bool {
	_, final := errors.AsType[*finalError](err)
	return !final && !isServerError(err) && !errors.Is(err, sdk.ErrConnectionClosed)
}

// step asks for the result, if the result may be there, and otherwise for the state. It
// returns nil and no error if a further step is needed.
func (t *task) step(ctx context.Context) (*sdk.CallToolResult, error) {
	if !t.now.over() && t.now.status != taskWorking && t.now.status != taskInputRequired {
		return nil, t.outcomeUnknown(fmt.Sprintf("reported an unknown state of the call (%q)", line(t.link.secrets.hide(t.now.status), 64)), nil)
	}
	if t.now.status != taskWorking {
		res, err := t.request(ctx, "tasks/result")
		if err == nil || !isServerError(err) {
			return res, err
		}
		if t.now.over() {
			return nil, t.failure(err)
		}
	}
	t.pause(ctx) // a failed connection shows in the next request
	res, err := t.request(ctx, "tasks/get")
	switch {
	case err == nil:
		t.update(rawResult(res.Meta))
		return nil, nil
	case isServerError(err):
		return nil, t.outcomeUnknown("did not report the outcome of the call"+inParentheses(t.errorText(err)), t.link.secrets.err(err))
	}
	return nil, err
}

// update records the state that the server reported.
func (t *task) update(text json.RawMessage) {
	var now wireTask
	_ = json.Unmarshal(text, &now) // invalid members count as missing
	now.id = t.now.id
	t.now = now
	t.progress.status(t.now.message)
}

// failure returns the failure of a task that has ended, if the server responds with an
// error to the request for the result.
func (t *task) failure(err error) error {
	said, cause := line(t.link.secrets.hide(t.now.message), maxErrorText/4), t.link.secrets.err(err)
	if answer := t.errorText(err); !strings.Contains(said, answer) {
		said = strings.TrimSpace(said + inParentheses(answer))
	}
	switch t.now.status {
	case taskCompleted:
		said = "The tool ran, but the server does not give its result: " + cmp.Or(said, "it does not say why")
	case taskCancelled:
		return t.outcomeUnknown("cancelled the call"+inParentheses(said), cause)
	}
	return &finalError{tool.Fail(tool.Failed, said, cause)}
}

// A finalError is returned as it is, whatever the state of the connection.
type finalError struct{ failure *tool.Error }

func (v *finalError) Error() string { return v.failure.Error() }

// outcomeUnknown is the final error of a call with a possible effect.
func (t *task) outcomeUnknown(happened string, cause error) error {
	return &finalError{t.link.outcomeUnknown(t.def, happened, cause)}
}

// errorText returns the server's error message.
func (t *task) errorText(err error) string {
	answer, _ := errors.AsType[*jsonrpc.Error](err)
	return line(t.link.secrets.hide(answer.Message), maxErrorText/4)
}

// inParentheses returns text to append to a sentence.
func inParentheses(said string) string {
	if said == "" {
		return ""
	}
	return " (" + said + ")"
}

// request makes a request about the task. It has its own delivery, because whether this
// request was sent says nothing about the call.
func (t *task) request(ctx context.Context, method string) (*sdk.CallToolResult, error) {
	s := &delivery{rewrite: asMethod(method)}
	res, err := t.conn.call(ctx, s, &sdk.CallToolParams{Name: method, Arguments: map[string]string{"taskId": t.now.id}})
	if err != nil {
		return nil, s.explain(err)
	}
	return res, nil
}

// pause waits for the poll interval. It returns false if the connection or ctx has
// ended.
func (t *task) pause(ctx context.Context) bool {
	timer := time.NewTimer(t.now.interval())
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-t.conn.gone:
	case <-ctx.Done():
	}
	return false
}

// cancel tells the server that nobody waits for the task any more.
func (t *task) cancel(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cancelTimeout)
	defer cancel()
	_, _ = t.request(ctx, "tasks/cancel") // best effort: the task may be over, or the server gone
}

// A progressReporter reports the progress of a task, and the messages of its states.
type progressReporter struct {
	report func(done, total float64, message string)

	mu          sync.Mutex
	done, total float64
	last        string // message
}

func (t *progressReporter) progress(done, total float64, message string) {
	t.mu.Lock()
	t.done, t.total = done, total
	t.mu.Unlock()
	t.report(done, total, message)
}

// status reports the message of a state, if the message is new.
func (t *progressReporter) status(message string) {
	message = line(message, maxErrorText)
	t.mu.Lock()
	done, total, news := t.done, t.total, message != "" && message != t.last
	t.last = message
	t.mu.Unlock()
	if news {
		t.report(done, total, message)
	}
}
