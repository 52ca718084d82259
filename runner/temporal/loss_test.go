package temporal_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/runnertest"
	toolloop "github.com/seed-916e8f6a/toolloop/runner/temporal"
	"github.com/seed-916e8f6a/toolloop/runner/temporal/internal/flow"
)

// The ways to lose an activity. After the effect means: the activity has done its work, and
// its result is lost. A worker that stops lets activities end for a while, and then ends
// their contexts.
const (
	errorBefore   = "error before the effect"
	errorAfter    = "error after the effect"
	timeoutBefore = "heartbeat timeout before the effect"
	timeoutAfter  = "heartbeat timeout after the effect"
	stopBegin     = "worker stops at the beginning"
	stopBefore    = "worker has stopped before the effect"
	stopAfter     = "worker has stopped after the effect"
	nobody        = "no worker" // until the time of the run is over
	untaken       = "no worker took it"
)

var losses = []string{errorBefore, errorAfter, timeoutBefore, timeoutAfter, stopBegin, stopBefore, stopAfter}

// A loser is an interceptor that loses activities of a session.
type loser struct {
	interceptor.WorkerInterceptorBase                // embedded: as Temporal's SDK wants it
	lose                              map[int]string // the way, by the number of the activity
	pass                              func()         // lets time pass in which nobody is there

	mu   sync.Mutex
	seen []string // the kinds of the activities, in order
	lost []string // kind and way
	died []string // the calls whose attempts have no known end
}

func (l *loser) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &losing{interceptor.ActivityInboundInterceptorBase{Next: next}, l}
}

// way notes an activity, and returns how it is lost, or "". call is empty for another
// activity than Call.
func (l *loser) way(kind, call string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	way := l.lose[len(l.seen)]
	l.seen = append(l.seen, kind)
	if way != "" {
		l.lost = append(l.lost, kind+": "+way)
		if way != stopBegin && way != stopBefore && way != stopAfter {
			l.died = append(l.died, call)
		}
	}
	return way
}

type losing struct {
	interceptor.ActivityInboundInterceptorBase // embedded: as Temporal's SDK wants it
	loser                                      *loser
}

func (l *losing) Init(out interceptor.ActivityOutboundInterceptor) error {
	return l.Next.Init(&stopping{interceptor.ActivityOutboundInterceptorBase{Next: out}})
}

func (l *losing) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	kind, call := "", ""
	switch a := in.Args[0].(type) {
	case flow.Advance:
		if kind = "Advance"; a.Fatal != nil {
			kind = "Advance with Fatal"
		}
	case flow.Call:
		kind, call = "Call", a.Call
	case flow.Archive:
		kind = "Archive"
	}
	var lost error = errors.New("the worker is gone")
	way := l.loser.way(kind, call)
	switch way {
	case timeoutBefore, timeoutAfter:
		lost = temporal.NewHeartbeatTimeoutError()
	case nobody:
		l.loser.pass()
		lost = temporal.NewTimeoutError(enums.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE, nil)
	case untaken:
		lost = temporal.NewTimeoutError(enums.TIMEOUT_TYPE_SCHEDULE_TO_START, nil)
	}
	switch way {
	case errorBefore, timeoutBefore, nobody, untaken:
		return nil, lost
	case errorAfter, timeoutAfter:
		_, _ = l.Next.ExecuteActivity(ctx, in)
		return nil, lost
	case stopBegin, stopBefore, stopAfter:
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		s := &stop{way: way, cancel: cancel, stopped: make(chan struct{})}
		s.at(ctx, stopBegin)
		return l.Next.ExecuteActivity(context.WithValue(ctx, stopKey{}, s), in)
	}
	return l.Next.ExecuteActivity(ctx, in)
}

// A stop is a worker that stops during an activity.
type stop struct {
	way     string
	once    sync.Once
	cancel  func()
	stopped chan struct{}
}

type stopKey struct{}

// at is called with each point of an activity where its worker can stop. ctx is the context
// of the effect.
func (s *stop) at(ctx context.Context, point string) {
	if s == nil || s.way != point {
		return
	}
	s.once.Do(func() {
		close(s.stopped)
		if point != stopBegin { // the time for running activities is over
			s.cancel()
			<-ctx.Done()
		}
	})
}

// effect is an effect of an activity: a request to a model, the work of a tool, or an append
// to the archive. An activity that was ended before has no effect.
func effect[T any](ctx context.Context, do func() T) (none T, err error) {
	s, _ := ctx.Value(stopKey{}).(*stop)
	if s.at(ctx, stopBefore); ctx.Err() != nil {
		return none, ctx.Err()
	}
	done := do()
	s.at(ctx, stopAfter)
	return done, nil
}

type stopping struct {
	interceptor.ActivityOutboundInterceptorBase // embedded: as Temporal's SDK wants it
}

func (s *stopping) GetWorkerStopChannel(ctx context.Context) <-chan struct{} {
	if s, ok := ctx.Value(stopKey{}).(*stop); ok {
		return s.stopped
	}
	return s.Next.GetWorkerStopChannel(ctx)
}

// A trial is a conversation of a drama in which activities are lost.
type trial struct {
	loser   // embedded: an interceptor of the session
	world   world
	session *sim
	text    string // the transcripts of the session without events about doubts, and the errors
}

// play has the whole conversation. It answers each question, and ends the session.
func (tr *trial) play(t *testing.T, d drama) {
	t.Helper()
	interceptors := []interceptor.WorkerInterceptor{&tr.loser}
	if d.inside != nil {
		interceptors = append(interceptors, d.inside(tr))
	}
	archive := &archive{Memory: new(journal.Memory)}
	w := toolloop.Worker{Agents: []*agent.Agent{d.desk(&tr.world)}, Runner: d.runner, Archive: archive}
	tr.session = simulateWith(t, w, flow.Start{Heartbeat: time.Minute}, worker.Options{Interceptors: interceptors})
	errs := ""
	for _, message := range append([]runner.Input{question}, d.later...) {
		in := []runner.Input{message}
		for round := 0; len(in) > 0; round++ {
			require.Less(t, round, 10, "the session is stuck")
			result, err := tr.session.run(t.Context(), in...)
			if in = nil; !errors.Is(err, runner.ErrPaused) {
				errs += fmt.Sprintln("error:", err)
				continue
			}
			require.NotEmpty(t, result.Pending, "the session waits for nothing")
			for _, p := range result.Pending {
				in = append(in, tr.world.answer(p))
			}
		}
	}
	page, err := tr.session.page(flow.Range{})
	require.NoError(t, err)
	events, err := tr.session.events(page.Total)
	require.NoError(t, err)
	tr.session.end(t)
	require.Equal(t, events, archive.events(t))
	tr.text = transcripts(undoubted(events)) + errs
}

// transcripts returns the transcript of each run.
func transcripts(events []event.Event) (text string) {
	end := len(events)
	for i, e := range slices.Backward(events) {
		if _, ok := e.Body.(event.RunStarted); ok && e.Path == "" {
			text = runnertest.Transcript(&runner.Result{Session: "desk", Earlier: events[:i], Events: events[i:end]}) + text
			end = i
		}
	}
	return text
}

// undoubted returns the events without pauses and without decisions about calls in doubt. A
// call begins once.
func undoubted(events []event.Event) (rest []event.Event) {
	started := map[event.CallRef]bool{}
	for _, e := range events {
		switch b := e.Body.(type) {
		case event.RunPaused, event.InDoubtDecided:
			continue
		case event.ToolCallStarted:
			if started[b.Call] {
				continue
			}
			started[b.Call] = true
		}
		rest = append(rest, e)
	}
	return rest
}

// TestEveryLoss loses each activity of each drama in each way, and pairs of activities. No
// effect is doubled, none is lost, no session is stuck, each question is listed, the archive
// has all events, and the transcript is that of a session without losses.
func TestEveryLoss(t *testing.T) {
	t.Parallel()
	ways := losses
	if raced { // the run without the race detector has the others
		ways = []string{errorAfter, stopBefore}
	}
	var mu sync.Mutex
	lost, points := map[string]int{}, 0
	t.Run("dramas", func(t *testing.T) {
		for _, d := range dramas() {
			t.Run(d.name, func(t *testing.T) {
				t.Parallel()
				var whole trial
				synctest.Test(t, func(t *testing.T) { whole.play(t, d) })
				require.ElementsMatch(t, d.effects, whole.world.effects)
				require.Zero(t, whole.world.doubts)
				require.Contains(t, whole.text, d.shows)
				try := func(lose map[int]string) {
					tr := &trial{loser: loser{lose: lose}}
					t.Run(fmt.Sprint(lose), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) { tr.play(t, d) })
						require.NotEmpty(t, tr.lost)
						require.Equal(t, d.expected(whole.text, tr), tr.text)
						require.ElementsMatch(t, d.effects, tr.world.effects)
					})
					mu.Lock()
					defer mu.Unlock()
					points++
					for _, l := range tr.lost {
						lost[l]++
					}
				}
				for at := range whole.seen {
					for _, way := range ways {
						try(map[int]string{at: way})
					}
					for other := at + 1; !raced && d.pair[0] != "" && other < len(whole.seen); other++ {
						try(map[int]string{at: d.pair[0], other: d.pair[1]})
					}
				}
			})
		}
	})
	for _, kind := range []string{"Advance", "Advance with Fatal", "Call", "Archive"} {
		for _, way := range ways {
			require.Positive(t, lost[kind+": "+way], "%s: %s", kind, way)
		}
	}
	fmt.Printf("temporal: %d runs of sessions with lost activities\n", points)
}

// TestRunTimeoutWithoutWorker: if the time of a run ends while no worker takes an activity, the
// run fails as everywhere, and the session goes on with the next input.
func TestRunTimeoutWithoutWorker(t *testing.T) {
	t.Parallel()
	post, pay, again := "post r1.t1.c0", "pay r1.t2.c0", "pay r2.t1.c0"
	for at, c := range map[int]struct {
		kind    string
		effects []string // with those of the next run
	}{
		1: {"Advance", []string{"post r2.t1.c0", "pay r2.t2.c0"}},
		2: {"Call", []string{again}},
		3: {"Advance", []string{post, again}},
		4: {"Call", []string{post}},
		5: {"Advance", []string{post, pay}},
	} {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var w world
				l := &loser{lose: map[int]string{at: nobody}}
				desk := &agent.Agent{Name: "desk", Tools: w.tools(), Model: says(use("post"), use("pay"), allDone)}
				session := simulateWith(t, toolloop.Worker{Agents: []*agent.Agent{desk}, Runner: runner.Runner{RunTimeout: time.Minute}},
					flow.Start{Heartbeat: time.Minute}, worker.Options{Interceptors: []interceptor.WorkerInterceptor{l}})
				l.pass = func() {
					passed := make(chan struct{})
					session.env.RegisterDelayedCallback(func() { close(passed) }, 2*time.Minute)
					<-passed
				}
				began := session.env.Now()
				_, err := session.run(t.Context(), question)
				require.EqualError(t, err, "limit of 1m0s for a run reached (RunTimeout)")
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Equal(t, []string{c.kind + ": " + nobody}, l.lost)
				require.InDelta(t, 2*time.Minute, session.env.Now().Sub(began), float64(time.Second))
				result, err := session.run(t.Context(), question)
				require.NoError(t, err)
				require.Equal(t, "All done.", result.Text)
				require.Equal(t, c.effects, w.effects)
				session.end(t)
			})
		})
	}
}

// TestUntakenCall: a call that no worker took before the end of the run's time did not begin, and is
// not in doubt.
func TestUntakenCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w world
		l := &loser{lose: map[int]string{2: untaken}}
		desk := &agent.Agent{Name: "desk", Tools: w.tools(), Model: says(use("post"), allDone)}
		session := simulateWith(t, toolloop.Worker{Agents: []*agent.Agent{desk}, Runner: runner.Runner{RunTimeout: time.Minute}},
			flow.Start{Heartbeat: time.Minute}, worker.Options{Interceptors: []interceptor.WorkerInterceptor{l}})
		_, err := session.run(t.Context(), question)
		require.EqualError(t, err, "limit of 1m0s for a run reached (RunTimeout)")
		require.Equal(t, []string{"Call: " + untaken}, l.lost)
		result, err := session.run(t.Context())
		require.NoError(t, err)
		require.Equal(t, "All done.", result.Text)
		require.Equal(t, []string{"post r1.t1.c0"}, w.effects)
		session.end(t)
	})
}
