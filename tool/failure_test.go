package tool_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/tool"
)

func TestFailureTexts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		got  *tool.Error
		want string
	}{
		{"unknown tool", tool.Unknown("get_wether", "send_mail", "get_weather"),
			`There is no tool named "get_wether". Did you mean "get_weather"? The tools are: send_mail, get_weather.`},
		{"unknown tool, nothing near", tool.Unknown("zzz", "send_mail"),
			`There is no tool named "zzz". The tools are: send_mail.`},
		{"unknown tool, none offered", tool.Unknown("zzz"),
			`There is no tool named "zzz". No tools are offered: answer without one.`},
		{"unknown tool by Fail", tool.Fail(tool.UnknownTool, "zzz", nil),
			`There is no tool named "zzz". Call only tools that you were offered.`},
		{"invalid JSON", tool.Fail(tool.InvalidJSON, "its JSON ends too early (cut off?)", nil),
			"The call was rejected: its JSON ends too early (cut off?).\n" +
				"Send the call again with its arguments as one complete JSON object."},
		{"invalid JSON, no detail", tool.Fail(tool.InvalidJSON, "", nil),
			"The call was rejected: its arguments are not a JSON object.\n" +
				"Send the call again with its arguments as one complete JSON object."},
		{"invalid arguments", tool.Fail(tool.InvalidArguments, "", nil),
			"The arguments do not fit the tool.\nSend the call again with corrected arguments."},
		{"timed out", tool.Fail(tool.TimedOut, "30s", nil),
			"The tool did not finish within 30s and was given up. It may have had an effect all the same: check before you call it again."},
		{"timed out, no detail", tool.Fail(tool.TimedOut, "", nil),
			"The tool did not finish in time and was given up. It may have had an effect all the same: check before you call it again."},
		{"panicked", tool.Fail(tool.Panicked, "secret", nil),
			"The tool broke down because of an internal fault, which is not yours. The same call is likely to break down again."},
		{"failed", tool.Fail(tool.Failed, "no such order", nil), "no such order"},
		{"failed, no detail", tool.Fail(tool.Failed, " ", nil), "The tool failed and gave no reason."},
		{"denied", tool.Fail(tool.Denied, "The amount is too large.", nil),
			"The call was denied: The amount is too large. It did not run. Do not repeat it: go on without it, or ask the user."},
		{"denied, no reason", tool.Fail(tool.Denied, "", nil),
			"The call was denied. It did not run. Do not repeat it: go on without it, or ask the user."},
		{"not run", tool.Fail(tool.NotRun, "the run was stopped", nil),
			"The call did not run: the run was stopped. It had no effect: call again if it is still needed."},
		{"outcome unknown", tool.Fail(tool.OutcomeUnknown, "", nil),
			"It is not known whether the call took effect: it was started, and its end was never recorded. Check before you call it again."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, tt.got.Message)
			require.Equal(t, string(tt.got.Failure)+": "+tt.want, tt.got.Error())
		})
	}
}

func TestFailureTextsAreBounded(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 1<<20) + "\xff"
	names := strings.Split(strings.Repeat("a_rather_long_name ", 500), " ")
	messages := []string{tool.Unknown(long, names...).Message, tool.Unknown(names[0], long).Message}
	for _, f := range []tool.Failure{
		tool.UnknownTool, tool.InvalidJSON, tool.InvalidArguments, tool.TimedOut, tool.Panicked,
		tool.Failed, tool.Denied, tool.NotRun, tool.OutcomeUnknown, "unheard_of",
	} {
		messages = append(messages, tool.Fail(f, long, nil).Message, tool.Fail(f, "", errors.New(long)).Error())
	}
	for _, m := range messages {
		require.LessOrEqual(t, len(m), 1100)
		require.True(t, utf8.ValidString(m))
	}
}

// fails calls a tool whose function returns err.
func fails(t *testing.T, err error) *tool.Error {
	t.Helper()
	failing := tool.Must(tool.New("failing", "", func(context.Context, struct{}) (string, error) { return "x", err }))
	_, got := failing.Call(t.Context(), json.RawMessage(`{}`))
	e, ok := errors.AsType[*tool.Error](got)
	require.True(t, ok)
	return e
}

func TestErrorsOfAFunction(t *testing.T) {
	t.Parallel()
	var nobody *tool.Error
	tests := []struct {
		name    string
		err     error
		failure tool.Failure
		want    string
		abort   bool
	}{
		{"plain", fmt.Errorf("read: %w", io.ErrUnexpectedEOF), tool.Failed, "read: unexpected EOF", false},
		{"empty", errors.Join(errors.New(""), io.EOF), tool.Failed, "\nEOF", false},
		{"retry", fmt.Errorf("x: %w", tool.Retry("Use a date in June.")), tool.InvalidArguments,
			"Use a date in June.\nSend the call again with corrected arguments.", false},
		{"hide", tool.Hide(io.ErrClosedPipe), tool.Failed,
			"The tool failed. The reason is not for you to see; the same call may fail again.", false},
		{"hidden in a wrap", fmt.Errorf("db: %w", tool.Hide(io.ErrClosedPipe)), tool.Failed,
			"The tool failed. The reason is not for you to see; the same call may fail again.", false},
		{"hide nil", tool.Hide(nil), tool.Failed,
			"The tool failed. The reason is not for you to see; the same call may fail again.", false},
		{"abort", fmt.Errorf("x: %w", tool.Abort(io.ErrNoProgress)), tool.Failed, "The tool ended the run.", true},
		{"abort nil", tool.Abort(nil), tool.Failed, "The tool ended the run.", true},
		{"hidden abort", tool.Hide(tool.Abort(io.EOF)), tool.Failed, "The tool ended the run.", true},
		{"an own failure", &tool.Error{Failure: tool.Denied, Message: "Ask Ann first."}, tool.Denied, "Ask Ann first.", false},
		{"an own failure without text", &tool.Error{Failure: tool.Denied}, tool.Denied,
			"The call was denied. It did not run. Do not repeat it: go on without it, or ask the user.", false},
		{"a failure of another call", fmt.Errorf("inner: %w", tool.Fail(tool.Denied, "", nil)), tool.Failed,
			"inner: denied: The call was denied. It did not run. Do not repeat it: go on without it, or ask the user.", false},
		{"a nil failure", nobody, tool.Panicked,
			"The tool broke down because of an internal fault, which is not yours. The same call is likely to break down again.", false},
		{"cancelled", context.Canceled, tool.Failed, "context canceled", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := fails(t, tt.err)
			require.Equal(t, tt.failure, got.Failure)
			require.Equal(t, tt.want, got.Message)
			require.Equal(t, tt.abort, tool.IsAbort(got))
			if tt.failure == tool.Failed {
				require.ErrorIs(t, got, tt.err)
			}
		})
	}
	require.ErrorIs(t, fails(t, tool.Abort(io.ErrNoProgress)), io.ErrNoProgress)
	require.ErrorIs(t, fails(t, tool.Hide(io.ErrNoProgress)), io.ErrNoProgress)
	long := strings.Repeat("x", 20<<10)
	require.Less(t, len(fails(t, errors.New(long)).Message), 1<<10)
	require.InDelta(t, 16<<10, len(fails(t, &tool.Error{Failure: tool.Failed, Message: long}).Message), 64)
	require.False(t, tool.IsAbort(nil))
	require.False(t, tool.IsAbort(io.EOF))
}

// TestVeryLongErrors: text far beyond the limit is not processed. The test runs alone
// because the test counts allocated bytes.
func TestVeryLongErrors(t *testing.T) {
	long := strings.Repeat("https://u:p@h "+strings.Repeat("x", 1<<10), 256<<10)
	for name, err := range map[string]error{
		"plain":  errors.New(long),
		"own":    &tool.Error{Failure: tool.Failed, Message: long},
		"retry":  tool.Retry(long),
		"denied": tool.Fail(tool.Denied, long, nil),
		"abort":  tool.Abort(errors.New(long)),
	} {
		t.Run(name, func(t *testing.T) {
			bounded(t, func() {
				got := fails(t, err)
				require.Less(t, len(got.Message), 17<<10)
				require.Less(t, len(got.Error()), 17<<10)
			})
		})
	}
	bounded(t, func() {
		_, err := tool.Must(tool.New("x", "", func(context.Context, struct{}) (any, error) { panic(long) })).Call(t.Context(), json.RawMessage(`{}`))
		require.Less(t, len(err.Error()), 2<<10)
	})
	require.Equal(t, strings.Repeat("x", 768)+fmt.Sprintf("… (%d more bytes)", 1<<20-768), fails(t, errors.New(strings.Repeat("x", 1<<20))).Message)
}

func TestCredentialsAreCut(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, want string }{
		{"user and password", "dial postgres://ann:s3cret@db.local/x: refused", "dial postgres://[redacted]@db.local/x: refused"},
		{"token as user", "https://ghp_abc@github.com/a/b", "https://[redacted]@github.com/a/b"},
		{"at sign in the password", "amqp://u:p@ss@host/x", "amqp://[redacted]@host/x"},
		{"slash in the password", "redis://u:p/ss@host:1/x", "redis://[redacted]@host:1/x"},
		{"two", "a://u:p@h b://v:q@i", "a://[redacted]@h b://[redacted]@i"},
		{"quoted", `Get "https://u:p@h/": EOF`, `Get "https://[redacted]@h/": EOF`},
		{"port, then an at sign", "http://h:8080/npm/@scope/x", "http://h:8080/npm/@scope/x"},
		{"no credentials", "http://h/@scope ann@example.com", "http://h/@scope ann@example.com"},
		{"query", "https://h/x?key=abc&q=1&api_key=def&Token=ghi&sig=j%2Fk#f",
			"https://h/x?key=[redacted]&q=1&api_key=[redacted]&Token=[redacted]&sig=[redacted]#f"},
		{"signed", "https://s3/x?X-Amz-Signature=abc&X-Amz-Credential=def&X-Amz-Date=1&access_token=x&apikey=y&client_secret=z",
			"https://s3/x?X-Amz-Signature=[redacted]&X-Amz-Credential=[redacted]&X-Amz-Date=1&access_token=[redacted]&apikey=[redacted]&client_secret=[redacted]"},
		{"other words", "https://h/?monkey=1&tokens=2&keys=3", "https://h/?monkey=1&tokens=2&keys=3"},
		{"password like a port", "dial postgres://app:12345/x9@db:5432/prod: refused", "dial postgres://[redacted]@db:5432/prod: refused"},
		{"space in the password", `parse "https://user:pa ss@host": bad`, `parse "https://[redacted]@host": bad`},
		{"port, then a mail address", "postgres://db:5432 is down, ask ann@example.com", "postgres://db:5432 is down, ask ann@example.com"},
		{"host, then a mail address", "https://h: refused, ask ann@example.com", "https://h: refused, ask ann@example.com"},
		{"fragment", "https://h/cb#access_token=abc123&x=1", "https://h/cb#access_token=[redacted]&x=1"},
		{"far along", strings.Repeat("x", 1000) + " a://user:" + strings.Repeat("p", 3000) + "@h",
			strings.Repeat("x", 1000) + " a://[redacted]@h"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := fails(t, errors.New(tt.text))
			if len(tt.want) < 800 {
				require.Equal(t, tt.want, e.Message)
			}
			require.Contains(t, e.Error(), tt.want[:min(len(tt.want), 1000)])
			require.NotContains(t, e.Message+e.Error(), "pppp")
		})
	}
}

func TestPanics(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		fn   func(context.Context, struct{}) (any, error)
		want string
	}{
		{"text", func(context.Context, struct{}) (any, error) { panic("the secret is 42") }, "panicked: panic: the secret is 42"},
		{"error", func(context.Context, struct{}) (any, error) { panic(io.EOF) }, "panicked: panic: EOF"},
		{"runtime error", func(context.Context, struct{}) (any, error) { var none []int; return none[len(none)], nil },
			"panicked: panic: runtime error: index out of range [0] with length 0"},
		{"in the result", func(context.Context, struct{}) (any, error) { return rude{}, nil }, "panicked: panic: rude"},
		{"in the error", func(context.Context, struct{}) (any, error) { return nil, rudeError{} }, "panicked: panic: rude"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := tool.Must(tool.New("x", "", tt.fn)).Call(t.Context(), json.RawMessage(`{}`))
			e, ok := errors.AsType[*tool.Error](err)
			require.True(t, ok)
			require.Equal(t, tool.Panicked, e.Failure)
			require.Equal(t, "The tool broke down because of an internal fault, which is not yours. The same call is likely to break down again.", e.Message)
			require.Equal(t, tt.want, e.Error())
			require.Contains(t, string(e.Stack), "failure_test.go")
			require.Equal(t, tt.name == "error", errors.Is(err, io.EOF))
		})
	}
}

type rude struct{ X int }

func (rude) MarshalJSON() ([]byte, error) { panic("rude") }

type rudeError struct{}

func (rudeError) Error() string { panic("rude") }
