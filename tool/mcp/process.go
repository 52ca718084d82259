package mcp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// A process is a server that we started, and the connection to it.
type process struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *os.File
	diary  *diary
	limit  int
	tail   *tail // of its standard error

	in       chan jsonrpc.Message
	out      chan outgoing
	silent   chan struct{} // closed when nothing more is read; then fault is set
	fault    error
	stopping chan struct{}
	stopOnce sync.Once
	exited   chan struct{} // closed when the process has ended; then exit is set
	exit     error
	done     chan struct{} // closed when nothing of it is left
}

// An outgoing is a message to be written.
type outgoing struct {
	text []byte
	done chan error
}

var errEnded = errors.New("the server's process ended")

// startProcess starts the server. Its standard error goes to the diary.
func startProcess(s Server, j *diary) (*process, error) {
	stdout, theirs, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p := &process{
		stdout: stdout, diary: j, limit: s.MaxMessage, tail: &tail{diary: j},
		in: make(chan jsonrpc.Message), out: make(chan outgoing),
		silent: make(chan struct{}), stopping: make(chan struct{}), exited: make(chan struct{}), done: make(chan struct{}),
	}
	p.cmd = exec.Command(s.Command[0], s.Command[1:]...) //nolint:gosec,noctx // the caller names the program, and Close ends it
	p.cmd.Dir, p.cmd.Env = s.Dir, environment(s.Env, os.Environ())
	p.cmd.Stdout, p.cmd.Stderr = theirs, p.tail
	p.cmd.WaitDelay = time.Second // for a child of the server that holds the standard error
	ownGroup(p.cmd)
	if p.stdin, err = p.cmd.StdinPipe(); err == nil {
		err = p.cmd.Start()
	}
	_ = theirs.Close() // it is the server's now
	if err != nil {
		_ = stdout.Close()
		return nil, err
	}
	go p.run()
	return p, nil
}

// Connect returns the connection to the process.
func (p *process) Connect(context.Context) (sdk.Connection, error) { return p, nil }

// run owns all goroutines of the process, and waits for them.
func (p *process) run() {
	defer close(p.done)
	var wg sync.WaitGroup
	wg.Go(p.read)
	wg.Go(p.write)
	wg.Go(p.end)
	p.exit = p.cmd.Wait()
	close(p.exited)
	kill(p.cmd)                                               // what the server started and left behind
	_ = p.stdout.SetReadDeadline(time.Now().Add(time.Second)) // and what got away
	wg.Wait()
	_ = p.stdout.Close()
}

// stop begins to end the process.
func (p *process) stop() { p.stopOnce.Do(func() { close(p.stopping) }) }

// wait waits for the end of a process that was stopped.
func (p *process) wait() error {
	p.stop()
	select {
	case <-p.done:
		return nil
	case <-time.After(4 * closing):
		return fmt.Errorf("process %d does not end", p.cmd.Process.Pid)
	}
}

// end ends the process when it is to be stopped, or has closed its standard output.
func (p *process) end() {
	select {
	case <-p.exited:
		return
	case <-p.stopping:
	case <-p.silent:
	}
	_ = p.stdin.Close()
	for _, signal := range []func(*exec.Cmd){terminate, kill} {
		select {
		case <-p.exited:
			return
		case <-time.After(closing):
			signal(p.cmd)
		}
	}
}

// read hands out the messages of the standard output.
func (p *process) read() {
	defer close(p.silent)
	l := lines{from: p.stdout, limit: p.limit}
	for {
		text, err := l.next()
		for _, m := range p.messages(text) {
			select {
			case p.in <- m:
			case <-p.stopping:
				p.fault = errClosed
				return
			}
		}
		if err != nil {
			p.fault = err
			return
		}
	}
}

// messages are those of a line. What is none is noise, such as a greeting.
func (p *process) messages(text []byte) (all []jsonrpc.Message) {
	if len(text) == 0 {
		return nil
	}
	for _, one := range batch(text) {
		m, err := readMessage(one)
		if err != nil {
			p.diary.write(slog.LevelWarn, "mcp server writes what is no message", string(one[:min(len(one), 4<<10)]))
			m = brokenAnswer(one)
		}
		if m != nil {
			all = append(all, m)
		}
	}
	return all
}

func (p *process) write() {
	for {
		select {
		case o := <-p.out:
			_, err := p.stdin.Write(o.text)
			o.done <- err
		case <-p.exited:
			return
		case <-p.stopping:
			return
		}
	}
}

// Read returns the next message.
func (p *process) Read(ctx context.Context) (jsonrpc.Message, error) {
	select {
	case m := <-p.in:
		return m, nil
	case <-p.silent:
		return nil, p.explain(p.fault)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Write writes a message. A message that ctx cut off is written nevertheless: half
// of one would break the connection.
func (p *process) Write(ctx context.Context, m jsonrpc.Message) error {
	text, err := jsonrpc.EncodeMessage(m)
	if err != nil {
		return err
	}
	o := outgoing{append(text, '\n'), make(chan error, 1)}
	select {
	case p.out <- o:
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", errUnwritten, ctx.Err())
	case <-p.exited:
		return errUnwritten
	case <-p.stopping:
		return errUnwritten
	}
	select {
	case err := <-o.done:
		if err != nil {
			p.awaitSilence(ctx) // who does not read any more has mostly ended
			err = p.explain(err)
		}
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// awaitSilence waits until nothing more is read, if that is soon.
func (p *process) awaitSilence(ctx context.Context) {
	select {
	case <-p.silent:
	case <-ctx.Done():
	case <-time.After(closing / 4):
	}
}

// Close begins to end the process. The SDK must not wait.
func (p *process) Close() error {
	p.stop()
	return nil
}

// SessionID is empty: the process is the session.
func (p *process) SessionID() string { return "" }

// explain says how the process ended, if it did: err is often only a pipe's.
func (p *process) explain(err error) error {
	select {
	case <-p.silent:
	default:
		return err
	}
	if p.fault != nil && !errors.Is(p.fault, io.EOF) && !errors.Is(p.fault, errClosed) && !errors.Is(p.fault, os.ErrDeadlineExceeded) {
		return p.fault // it was ended for what it wrote
	}
	select {
	case <-p.exited: // it is about to, if it was its end that closed the pipe
	case <-time.After(closing / 4):
		return errors.New("the server closed its standard output")
	}
	how := "exit status 0"
	if p.exit != nil {
		how = p.exit.Error()
	}
	if last := p.tail.String(); last != "" {
		how += "; its standard error ended with: " + last
	}
	return fmt.Errorf("%w: %s", errEnded, how)
}

// passed are the variables of ours that a server finds in its environment. None of
// them holds a secret, as a rule.
var passed = []string{
	"PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "LANG", "TZ", "TMPDIR",
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",
	// Programs of Windows do not run without these.
	"APPDATA", "LOCALAPPDATA", "HOMEDRIVE", "HOMEPATH", "PATHEXT", "COMSPEC", "PROGRAMDATA", "PROGRAMFILES",
	"SYSTEMDRIVE", "SYSTEMROOT", "TEMP", "TMP", "USERNAME", "USERPROFILE", "WINDIR", "PROCESSOR_ARCHITECTURE",
}

// environment is what a server finds of ours, and own.
func environment(own map[string]string, ours []string) []string {
	env := []string{}
	for _, pair := range ours {
		name, _, _ := strings.Cut(pair, "=")
		upper := strings.ToUpper(name)
		if slices.Contains(passed, upper) || strings.HasPrefix(upper, "LC_") {
			env = append(env, pair)
		}
	}
	for name, value := range own { // the last of one name counts
		env = append(env, name+"="+value)
	}
	return env
}
