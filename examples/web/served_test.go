package main_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/internal/browser"
	"github.com/seed-916e8f6a/toolloop/internal/hostile"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/serve"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// served serves the page with another chat.
func served(t *testing.T, c serve.Config, more ...func(*http.ServeMux)) (url string) {
	t.Helper()
	c.Session = func(_ *http.Request, id string) (string, error) { return id, nil }
	c.Logger = slog.New(slog.DiscardHandler)
	chat, err := c.Chat()
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServerFS(os.DirFS("page")))
	mux.Handle("/api/chat", chat.UIStream())
	mux.Handle("/api/chat/", chat.UIStream())
	for _, add := range more {
		add(mux)
	}
	server := httptest.NewServer(mux)
	t.Cleanup(func() {
		require.NoError(t, chat.Shutdown(context.WithoutCancel(t.Context())))
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL
}

// TestRefused: a visitor whose answer is refused reads it once, and sees the question again.
func TestRefused(t *testing.T) {
	t.Parallel()
	pay := tool.Must(tool.New("pay", "Pays.", func(context.Context, struct{}) (string, error) { return "Paid.", nil }, tool.NeedsApproval()))
	var asked atomic.Int64
	rule := func(context.Context, runner.Pending, runner.Decision) error {
		if asked.Add(1) == 1 {
			return errors.New("somebody else")
		}
		return nil
	}
	b := browser.Start(t)
	p := b.Open(served(t, serve.Config{
		Runner: runner.Runner{MayAnswer: rule}, Agent: &agent.Agent{Model: paced(t, llmtest.Calls("pay", nil), llmtest.Text("It is done.")), Tools: []tool.Tool{pay}},
	}))
	write(p, "Pay.")
	p.Click(".yes")
	p.Shows("You may not answer this question.")
	p.Shows("waits for you")
	require.Equal(t, int64(1), asked.Load())
	p.Click(".yes")
	p.Shows("It is done.")
	p.Until("!document.querySelector('#state').textContent")
	require.NotContains(t, p.Text(), "may not")
}

// TestHelper: what a helper says and does stands in the card of its call, live and again.
func TestHelper(t *testing.T) {
	t.Parallel()
	pay := tool.Must(tool.New("pay", "Pays.", func(context.Context, struct{}) (string, error) { return "30.00 euros went out.", nil }, tool.NeedsApproval()))
	cashier := &agent.Agent{Name: "cashier", Tools: []tool.Tool{pay}}
	chief := &agent.Agent{Name: "chief", Helpers: []agent.Helper{{Name: "ask_cashier", Description: "Pays.", Agent: cashier}}, Model: paced(t,
		llmtest.Calls("ask_cashier", map[string]string{"task": "Pay 30.00 to W1."}), llmtest.Text("I open the till.").And(llmtest.Calls("pay", nil)),
		llmtest.Text("It is paid."), llmtest.Text("The money is on its way."))}
	b := browser.Start(t)
	p := b.Open(served(t, serve.Config{Agent: chief}))
	write(p, "Pay W1.")
	p.Shows("waits for you")
	tab := b.Open(p.Eval("location.href").(string))
	tab.Shows("waits for you")
	p.Click(".card .inside .yes")
	p.Shows("The money is on its way.")
	reload(tab)
	for _, page := range []*browser.Page{p, tab} {
		page.Until("!document.querySelector('#state').textContent && document.querySelectorAll('.status.good').length === 2")
		require.Equal(t, "cashierI open the till.|pay|30.00 euros went out.", page.Eval(`(() => {
			const inside = document.querySelector('.card > .inside');
			return [inside.querySelector(':scope > .text').textContent, inside.querySelector('.name').textContent, inside.querySelector('.result').textContent].join('|');
		})()`))
		require.Equal(t, 1, strings.Count(page.Text(), "It is paid."))
		require.Empty(t, page.Said())
	}
	pictures(t, p, "helper")
}

// TestHostileHistory: texts in every field of every event are text on the page, and nothing
// else.
func TestHostileHistory(t *testing.T) {
	t.Parallel()
	var durable []event.Event
	for _, e := range hostile.Story(t, "../../runner/event") {
		if e.Seq > 0 {
			durable = append(durable, e)
		}
	}
	data, err := json.Marshal(map[string][]event.Event{"c": durable})
	require.NoError(t, err)
	store := new(journal.Memory)
	require.NoError(t, json.Unmarshal(data, store))
	p := browser.Start(t).Open(served(t, serve.Config{Runner: runner.Runner{Journal: store}, Agent: &agent.Agent{Model: llmtest.NewScript()}}) + "/#c")
	p.Until("document.querySelectorAll('.card').length > 20")
	require.Empty(t, p.Said())
	require.Equal(t, []any{1.0, 0.0, 0.0, 0.0, 1.0}, p.Eval("['script', 'img[onerror]', 'svg', 'a', 'title'].map((tag) => document.querySelectorAll(tag).length)"))
	require.Equal(t, true, p.Eval("[...document.images].every((i) => /^data:image.(png|jpeg|gif|webp);base64,/.test(i.src))"))
	require.GreaterOrEqual(t, strings.Count(p.Text(), "onload=console.error"), 8)
	require.Equal(t, "Order desk", p.Eval("document.title"))
}

// TestLarge: a result and an answer of 10 MB leave the page usable. A page that stands still
// does not hold up the run: this one stands still until the run has ended.
func TestLarge(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("0123456789abcde ", 10<<20/16)
	read := tool.Must(tool.New("read", "Reads a lot.", func(context.Context, struct{}) (string, error) { return large, nil }, tool.MaxResult(20<<20)))
	store := new(journal.Memory)
	ended := make(chan struct{})
	hold := func(mux *http.ServeMux) {
		mux.HandleFunc("/hold", func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-ended:
			case <-r.Context().Done():
			}
			w.WriteHeader(http.StatusNoContent)
		})
	}
	p := browser.Start(t).Open(served(t, serve.Config{
		Runner: runner.Runner{Journal: store}, Agent: &agent.Agent{Model: llmtest.Script(t, llmtest.Calls("read", nil), llmtest.Text(large+"The end.")), Tools: []tool.Tool{read}},
	}, hold) + "/#c")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	go func() {
		defer close(ended)
		for e, err := range store.Watch(ctx, "c", 0) {
			if _, over := e.Body.(event.RunFinished); over || err != nil {
				return
			}
		}
	}()
	write(p, "Read.")
	p.Eval("const hold = new XMLHttpRequest(); hold.open('GET', '/hold', false); hold.send(); hold.status") // the page stands still
	require.NoError(t, ctx.Err(), "the run waits for the page")
	p.Until("!document.querySelector('#state').textContent && document.querySelectorAll('.more').length === 2")
	for range 2 {
		require.Less(t, p.Eval("document.querySelector('main').textContent.length"), 20000.0)
		took, ok := p.Eval(`(() => {
			const began = performance.now();
			for (let i = 0; i < 20; i++) { document.querySelector('#text').value = 'x'.repeat(i); document.querySelector('#text').oninput(); drawNow(); document.body.offsetHeight; }
			return (performance.now() - began) / 20;
		})()`).(float64)
		require.True(t, ok)
		t.Logf("drawing the page took %.2f ms", took)
		require.Less(t, took, 100.0)
		require.Empty(t, p.Said())
		reload(p)
		p.Until("!document.querySelector('#state').textContent && document.querySelectorAll('.more').length === 2")
	}
}

// TestTyping: what somebody types, and where, stays while other calls go on.
func TestTyping(t *testing.T) {
	t.Parallel()
	next := make(chan struct{})
	slow := tool.Must(tool.New("slow", "Is slow.", func(ctx context.Context, _ struct{}) (string, error) {
		for i := range 3 {
			tool.CallFrom(ctx).Progress(float64(i), 3, "still there")
			select {
			case <-next:
			case <-ctx.Done():
				return "", context.Cause(ctx)
			}
		}
		return "ready", nil
	}))
	pay := tool.Must(tool.New("pay", "Pays.", func(context.Context, struct{}) (string, error) { return "Paid.", nil }, tool.NeedsApproval()))
	p := browser.Start(t).Open(served(t, serve.Config{Agent: &agent.Agent{Tools: []tool.Tool{slow, pay}, Model: llmtest.Script(t,
		llmtest.Calls("slow", nil).And(llmtest.Calls("pay", nil)), llmtest.Text("Then not."))}}))
	write(p, "Go.")
	p.Shows("(0 of 3)")
	p.Click(".ask input")
	p.Type("too ")
	next <- struct{}{}
	p.Shows("(1 of 3)")
	p.Type("much")
	next <- struct{}{}
	p.Shows("(2 of 3)")
	require.Equal(t, "too much", p.Eval("document.activeElement.value"))
	p.Press("Tab") // and the question can be answered by keys alone
	next <- struct{}{}
	p.Shows("ready")
	p.Eval("document.querySelector('.no').focus()")
	p.Press("Enter")
	p.Shows("Then not.")
	p.Shows("Reason: too much")
}
