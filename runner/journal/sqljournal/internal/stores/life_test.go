package stores_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/seed-916e8f6a/toolloop/internal/tied"
)

// hang is how long a child may take in all.
const hang = time.Minute

// A life is a process that runs a session until its end, or until it is killed.
type life struct {
	campaign *campaign // nil: nobody kills it
	ledger   *ledger
	random   *rand.Rand
	cmd      *exec.Cmd
	in       *json.Encoder
	killed   bool     // by us
	points   []string // that it came by
	stop     *stop    // nil: nobody stops it
}

// A stop is a point behind which a process is stopped, and not killed.
type stop struct {
	point   string
	halt    func(*os.Process)
	reached chan struct{} // closed when it is
	once    sync.Once
}

func (s *stop) at(point string, p *os.Process) {
	if s == nil || point != s.point {
		return
	}
	s.once.Do(func() {
		s.halt(p)
		close(s.reached)
	})
}

// How a process can end before its session does.
var (
	errKilled = errors.New("killed")
	errLease  = errors.New("the process was too slow for its lease") // as short as that is here
)

// live starts a child and serves it. It returns what the session came to,
// errKilled or errLease, or what it has stuck with.
func (l *life) live(ctx context.Context, o order) (string, error) {
	data, err := json.Marshal(o)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, hang)
	defer cancel()
	l.cmd = exec.CommandContext(ctx, os.Args[0])
	tied.Tie(l.cmd)
	l.cmd.Env = append(os.Environ(), childVariable+"="+string(data))
	var stderr bytes.Buffer
	l.cmd.Stderr = &stderr
	in, err := l.cmd.StdinPipe()
	if err != nil {
		return "", err
	}
	out, err := l.cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := l.cmd.Start(); err != nil {
		return "", err
	}
	l.in = json.NewEncoder(in)
	text, err := l.serve(out)
	_ = in.Close() // the child ends, if it has not
	ended := l.cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return "", fmt.Errorf("it hangs behind %q", l.points)
	case err == nil && ended == nil:
		return text, nil
	case l.killed && l.cmd.ProcessState.ExitCode() == -1: // by a signal
		return "", errKilled
	}
	return "", fmt.Errorf("%w; %w: %s", err, ended, stderr.String())
}

var errNoEnd = errors.New("the child has ended without a report")

// serve answers reports until the child has ended, and hears what one that was
// killed said before.
func (l *life) serve(out io.Reader) (text string, err error) {
	err = errNoEnd
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var r report
		if jerr := json.Unmarshal(lines.Bytes(), &r); jerr != nil {
			return "", fmt.Errorf("the child says %q", lines.Text())
		}
		a := answer{ID: r.ID}
		switch r.Kind {
		case effects:
			a.Text = l.ledger.do(r.Call)
		case known:
			a.Text, a.Known = l.ledger.known(r.Call)
		case ended:
			text, err = r.Text, nil
		case broken:
			err = errors.New(r.Text)
			if strings.Contains(r.Text, "the lease is lost") {
				err = fmt.Errorf("%w: %w", errLease, err)
			}
		default:
			if !l.passes(r) {
				continue
			}
		}
		_ = l.in.Encode(a) // an error: it was killed
	}
	return text, err
}

// passes is told of a point, and reports whether the child goes on.
func (l *life) passes(r report) bool {
	if r.Kind == loaded {
		l.ledger.loaded(r.Seq)
	}
	l.ledger.acknowledged(r)
	l.points = append(l.points, r.Point)
	l.stop.at(r.Point, l.cmd.Process)
	if l.campaign == nil {
		return true
	}
	if l.killed {
		return false
	}
	now, later := l.campaign.strike(r.Point, l.random)
	if now {
		l.killed = true
		_ = l.cmd.Process.Kill()
		return false
	}
	if later > 0 {
		l.killed = true
		time.AfterFunc(later, func() { _ = l.cmd.Process.Kill() })
	}
	return true
}
