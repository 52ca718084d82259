package stores_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// workers is how many sessions go on at once. They wait most of the time: for a
// lease, and for the disk.
const workers = 6

// lives is how often a session may be killed before it counts as stuck.
const lives = 600

// A campaign kills the processes of many sessions in one store.
type campaign struct {
	order order  // of each child, but for the session
	want  int    // kills
	some  bool   // not at each point
	quiet string // what an undisturbed session comes to

	mu                   sync.Mutex
	begun                int // sessions
	kills                int
	leases               int             // lost
	points               map[string]bool // those that exist: was somebody killed there?
	doubled, lost, stuck []string
}

// run kills until there are enough, and somebody was killed at each point.
func (c *campaign) run(t *testing.T) {
	t.Helper()
	c.points = map[string]bool{}
	defer c.watch(t)()
	c.rehearse(t)
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for n, more := c.next(); more; n, more = c.next() {
				c.session(t.Context(), n)
			}
		})
	}
	group.Wait()
}

// check prints what came of it in one line, and wants it to be nothing.
func (c *campaign) check(t *testing.T) {
	t.Helper()
	var left []string
	for p, killed := range c.points {
		if !killed {
			left = append(left, p)
		}
	}
	fmt.Printf("kills: %d, doubled: %d, lost: %d, stuck: %d, points: %d of %d (%s%s, %d sessions, %d leases lost)\n",
		c.kills, len(c.doubled), len(c.lost), len(c.stuck), len(c.points)-len(left), len(c.points), c.order.Store, c.order.crew(), c.begun, c.leases)
	require.Empty(t, slices.Concat(c.stuck, c.doubled, c.lost))
	if !c.some {
		require.Empty(t, left, "points")
	}
	require.GreaterOrEqual(t, c.kills, c.want)
}

// rehearse runs sessions that nobody disturbs: they tell which points there are,
// and what a session comes to.
func (c *campaign) rehearse(t *testing.T) {
	t.Helper()
	for _, decide := range []bool{true, false} {
		o := c.order
		o.Session, o.Decide = fmt.Sprint("quiet ", decide), decide
		l := &life{ledger: newLedger(o)}
		text, err := l.live(t.Context(), o)
		require.NoError(t, err)
		l.ledger.close()
		require.Empty(t, l.ledger.faults())
		require.Contains(t, text, "All is done.")
		if c.quiet == "" {
			c.quiet = text
		}
		require.Equal(t, c.quiet, text)
		for _, p := range l.points {
			c.points[p] = false
		}
	}
}

// next says whether there is to be another session, and which.
func (c *campaign) next() (n int, more bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	more = c.kills < c.want
	for _, killed := range c.points {
		more = more || !killed && !c.some
	}
	more = more && len(c.stuck) == 0 && c.begun < c.want
	if more {
		c.begun++
	}
	return c.begun, more
}

// strike says whether a child is killed at a point: where nobody was, and
// sometimes, until there are enough. Or some time after it.
func (c *campaign) strike(point string, random *rand.Rand) (now bool, later time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.points[point] && !(c.some && (c.kills >= c.want || random.IntN(4) > 0)) { // a point that comes up after a kill only is one, too
		c.points[point] = true
		return true, 0
	}
	if c.kills >= c.want {
		return false, 0
	}
	switch random.IntN(40) {
	case 0:
		return true, 0
	case 1:
		return false, time.Duration(random.IntN(4000)+1) * time.Microsecond
	}
	return false, 0
}

// session runs one until its end, in as many processes as it takes.
func (c *campaign) session(ctx context.Context, n int) {
	random := rand.New(rand.NewPCG(seed, uint64(n)))
	world := newLedger(c.order)
	var text string
	err := errKilled
	for life := 0; (errors.Is(err, errKilled) || errors.Is(err, errLease)) && life < lives; life++ {
		o := c.order
		o.Session, o.Decide = fmt.Sprint("session ", n), random.IntN(2) == 0
		text, err = c.live(ctx, o, world, random)
	}
	world.close()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.doubled, c.lost = append(c.doubled, world.doubled...), append(c.lost, world.lost...)
	switch {
	case err != nil:
		c.stuck = append(c.stuck, fmt.Sprintf("session %d: %v", n, err))
	case text != c.quiet:
		c.lost = append(c.lost, fmt.Sprintf("session %d came to this:\n%s\nnot to this:\n%s", n, text, c.quiet))
	}
}

func (c *campaign) live(ctx context.Context, o order, world *ledger, random *rand.Rand) (string, error) {
	l := &life{campaign: c, ledger: world, random: random}
	text, err := l.live(ctx, o)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case errors.Is(err, errKilled):
		c.kills++
	case errors.Is(err, errLease):
		c.leases++
	}
	return text, err
}
