// Package board shows the progress of workers. In a terminal it redraws a line for
// each worker and a summary in place, with finished requests above them. Elsewhere
// it prints a line for each event of interest.
//
// Text of users, models and tools reaches the terminal only as printable characters.
package board

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/inbox"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// A Board shows workers. Create a Board with [New], and call Close at the end. A
// Board is safe for concurrent use.
type Board struct {
	out   io.Writer
	size  func() (width, height int)
	began time.Time
	stop  chan struct{}
	ended sync.WaitGroup

	mu     sync.Mutex
	seats  []seat
	totals inbox.Totals
	others inbox.Others
	waited bool     // the wait was printed, outside of a terminal
	above  []string // lines about finished requests, to be printed above the workers
	drawn  int      // the number of lines in place
	shown  string   // the lines in place
	closed bool
}

// A seat is the current work of a worker.
type seat struct {
	request int64 // 0 means idle
	doing   string
	tokens  int64
}

// refresh is the shortest interval between two drawings.
const refresh = 100 * time.Millisecond

// New returns a board for the workers, at least one. size returns the size of the
// terminal in characters. A nil size means that the output is not a terminal.
func New(out io.Writer, size func() (width, height int), workers int) *Board {
	b := &Board{out: out, size: size, began: time.Now(), stop: make(chan struct{}), seats: make([]seat, max(workers, 1))}
	if size != nil {
		b.ended.Go(b.redraw)
	}
	return b
}

// redraw draws the board until Close.
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

// Close removes the lines of the workers and keeps the lines above them. Later
// reports are not shown. Close may be called more than once.
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

// Report updates the board.
func (b *Board) Report(r inbox.Report) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	if r.Elsewhere {
		b.line(r.Request, "held", "by another process, which works on it")
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

// state shows a request's new state.
func (b *Board) state(at *seat, r inbox.Request) {
	switch r.State {
	case inbox.Running:
		*at = seat{request: r.ID, doing: "begins"}
		b.detail(r, "begins", r.Text)
	case inbox.Waiting, inbox.Decided:
		b.detail(r, "waits", "for a worker")
	case inbox.Paused:
		for _, p := range r.Pending {
			b.line(r, "paused", p.ToolCall.Name+" "+p.ToolCall.Arguments)
		}
	case inbox.Done, inbox.Failed:
		b.line(r, string(r.State), r.Note)
	}
}

// tellWait prints the reason of a wait once, outside of a terminal.
func (b *Board) tellWait() {
	busy := slices.ContainsFunc(b.seats, func(at seat) bool { return at.request != 0 })
	if b.size == nil && !busy && !b.waited && b.others.Count > 0 {
		b.waited = true
		b.print("waiting for requests of other processes: " + about(b.others))
	}
}

// Print prints a line about no particular request.
func (b *Board) Print(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.print(oneLine(text))
}

// line prints a line about a request.
func (b *Board) line(r inbox.Request, what, text string) {
	b.print(fmt.Sprintf("%4d  %-8s  %s", r.ID, what, oneLine(text)))
}

// detail prints a line that appears only outside of a terminal.
func (b *Board) detail(r inbox.Request, what, text string) {
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
