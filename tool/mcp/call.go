package mcp

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// KeyMeta names the member of a call's _meta by which a server recognizes a repeated
// call. The value is the same for every attempt of a call, and differs from the value of
// every other call. The value is made from [tool.Call].Key: the first 16 bytes of the
// SHA-256, in hexadecimal digits. The Key is not sent, because the Key contains the name
// of the session.
const KeyMeta = "toolloop/key"

func keyMeta(key string) string {
	digest := sha256.Sum256([]byte(key))
	return hex.EncodeToString(digest[:16])
}

// function returns the function that calls the tool.
func (l *link) function(d Definition) func(context.Context, json.RawMessage) (llm.Parts, error) {
	return func(ctx context.Context, args json.RawMessage) (llm.Parts, error) {
		parts, again, err := l.call(ctx, d, args)
		if again { // the call had no effect, so repeat it once, over a new connection
			parts, _, err = l.call(ctx, d, args)
		}
		return parts, err
	}
}

// call makes a call. again reports that the call had no effect because the connection
// was no longer usable.
func (l *link) call(ctx context.Context, d Definition, args json.RawMessage) (parts llm.Parts, again bool, err error) {
	v := l.view(ctx, callBurst)
	if v.conn == nil {
		return nil, false, notMade("the server of the tool cannot be reached now", v.err)
	}
	switch mark, offered := v.list.fingerprints[d.Name]; {
	case !offered:
		return nil, false, notMade("the server no longer has this tool", nil)
	case mark != d.Fingerprint:
		return nil, false, notMade("the server has changed this tool", nil)
	}
	s := new(delivery)
	res, err := l.send(ctx, v.conn, s, d, args)
	if err == nil {
		l.callAnswered()
		return l.resultParts(res)
	}
	if v, ok := errors.AsType[*finalError](err); ok {
		return nil, false, v.failure
	}
	if errors.Is(err, sdk.ErrConnectionClosed) {
		v.conn.abort() // the SDK may still wait for the server
	}
	again = s.sessionLost.Load() || !s.sent.Load() && ctx.Err() == nil
	if again || !isServerError(err) && !isInvalidResponse(err) {
		v.conn.awaitEnd(ctx, err)
		err = v.conn.explain(err)
	}
	return nil, again, l.failure(ctx, d, s, err)
}

func (l *link) send(ctx context.Context, conn *connection, s *delivery, d Definition, args json.RawMessage) (*sdk.CallToolResult, error) {
	call := tool.CallFrom(ctx)
	tell := &progressReporter{report: func(done, total float64, message string) { call.Progress(done, total, l.secrets.hide(message)) }}
	token, done := l.progress.register(tell.progress)
	defer done()
	params := &sdk.CallToolParams{Name: d.Name, Arguments: args, Meta: l.meta(ctx)}
	params.Meta["progressToken"] = token
	if call.Key != "" {
		params.Meta[KeyMeta] = keyMeta(call.Key)
	}
	if d.task && conn.noTasks == nil { // otherwise the tool no longer has to be called as a task
		return l.callTask(ctx, conn, s, d, params, tell)
	}
	return conn.call(ctx, s, params)
}

// meta returns the members of the program for the _meta of a call.
func (l *link) meta(ctx context.Context) sdk.Meta {
	meta := sdk.Meta{}
	if l.server.Meta != nil {
		maps.Copy(meta, l.server.Meta(ctx))
	}
	return meta
}

// call calls a tool through the SDK.
func (conn *connection) call(ctx context.Context, s *delivery, params *sdk.CallToolParams) (res *sdk.CallToolResult, err error) {
	err = conn.request(ctx, s, func(ctx context.Context) error {
		res, err = conn.session.CallTool(ctx, params)
		return err
	})
	return res, err
}

func (l *link) resultParts(res *sdk.CallToolResult) (llm.Parts, bool, error) {
	if res.NeedsInput() {
		return nil, false, tool.Fail(tool.Failed, "The tool asks for a person's input, and no person is there to give it.", nil)
	}
	parts, err := result(rawResult(res.Meta))
	return parts, false, err
}

// awaitEnd waits until the link has noticed the end of the connection, if the
// connection has ended. The next call then gets a new connection, or the reason why
// there is none.
func (conn *connection) awaitEnd(ctx context.Context, err error) {
	if ctx.Err() != nil && !errors.Is(err, sdk.ErrSessionMissing) {
		return
	}
	select {
	case <-conn.gone:
	case <-ctx.Done():
	case <-time.After(time.Second): // the connection goes on; only this request failed
	}
}

// notMade is the failure of a call that had no effect.
func notMade(reason string, cause error) *tool.Error {
	return tool.Fail(tool.Failed, "The call was not made, so it had no effect: "+reason+".", cause)
}

var unknownTool = regexp.MustCompile(`(?i)^(unknown tool\b|tool\b.*\bnot found)`)

// failure translates an error into a failure for the model. The order of the cases
// matters: a call that may have reached the server and got no response may have had its
// effect.
func (l *link) failure(ctx context.Context, d Definition, s *delivery, err error) error {
	answer, _ := errors.AsType[*jsonrpc.Error](err)
	answered := isServerError(err)
	status := int(s.status.Load())
	cause, said := l.secrets.err(err), l.serverText(s, answer)
	switch {
	case !s.sent.Load():
		if ctx.Err() != nil {
			return notMade("its time had run out", context.Cause(ctx))
		}
		return notMade("the server of the tool cannot be reached now", cause)
	case ctx.Err() != nil:
		return tool.Fail(tool.OutcomeUnknown, "", context.Cause(ctx))
	case s.sessionLost.Load():
		return notMade("the server has lost our session", cause)
	case status >= 400 && status < 500 && status != http.StatusRequestTimeout && !answered:
		return notMade(fmt.Sprintf("the server refused it (%d %s%s)", status, http.StatusText(status), said), cause)
	case answered && s.guessed.Load():
		return l.outcomeUnknown(d, "answered with an error that names no request"+said, cause)
	case answered && status < 500:
		return l.errorResponseFailure(d, answer, cause)
	case status >= 500:
		return l.outcomeUnknown(d, fmt.Sprintf("answered with a server error (%d %s%s)", status, http.StatusText(status), said), cause)
	case isInvalidResponse(err):
		return l.outcomeUnknown(d, strings.TrimPrefix(line(l.secrets.hide(answer.Message), maxErrorText), "the server "), cause)
	}
	if r, ok := errors.AsType[*refusal](err); ok { // the response to a request about a task
		return l.outcomeUnknown(d, "answered "+line(l.secrets.hide(r.answer()), maxErrorText), cause)
	}
	return l.outcomeUnknown(d, "disconnected before it answered", cause)
}

// serverText returns the server's message about a failed request, after a colon, or ""
// if there is no message.
func (l *link) serverText(s *delivery, answer *jsonrpc.Error) (text string) {
	if r := s.refusal.Load(); r != nil {
		text = r.serverText
	}
	if answer != nil && answer.Code != codeRejected && text == "" {
		text = answer.Message
	}
	if text = line(l.secrets.hide(text), maxErrorText); text == "" {
		return ""
	}
	return ": " + text
}

// outcomeUnknown is the failure of a call with a possible effect. happened describes
// the server's behaviour.
func (l *link) outcomeUnknown(d Definition, happened string, cause error) *tool.Error {
	happened = "The server of the tool " + strings.TrimRight(happened, ".") + ". "
	if l.server.mayRepeat(d) {
		return tool.Fail(tool.Failed, happened+"The same call may be made again.", cause)
	}
	return &tool.Error{
		Failure: tool.OutcomeUnknown, Err: cause,
		Message: happened + "It is not known whether the call took effect: check before you call it again.",
	}
}

// errorResponseFailure translates a JSON-RPC error.
func (l *link) errorResponseFailure(d Definition, answer *jsonrpc.Error, cause error) error {
	text := visible(l.secrets.hide(answer.Message))
	switch {
	case answer.Code == jsonrpc.CodeInvalidParams && unknownTool.MatchString(text):
		return tool.Fail(tool.UnknownTool, d.Tool, cause)
	case answer.Code == jsonrpc.CodeInvalidParams:
		return tool.Fail(tool.InvalidArguments, text, cause)
	}
	return tool.Fail(tool.Failed, text, cause)
}

// A progressRouter passes progress notifications on to the running calls.
type progressRouter struct {
	mu        sync.Mutex
	last      int
	receivers map[string]func(done, total float64, message string)
}

// register returns the progress token of a call. After done, no notification is passed
// on.
func (r *progressRouter) register(tell func(done, total float64, message string)) (token string, done func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	token = fmt.Sprint("p", r.last)
	if r.receivers == nil {
		r.receivers = map[string]func(done, total float64, message string){}
	}
	r.receivers[token] = tell
	return token, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.receivers, token)
	}
}

// deliver passes a notification on. The reader of the server's messages calls deliver,
// so deliver does not block.
func (r *progressRouter) deliver(params json.RawMessage) {
	var token, message string
	var progress, total float64
	if (fields{"progressToken": &token, "progress": &progress, "total": &total, "message": &message}).decode(params) != nil {
		return
	}
	r.mu.Lock()
	tell := r.receivers[token]
	r.mu.Unlock()
	if tell != nil {
		tell(progress, total, line(message, maxErrorText))
	}
}
