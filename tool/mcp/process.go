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

// A process is a server that we started, and the SDK's connection to the server.
type process struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *os.File
	log    *serverLog
	limit  int
	tail   *tail // the end of the standard error

	in       chan jsonrpc.Message
	out      chan pendingWrite
	readDone chan struct{} // closed when reading has ended; fault is set before
	fault    error
	stopping chan struct{}
	stopOnce sync.Once
	exited   chan struct{} // closed when the process has ended; exit is set before
	exit     error
	done     chan struct{} // closed when all goroutines have ended
}

// A pendingWrite is a message to be written.
type pendingWrite struct {
	text []byte
	done chan error
}

var errEnded = errors.New("the server's process ended")

// startProcess starts the server. The log receives the standard error.
func startProcess(s Server, j *serverLog) (*process, error) {
	stdout, theirs, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p := &process{
		stdout: stdout, log: j, limit: s.MaxMessage, tail: &tail{log: j},
		in: make(chan jsonrpc.Message), out: make(chan pendingWrite),
		readDone: make(chan struct{}), stopping: make(chan struct{}), exited: make(chan struct{}), done: make(chan struct{}),
	}
	p.cmd = exec.Command(s.Command[0], s.Command[1:]...) //nolint:gosec,noctx // the caller names the program, and Close ends it
	p.cmd.Dir, p.cmd.Env = s.Dir, environment(s.Env, os.Environ())
	p.cmd.Stdout, p.cmd.Stderr = theirs, p.tail
	p.cmd.WaitDelay = time.Second // a child of the server may keep the standard error open
	ownGroup(p.cmd)
	if p.stdin, err = p.cmd.StdinPipe(); err == nil {
		err = p.cmd.Start()
	}
	_ = theirs.Close() // the server has its own copy
	if err != nil {
		_ = stdout.Close()
		return nil, err
	}
	go p.run()
	return p, nil
}

// Connect returns the process as the connection.
func (p *process) Connect(context.Context) (sdk.Connection, error) { return p, nil }

// run starts all goroutines of the process and waits for them.
func (p *process) run() {
	defer close(p.done)
	var wg sync.WaitGroup
	wg.Go(p.read)
	wg.Go(p.write)
	wg.Go(p.end)
	p.exit = p.cmd.Wait()
	close(p.exited)
	kill(p.cmd)                                               // children that the server left behind
	_ = p.stdout.SetReadDeadline(time.Now().Add(time.Second)) // children that escaped the process group may keep the output open
	wg.Wait()
	_ = p.stdout.Close()
}

// stop begins to end the process. It does not wait.
func (p *process) stop() { p.stopOnce.Do(func() { close(p.stopping) }) }

// wait stops the process and waits for its end.
func (p *process) wait() error {
	p.stop()
	select {
	case <-p.done:
		return nil
	case <-time.After(4 * closing):
		return fmt.Errorf("process %d does not end", p.cmd.Process.Pid)
	}
}

// end ends the process after stop, or after the process has closed its standard output:
// first by closing its standard input, then by signals.
func (p *process) end() {
	select {
	case <-p.exited:
		return
	case <-p.stopping:
	case <-p.readDone:
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

// read passes on the messages of the standard output.
func (p *process) read() {
	defer close(p.readDone)
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

// messages returns the messages of a line. Text between messages, such as a greeting,
// is logged.
func (p *process) messages(text []byte) (all []jsonrpc.Message) {
	if len(text) == 0 {
		return nil
	}
	for _, one := range batch(text) {
		m, err := readMessage(one)
		if err != nil {
			p.log.write(slog.LevelWarn, "mcp server wrote a line that is not a message", string(one[:min(len(one), 4<<10)]))
			m = truncatedResponse(one)
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
	case <-p.readDone:
		return nil, p.explain(p.fault)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Write writes a message. If ctx ends during the write, the message is still written,
// because half a message would break the connection.
func (p *process) Write(ctx context.Context, m jsonrpc.Message) error {
	text, err := jsonrpc.EncodeMessage(m)
	if err != nil {
		return err
	}
	o := pendingWrite{append(text, '\n'), make(chan error, 1)}
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
			p.awaitReadDone(ctx) // a process that does not read has usually ended
			err = p.explain(err)
		}
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// awaitReadDone waits a short time for the end of reading.
func (p *process) awaitReadDone(ctx context.Context) {
	select {
	case <-p.readDone:
	case <-ctx.Done():
	case <-time.After(closing / 4):
	}
}

// Close begins to end the process. It does not wait, because the SDK must not block.
func (p *process) Close() error {
	p.stop()
	return nil
}

// SessionID returns "": the process is the session.
func (p *process) SessionID() string { return "" }

// explain adds how the process ended, if it has ended. err is often only the error of a
// pipe.
func (p *process) explain(err error) error {
	select {
	case <-p.readDone:
	default:
		return err
	}
	if p.fault != nil && !errors.Is(p.fault, io.EOF) && !errors.Is(p.fault, errClosed) && !errors.Is(p.fault, os.ErrDeadlineExceeded) {
		return p.fault // we ended the process because of its output
	}
	select {
	case <-p.exited: // if its end closed the pipe, the exit follows soon
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

// inherited are the variables of our environment that a server gets. As a rule, they
// hold no secrets.
var inherited = []string{
	"PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "LANG", "TZ", "TMPDIR",
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",
	// Windows programs need these.
	"APPDATA", "LOCALAPPDATA", "HOMEDRIVE", "HOMEPATH", "PATHEXT", "COMSPEC", "PROGRAMDATA", "PROGRAMFILES",
	"SYSTEMDRIVE", "SYSTEMROOT", "TEMP", "TMP", "USERNAME", "USERPROFILE", "WINDIR", "PROCESSOR_ARCHITECTURE",
}

// environment returns the environment of a server: the inherited variables of ours, and
// own.
func environment(own map[string]string, ours []string) []string {
	env := []string{}
	for _, pair := range ours {
		name, _, _ := strings.Cut(pair, "=")
		upper := strings.ToUpper(name)
		if slices.Contains(inherited, upper) || strings.HasPrefix(upper, "LC_") {
			env = append(env, pair)
		}
	}
	for name, value := range own { // later variables replace earlier ones
		env = append(env, name+"="+value)
	}
	return env
}
