package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
)

// A probe checks a provider. The findings of a check apply to later checks.
type probe struct {
	config  openai.Config
	model   string
	timeout time.Duration                    // limits each check
	tell    func(format string, args ...any) // reports a wait; may be nil

	known   openai.Profile // the library's profile for the provider
	profile openai.Profile // the profile with the findings so far
	stream  bool           // the provider supports only streams
	plain   check          // the simplest request, on the API of the profile
	done    map[string]status
	ledger  // embedded: a probe counts its requests and tokens
}

func newProbe(config openai.Config, model string, timeout time.Duration) *probe {
	if config.HTTPClient == nil {
		config.HTTPClient = http.DefaultClient
	}
	known := openai.ProfileFor(config.BaseURL, model)
	return &probe{config: config, model: model, timeout: timeout, known: known, profile: known, done: map[string]status{}}
}

// A check is one feature to check.
type check struct {
	name string
	// needs names checks that must pass before this check makes sense.
	needs []string
	// sure requires an effect of these checks: an accepted request is not enough.
	sure bool
	// run sends the requests. The results are a remark about a feature that works, or
	// an error. With an [unclear] error, the provider refused nothing, but the answer
	// shows no effect.
	run func(ctx context.Context, t *trial) (string, error)
	// variants are changes of the profile that may help, the smallest change first.
	variants []variant
	// insist tries the variants also if the answer shows no effect.
	insist bool
}

// A variant changes a profile.
type variant func(*openai.Profile)

// unclear is the reason why a check has no definite outcome: models do not always
// follow instructions.
type unclear struct{ why string }

func (u unclear) Error() string { return u.why }

func unclearf(format string, args ...any) error { return unclear{fmt.Sprintf(format, args...)} }

// missing names an optional feature that a provider does not have.
type missing struct{ why string }

func (m missing) Error() string { return m.why }

// A trial is a run of a check with a profile.
type trial struct {
	*probe  // embedded: a trial sends requests as its probe does
	profile openai.Profile
	types   []string // the content types of the responses
	errBody []byte   // the body of the last error
	healed  []string // refusals that the client answered with a changed request
	notices []string // the client's notices about them
	refused string   // the provider's first refusal of a request that failed
	note    string
	err     error
}

// model returns the provider with the profile of the trial. A new client sends each
// request, so that it has learned nothing from earlier requests.
func (t *trial) model() llm.Model {
	return t.config.Retry.Model(llm.ModelFunc(func(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
		if t.stream && !req.Stream {
			streamed := *req
			streamed.Stream, req = true, &streamed
		}
		w := &wire{next: t.config.HTTPClient.Transport, ledger: &t.ledger}
		c := t.config
		c.Profile, c.Retry, c.HTTPClient = &t.profile, wrap.Retry{Attempts: 1}, &http.Client{Transport: w}
		var notices []string
		resp, err := c.Model(t.probe.model).Generate(ctx, req, func(d llm.Delta) {
			if n, ok := d.(llm.Notice); ok {
				notices = append(notices, n.Text)
			} else if sink != nil {
				sink(d)
			}
		})
		t.types, t.errBody, t.refused = append(t.types, w.types...), w.body, ""
		switch {
		case err == nil && len(w.refusals) > 0:
			t.healed, t.notices = append(t.healed, w.refusals...), append(t.notices, notices...)
		case len(w.refusals) > 0:
			t.refused = w.refusals[0]
		}
		if err == nil {
			t.usage = t.usage.Add(resp.Usage)
		}
		return resp, err
	}))
}

// ask sends one request.
func (t *trial) ask(ctx context.Context, req llm.Request) (*llm.Response, error) {
	return t.model().Generate(ctx, &req, t.watch)
}

// watch reports waits before the client repeats a request.
func (t *trial) watch(d llm.Delta) {
	if n, ok := d.(llm.Notice); ok && t.tell != nil {
		t.tell("%s", n.Text)
	}
}

// A rank orders the outcomes of trials.
type rank int

const (
	failed   rank = iota
	mended        // the provider accepted a request after the client had changed it
	accepted      // the provider accepted the request, but the answer shows no effect
	worked
)

func (t *trial) rank() rank {
	_, doubted := errors.AsType[unclear](t.err)
	switch {
	case t.missing() != "":
		return worked
	case t.err != nil && !doubted:
		return failed
	case len(t.healed) > 0:
		return mended
	case doubted:
		return accepted
	}
	return worked
}

// missing returns the reason why a check does not apply, or "".
func (t *trial) missing() string {
	m, _ := errors.AsType[missing](t.err)
	return m.why
}

// words returns the provider's first refusal.
func (t *trial) words() string {
	if len(t.healed) > 0 {
		return t.healed[0]
	}
	return t.refused
}

// reason returns the reason why a trial is not good enough.
func (t *trial) reason() string {
	if words := t.words(); words != "" || t.err == nil {
		return words
	}
	return t.err.Error()
}

// kind returns the kind of the provider's error, or "".
func (t *trial) kind() llm.ErrorKind {
	if e, ok := errors.AsType[*llm.APIError](t.err); ok {
		return e.Kind
	}
	return ""
}

// hopeless reports whether no other profile can help.
func (t *trial) hopeless() bool {
	return !slices.Contains([]llm.ErrorKind{"", llm.KindInvalidRequest, llm.KindNotFound, llm.KindServer}, t.kind())
}

// final reports whether no other request can help.
func (t *trial) final() bool { return t.hopeless() || gone(t.err) }

func (p *probe) try(ctx context.Context, c check, profile openai.Profile) *trial {
	t := &trial{probe: p, profile: profile}
	t.note, t.err = c.run(ctx, t)
	return t
}

// findings runs the checks. An error is the last pair: the provider is unusable, or
// ctx has ended.
func (p *probe) findings(ctx context.Context) iter.Seq2[finding, error] {
	return func(yield func(finding, error) bool) {
		next := func(f finding, err error) bool {
			if ctx.Err() != nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(finding{}, err)
				return false
			}
			p.done[f.Check] = f.Status
			return yield(f, nil)
		}
		for f, err := range p.meet(ctx) {
			if !next(f, err) {
				return
			}
		}
		for _, c := range checks() {
			if !next(p.find(ctx, c)) {
				return
			}
		}
	}
}

func (p *probe) find(ctx context.Context, c check) (finding, error) {
	for _, need := range c.needs {
		if s := p.done[need]; s == fails || s == skipped || c.sure && s == doubtful {
			return finding{Check: c.name, Status: skipped, Why: "it needs: " + need}, nil
		}
	}
	t, refused := p.search(ctx, c)
	f := p.finding(c, t, refused)
	if f.Status != fails || ctx.Err() != nil {
		p.profile = t.profile
		return f, nil
	}
	if !gone(t.err) {
		return f, nil
	}
	if again := p.once(ctx, p.plain); again.rank() == failed {
		return f, fmt.Errorf("at the check %q: %w", c.name, again.err)
	}
	return f, nil
}

// once runs a check without a search.
func (p *probe) once(ctx context.Context, c check) *trial {
	ctx, cancel := p.bounded(ctx)
	defer cancel()
	return p.try(ctx, c, p.profile)
}

// gone reports whether the cause of a failure may be the provider, and not the
// check.
func gone(err error) bool {
	if _, ok := errors.AsType[slow](err); ok {
		return true
	}
	e, ok := errors.AsType[*llm.APIError](err)
	return ok && slices.Contains([]llm.ErrorKind{llm.KindNetwork, llm.KindTimeout, llm.KindAuth, llm.KindQuota}, e.Kind)
}

// slow returns the error of a check that took too long.
type slow struct{ bound time.Duration }

func (s slow) Error() string { return fmt.Sprintf("no answer within %v", s.bound) }

// bounded limits the time of a check.
func (p *probe) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, p.timeout, slow{p.timeout})
}

// search runs the check with the current profile, and with other profiles if
// necessary. It returns the best trial, and the reason why the first trial was not
// good enough.
func (p *probe) search(ctx context.Context, c check) (*trial, string) {
	ctx, cancel := p.bounded(ctx)
	defer cancel()
	base := p.try(ctx, c, p.profile)
	r := base.rank()
	if r == worked || r == accepted && !c.insist || base.hopeless() {
		return base, base.reason()
	}
	s := &search{probe: p, check: c, best: base, seen: []string{gist(base.words())}}
	s.from(ctx, base)
	if s.best == base {
		return base, base.reason()
	}
	if base.words() == "" { // without a refusal, the failure may be accidental
		if again := p.try(ctx, c, p.profile); again.rank() >= s.best.rank() {
			return again, again.reason()
		}
	}
	s.prune(ctx)
	return s.best, base.reason()
}

// maxTrials limits the trials, and so the cost, of a check.
const maxTrials = 24

// A search looks for a profile with which a check passes.
type search struct {
	*probe // embedded: a search makes trials of its probe
	check  check
	trials int
	best   *trial
	seen   []string // the essence of earlier refusals
}

var numbered = regexp.MustCompile(`[0-9a-zA-Z_-]*[0-9][0-9a-zA-Z_-]*`)

// gist returns a refusal without its variable parts, such as the id of a request.
func gist(words string) string { return numbered.ReplaceAllString(words, "#") }

// from tries all variants of a profile, and then variants of the profiles with which
// the provider refused something else. It reports whether the check passes.
func (s *search) from(ctx context.Context, t *trial) bool {
	var further []*trial
	for _, v := range s.check.variants {
		profile := varied(t.profile, v)
		if reflect.DeepEqual(profile, t.profile) {
			continue
		}
		if s.trials++; s.trials > maxTrials || ctx.Err() != nil {
			return false
		}
		next := s.try(ctx, s.check, profile)
		if next.rank() > s.best.rank() {
			s.best = next
		}
		if next.rank() == worked {
			return true
		}
		if words := gist(next.words()); words != "" && !slices.Contains(s.seen, words) {
			s.seen = append(s.seen, words)
			further = append(further, next)
		}
	}
	if s.best.rank() == accepted {
		return true
	}
	return slices.ContainsFunc(further, func(t *trial) bool { return s.from(ctx, t) })
}

// prune removes the changes that the check does not need.
func (s *search) prune(ctx context.Context) {
	start := s.probe.profile
	names := differences(start, s.best.profile)
	for _, name := range names {
		if len(names) == 1 {
			return // without this change, the profile is the first profile of the search
		}
		without := s.best.profile
		reflect.ValueOf(&without).Elem().FieldByName(name).Set(reflect.ValueOf(start).FieldByName(name))
		if t := s.try(ctx, s.check, without); t.rank() >= s.best.rank() {
			s.best = t
		}
	}
}

// varied returns a changed deep copy of p.
func varied(p openai.Profile, v variant) openai.Profile {
	p.Echo, p.Omit = slices.Clone(p.Echo), slices.Clone(p.Omit)
	v(&p)
	return p
}

// finding returns the finding of a check.
func (p *probe) finding(c check, t *trial, refused string) finding {
	f := finding{Check: c.name, Status: works, Profile: changes(p.profile, t.profile), Why: t.note}
	switch t.rank() {
	case worked:
		if why := t.missing(); why != "" {
			f.Status, f.Why = absent, why
		}
	case accepted:
		f.Status, f.Why = doubtful, t.err.Error()
	case mended:
		f.Status = withNotice
		f.Why = strings.Join(t.notices, "; ")
	case failed:
		f.Status, f.Profile = fails, nil
		f.Why = strings.TrimPrefix(t.err.Error(), "openai: ")
		return f
	}
	if len(f.Profile) > 0 && f.Status == works {
		f.Status = withProfile
	}
	if len(f.Profile) > 0 || f.Status == withNotice {
		f.Refused = refused
	}
	return f
}
