package openai

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// A generation is one call of Generate.
type generation struct {
	client *client
	req    *llm.Request
	model  string
	ctx    context.Context // of Generate, whose lifetime this is
	sink   func(llm.Delta) // of Generate
	emit   func(llm.Delta) error
	shown  bool // the sink got a piece of an answer

	sent  *llm.Request // req with notes in place of media that are not sent
	first exchange

	segments body // memory for the list of segments of the first request
}

// prepare makes the functions that hold a. It comes once.
func (a *generation) prepare() {
	a.emit = a.pass
	a.first.prepare()
}

// pass passes the deltas of a streamed response to the sink, and notices of any
// response, and records whether the sink got a piece of an answer. After each delta, or
// batch of deltas, pass checks ctx.
func (a *generation) pass(d llm.Delta) error {
	if a.sink == nil {
		return nil
	}
	if _, notice := d.(llm.Notice); !notice {
		if !a.req.Stream {
			return nil
		}
		a.shown = true
	}
	a.sink(d)
	if a.ctx.Err() != nil {
		return context.Cause(a.ctx)
	}
	return nil
}

// sendAgain sends the request of an earlier refusal in another form.
func (a *generation) sendAgain(ctx context.Context, e encoding) (*llm.Response, error) {
	x := new(exchange)
	x.prepare()
	return x.send(ctx, a.client, a.req, a.model, e, a.emit)
}

// send sends the request, and once more if the provider's refusal changed the
// profile.
func (a *generation) send(ctx context.Context) (*llm.Response, error) {
	d, err := a.client.dialects.of(a.model, a.client.profile)
	if err != nil {
		return nil, err
	}
	a.sent = d.media.request(a.req)
	first, err := a.client.plan(d).encodeIn(a.segments, a.sent, a.model)
	if err != nil {
		return nil, err
	}
	if err := a.notify(slices.Concat(first.notes, a.effortNotes(&d.profile))...); err != nil {
		return nil, err
	}
	resp, err := a.first.send(ctx, a.client, a.req, a.model, first, a.emit)
	refusal, refused := errors.AsType[*llm.APIError](err)
	if !refused || a.shown || ctx.Err() != nil {
		return resp, err
	}
	return a.heal(ctx, d, refusal, first)
}

// heal sends the request once more if the refusal gives a better profile, and
// returns the refusal otherwise.
func (a *generation) heal(ctx context.Context, present *dialect, refusal *llm.APIError, sent encoding) (*llm.Response, error) {
	last := sent
	lessons := present.changes(refusal, func(p *Profile) bool {
		other, err := a.encode(p)
		if err != nil || other.equal(last) {
			return false
		}
		last = other
		return true
	})
	if len(lessons) == 0 {
		return a.resendWithoutMedia(ctx, present, refusal, sent)
	}
	return a.resend(ctx, present, refusal, lessons, sent)
}

// resend sends the request again in the changed dialect. If the provider refuses the
// second request for the same reason, the change is reverted.
func (a *generation) resend(ctx context.Context, present *dialect, refusal *llm.APIError, lessons []profileChange, sent encoding) (*llm.Response, error) {
	d, news := a.client.dialects.apply(a.model, refusal, lessons)
	if len(news) > 0 {
		since := "from now on "
		if forOnce(refusal) {
			since = "for once "
		}
		if err := a.notify("the provider refused the request; " + since + strings.Join(news, ", and ")); err != nil {
			return nil, err
		}
	}
	second, err := a.client.plan(d).encode(a.sent, a.model)
	if err != nil {
		return nil, err
	}
	if effort := a.effortNotes(&d.profile); len(news) == 0 { // otherwise the news reported the effort
		if err := a.notify(effort...); err != nil {
			return nil, err
		}
	}
	resp, err := a.sendAgain(ctx, second)
	again, ok := errors.AsType[*llm.APIError](err)
	switch {
	case !ok:
	case d.profile.API != present.profile.API && again.Kind == llm.KindNotFound && ctx.Err() == nil: // the server has only one API
		return a.heal(ctx, a.client.dialects.withAPI(a.model, d, present), refusal, sent)
	case again.Kind == refusal.Kind && again.Message == refusal.Message && again.Param == refusal.Param:
		a.client.dialects.revert(a.model, d, present)
	case d.profile.ToolEffort != present.profile.ToolEffort && invalid(again): // the provider refuses the remedy itself
		a.client.dialects.revert(a.model, d, present)
		return nil, refusal
	}
	return resp, err
}

// resendWithoutMedia sends the request once more, with notes in place of earlier media, if
// the refusal is about earlier media. If the refusal is about the newest
// message, the error says so.
func (a *generation) resendWithoutMedia(ctx context.Context, present *dialect, refusal *llm.APIError, sent encoding) (*llm.Response, error) {
	v := present.media.judge(a.req.Messages, refusal, sent.body)
	if v.media == nil {
		return nil, withPlace(refusal, v.newest)
	}
	a.sent = v.media.request(a.req)
	second, err := a.client.plan(present).encode(a.sent, a.model)
	if err != nil || second.equal(sent) {
		return nil, withPlace(refusal, v.newest)
	}
	if err := a.notify("the provider refused the request (" + v.words + "); from now on " + v.notice); err != nil {
		return nil, err
	}
	d := a.client.dialects.withMedia(a.model, present, v.media)
	resp, err := a.sendAgain(ctx, second)
	again, ok := errors.AsType[*llm.APIError](err)
	if !ok {
		return resp, err
	}
	if again.Kind == refusal.Kind && again.Message == refusal.Message && again.Param == refusal.Param {
		a.client.dialects.revert(a.model, d, present)
	}
	if len(refusedKinds(again)) > 0 {
		return nil, withPlace(again, v.newest)
	}
	return nil, err
}

// withPlace adds the place in the conversation that the provider refused.
func withPlace(refusal *llm.APIError, place string) error {
	if place != "" {
		refusal.Message += fmt.Sprintf(" (%s, the newest: when another message of the user follows, a note takes its place)", place)
	}
	return refusal
}

// effortKey is the memo key for a reported change of the effort.
type effortKey struct{ model string }

// effortNotes returns the notice that the model gets less effort than the
// request asks for, once per conversation.
func (a *generation) effortNotes(p *Profile) []string {
	if !p.losesEffort(a.req) {
		return nil
	}
	told := a.req.Memo.Slot(effortKey{a.model}, func() any { return new(atomic.Bool) })
	if told.(*atomic.Bool).Swap(true) {
		return nil
	}
	return []string{fmt.Sprintf("the reasoning effort %q is not sent, as the provider takes it beside tools on /v1/responses only: the model thinks less than it was asked to", a.req.ReasoningEffort)}
}

// encode returns the request in the form of a profile that may become that of the dialect.
func (a *generation) encode(p *Profile) (encoding, error) {
	return p.plan(a.client.origin(), a.client.maxResult()).encode(a.sent, a.model)
}

// plan returns the plan of a dialect.
func (c *client) plan(d *dialect) *encodingPlan {
	d.planned.Do(func() { d.plan = d.profile.plan(c.origin(), c.maxResult()) })
	return d.plan
}

func (c *client) maxResult() int64 {
	return size(c.MaxResultBytes, DefaultMaxResultBytes, math.MaxInt64)
}

func (a *generation) notify(notes ...string) error {
	for _, note := range notes {
		if err := a.emit(llm.Notice{Text: note}); err != nil {
			return err
		}
	}
	return nil
}

// origin is the host of the endpoint; see outputMember.
func (c *client) origin() string {
	u, err := url.Parse(c.env().baseURL)
	if err != nil {
		return ""
	}
	return originOf(u)
}

// profile returns the profile of the Config, or the known profile of the
// provider.
func (c *client) profile(model string) (Profile, error) {
	var p Profile
	switch {
	case c.Profile != nil:
		p = c.Profile.clone()
	case c.AzureAPIVersion != "": // also behind a custom domain
		p = ProfileFor("https://openai.azure.com", model)
	default:
		p = ProfileFor(c.env().baseURL, model)
	}
	p.API = cmp.Or(c.API, p.API)
	return p, p.check()
}
