package inspect_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/inspect"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

func nowhere(context.Context, string, runner.Input) error { return nil }

// A desk is a program with an inspector: an agent whose refunds need approval.
type desk struct {
	store   *journal.Memory
	handler *inspect.Handler
	refunds atomic.Int64 // cents
	ended   chan error   // of the runs after answers
}

// user names the visitor of a request, in the tests.
const user = "X-User"

// newDesk begins a session, which asks for a refund.
func newDesk(t *testing.T, session string) *desk {
	t.Helper()
	d := &desk{store: new(journal.Memory), ended: make(chan error, 10)}
	give := func(_ context.Context, in struct {
		Order string `json:"order"`
		Cents int64  `json:"cents"`
	}) (string, error) {
		d.refunds.Add(in.Cents)
		return "refunded", nil
	}
	refund := tool.Must(tool.New("refund", "Refunds an order.", give, tool.NeedsApproval()))
	script := llmtest.NewScript(llmtest.Calls("refund", json.RawMessage(arguments)), llmtest.Text("It is done."))
	clerk := &agent.Agent{Name: "order desk", Model: script, Tools: []tool.Tool{refund}}
	r := runner.Runner{Journal: d.store}
	_, err := r.Session(session).Run(t.Context(), clerk, runner.Say(llm.User("Refund W2.")))
	require.ErrorIs(t, err, runner.ErrPaused)
	d.handler = &inspect.Handler{
		Reader: d.store,
		Visitor: func(r *http.Request) inspect.Visitor {
			name := r.Header.Get(user)
			return inspect.Visitor{Name: name, Answers: name != "" && name != "stranger"}
		},
		Answer: func(ctx context.Context, session string, in runner.Input) error {
			go func() {
				_, err := r.Session(session).Run(context.WithoutCancel(ctx), clerk, in)
				d.ended <- err
			}()
			return nil
		},
	}
	return d
}

// question returns the position and the hash of the question of a session.
func question(t testing.TB, store journal.Reader, session string) url.Values {
	t.Helper()
	state, err := runner.StateOf(session, store.Read(t.Context(), session, 0))
	require.NoError(t, err)
	require.NotEmpty(t, state.Pending)
	p := state.Pending[0]
	return url.Values{"seq": {strconv.FormatInt(p.Seq, 10)}, "hash": {p.Hash}}
}

// post sends a form. The headers are names and values.
func post(t testing.TB, h http.Handler, session string, form url.Values, headers ...string) got {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://desk.example/debug/?session="+url.QueryEscape(session), strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return got{w, textOf(w.Body.String())}
}

func with(form url.Values, do, text string) url.Values {
	return url.Values{"seq": form["seq"], "hash": form["hash"], "do": {do}, "text": {text}}
}

// TestApprove: an answer goes on with the session, and somebody who answers later reads
// who was first.
func TestApprove(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, "a/1")
		form := question(t, d.store, "a/1")
		refused := post(t, d.handler, "a/1", with(form, "approve", ""), user, "stranger")
		require.Equal(t, http.StatusForbidden, refused.Code)
		require.Contains(t, refused.text, "youmaynotanswer")
		require.Equal(t, http.StatusForbidden, post(t, d.handler, "a/1", with(form, "approve", "")).Code)
		require.NotContains(t, get(t, d.handler, "?session=a/1").Body.String(), "<form method")

		taken := post(t, d.handler, "a/1", with(form, "approve", ""), user, "ann")
		require.Equal(t, http.StatusSeeOther, taken.Code)
		require.Equal(t, "?session=a%2F1#waits", taken.Header().Get("Location"))
		require.NoError(t, <-d.ended)
		require.Equal(t, int64(48000), d.refunds.Load())

		time.Sleep(time.Hour) // synctest: exact in a bubble
		late := post(t, d.handler, "a/1", with(form, "deny", "too much"), user, "bob")
		require.Equal(t, http.StatusConflict, late.Code)
		require.Contains(t, late.text, "Somebodywasfirst:approvedbyannat")
		require.Equal(t, int64(48000), d.refunds.Load())
		page := get(t, d.handler, "?session=a/1")
		require.Contains(t, page.text, "orderdeskfinished")
		require.Contains(t, page.text, "approvedbyannafter0ms")
		require.NotContains(t, page.Body.String(), `class="question`)
	})
}

// TestTwoAnswers: while an answer is on its way, others read who gave it, and after a
// while they may answer again.
func TestTwoAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, "s")
		var given atomic.Int64
		d.handler.Answer = func(context.Context, string, runner.Input) error { given.Add(1); return nil }
		form := question(t, d.store, "s")
		require.Equal(t, http.StatusSeeOther, post(t, d.handler, "s", with(form, "deny", "no"), user, "ann <b>").Code)
		time.Sleep(30 * time.Second) // synctest: exact in a bubble
		late := post(t, d.handler, "s", with(form, "approve", ""), user, "bob")
		require.Equal(t, http.StatusConflict, late.Code)
		require.Contains(t, late.text, "Somebodywasfirst:deniedbyann<b>30secondsago.")
		page := get(t, d.handler, "?session=s")
		require.Contains(t, page.text, "deniedbyann<b>.Thesessionhasnotrecordedtheansweryet.")
		require.NotContains(t, page.Body.String(), "<form method")
		time.Sleep(30 * time.Second) // synctest: exact in a bubble
		require.Equal(t, http.StatusSeeOther, post(t, d.handler, "s", with(form, "approve", ""), user, "bob").Code)
		require.Equal(t, int64(2), given.Load())
	})
}

// TestLongName: a name that the session would refuse is cut.
func TestLongName(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, "s")
		require.Equal(t, http.StatusSeeOther, post(t, d.handler, "s", with(question(t, d.store, "s"), "approve", ""), user, strings.Repeat("ä", 150)).Code)
		require.NoError(t, <-d.ended)
	})
}

// TestRefusedAnswer: the visitor reads the error of Answer, and may answer again.
func TestRefusedAnswer(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "s")
	form := with(question(t, d.store, "s"), "approve", "")
	for _, c := range []struct {
		err  error
		code int
		text string
	}{
		{errors.New("the queue <b> is down"), http.StatusInternalServerError, "Theanswerwasnotgiven:thequeue<b>isdown"},
		{inspect.ErrAnswered, http.StatusConflict, "anotheranswertothisquestionwaitsalready"},
		{fmt.Errorf("desk: %w", &journal.BusyError{Session: "s"}), http.StatusConflict, "Thesessionisbeingrunatthemoment,soyouranswerwasnotgiven."},
		{&runner.DecisionError{Reason: "may not", Err: &journal.BusyError{}}, http.StatusForbidden, "Youmaynotanswerthisquestion."},
	} {
		d.handler.Answer = func(context.Context, string, runner.Input) error { return c.err }
		got := post(t, d.handler, "s", form, user, "ann")
		require.Equal(t, c.code, got.Code)
		require.Contains(t, got.text, c.text)
	}
}

// TestUnfit: a refusal of the session is no failure of the server.
func TestUnfit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  runner.DecisionError
		code int
		text string
	}{
		{runner.DecisionError{Call: "r1.t1.c0", Reason: `may not be answered by "ann": another <b> person must answer`, Err: errors.New("secret")}, http.StatusForbidden,
			`You may not answer this question. The call may not be answered by "ann": another <b> person must answer`},
		{runner.DecisionError{Call: "r1.t1.c0", Reason: "the arguments do not fit: cents is no number\nSend the call again with corrected arguments."}, http.StatusConflict,
			"The answer was not given: decision about call r1.t1.c0: the arguments do not fit: cents is no number</p>"},
		{runner.DecisionError{Call: "r1.t1.c0", Reason: "late", Decided: &runner.Decision{Call: "r1.t1.c0", What: "approved", Person: "bob"}}, http.StatusConflict,
			"The answer was not given: decision about call r1.t1.c0: late; somebody was first: approved by bob at "},
	} {
		d := newDesk(t, "s")
		d.handler.Answer = func(context.Context, string, runner.Input) error { return fmt.Errorf("desk: %w", &c.err) }
		got := post(t, d.handler, "s", with(question(t, d.store, "s"), "approve", ""), user, "ann")
		require.Equal(t, c.code, got.Code)
		require.True(t, strings.Contains(html.UnescapeString(got.Body.String()), c.text), got.text)
	}
}

// TestInBackground: the Answer of the example returns when the session has recorded the
// answer, of every kind, or has refused it. The run still goes on then.
func TestInBackground(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		session, do, text string
		code              int
		reads             string
	}{
		{"approval", "approve", "", http.StatusSeeOther, ""},
		{"approval", "deny", "no", http.StatusSeeOther, ""},
		{"approval", "edit", `{"order":"W2","cents":1}`, http.StatusSeeOther, ""},
		{"approval", "edit", `{"order":"W2","cents":"x"}`, http.StatusConflict, "Theargumentsdonotfit"},
		{"doubt", "happened", "refunded", http.StatusSeeOther, ""},
		{"doubt", "not_happened", "", http.StatusSeeOther, ""},
		{"doubt", "run_again", "", http.StatusSeeOther, ""},
		{"doubt", "unknown", "", http.StatusSeeOther, ""},
		{"late", "result", "paid", http.StatusSeeOther, ""},
		{"late", "fail", "no money", http.StatusSeeOther, ""},
		{"stranger", "approve", "", http.StatusForbidden, "anotherpersonmustanswer"},
	} {
		t.Run(c.session+"/"+c.do, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := new(journal.Memory)
				keep(t, store, "approval", told(start, asksRefund("order desk")...)...)
				keep(t, store, "stranger", told(start, asksRefund("order desk")...)...)
				inDoubt(t, store, "doubt")
				later(t, store, "late")
				give := func(context.Context, struct {
					Order string `json:"order"`
					Cents int64  `json:"cents"`
				}) (string, error) {
					return "refunded", nil
				}
				tools := []tool.Tool{tool.Must(tool.New("refund", "Refunds an order.", give, tool.NeedsApproval()))}
				hold := make(chan struct{})
				r := runner.Runner{
					Journal: store,
					MayAnswer: func(context.Context, runner.Pending, runner.Decision) error {
						if c.session == "stranger" {
							return errors.New("another person must answer")
						}
						return nil
					},
					BeforeTurn: func(context.Context, agent.Info) (runner.Change, error) { <-hold; return runner.Change{}, nil },
				}
				release := sync.OnceFunc(func() { close(hold) })
				var runs sync.WaitGroup
				defer runs.Wait()
				defer release()
				h := asker(store, "ann")
				h.Answer = inBackground(r, &agent.Agent{Name: "order desk", Model: llmtest.NewScript(llmtest.Text("It is done.")), Tools: tools}, &runs)
				answer := post(t, h, c.session, with(question(t, store, c.session), c.do, c.text))
				require.Equal(t, c.code, answer.Code, answer.text)
				require.Contains(t, strings.ToLower(answer.text), strings.ToLower(c.reads))
				require.NotContains(t, answer.text, "Sendthecallagain")
				release()
				runs.Wait()
				if c.code == http.StatusSeeOther {
					state, err := runner.StateOf(c.session, store.Read(t.Context(), c.session, 0))
					require.NoError(t, err)
					want := journal.Finished
					if c.do == "run_again" {
						want = journal.Paused // for an approval
					}
					require.Equal(t, want, state.Status)
				}
			})
		})
	}
}

// TestLeaves: the Answer of the example ends with the request.
func TestLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		r := runner.Runner{
			Journal:   new(journal.Memory),
			MayAnswer: func(context.Context, runner.Pending, runner.Decision) error { <-hold; return nil },
		}
		keep(t, r.Journal, "s", told(start, asksRefund("order desk")...)...)
		state, err := r.Session("s").State(t.Context())
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var runs sync.WaitGroup
		desk := &agent.Agent{Name: "order desk", Model: llmtest.NewScript(llmtest.Text("No."))}
		require.ErrorIs(t, inBackground(r, desk, &runs)(ctx, "s", state.Pending[0].Deny("no")), context.DeadlineExceeded)
		close(hold)
		runs.Wait()
	})
}

// inDoubt is a session with a call that began and has no end.
func inDoubt(t testing.TB, store journal.Journal, session string) {
	t.Helper()
	keep(t, store, session, told(start, append(begun("order desk"), refund(),
		event.ToolCallStarted{Call: "r1.t1.c0", ID: "c1", Name: "refund", Arguments: arguments}, event.RunPaused{Run: 1, Calls: []event.CallRef{"r1.t1.c0"}})...)...)
}

// later is a session with a call whose result comes from outside.
func later(t testing.TB, store journal.Journal, session string) {
	t.Helper()
	keep(t, store, session, told(start, append(begun("order desk"), refund(),
		event.ToolCallStarted{Call: "r1.t1.c0", ID: "c1", Name: "refund", Arguments: arguments},
		event.ToolCallDeferred{Call: "r1.t1.c0", Name: "refund", Handle: "bank-7", Until: start.Add(48 * time.Hour)},
		event.RunPaused{Run: 1, Calls: []event.CallRef{"r1.t1.c0"}, Late: []event.CallRef{"r1.t1.c0"}})...)...)
}

// TestAnswers: each button makes the input of the same name.
func TestAnswers(t *testing.T) {
	t.Parallel()
	store := new(journal.Memory)
	keep(t, store, "approval", told(start, asksRefund("order desk")...)...)
	inDoubt(t, store, "doubt")
	later(t, store, "late")
	require.Contains(t, get(t, asker(store, "ann"), "?session=late").text, squeezed("waits for its result asked by order desk since 2026-11-29 09:30:05 UTC until 2026-12-01 09:30:00 UTC"))
	for _, c := range []struct {
		session, do, text string
		want              func(runner.Pending) runner.Input
	}{
		{"approval", "approve", "", runner.Pending.Approve},
		{"approval", "deny", "too <b> much", func(p runner.Pending) runner.Input { return p.Deny("too <b> much") }},
		{"approval", "edit", `{"order":"W2","cents":1}`, func(p runner.Pending) runner.Input { return p.Edit(json.RawMessage(`{"order":"W2","cents":1}`)) }},
		{"approval", "edit", `{"order"`, nil},
		{"approval", "run_again", "", nil},
		{"approval", "", "", nil},
		{"doubt", "happened", "refunded", func(p runner.Pending) runner.Input { return p.Happened(llm.Text{Text: "refunded"}) }},
		{"doubt", "not_happened", "", runner.Pending.NotHappened},
		{"doubt", "run_again", "", runner.Pending.RunAgain},
		{"doubt", "unknown", "", runner.Pending.Unknown},
		{"doubt", "approve", "", nil},
		{"late", "result", "paid", func(p runner.Pending) runner.Input { return p.Result(llm.Text{Text: "paid"}) }},
		{"late", "fail", "no money", func(p runner.Pending) runner.Input { return p.Fail("no money") }},
		{"late", "approve", "", nil},
		{"late", "run_again", "", nil},
		{"doubt", "result", "", nil},
	} {
		var got runner.Input
		h := asker(store, "ann")
		h.Answer = func(_ context.Context, session string, in runner.Input) error {
			require.Equal(t, c.session, session)
			got = in
			return nil
		}
		if c.do != "" {
			require.True(t, strings.Contains(get(t, h, "?session="+c.session).Body.String(), `value="`+c.do+`"`) == (c.want != nil || c.do == "edit"))
		}
		answer := post(t, h, c.session, with(question(t, store, c.session), c.do, c.text))
		if c.want == nil {
			require.Equal(t, http.StatusBadRequest, answer.Code, c.do)
			require.Nil(t, got)
			continue
		}
		require.Equal(t, http.StatusSeeOther, answer.Code, c.do)
		state, err := runner.StateOf(c.session, store.Read(t.Context(), c.session, 0))
		require.NoError(t, err)
		require.Equal(t, runner.By("ann", c.want(state.Pending[0])), got)
	}
}

// TestForms: a form that fits no question changes nothing.
func TestForms(t *testing.T) {
	t.Parallel()
	store := new(journal.Memory)
	keep(t, store, "s", told(start, asksRefund("a")...)...)
	h := asker(store, "ann")
	h.Answer = func(context.Context, string, runner.Input) error { t.Error("an answer was given"); return nil }
	form := with(question(t, store, "s"), "approve", "")
	for name, c := range map[string]struct {
		session string
		change  url.Values
		code    int
	}{
		"no session":       {"", nil, http.StatusNotFound},
		"another session":  {"none", nil, http.StatusNotFound},
		"other arguments":  {"s", url.Values{"hash": {"0"}}, http.StatusConflict},
		"another question": {"s", url.Values{"seq": {"99"}}, http.StatusConflict},
		"no question":      {"s", url.Values{"seq": {"x"}}, http.StatusBadRequest},
		"too long":         {"s", url.Values{"text": {strings.Repeat("x", 17<<20)}}, http.StatusBadRequest},
	} {
		changed := url.Values{}
		for key, value := range form {
			changed[key] = value
		}
		for key, value := range c.change {
			changed[key] = value
		}
		require.Equal(t, c.code, post(t, h, c.session, changed).Code, name)
	}
	require.Equal(t, http.StatusOK, get(t, h, "?session=s&do=approve&"+form.Encode()).Code)
}

// TestCrossOrigin: only pages of the same origin, and of origins that the program trusts,
// send answers.
func TestCrossOrigin(t *testing.T) {
	t.Parallel()
	store := new(journal.Memory)
	keep(t, store, "s", told(start, asksRefund("a")...)...)
	form := with(question(t, store, "s"), "approve", "")
	trusting := http.NewCrossOriginProtection()
	require.NoError(t, trusting.AddTrustedOrigin("https://admin.example"))
	for _, c := range []struct {
		headers []string
		trusts  bool
		code    int
	}{
		{nil, false, http.StatusSeeOther}, // no browser
		{[]string{"Sec-Fetch-Site", "same-origin"}, false, http.StatusSeeOther},
		{[]string{"Sec-Fetch-Site", "same-origin", "Origin", "https://public.example"}, false, http.StatusSeeOther}, // behind a proxy
		{[]string{"Sec-Fetch-Site", "same-site"}, false, http.StatusForbidden},
		{[]string{"Sec-Fetch-Site", "cross-site"}, false, http.StatusForbidden},
		{[]string{"Origin", "http://desk.example"}, false, http.StatusSeeOther},
		{[]string{"Origin", "http://evil.example"}, false, http.StatusForbidden},
		{[]string{"Origin", "null"}, false, http.StatusForbidden},
		{[]string{"Sec-Fetch-Site", "cross-site", "Origin", "https://admin.example"}, true, http.StatusSeeOther},
		{[]string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, true, http.StatusForbidden},
	} {
		h := asker(store, "ann")
		if c.trusts {
			h.CrossOrigin = trusting
		}
		require.Equal(t, c.code, post(t, h, "s", form, c.headers...).Code, c.headers)
	}
}
