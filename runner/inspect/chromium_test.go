package inspect_test

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/browser"
	"github.com/seed-916e8f6a/toolloop/internal/hostile"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/inspect"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// as serves a handler below the name of each visitor: /ann/ is the inspector of ann.
func as(t testing.TB, h http.Handler) string {
	t.Helper()
	mux := http.NewServeMux()
	for _, name := range []string{"ann", "bob", "stranger"} {
		mux.Handle("/"+name+"/", http.StripPrefix("/"+name, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Header.Set(user, name)
			h.ServeHTTP(w, r)
		})))
	}
	return served(t, mux)
}

// TestChromiumApprove: ann approves on the page, where the session then goes on. Bob reads
// who was first, and a stranger cannot answer.
func TestChromiumApprove(t *testing.T) {
	t.Parallel()
	b := browser.Start(t)
	d := newDesk(t, "lamps/17")
	address := as(t, d.handler)
	ann, bob, late, stranger := b.Open(address+"/ann/"), b.Open(address+"/bob/?session=lamps/17"), b.Open("about:blank"), b.Open(address+"/stranger/?session=lamps/17")
	late.Script(false)
	late.Go(address + "/bob/?session=lamps/17")

	stranger.Shows("read only")
	stranger.Shows("48000")
	require.Equal(t, 0.0, stranger.Eval(`document.querySelectorAll('#waits form').length`))
	require.Equal(t, 403.0, stranger.Eval(`fetch(location.href, {method: 'POST', body: new URLSearchParams({seq: '5', do: 'approve'})}).then((r) => r.status)`))
	require.Zero(t, d.refunds.Load())

	ann.Follow(`a[href="?session=lamps%2F17"]`)
	ann.Shows("waits for approval")
	bob.Click(`input[name=text]`)
	bob.Type("too much")
	ann.Follow(`button[value=approve]`)
	require.NoError(t, <-d.ended)
	ann.Shows("It is done.") // without a reload
	ann.Until(`document.querySelectorAll('#waits article').length === 0`)
	require.Equal(t, int64(48000), d.refunds.Load())
	bob.Until(`document.querySelectorAll('#waits article').length === 0`) // the question has left bob's page, too
	bob.Shows("It is done.")

	late.Follow(`button[value=deny]`) // a page without scripts still has the question
	late.Shows("Somebody was first: approved by ann at 20")
	late.Follow(`a.button`)
	late.Shows("It is done.")
	late.Shows("approved by ann after")
	require.Equal(t, int64(48000), d.refunds.Load())
	for _, p := range []*browser.Page{ann, bob} {
		require.Empty(t, p.Said())
	}
	for _, p := range []*browser.Page{late, stranger} {
		require.Len(t, p.Said(), 1) // the refusal
	}
}

// TestChromiumSites: no other site answers for a visitor, and a page over plain HTTP does.
func TestChromiumSites(t *testing.T) {
	t.Parallel()
	b := browser.Start(t, "--host-resolver-rules=MAP desk.example 127.0.0.1")
	d := newDesk(t, "s")
	address := as(t, d.handler)
	form := with(question(t, d.store, "s"), "approve", "")
	attack := served(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprintf(w, `<form method="post" action="%s/ann/?session=s"><input name="seq" value="%s"><input name="hash" value="%s"><button name="do" value="approve">Win a lamp</button></form>`,
			address, form.Get("seq"), form.Get("hash"))
	}))
	p := b.Open(attack)
	p.Follow("button")
	p.Shows("The answer comes from the page of another site")
	require.Zero(t, d.refunds.Load())

	p = b.Open(strings.Replace(address, "127.0.0.1", "desk.example", 1) + "/ann/?session=s")
	require.Equal(t, false, p.Eval("isSecureContext")) // so the browser sends no Sec-Fetch-Site
	p.Follow(`button[value=approve]`)
	require.NoError(t, <-d.ended)
	p.Shows("It is done.")
}

// TestChromiumLive: what comes appears, and what the reader has typed, unfolded and
// scrolled to stays. All of it works by keyboard.
func TestChromiumLive(t *testing.T) {
	t.Parallel()
	store := new(journal.Memory)
	keep(t, store, "s", told(start, asksRefund("order desk")...)...)
	h := asker(store, "ann")
	p := browser.Start(t).Open(served(t, h) + "/?session=s")
	p.Screen(390, 500, true)
	p.Shows("live")
	p.Click(`main details summary`)
	p.Shows("You are the order desk.")
	for range 50 {
		if p.Eval(`document.activeElement.name`) == "text" {
			break
		}
		p.Press("Tab")
	}
	p.Type("too much")
	p.Eval(`scrollTo(0, 200)`)
	keep(t, store, "s", told(start.Add(time.Hour), event.UserMessaged{Message: llm.User("And hurry."), Said: true})...)
	p.Shows("And hurry.")
	require.Equal(t, []any{"too much", true, 200.0}, p.Eval(`[document.querySelector('#waits input[name=text]').value, document.querySelector('main details').open, scrollY]`))
	require.Equal(t, "text", p.Eval(`document.activeElement.name`))
	p.Press("Tab")
	require.Equal(t, "SUMMARY", p.Eval(`document.activeElement.tagName`))
	p.Press("Escape")
	p.Eval(`document.activeElement.blur()`)
	p.Press("/")
	p.Type("hurry")
	p.Shows("1 of 4")
	require.Equal(t, true, p.Eval(`document.documentElement.scrollWidth <= innerWidth`))
	require.Empty(t, p.Said())
}

// TestChromiumList: a list shows what is new, except to a reader who uses it.
func TestChromiumList(t *testing.T) {
	t.Parallel()
	store := new(journal.Memory)
	keep(t, store, "first", told(start, answers("order desk")...)...)
	p := browser.Start(t).Open(served(t, &inspect.Handler{Reader: store}) + "/?prefix=")
	p.Click("input[name=agent]")
	p.Type("order")
	keep(t, store, "second", told(start, asksRefund("order desk")...)...)
	p.Shows("second")
	p.Shows("all 2")
	require.Equal(t, "order", p.Eval(`document.activeElement.value`))
	require.Empty(t, p.Said())
}

// tags are those of a page, with the attributes that they may have.
var tags = regexp.MustCompile(`^(<!DOCTYPE html>|<meta [^<>]*>|</?[a-z0-9]+` +
	`( (class|lang|id|role|type|placeholder|aria-[a-z]+|autocomplete|spellcheck|for|viewBox|preserveAspectRatio|x|y|width|height|tabindex|dir|title|href|name|value|method|action|rows|rel|data-[a-z]+)="[^"<>]*"| hidden| data-problem| open| selected| autofocus)*>)$`)

// fields matches what the visitor has typed, which comes back as it was.
var fields = regexp.MustCompile(`<input [^>]*>`)

// attacked returns a handler over sessions whose names, agents, errors and events attack
// the pages.
func attacked(t testing.TB) (h *inspect.Handler, sessions []string) {
	t.Helper()
	store := new(journal.Memory)
	add := func(name string, events []event.Event) {
		name = strings.ReplaceAll(strings.ToValidUTF8(name, "?"), "\x00", "?")
		keep(t, store, name, events...)
		sessions = append(sessions, name)
	}
	for i, text := range hostile.Texts {
		add("asks "+text, hostileQuestion(text))
		add(fmt.Sprint("failed ", i), told(start, event.RunStarted{Version: 1, Run: 1, Agent: text, ID: text}, event.UserMessaged{Message: llm.User(text + ".")}, event.RunFailed{Run: 1, Error: text}))
	}
	var durable []event.Event
	for _, ev := range hostile.Events(t, "../event") {
		switch ev.Body.(type) {
		case event.TextDelta, event.ReasoningDelta, event.CallDelta, event.PartialOutput, event.ToolProgress, event.Restarted, event.Notice:
		default:
			durable = append(durable, ev)
		}
	}
	add("all", durable)
	large := strings.Repeat("<b>0123456", 1<<20)
	add("large", told(start, append(begun(large), refund(), event.ToolCallStarted{Call: "r1.t1.c0", Name: large, Arguments: `"` + large + `"`},
		event.ToolCallFinished{Call: "r1.t1.c0", Result: llm.ToolResult{Name: large, Parts: llm.Parts{llm.Text{Text: large}}}}, event.RunFailed{Run: 1, Error: large})...))
	return asker(store, hostile.Texts[1]), sessions
}

func hostileQuestion(text string) []event.Event {
	note, _ := json.Marshal(map[string]string{"note": strings.ToValidUTF8(text, "?")}) // cannot fail
	args := string(note)
	return told(start, append(begun(text), event.ModelAnswered{Turn: 1, Finish: llm.FinishOf("tool_calls", ""), Message: llm.Assistant("", llm.ToolCall{ID: text, Name: text, Arguments: args})},
		event.ApprovalAsked{Call: "r1.t1.c0", ID: text, Name: text, Arguments: args, Hash: event.HashArguments(args), Repairs: []string{text}},
		event.RunPaused{Run: 1, Calls: []event.CallRef{"r1.t1.c0"}})...)
}

// TestHostile: nothing of an event, a name or an error is more than text in a page.
func TestHostile(t *testing.T) {
	t.Parallel()
	h, sessions := attacked(t)
	queries := []string{"?", "?order=name"}
	for _, s := range sessions {
		queries = append(queries, "?session="+url.QueryEscape(s))
	}
	for _, text := range hostile.Texts {
		for _, field := range []string{"prefix", "agent", "status", "since", "before", "order", "session"} {
			queries = append(queries, "?"+field+"="+url.QueryEscape(text))
		}
	}
	for _, query := range queries {
		page := get(t, h, query).Body.String()
		require.Less(t, len(page), 8<<20)
		require.LessOrEqual(t, strings.Count(page, "<script"), 2)
		require.Equal(t, 2, strings.Count(page, "<style"))
		for _, one := range tag.FindAllString(acting.ReplaceAllString(page, ""), -1) {
			require.Regexp(t, tags, one)
		}
		for _, m := range regexp.MustCompile(`(?:href|action|data-live)="([^"]*)"`).FindAllStringSubmatch(page, -1) {
			require.Regexp(t, `^[?#]`, html.UnescapeString(m[1]))
		}
		require.False(t, strings.ContainsAny(fields.ReplaceAllString(acting.ReplaceAllString(page, ""), ""), "\x00\x1b\x07\u202e\u2066\u2028\ufeff\U000E0070"), query)
	}
	refused := asker(h.Reader, "")
	refused.Visitor = func(*http.Request) inspect.Visitor { return inspect.Visitor{Name: hostile.Texts[0], Answers: true} }
	page := post(t, refused, sessions[0], with(question(t, h.Reader, sessions[0]), hostile.Texts[0], "")).Body.String()
	require.NotContains(t, acting.ReplaceAllString(page, ""), "<script")
}

// TestChromiumHostile: attacks neither run in a page nor arrive by its stream, and the
// arguments that a person edits are those of the call.
func TestChromiumHostile(t *testing.T) {
	t.Parallel()
	h, sessions := attacked(t)
	store := h.Reader.(*journal.Memory)
	p := browser.Start(t).Open(served(t, h))
	require.Equal(t, float64(len(sessions)), p.Eval(`document.querySelectorAll('.rows li').length`))
	for _, s := range sessions {
		p.Go(p.Eval("location.origin").(string) + "/?session=" + url.QueryEscape(s))
		p.Until(`document.getElementById('live').textContent === 'live'`)
		keep(t, store, s, told(start.Add(time.Hour), event.UserMessaged{Message: llm.User(hostile.Texts[1] + " said"), Said: true}, event.UserMessaged{Message: llm.User(hostile.Texts[2] + " said"), Said: true})...)
		p.Until(`(document.querySelector('main').innerHTML.match(/ said</g) ?? []).length >= 2`)
		require.Equal(t, 0.0, p.Eval(`document.querySelectorAll('img, iframe, object, embed, svg[onload], [onclick], [onerror], main script').length`))
		if strings.HasPrefix(s, "asks ") {
			require.Equal(t, strings.TrimPrefix(s, "asks "), strings.ReplaceAll(strings.ReplaceAll(p.Eval(`JSON.parse(document.querySelector('textarea').value).note`).(string), "\x00", "?"), "\ufffd", "?"))
		}
		require.Empty(t, p.Said(), s)
	}
}

// TestChromiumLong: the page of 1,000 turns follows its session.
func TestChromiumLong(t *testing.T) {
	t.Parallel()
	store := new(journal.Memory)
	keep(t, store, "s", long(1000)...)
	h := &inspect.Handler{Reader: store}
	b, address := browser.Start(t), served(t, h)
	began := time.Now()
	p := b.Open(address + "/?session=s")
	p.Shows("live")
	opened := time.Since(began)
	keep(t, store, "s", told(start.Add(24*time.Hour), event.TurnPrepared{Turn: 1001, Agent: "worker"}, event.ModelAnswered{Turn: 1001, Message: llm.Assistant("All of it is done."), Finish: llm.FinishOf("stop", "")}, event.RunFinished{Run: 1, Turns: 1001})...)
	began = time.Now()
	p.Until(`document.querySelector('main').textContent.includes('All of it is done.')`)
	t.Logf("a page of 1,000 turns was opened in %v, and a new turn appeared after %v", opened.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	require.Empty(t, p.Said())
}

// long is a session of many turns, each with two calls.
func long(turns int) []event.Event {
	bodies := begun("worker")[:2]
	for turn := 1; turn <= turns; turn++ {
		bodies = append(bodies, event.TurnPrepared{Turn: turn, Agent: "worker"})
		var calls []llm.Part
		var ran []event.Body
		for i := range 2 {
			args, ref := fmt.Sprintf(`{"n":%d}`, 2*turn+i), event.NewCallRef(1, turn, i)
			calls = append(calls, llm.ToolCall{ID: fmt.Sprint("c", i), Name: "step", Arguments: args})
			ran = append(ran, event.ToolCallStarted{Call: ref, ID: fmt.Sprint("c", i), Name: "step", Arguments: args},
				event.ToolCallFinished{Call: ref, Result: llm.ToolResult{CallID: fmt.Sprint("c", i), Name: "step", Parts: llm.Parts{llm.Text{Text: `{"note":"A line of an ordinary result, as a tool gives it."}`}}}})
		}
		bodies = append(append(bodies, event.ModelAnswered{Turn: turn, Model: "m", Finish: llm.FinishOf("tool_calls", ""), Message: llm.Assistant("Next.", calls...)}), ran...)
	}
	return told(start, bodies...)
}
