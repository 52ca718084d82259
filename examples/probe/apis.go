package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

// An api is one API of the provider, with the outcome of two requests.
type api struct {
	name  openai.API
	title string
	plain check // the simplest request
	tools check // a request with a function tool

	profile  openai.Profile // the profile with which the API answers
	streamed bool           // the API answers only with streams
	answer   *trial         // nil before the first request
	call     *trial         // nil if the API does not answer
}

func apis() []*api {
	return []*api{{
		name: openai.APIChat, title: "Chat Completions",
		plain: check{name: "Chat Completions", run: plainText},
		tools: check{name: "Chat with tools", run: plainTools},
	}, {
		name: openai.APIResponses, title: "the Responses API",
		plain: check{name: "Responses API", run: plainText, variants: []variant{omit("include"), omit("store")}},
		tools: check{name: "Responses with tools", run: plainTools, variants: []variant{omit("strict")}},
	}}
}

// answers reports whether the provider accepts the simplest request.
func (a *api) answers() bool { return a.answer != nil && a.answer.rank() != failed }

// absent returns the status of the response if the provider does not know the path of
// the API, or 0.
func (t *trial) absent() int {
	e, ok := errors.AsType[*llm.APIError](t.err)
	if ok && slices.Contains([]int{http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented}, e.StatusCode) {
		return e.StatusCode
	}
	return 0
}

// rank orders the APIs by what a program with tools can do there. An accepted
// request counts like a call, because models do not always follow instructions.
func (a *api) rank() int {
	switch {
	case !a.answers():
		return 0
	case a.call.rank() == failed:
		return 1
	case a.call.rank() == mended:
		return 2
	}
	return 3
}

// reason returns the reason why the other API is better.
func (a *api) reason() string {
	if a.answers() {
		return a.call.reason()
	}
	return a.answer.reason()
}

// meet tests both APIs, and prepares the probe for the better API. An error is the
// last pair: the provider answers on neither API.
func (p *probe) meet(ctx context.Context) iter.Seq2[finding, error] {
	return func(yield func(finding, error) bool) {
		all := apis()
		answered := func() bool { return slices.ContainsFunc(all, (*api).answers) }
		var held []finding // while no API answers: a provider without an API gets no rows
		for _, a := range all {
			for _, ask := range []func(context.Context, *api) finding{p.greet, p.offer} {
				held = append(held, ask(ctx, a))
				switch {
				case !answered() && a.answer.final(): // such as a wrong key
					yield(finding{}, all[0].answer.err)
					return
				case !answered():
					continue
				}
				for _, f := range held {
					if !yield(f, nil) {
						return
					}
				}
				held = nil
			}
		}
		if !answered() {
			yield(finding{}, all[0].answer.err)
			return
		}
		yield(p.choose(all), nil)
	}
}

// greet sends the simplest request to the API. If the provider refuses the request,
// greet tries a stream.
func (p *probe) greet(ctx context.Context, a *api) finding {
	p.profile, p.stream = p.known, false
	p.profile.API = a.name
	t, refused := p.once(ctx, a.plain), ""
	if t.rank() < accepted && t.absent() == 0 && !t.final() {
		t, refused = p.search(ctx, a.plain)
	}
	if t.rank() == failed && t.kind() == llm.KindInvalidRequest {
		p.stream = true
		if again, why := p.search(ctx, a.plain); again.rank() != failed {
			a.streamed, t, refused = true, again, why
			t.note = "only as a stream"
		}
	}
	a.answer, a.profile = t, t.profile
	f := p.finding(a.plain, t, refused)
	if status := t.absent(); status != 0 {
		f.Status, f.Why = absent, fmt.Sprintf("%d: %s", status, t.words())
	}
	return f
}

// offer sends a request with a function tool to the API.
func (p *probe) offer(ctx context.Context, a *api) finding {
	if !a.answers() {
		return finding{Check: a.tools.name, Status: skipped, Why: "it needs: " + a.plain.name}
	}
	p.profile, p.stream = a.profile, a.streamed
	t, refused := p.search(ctx, a.tools)
	f := p.finding(a.tools, t, refused)
	if a.call = t; f.Status != fails {
		a.profile = t.profile
	}
	return f
}

// choose decides on which API the probe goes on. The API that the library would take
// wins a tie.
func (p *probe) choose(all []*api) finding {
	own, other := all[0], all[1]
	if p.known.API == openai.APIResponses {
		own, other = other, own
	}
	best := own
	if other.rank() > own.rank() {
		best = other
	}
	p.plain, p.profile, p.stream = best.plain, best.profile, best.streamed
	f := finding{Check: "API", Status: works, Why: best.title + ", as the library chooses"}
	if best == own {
		p.profile.API = p.known.API
		return f
	}
	f.Status, f.Why, f.Refused = withProfile, best.title, own.reason()
	f.Profile = []string{"API: " + literal(best.name)}
	return f
}
