package temporal_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/temporal"
)

// A storm has sessions whose workers are killed, whose models are down at times, and whose clients
// lose answers of the server.
type storm struct {
	seed         uint64
	book         *book
	direct       temporal.Client
	sure, unsure temporal.Client // lose answers; unsure lets its caller know
	plays        map[string]*play
	workers      [3]*process
	gate         chan struct{} // bounds the plays at the same time

	decided, canceled, lost, repeated atomic.Int64
}

// A play is what happens to a session of a storm.
type play struct {
	storm  *storm
	name   string
	random *rand.Rand // of the driver alone
	others sync.WaitGroup

	stop    func()
	mu      sync.Mutex
	said    map[string][]string // the messages of each client, in order
	watched []event.Event       // nil without a watcher
	watches bool
	err     error
}

// number returns a number of the environment, or its default.
func number(name string, or int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return or
}

// TestServerKills: workers are killed again and again under many sessions, models are down, answers
// of the server are lost, runs are canceled, and clients say something, decide and hand in results
// meanwhile. Nothing is doubled, nothing is lost, and nothing gets stuck. TOOLLOOP_KILLS and
// TOOLLOOP_SEED are for other storms.
func TestServerKills(t *testing.T) {
	c := server(t)
	kills, sessions := 12, 100
	if raced {
		kills, sessions = 2, 6
	}
	kills = number("TOOLLOOP_KILLS", kills)
	sessions = max(sessions, 3*kills)
	s := &storm{seed: uint64(number("TOOLLOOP_SEED", int(rand.Uint32()))), book: newBook(t), direct: mortals(t, c),
		plays: map[string]*play{}, gate: make(chan struct{}, 24)}
	fmt.Printf("temporal: to repeat: TOOLLOOP_SEED=%d TOOLLOOP_KILLS=%d\n", s.seed, kills)
	s.direct.MaxHistory = 30
	s.sure, s.unsure = s.direct, s.direct
	s.sure.Temporal, s.unsure.Temporal = s.losing(t, 1, 0), s.losing(t, 2, 15)
	begun := time.Now()
	over := s.begin(t, sessions)
	kills = s.kill(t, kills, over)
	select {
	case <-over:
	case <-time.After(8 * time.Minute):
		t.Fatalf("stuck: %s", s.stuck(t))
	}
	took := time.Since(begun)
	for _, p := range s.plays {
		require.NoError(t, p.err, p.name)
	}
	tally := s.check(t, c)
	require.True(t, raced || tally.died > 0, "no kill met a call")
	for _, w := range s.workers {
		w.stop(t) // nothing hangs in a worker
	}
	fmt.Printf("temporal: %d sessions, %d kills, %v; %d decisions, %d runs canceled, %d answers lost, %d inputs again; %v\n",
		len(s.plays), kills, took.Round(time.Second), s.decided.Load(), s.canceled.Load(), s.lost.Load(), s.repeated.Load(), tally)
}

// begin begins the plays. The channel is closed after all of them.
func (s *storm) begin(t *testing.T, n int) <-chan struct{} {
	t.Helper()
	over := make(chan struct{})
	var playing sync.WaitGroup
	for i := range n {
		p := &play{storm: s, name: fmt.Sprintf("s%d", i), random: rand.New(rand.NewPCG(s.seed, uint64(1000+i))), said: map[string][]string{}}
		s.plays[p.name] = p
	}
	for _, p := range s.plays {
		playing.Go(func() {
			s.gate <- struct{}{}
			defer func() { <-s.gate }()
			p.run(t.Context())
		})
	}
	go func() { playing.Wait(); close(over) }()
	return over
}

// kill kills the oldest worker again and again, and returns how often: fewer than kills times if
// the storm is over before.
func (s *storm) kill(t *testing.T, kills int, over <-chan struct{}) int {
	t.Helper()
	random := rand.New(rand.NewPCG(s.seed, 1))
	workers := &s.workers
	start := func() *process {
		return spawn(t, s.book, 100*time.Millisecond, fmt.Sprintf("TOOLLOOP_TEMPORAL_STORM=%d", s.seed))
	}
	for i := range workers {
		workers[i] = start()
	}
	for k := range kills {
		for before := s.book.attempts(t); s.book.attempts(t) < before+3; {
			select {
			case <-over:
				return k
			case <-time.After(10 * time.Millisecond):
			}
		}
		<-time.After(time.Duration(random.IntN(400)) * time.Millisecond) // a moment of a call, a request or an archive
		i := k % len(workers)
		workers[i].kill()
		workers[i] = start()
	}
	return kills
}

// deliver hands in the results of shipments, each by two clients, until the questions are answered.
func (p *play) deliver(ctx context.Context, answered <-chan struct{}) {
	var clients sync.WaitGroup
	defer clients.Wait()
	seen := map[string]bool{}
	for over := false; !over; {
		select {
		case <-answered:
			over = true
		case <-time.After(100 * time.Millisecond):
		}
		shipped, err := p.storm.book.list(ctx, "tool = 'ship' AND session = ?", p.name)
		p.fail("book", err)
		for _, e := range shipped {
			if !seen[e.key] {
				seen[e.key] = true
				clients.Go(func() { p.delivered(ctx, e) })
				clients.Go(func() { p.delivered(ctx, e) })
			}
		}
	}
}

func (p *play) delivered(ctx context.Context, e entry) {
	session := p.storm.unsure.Session(p.name)
	for {
		_, err := session.Run(ctx, storing(nil), runner.Pending{Key: e.key}.Result(llm.Text{Text: "Delivered: " + e.item}))
		switch {
		case err == nil, errors.Is(err, runner.ErrPaused):
			return
		case !p.passes(ctx, err):
			p.fail("result of "+e.key, err)
			return
		}
		again(ctx)
	}
}

// passes reports whether the same input can succeed later.
func (p *play) passes(ctx context.Context, err error) bool {
	_, busy := errors.AsType[*journal.BusyError](err)
	_, forgot := errors.AsType[*serviceerror.NamespaceNotFound](err) // the development server, on a loaded machine
	is := ctx.Err() == nil && (busy || forgot || errors.Is(err, errLost) || errors.Is(err, context.Canceled))
	if is {
		p.storm.repeated.Add(1)
	}
	return is
}

func (p *play) fail(what string, err error) {
	if err == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil { // the others are its consequences
		p.err = fmt.Errorf("%s: %w", what, err)
		p.stop()
	}
}

// again waits before another attempt.
func again(ctx context.Context) {
	select {
	case <-time.After(250 * time.Millisecond):
	case <-ctx.Done():
	}
}

// run is the life of a session.
func (p *play) run(ctx context.Context) {
	one, two := p.plan("one", 3), p.plan("two", 2)
	ctx, p.stop = context.WithCancel(ctx)
	defer p.stop()
	watching, stop := context.WithCancel(ctx)
	defer stop()
	var watcher sync.WaitGroup
	if p.watches = p.random.IntN(4) == 0; p.watches {
		watcher.Go(func() { p.watch(watching) })
	}
	p.aside(func(r *rand.Rand) { p.talk(ctx, r, "say", p.storm.sure.Session(p.name).Say) })
	p.aside(func(r *rand.Rand) { p.talk(ctx, r, "end", p.storm.sure.Session(p.name).SayAtEnd) })
	if p.random.IntN(2) == 0 { // another client says the same
		p.aside(func(*rand.Rand) { p.once(ctx, "one", one) })
	}
	if p.random.IntN(3) == 0 {
		p.aside(func(r *rand.Rand) {
			<-time.After(time.Duration(r.IntN(3000)) * time.Millisecond)
			p.sure(ctx, "cancel", func() error { return p.storm.direct.Session(p.name).Cancel(ctx) })
		})
	}
	answered := make(chan struct{})
	p.others.Go(func() { p.deliver(ctx, answered) })
	p.answer(ctx, "one", one)
	if p.random.IntN(2) == 0 {
		p.answer(ctx, "two", two)
	}
	close(answered)
	p.others.Wait()
	p.rest(ctx)
	p.end(ctx)
	if p.watches {
		p.caughtUp(ctx)
		stop()
		watcher.Wait()
	}
}

// aside does something while the session goes on.
func (p *play) aside(do func(*rand.Rand)) {
	r := rand.New(rand.NewPCG(p.storm.seed, p.random.Uint64()))
	p.others.Go(func() { do(r) })
}

// plan returns a message with a random plan.
func (p *play) plan(name string, turns int) llm.Message {
	tools := []string{"pay", "post", "look", "confirm", "ship", "pay+post", "ship+look", "ship+ship", "pay+confirm", "look+pay+post"}
	text := planned + name
	for range turns {
		text += " " + tools[p.random.IntN(len(tools))]
	}
	p.said[name] = []string{text}
	return llm.User(text)
}

// talk says three messages, and one with a key that others say, too.
func (p *play) talk(ctx context.Context, r *rand.Rand, name string, say func(context.Context, ...llm.Message) error) {
	for i := range 3 {
		<-time.After(time.Duration(r.IntN(600)) * time.Millisecond)
		text := fmt.Sprintf("%s %s, %d", p.name, name, i)
		p.mu.Lock()
		p.said[name] = append(p.said[name], text)
		p.mu.Unlock()
		p.sure(ctx, "say", func() error { return say(ctx, llm.User(text)) })
		if i == 1 {
			p.once(ctx, "mail", llm.User("Only once."))
		}
	}
}

func (p *play) once(ctx context.Context, key string, m llm.Message) {
	p.sure(ctx, "say once", func() error { return p.storm.unsure.Session(p.name).SayOnce(ctx, key, m) })
}

// sure does something until it succeeds.
func (p *play) sure(ctx context.Context, what string, do func() error) {
	err := do()
	for p.passes(ctx, err) {
		again(ctx)
		err = do()
	}
	p.fail(what, err)
}

// answer runs a question until it is answered, and decides what waits.
func (p *play) answer(ctx context.Context, key string, question llm.Message) {
	session, in := p.storm.unsure.Session(p.name), []runner.Input{runner.Once(key, question)}
	for ctx.Err() == nil {
		result, err := session.Run(ctx, storing(nil), in...)
		in = []runner.Input{runner.Once(key, question)}
		_, unfit := errors.AsType[*runner.DecisionError](err)
		switch {
		case err == nil:
			if result.Text != "All done." {
				p.fail(key, fmt.Errorf("the answer is %q", result.Text))
			}
			return
		case errors.Is(err, runner.ErrPaused):
			decisions, err := p.decide(ctx, result.Pending)
			p.fail(key, err)
			if len(decisions) > 0 {
				in = decisions
				continue
			}
		case errors.Is(err, context.Canceled):
			p.storm.canceled.Add(1)
		case !unfit && !p.passes(ctx, err):
			p.fail(key, err)
			return
		}
		again(ctx)
	}
}

// decide answers what waits: as a person who looks at the book.
func (p *play) decide(ctx context.Context, pending []runner.Pending) (in []runner.Input, err error) {
	for _, q := range pending {
		switch {
		case q.Late:
			continue
		case !q.InDoubt && p.random.IntN(3) == 0:
			in = append(in, runner.By("ada", q.Deny("No.")))
		case !q.InDoubt:
			in = append(in, q.Approve())
		default:
			happened, err := p.storm.book.happened(ctx, q.Key, q.Seq)
			switch {
			case err != nil:
				return nil, err
			case happened && q.ToolCall.Name != "ship":
				in = append(in, q.Happened(llm.Text{Text: "Done."}))
			default:
				in = append(in, q.RunAgain())
			}
		}
		p.storm.decided.Add(1)
	}
	return in, nil
}

// rest lets a run read the messages that came too late for the others.
func (p *play) rest(ctx context.Context) {
	session := p.storm.direct.Session(p.name)
	for ctx.Err() == nil {
		state, err := session.State(ctx)
		if err != nil || state.Status == journal.Finished {
			p.fail("state", err)
			return
		}
		if _, err := session.Run(ctx, storing(nil)); err != nil && !p.passes(ctx, err) {
			p.fail("rest", err)
			return
		}
	}
}

// end ends the session, perhaps during a last run.
func (p *play) end(ctx context.Context) {
	session := p.storm.direct.Session(p.name)
	if p.random.IntN(2) == 0 {
		p.sure(ctx, "end", func() error { return session.End(ctx) })
	} else {
		last := llm.User(planned + "last pay+look") // nothing pauses: the session ends with the run
		p.said["last"] = []string{last.Text()}
		for e, err := range session.Stream(ctx, storing(nil), runner.Once("last", last)) {
			if _, began := e.Body.(event.RunStarted); began {
				p.sure(ctx, "end", func() error { return session.End(ctx) })
			}
			p.fail("last", err)
		}
	}
	for ctx.Err() == nil {
		about, err := p.storm.direct.Temporal.DescribeWorkflow(ctx, p.storm.direct.Prefix+p.name, "")
		if err != nil || about.WorkflowCloseTime != nil {
			p.fail("close", err)
			return
		}
		again(ctx)
	}
}

func (p *play) watch(ctx context.Context) {
	for e, err := range p.storm.direct.Watch(ctx, p.name, 0) {
		if err != nil {
			if ctx.Err() == nil {
				p.fail("watch", err)
			}
			return
		}
		p.mu.Lock()
		p.watched = append(p.watched, e)
		p.mu.Unlock()
	}
}

// caughtUp waits until the watcher has seen everything.
func (p *play) caughtUp(ctx context.Context) {
	all := 0
	for range p.storm.direct.Read(ctx, p.name, 0) {
		all++
	}
	for ctx.Err() == nil {
		p.mu.Lock()
		seen := len(p.watched)
		p.mu.Unlock()
		if seen >= all {
			return
		}
		again(ctx)
	}
}
