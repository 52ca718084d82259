package stores_test

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"sync"
)

// A report is what a child tells its parent, a line of JSON on its stdout. The
// child goes on when it is answered.
type report struct {
	ID    int    `json:"id"`
	Kind  string `json:"kind"`
	Point string `json:"point,omitempty"`
	// Seq is that of the last event that a log acknowledged or, of "loaded", yielded.
	Seq  int64    `json:"seq,omitempty"`
	Ends []string `json:"ends,omitempty"` // calls whose results were just acknowledged
	Call effect   `json:"call,omitzero"`
	Text string   `json:"text,omitempty"`
}

// The kinds of reports.
const (
	atPoint = "point"  // the child is there
	loaded  = "loaded" // it has read a log
	effects = "effect" // the outside world is asked to do something
	known   = "known"  // the outside world is asked whether it did
	ended   = "end"    // the session has ended; Text is what it came to
	broken  = "broken" // Text is an error
)

// An effect is what a tool does to the outside world.
type effect struct {
	Key   string `json:"key"`
	Fence int64  `json:"fence"` // of the attempt
	Tool  string `json:"tool"`
	N     int    `json:"n"`
}

// An answer lets the child go on.
type answer struct {
	ID    int    `json:"id"`
	Known bool   `json:"known,omitempty"`
	Text  string `json:"text,omitempty"` // the result of an effect
}

// parent is the child's end of the wire.
type parent struct {
	mu      sync.Mutex
	out     *json.Encoder
	last    int
	waiting map[int]chan answer
}

// newParent reads answers from in until its end, which is the parent's: the child
// does not outlive it.
func newParent(in io.Reader, out io.Writer) *parent {
	p := &parent{out: json.NewEncoder(out), waiting: map[int]chan answer{}}
	go func() {
		for lines := bufio.NewScanner(in); lines.Scan(); {
			var a answer
			if json.Unmarshal(lines.Bytes(), &a) != nil {
				break
			}
			p.mu.Lock()
			to := p.waiting[a.ID]
			delete(p.waiting, a.ID)
			p.mu.Unlock()
			to <- a
		}
		os.Exit(3)
	}()
	return p
}

// tell reports and waits for the answer.
func (p *parent) tell(r report) answer {
	to := make(chan answer, 1)
	p.mu.Lock()
	p.last++
	r.ID = p.last
	p.waiting[r.ID] = to
	err := p.out.Encode(r)
	p.mu.Unlock()
	if err != nil {
		os.Exit(3)
	}
	return <-to
}

func (p *parent) point(name string) { p.tell(report{Kind: atPoint, Point: name}) }
