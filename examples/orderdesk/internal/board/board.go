// Package board shows workers at work: in a terminal a line for each, which is
// drawn again in place, with a summary below them and above them what is over;
// elsewhere a line for each event of interest.
//
// Nothing that a user, a model or a tool wrote reaches the terminal but as
// printable text.
package board

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/queue"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// A Board shows workers. Make one with [New], and close it. It is safe for
// concurrent use.
type Board struct {
	out   io.Writer
	size  func() (width, height int)
	began time.Time
	stop  chan struct{}
	ended sync.WaitGroup

	mu     sync.Mutex
	seats  []seat
	totals queue.Totals
	others queue.Others
	waited bool     // that was told, where there is no terminal
	above  []string // lines that are over, to be printed above the rest
	drawn  int      // lines that are in place
	shown  string   // the lines in place
	closed bool
}

// A seat is what one worker does.
type seat struct {
	request int64 // 0: nothing
	doing   string
	tokens  int64
}

// refresh is how often a board is drawn, at most.
const refresh = 100 * time.Millisecond

// New returns a board for so many workers, one at least. Size tells how many characters the
// terminal has; nil: it is none.
func New(out io.Writer, size func() (width, height int), workers int) *Board {
	b := &Board{out: out, size: size, began: time.Now(), stop: make(chan struct{}), seats: make([]seat, max(workers, 1))}
	if size != nil {
		b.ended.Go(b.redraw)
	}
	return b
}

// redraw draws the board until it is closed.
func (b *Board) redraw() {
	tick := time.NewTicker(refresh)
	defer tick.Stop()
	for {
		select {
		case <-b.stop:
			return
		case <-tick.C:
			b.draw()
		}
	}
}

// Close leaves the lines of what is over. What comes later is not shown. It may be
// called more than once.
func (b *Board) Close() {
	b.mu.Lock()
	again := b.closed
	b.closed = true
	b.mu.Unlock()
	if again {
		return
	}
	close(b.stop)
	b.ended.Wait()
	if b.size != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.write(nil)
	}
}

// Report takes note of what happened.
func (b *Board) Report(r queue.Report) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	if r.Elsewhere {
		b.line(r.Request, "held", "by another process, which is at work on it")
		return
	}
	at := &b.seats[r.Worker]
	if r.Event.Body == nil {
		b.totals, b.others = r.Totals, r.Others
		*at = seat{}
		b.state(at, r.Request)
		b.tellWait()
		return
	}
	switch body := r.Event.Body.(type) {
	case event.TurnPrepared:
		at.doing = "asks the model"
	case event.ModelAnswered:
		at.tokens += body.Usage.InputTokens + body.Usage.OutputTokens
	case event.ToolCallStarted:
		at.doing = oneLine(body.Name + " " + body.Arguments)
		b.detail(r.Request, "calls", at.doing)
	case event.ApprovalDecided:
		b.detail(r.Request, map[bool]string{true: "approved", false: "denied"}[body.Approved], string(body.Call))
	case event.Notice:
		b.line(r.Request, "notice", body.Text)
	case event.Restarted:
		b.line(r.Request, "again", body.Error)
	}
}

// state tells of a request's new state.
func (b *Board) state(at *seat, r queue.Request) {
	switch r.State {
	case queue.Running:
		*at = seat{request: r.ID, doing: "begins"}
		b.detail(r, "begins", r.Text)
	case queue.Waiting, queue.Decided:
		b.detail(r, "waits", "for a worker")
	case queue.Asking:
		for _, p := range r.Pending {
			b.line(r, "asking", p.ToolCall.Name+" "+p.ToolCall.Arguments)
		}
	case queue.Done, queue.Failed:
		b.line(r, string(r.State), r.Note)
	}
}

// tellWait says once why nothing happens, to those who do not see the workers.
func (b *Board) tellWait() {
	busy := slices.ContainsFunc(b.seats, func(at seat) bool { return at.request != 0 })
	if b.size == nil && !busy && !b.waited && b.others.Count > 0 {
		b.waited = true
		b.print("waiting for requests of other processes: " + about(b.others))
	}
}

// Print shows a line about all of it.
func (b *Board) Print(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.print(oneLine(text))
}

// line tells of a request.
func (b *Board) line(r queue.Request, what, text string) {
	b.print(fmt.Sprintf("%4d  %-8s  %s", r.ID, what, oneLine(text)))
}

// detail is a line that only those read who do not see the workers.
func (b *Board) detail(r queue.Request, what, text string) {
	if b.size == nil {
		b.line(r, what, text)
	}
}

func (b *Board) print(line string) {
	if b.size == nil {
		_, _ = io.WriteString(b.out, line+"\n")
		return
	}
	b.above = append(b.above, line)
}
