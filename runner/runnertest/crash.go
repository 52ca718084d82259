package runnertest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
)

const (
	crashLease = 10 * time.Second // a session stays with a dead process for this time
	crashPause = 5 * time.Second  // between the end of a process and the next start
	crashLife  = time.Hour        // bounds the context of a process
	maxLives   = 20
)

// A Life is a program from its start to the end of its work. nil means that all work is
// done. After an error, EveryCrash starts the program again, 5 seconds later. The Runner
// has a Journal, a Model and a silent Logger; the program may set more fields. The Journal is a
// [journal.Reader] if the Store of the World is one, as at first. All that Life makes is
// lost with the process. A Life must not ignore the end of ctx.
type Life func(ctx context.Context, r runner.Runner) error

// EveryCrash runs a program once for each point at which its process can die, as subtests
// named after the point:
//
//   - before a session is opened;
//   - before and after each append to a session: before the append, the model has answered
//     or a tool has had its effect, and nobody has recorded it;
//   - before and after each effect that the program reports with [World.Effect].
//
// At each point the process dies once, and a new process is started. Then the whole is
// done again with a process that stands still at the point, until another process has
// taken over and has finished, and goes on afterwards: so a process wakes up after its
// lease. A dead or standing process keeps its sessions for 10 seconds. All this is in the
// time of a synctest bubble.
//
// First EveryCrash runs the program undisturbed. At each point the effects must be the
// same in the end. A test fails if an effect is doubled or lost, if there is another
// effect, or if the work is stuck: 20 starts did not finish it. The failure names the
// point. Life can check more before it returns nil.
//
// steps are the answers of the model: the n-th answer in a conversation is step n, in each
// process and in each session. After the last step, the first step follows. Several agents
// get their own steps with [llmtest.For]: the n-th answer of an agent in a conversation is the
// n-th of the steps whose conditions hold. If agents hand a conversation over, their answers
// must differ.
//
// run makes the world of a trial: a fake bank, a mailbox, a database. The Life that run
// returns is the program. A program with more than one process at a time, or with a second
// crash while it recovers from the first, needs tests of its own.
func EveryCrash(t *testing.T, steps []llmtest.Step, run func(t *testing.T, w *World) Life) {
	t.Helper()
	var whole World
	if !trial(t, "undisturbed", &whole, &World{at: -1}, steps, run) {
		return
	}
	for _, stands := range []bool{false, true} {
		mode := "dies"
		if stands {
			mode = "stands still"
		}
		for i, point := range whole.points {
			w := &World{at: i, stands: stands}
			trial(t, fmt.Sprintf("%s %d %s", mode, i, point), &whole, w, steps, run)
		}
	}
}

// trial runs a program to the end of its work, and compares its effects with those of the
// whole. The first trial is the whole itself.
func trial(t *testing.T, name string, whole, w *World, steps []llmtest.Step, run func(*testing.T, *World) Life) bool {
	return t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w.prepare(t, steps)
			life := run(t, w)
			defer w.end()
			err := w.liveOn(life)
			switch {
			case t.Failed(): // Life has said why
				t.Fatalf("runnertest: %s", w.disturbance())
			case err != nil:
				t.Fatalf("runnertest: %s: stuck: %v", w.disturbance(), err)
			}
			if w.at < 0 {
				whole.points, whole.effects = w.points, w.effects
				return
			}
			for _, finding := range compareEffects(whole.effects, w.effects) {
				t.Errorf("runnertest: %s: %s", w.disturbance(), finding)
			}
		})
	})
}

// liveOn starts processes until the work is finished. A standing process
// then goes on, and liveOn waits for its end.
func (w *World) liveOn(life Life) (err error) {
	for n := 0; n < maxLives; n++ {
		p := w.start(life)
		select {
		case <-p.ended:
		case <-p.standing: // the next process is started at once
			continue
		case <-time.After(crashLife + time.Minute):
			return errors.New("the program ignores the end of its context")
		}
		switch {
		case w.t.Failed():
			return nil
		case w.isDead(p):
			continue
		case p.err == nil:
			return w.wake()
		}
		err = p.err
		<-time.After(crashPause)
	}
	return fmt.Errorf("%d starts did not finish the work; the last one: %w", maxLives, err)
}

// wake lets a standing process go on, and waits for its end.
func (w *World) wake() error {
	p := w.victim
	if p == nil || !w.stands {
		return nil
	}
	close(w.awake)
	w.awoken = true
	select {
	case <-p.ended:
		return nil
	case <-time.After(crashLife + time.Minute):
		return errors.New("the process that stood still does not end")
	}
}

// compareEffects names the differences between the effects of two trials.
func compareEffects(want, got []string) (found []string) {
	count := func(all []string) map[string]int {
		n := map[string]int{}
		for _, what := range all {
			n[what]++
		}
		return n
	}
	wanted, had := count(want), count(got)
	all := maps.Clone(wanted)
	maps.Copy(all, had)
	for _, what := range slices.Sorted(maps.Keys(all)) {
		switch w, h := wanted[what], had[what]; {
		case w == 0:
			found = append(found, fmt.Sprintf("an effect that the undisturbed program does not have: %s", what))
		case h == 0:
			found = append(found, fmt.Sprintf("lost: %s", what))
		case h != w:
			found = append(found, fmt.Sprintf("%s: %s happened %d times, and %d times undisturbed", map[bool]string{true: "doubled", false: "lost"}[h > w], what, h, w))
		}
	}
	return found
}

// disturbance describes what happened to the process of the trial.
func (w *World) disturbance() string {
	switch {
	case w.at < 0:
		return "undisturbed"
	case w.victim == nil:
		return fmt.Sprintf("point %d was not reached", w.at)
	case w.stands:
		return "a process stood still " + w.victimAt + ", while another took over"
	}
	return "the process died " + w.victimAt
}

// pointName names an append by its events.
func pointName(session string, seq int64, types []string) string {
	return fmt.Sprintf("the append of event %d of session %q (%s)", seq, session, strings.Join(types, ", "))
}
