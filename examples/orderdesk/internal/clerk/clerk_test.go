// Package clerk_test runs the requests, each with a separate desk.
package clerk_test

import (
	"context"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/clerk"
	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/desk"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// A shop is a desk with the seed, and its data at the start. It need not survive a
// power failure.
func shop(t *testing.T) (*desk.Desk, *desk.Data) {
	t.Helper()
	query := url.Values{"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(OFF)", "foreign_keys(ON)"}, "_txlock": {"immediate"}}
	d, err := desk.Open(t.Context(), "file:"+(&url.URL{Path: filepath.Join(t.TempDir(), "desk.db")}).EscapedPath()+"?"+query.Encode())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	_, err = d.Seed(t.Context())
	require.NoError(t, err)
	return d, export(t, d)
}

func export(t *testing.T, d *desk.Desk) *desk.Data {
	t.Helper()
	data, err := d.Export(t.Context())
	require.NoError(t, err)
	return data
}

// changes returns the changes of a desk.
func changes(t *testing.T, before *desk.Data, d *desk.Desk) []string {
	t.Helper()
	lines, err := clerk.Diff(before, export(t, d))
	require.NoError(t, err)
	return lines
}

// outcome returns the outcome of a run.
func outcome(t *testing.T, before *desk.Data, d *desk.Desk, result *runner.Result) clerk.Outcome {
	t.Helper()
	o := clerk.Outcome{Answer: result.Text, Changes: changes(t, before, d)}
	for _, e := range result.Events {
		switch e.Body.(type) {
		case event.ToolCallStarted:
			o.Calls++
		case event.ApprovalAsked:
			o.Asks++
		}
	}
	return o
}

func approve(_ context.Context, p runner.Pending) (runner.Input, error) { return p.Approve(), nil }

func deny(_ context.Context, p runner.Pending) (runner.Input, error) {
	return p.Deny("ask for the invoice first."), nil
}

// TestRequests: each request has its expected outcome.
func TestRequests(t *testing.T) {
	t.Parallel()
	outcomes := clerk.Outcomes()
	require.Len(t, outcomes, len(clerk.Requests()))
	for i, text := range clerk.Requests() {
		t.Run(text[:20], func(t *testing.T) {
			t.Parallel()
			d, before := shop(t)
			r := runner.Runner{Journal: d.Journal(), Decide: approve}
			result, err := r.Session("request").Run(t.Context(), d.Agent(clerk.Model(0)), runner.Say(llm.User(text)))
			require.NoError(t, err)
			require.Equal(t, outcomes[i], outcome(t, before, d, result))
			require.Equal(t, result.Usage.InputTokens+result.Usage.OutputTokens, result.Usage.TotalTokens)
			require.Greater(t, result.Usage.InputTokens, result.Usage.OutputTokens)
		})
	}
}

// TestTogether: the outcomes are the same with one desk and one streamed model, at
// the same time and in any order.
func TestTogether(t *testing.T) {
	t.Parallel()
	d, before := shop(t)
	model, answers := clerk.Model(0), make([]string, len(clerk.Requests()))
	var working sync.WaitGroup
	for i, text := range clerk.Requests() {
		working.Go(func() {
			r := runner.Runner{Journal: d.Journal(), Decide: approve}
			for e, err := range r.Session(text[:20]).Stream(t.Context(), d.Agent(model), runner.Say(llm.User(text))) {
				if err != nil {
					answers[i] = err.Error()
				}
				switch b := e.Body.(type) {
				case event.TurnPrepared:
					answers[i] = ""
				case event.TextDelta:
					answers[i] += b.Text
				}
			}
		})
	}
	working.Wait()
	var want []string
	for i, o := range clerk.Outcomes() {
		require.Equal(t, o.Answer, answers[i])
		want = append(want, o.Changes...)
	}
	slices.Sort(want)
	require.Equal(t, want, changes(t, before, d))
}

// TestDenied: a denied change does not happen, the answer says so, and the other
// changes of the request happen.
func TestDenied(t *testing.T) {
	t.Parallel()
	denied := map[string]string{
		"#D0001003": "I am sorry: I may not cancel order #D0001003, since a colleague did not agree: ask for the invoice first. " +
			"Your profile now says 5 Dock Square, Boston, MA 02109.",
		"#D0001008": "I am sorry: I may not take back items of order #D0001008, since a colleague did not agree: ask for the invoice first.",
		"#D0001010": "I am sorry: I may not change the items of order #D0001010, since a colleague did not agree: ask for the invoice first.",
	}
	paused := 0
	for i, o := range clerk.Outcomes() {
		if o.Asks == 0 {
			continue
		}
		paused++
		text := clerk.Requests()[i]
		order := text[strings.Index(text, "#"):][:9]
		t.Run(order, func(t *testing.T) {
			t.Parallel()
			d, before := shop(t)
			s := runner.Runner{Journal: d.Journal()}.Session("request")
			result, err := s.Run(t.Context(), d.Agent(clerk.Model(0)), runner.Say(llm.User(text)))
			require.ErrorIs(t, err, runner.ErrPaused)
			result, err = s.Run(t.Context(), d.Agent(clerk.Model(0)), result.Pending[0].Deny("ask for the invoice first."))
			require.NoError(t, err)
			require.Equal(t, denied[order], result.Text)
			for _, line := range changes(t, before, d) {
				require.NotContains(t, line, "orders ")
			}
		})
	}
	require.Equal(t, len(denied), paused)
}

// TestAgain: a repeated request gets the reason why it does not work.
func TestAgain(t *testing.T) {
	t.Parallel()
	d, _ := shop(t)
	say := runner.Say(llm.User(clerk.Requests()[2]))
	s := runner.Runner{Journal: d.Journal(), Decide: deny}.Session("request")
	_, err := s.Run(t.Context(), d.Agent(clerk.Model(0)), say)
	require.NoError(t, err)
	before := export(t, d)
	result, err := s.Run(t.Context(), d.Agent(clerk.Model(0)), say)
	require.NoError(t, err)
	require.Equal(t, "I am sorry, I cannot cancel order #D0001006: non-pending order cannot be cancelled.", result.Text)
	require.Empty(t, changes(t, before, d))
}

// TestUnknown: an unknown request is an error with advice, and so is a request that
// is almost known.
func TestUnknown(t *testing.T) {
	t.Parallel()
	mixed := strings.Replace(clerk.Copy(clerk.Requests()[1], 7), "-0007", "-0008", 1)
	for _, text := range []string{"What is the time?", clerk.Requests()[0] + "!", mixed} {
		_, err := clerk.Model(0).Generate(t.Context(), &llm.Request{Messages: []llm.Message{llm.User(text)}}, nil)
		require.EqualError(t, err, "openai: 401 auth: there is no key, and without one only the requests of the desk's own users are worked off: "+
			"set OPENAI_API_KEY, and OPENAI_BASE_URL if it is not OpenAI's, for a model that understands this one")
	}
}

// TestCopy: a copy belongs to another user and has no other difference.
func TestCopy(t *testing.T) {
	t.Parallel()
	const text = `ada.pine@example.com ada_pine_1001, zip 97201, #D0001001, gift_card_1001: 75.00 for 7100000001`
	require.Equal(t, text, clerk.Copy(text, 0))
	require.Equal(t, `ada.pine+12@example.com ada_pine_1001_12, zip 97201-0012, #D0001001-0012, gift_card_1001_12: 75.00 for 7100000001`, clerk.Copy(text, 12))
	require.Equal(t, `ada.pine+12345@example.com ada_pine_1001_12345, zip 97201-12345, #D0001001-12345, gift_card_1001_12345: 75.00 for 7100000001`, clerk.Copy(text, 12345))
}

// TestPause: each answer takes the pause.
func TestPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := clerk.Model(300*time.Millisecond).Generate(t.Context(), &llm.Request{Messages: []llm.Message{llm.User(clerk.Requests()[0])}}, nil)
		require.NoError(t, err)
		require.Equal(t, 300*time.Millisecond, time.Since(began))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = clerk.Model(time.Hour).Generate(ctx, &llm.Request{Messages: []llm.Message{llm.User(clerk.Requests()[0])}}, nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 1300*time.Millisecond, time.Since(began))
	})
}
