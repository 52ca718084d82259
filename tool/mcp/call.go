package mcp

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
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

// KeyMeta names the member of a call's _meta by which a server may know what it has
// done: a text that is the same whenever the call is made, and no other call's. It is
// made of [tool.Call].Key, the first 16 bytes of its SHA-256 in hexadecimal digits,
// since the key has the session's name in it, which is none of the server's business.
const KeyMeta = "toolloop/key"

func keyMeta(key string) string {
	digest := sha256.Sum256([]byte(key))
	return hex.EncodeToString(digest[:16])
}

// caller is the function of a tool.
func (l *link) caller(d Definition) func(context.Context, json.RawMessage) (llm.Parts, error) {
	return func(ctx context.Context, args json.RawMessage) (llm.Parts, error) {
		parts, again, err := l.call(ctx, d, args)
		if again { // the server has done nothing: a new connection will do
			parts, _, err = l.call(ctx, d, args)
		}
		return parts, err
	}
}

// call makes a call. again says that it had no effect because the connection was no
// good any more.
func (l *link) call(ctx context.Context, d Definition, args json.RawMessage) (parts llm.Parts, again bool, err error) {
	v := l.view(ctx, ofCalls)
	if v.live == nil {
		return nil, false, notMade("the server of the tool cannot be reached now", v.err)
	}
	switch mark, offered := v.list.marks[d.Name]; {
	case !offered:
		return nil, false, notMade("the server has this tool no more", nil)
	case mark != d.Fingerprint:
		return nil, false, notMade("the server has changed what this tool is", nil)
	}
	s := new(sending)
	res, err := l.send(ctx, v.live, s, d, args)
	if err == nil {
		l.answered()
		return l.received(res)
	}
	if v, ok := errors.AsType[*verdict](err); ok {
		return nil, false, v.failure
	}
	if errors.Is(err, sdk.ErrConnectionClosed) {
		v.live.sever() // it may be waiting for something
	}
	again = s.lost.Load() || !s.sent.Load() && ctx.Err() == nil
	if again || !isAnswer(err) && !isNoAnswer(err) {
		v.live.awaitEnd(ctx, err)
		err = v.live.explain(err)
	}
	return nil, again, l.failure(ctx, d, s, err)
}

func (l *link) send(ctx context.Context, lv *live, s *sending, d Definition, args json.RawMessage) (*sdk.CallToolResult, error) {
	call := tool.CallFrom(ctx)
	tell := &teller{to: func(done, total float64, message string) { call.Progress(done, total, l.secrets.hide(message)) }}
	token, done := l.reports.expect(tell.progress)
	defer done()
	params := &sdk.CallToolParams{Name: d.Name, Arguments: args, Meta: sdk.Meta{"progressToken": token}}
	if call.Key != "" {
		params.Meta[KeyMeta] = keyMeta(call.Key)
	}
	if d.task && lv.noTasks == nil { // else it is offered for calls of another kind by now
		return l.callTask(ctx, lv, s, d, params, tell)
	}
	return lv.call(ctx, s, params)
}

// call lets the SDK call a tool.
func (lv *live) call(ctx context.Context, s *sending, params *sdk.CallToolParams) (res *sdk.CallToolResult, err error) {
	err = lv.request(ctx, s, func(ctx context.Context) error {
		res, err = lv.session.CallTool(ctx, params)
		return err
	})
	return res, err
}

func (l *link) received(res *sdk.CallToolResult) (llm.Parts, bool, error) {
	if res.NeedsInput() {
		return nil, false, tool.Fail(tool.Failed, "The tool asks for input of a person, and nobody is there to give it.", nil)
	}
	parts, err := result(carried(res.Meta))
	return parts, false, err
}

// awaitEnd waits until the link knows that the connection has ended, if it has: who
// calls next is to find a new one, or what is wrong.
func (lv *live) awaitEnd(ctx context.Context, err error) {
	if ctx.Err() != nil && !errors.Is(err, sdk.ErrSessionMissing) {
		return
	}
	select {
	case <-lv.gone:
	case <-ctx.Done():
	case <-time.After(time.Second): // it goes on: one request failed
	}
}

// notMade is the failure of a call that had no effect.
func notMade(reason string, cause error) *tool.Error {
	return tool.Fail(tool.Failed, "The call was not made, so it had no effect: "+reason+".", cause)
}

var unknownTool = regexp.MustCompile(`(?i)^(unknown tool\b|tool\b.*\bnot found)`)

// failure says what an error means. What may have reached the server and was not
// answered may have had its effect.
func (l *link) failure(ctx context.Context, d Definition, s *sending, err error) error {
	answer, _ := errors.AsType[*jsonrpc.Error](err)
	answered := isAnswer(err)
	status := int(s.status.Load())
	cause, said := l.secrets.err(err), l.said(s, answer)
	switch {
	case !s.sent.Load():
		if ctx.Err() != nil {
			return notMade("its time was over", context.Cause(ctx))
		}
		return notMade("the server of the tool cannot be reached now", cause)
	case ctx.Err() != nil:
		return tool.Fail(tool.OutcomeUnknown, "", context.Cause(ctx))
	case s.lost.Load():
		return notMade("the server does not know us any more", cause)
	case status >= 400 && status < 500 && status != http.StatusRequestTimeout && !answered:
		return notMade(fmt.Sprintf("the server refused it (%d %s%s)", status, http.StatusText(status), said), cause)
	case answered && s.guessed.Load():
		return l.doubt(d, "answered with an error that names no request"+said, cause)
	case answered && status < 500:
		return l.answerFailure(d, answer, cause)
	case status >= 500:
		return l.doubt(d, fmt.Sprintf("answered with an error of its own (%d %s%s)", status, http.StatusText(status), said), cause)
	case isNoAnswer(err):
		return l.doubt(d, strings.TrimPrefix(line(l.secrets.hide(answer.Message), maxErrorText), "the server "), cause)
	}
	if r, ok := errors.AsType[*refusal](err); ok { // of a question about a task
		return l.doubt(d, "answered "+line(l.secrets.hide(r.answer()), maxErrorText), cause)
	}
	return l.doubt(d, "broke off before it answered", cause)
}

// said are the words of a server about a request that failed, behind a colon; "" if
// there are none.
func (l *link) said(s *sending, answer *jsonrpc.Error) (text string) {
	if r := s.refusal.Load(); r != nil {
		text = r.said
	}
	if answer != nil && answer.Code != codeRejected && text == "" {
		text = answer.Message
	}
	if text = line(l.secrets.hide(text), maxErrorText); text == "" {
		return ""
	}
	return ": " + text
}

// doubt is the failure of a call that may have had its effect, with what the server
// did.
func (l *link) doubt(d Definition, happened string, cause error) *tool.Error {
	happened = "The server of the tool " + strings.TrimRight(happened, ".") + ". "
	if l.server.mayRepeat(d) {
		return tool.Fail(tool.Failed, happened+"The same call may be made again.", cause)
	}
	return &tool.Error{
		Failure: tool.OutcomeUnknown, Err: cause,
		Message: happened + "It is not known whether the call took effect: check before you call it again.",
	}
}

// answerFailure is that of a JSON-RPC error.
func (l *link) answerFailure(d Definition, answer *jsonrpc.Error, cause error) error {
	text := visible(l.secrets.hide(answer.Message))
	switch {
	case answer.Code == jsonrpc.CodeInvalidParams && unknownTool.MatchString(text):
		return tool.Fail(tool.UnknownTool, d.Tool, cause)
	case answer.Code == jsonrpc.CodeInvalidParams:
		return tool.Fail(tool.InvalidArguments, text, cause)
	}
	return tool.Fail(tool.Failed, text, cause)
}

// reports are those of the progress of calls that run.
type reports struct {
	mu   sync.Mutex
	last int
	to   map[string]func(done, total float64, message string)
}

// expect returns the token of a call's reports. After done none is passed on.
func (r *reports) expect(tell func(done, total float64, message string)) (token string, done func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	token = fmt.Sprint("p", r.last)
	if r.to == nil {
		r.to = map[string]func(done, total float64, message string){}
	}
	r.to[token] = tell
	return token, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.to, token)
	}
}

// report passes a report on. It is called by who reads the server's messages, and
// does not wait.
func (r *reports) report(params json.RawMessage) {
	var token, message string
	var progress, total float64
	if (fields{"progressToken": &token, "progress": &progress, "total": &total, "message": &message}).decode(params) != nil {
		return
	}
	r.mu.Lock()
	tell := r.to[token]
	r.mu.Unlock()
	if tell != nil {
		tell(progress, total, line(message, maxErrorText))
	}
}
