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

// An asking is one call of Generate.
type asking struct {
	*client
	req   *llm.Request
	model string
	emit  func(llm.Delta) error
	shown bool // the sink got a piece of an answer

	visible *llm.Request // req with notes in place of media that are not sent
}

// watched returns a sink that records whether the caller saw a piece of the
// answer.
func (a *asking) watched(sink func(llm.Delta)) func(llm.Delta) {
	if sink == nil {
		return nil
	}
	return func(d llm.Delta) {
		if _, notice := d.(llm.Notice); !notice {
			a.shown = true
		}
		sink(d)
	}
}

// ask sends the request, and once more if the provider's refusal changed the
// profile.
func (a *asking) ask(ctx context.Context) (*llm.Response, error) {
	d, err := a.dialects.of(a.model, a.profile)
	if err != nil {
		return nil, err
	}
	a.visible = d.unseen.request(a.req)
	first, err := a.encode(&d.Profile)
	if err != nil {
		return nil, err
	}
	if err := a.tell(slices.Concat(first.notes, a.lostEffort(&d.Profile), d.formNotes(a.req))...); err != nil {
		return nil, err
	}
	resp, err := a.send(ctx, a.req, a.model, first, a.emit)
	refusal, refused := errors.AsType[*llm.APIError](err)
	if !refused || a.shown || ctx.Err() != nil {
		return resp, err
	}
	return a.taught(ctx, d, refusal, first)
}

// taught sends the request once more if the refusal gives a better profile, and
// returns the refusal otherwise.
func (a *asking) taught(ctx context.Context, present *dialect, refusal *llm.APIError, sent encoding) (*llm.Response, error) {
	last := sent
	lessons := present.lessons(refusal, func(p *Profile) bool {
		other, err := a.encode(p)
		if err != nil || other.equal(last) {
			return false
		}
		last = other
		return true
	})
	if len(lessons) == 0 {
		return a.blindly(ctx, present, refusal, sent)
	}
	return a.again(ctx, present, refusal, lessons, sent)
}

// again sends the request in another dialect than present. If the provider
// refuses the request again for the same reason, the new dialect is dropped.
func (a *asking) again(ctx context.Context, present *dialect, refusal *llm.APIError, lessons []lesson, sent encoding) (*llm.Response, error) {
	d, news := a.dialects.heal(a.model, refusal, lessons)
	if len(news) > 0 {
		since := "from now on "
		if forOnce(refusal) {
			since = "for once "
		}
		if err := a.tell("the provider refused the request; " + since + strings.Join(news, ", and ")); err != nil {
			return nil, err
		}
	}
	second, err := a.encode(&d.Profile)
	if err != nil {
		return nil, err
	}
	if effort := a.lostEffort(&d.Profile); len(news) == 0 { // otherwise the news reported the effort
		if err := a.tell(effort...); err != nil {
			return nil, err
		}
	}
	resp, err := a.send(ctx, a.req, a.model, second, a.emit)
	again, ok := errors.AsType[*llm.APIError](err)
	switch {
	case !ok:
	case d.API != present.API && again.Kind == llm.KindNotFound && ctx.Err() == nil: // the server has only one API
		return a.taught(ctx, a.dialects.stay(a.model, d, present), refusal, sent)
	case again.Kind == refusal.Kind && again.Message == refusal.Message && again.Param == refusal.Param:
		a.dialects.unlearn(a.model, d, present)
	case d.ToolEffort != present.ToolEffort && invalid(again): // the provider refuses the remedy itself
		a.dialects.unlearn(a.model, d, present)
		return nil, refusal
	}
	return resp, err
}

// blindly sends the request once more, with notes in place of earlier media, if
// the refusal is about earlier media. If the refusal is about the newest
// message, the error says so.
func (a *asking) blindly(ctx context.Context, present *dialect, refusal *llm.APIError, sent encoding) (*llm.Response, error) {
	v := present.unseen.judge(a.req.Messages, refusal, sent.body)
	if v.unseen == nil {
		return nil, withPlace(refusal, v.newest)
	}
	a.visible = v.unseen.request(a.req)
	second, err := a.encode(&present.Profile)
	if err != nil || second.equal(sent) {
		return nil, withPlace(refusal, v.newest)
	}
	if err := a.tell("the provider refused the request (" + v.words + "); from now on " + v.told); err != nil {
		return nil, err
	}
	d := a.dialects.blind(a.model, present, v.unseen)
	resp, err := a.send(ctx, a.req, a.model, second, a.emit)
	again, ok := errors.AsType[*llm.APIError](err)
	if !ok {
		return resp, err
	}
	if again.Kind == refusal.Kind && again.Message == refusal.Message && again.Param == refusal.Param {
		a.dialects.unlearn(a.model, d, present)
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

// effortTold is the memo key for a reported change of the effort.
type effortTold struct{ model string }

// lostEffort returns the notice that the model gets less effort than the
// request asks for, once per conversation.
func (a *asking) lostEffort(p *Profile) []string {
	if !p.losesEffort(a.req) {
		return nil
	}
	told := a.req.Memo.Slot(effortTold{a.model}, func() any { return new(atomic.Bool) })
	if told.(*atomic.Bool).Swap(true) {
		return nil
	}
	return []string{fmt.Sprintf("the reasoning effort %q is not sent, as the provider takes it beside tools on /v1/responses only: the model thinks less than it was asked to", a.req.ReasoningEffort)}
}

func (a *asking) encode(p *Profile) (encoding, error) {
	return p.encode(a.visible, a.model, a.origin(), size(a.MaxResultBytes, DefaultMaxResultBytes, math.MaxInt64))
}

func (a *asking) tell(notes ...string) error {
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
