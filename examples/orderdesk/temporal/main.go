// Command temporal runs jobs of the order desk on Temporal, in place of the queue and the
// journal in SQL: the same agent, the same tools and the same database of the shop. The tests
// of the order desk start this program, several workers that may be killed and one client,
// and compare the outcome with an outside oracle.
//
// The program is a module of its own, so that the other examples do not need Temporal.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"golang.org/x/sync/errgroup"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/desk"
	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/temporal/internal/death"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/temporal"
)

// A job is a request of a user, with a desk and a provider for this request alone.
type job struct {
	Name    string // of the session and of the agent
	Where   string // the database
	BaseURL string // the provider
	Request string
	// Kill is a call at which a worker kills itself once; empty means no call.
	Kill event.CallRef
	// Done means that the worker dies after the call's transaction, and not before.
	Done bool
}

// An outcome is the end of a job, a line of the client's output.
type outcome struct {
	Name, Text, Err string
	Events          []event.Event
}

func main() {
	server := flag.String("server", "", "the address of the Temporal server")
	file := flag.String("jobs", "", "a file with the jobs")
	work := flag.Bool("work", false, "be a worker; otherwise, begin the jobs and print their outcomes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *server, *file, *work)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, server, file string, works bool) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var jobs []job
	if err := json.Unmarshal(text, &jobs); err != nil {
		return err
	}
	c, err := connect(ctx, server)
	if err != nil {
		return err
	}
	defer c.Close()
	if works {
		return runWorker(ctx, c, filepath.Dir(file), jobs)
	}
	return runClient(ctx, c, jobs)
}

// connect waits until the server answers.
func connect(ctx context.Context, server string) (client.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		c, err := client.DialContext(ctx, client.Options{HostPort: server, Logger: silent{}})
		if err == nil {
			return c, nil
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return nil, fmt.Errorf("the server does not answer: %w", err)
		}
	}
}

// runWorker runs the agents of all jobs until the end of ctx.
func runWorker(ctx context.Context, c client.Client, dir string, jobs []job) error {
	agents := make([]*agent.Agent, len(jobs))
	victims := map[string]job{}
	var opening errgroup.Group
	opening.SetLimit(8)
	for i, j := range jobs {
		victims[j.Name] = j
		opening.Go(func() error {
			d, err := desk.Open(ctx, j.Where) // until the end of the process
			if err != nil {
				return err
			}
			agents[i] = d.Agent(openai.Config{BaseURL: j.BaseURL, Key: "none"}.Model("scripted"))
			agents[i].Name = j.Name
			return nil
		})
	}
	if err := opening.Wait(); err != nil {
		return err
	}
	return temporal.Worker{
		Temporal: c, Agents: agents,
		Runner: runner.Runner{
			MaxTurns: -1, // the jobs have any number of turns
			Around: func(ctx context.Context, w *runner.Work) (context.Context, func()) {
				j := victims[w.Session]
				if w.Kind != "tool" || w.Call != j.Kill {
					return ctx, func() {}
				}
				if !j.Done {
					death.Once(filepath.Join(dir, j.Name+".killed"))
				}
				return ctx, func() {
					if j.Done {
						death.Once(filepath.Join(dir, j.Name+".killed"))
					}
				}
			},
		},
		Options: worker.Options{StickyScheduleToStartTimeout: time.Second},
	}.Run(ctx)
}

// runClient begins the jobs, eight at a time, and approves all calls.
func runClient(ctx context.Context, c client.Client, jobs []job) error {
	out := json.NewEncoder(os.Stdout)
	outcomes := make(chan outcome, len(jobs))
	var running errgroup.Group
	running.SetLimit(8)
	go func() {
		for _, j := range jobs {
			running.Go(func() error {
				o := outcome{Name: j.Name}
				sessions := temporal.Client{Temporal: c, Heartbeat: 6 * time.Second}
				session := sessions.Session(j.Name)
				var err error
				if o.Text, err = converse(ctx, session, j); err == nil {
					o.Events, err = eventsOf(ctx, sessions, j.Name)
				}
				if err != nil {
					o.Err = err.Error()
				}
				outcomes <- o
				return nil
			})
		}
		_ = running.Wait()
		close(outcomes)
	}()
	for o := range outcomes {
		if err := out.Encode(o); err != nil {
			return err
		}
	}
	return nil
}

// converse has the conversation of a job. A call is in doubt if its workers died again and
// again; all tools of the desk may run again.
func converse(ctx context.Context, session *temporal.Session, j job) (string, error) {
	in := []runner.Input{runner.Once("request", llm.User(j.Request))}
	for {
		result, err := session.Run(ctx, &agent.Agent{Name: j.Name}, in...)
		if !errors.Is(err, runner.ErrPaused) {
			return result.Text, err
		}
		in = nil
		for _, p := range result.Pending {
			if p.InDoubt {
				in = append(in, p.RunAgain())
			} else {
				in = append(in, p.Approve())
			}
		}
	}
}

func eventsOf(ctx context.Context, sessions temporal.Client, name string) (all []event.Event, err error) {
	for e, err := range sessions.Read(ctx, name, 0) {
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

// silent drops the log of Temporal's SDK, a loud log about killed workers.
type silent struct{}

func (silent) Debug(string, ...any) {}
func (silent) Info(string, ...any)  {}
func (silent) Warn(string, ...any)  {}
func (silent) Error(string, ...any) {}
