package temporal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/temporal/internal/flow"
)

// defaultQueue is the task queue of workers and clients.
const defaultQueue = "toolloop"

// A Worker is the part of a process that runs agents. A Worker is a configuration, and may be
// copied. Do not change the Agents of a running Worker.
type Worker struct {
	// Temporal is the connection to the server. It is required.
	Temporal client.Client
	// TaskQueue is the meeting point of workers and clients. Empty means "toolloop".
	// Workers with the same TaskQueue share the work.
	TaskQueue string
	// Agents are the agents that the worker runs, found by their names
	// ([agent.Agent.DisplayName]). Helpers and agents of hand-offs come with their agents.
	// During a deployment, workers may have different agents: a run waits for a worker with
	// the agent.
	Agents []*agent.Agent
	// Runner has the model, the limits and the functions of the program, as in a process
	// without Temporal. The Journal must be nil, because Temporal keeps the sessions.
	// KeepPartial keeps the text of a cancelled or failed request. If a worker dies, the text
	// that it streamed is lost, and another worker sends the request again.
	Runner runner.Runner
	// Watch, if not nil, gets the events that nobody stores: deltas, progress, notices and
	// [event.Restarted]. So a page shows an answer as it comes: let Watch publish the JSON of
	// the Live to the processes of the pages, where serve.Chat.Live takes it. Stored events come
	// from [Session.Stream] and from Watch of [Client].
	//
	// A run waits for Watch. Watch is called from several goroutines at once, for different
	// calls and sessions. A panic is logged, and the run goes on.
	Watch func(ctx context.Context, l event.Live)
	// Queues names task queues for the calls of tools, by the names of the tools. The calls
	// of other tools use the TaskQueue of the session. A Worker with that TaskQueue must have
	// the same agents; its Options bound how many calls run at once, or per second.
	Queues map[string]string
	// Archive, if not nil, gets the events of a session that ends ([Session.End]), under the
	// name of the session. If the Archive has an earlier conversation of that name, "@" and
	// the id of the first run follow the name. The session stays open until the Archive has
	// the events. All workers of a task queue need the same Archive.
	Archive journal.Journal
	// Outage is how long a run waits for a model that is down, with pauses that grow from a
	// second to five minutes. A model is down if a request fails with a retryable
	// [llm.APIError] after the retries of the model itself. The time begins with the failure
	// and again after each answer. A wait that would exceed Outage or the time of the run
	// ([runner.Runner.RunTimeout]: an hour by default) does not begin: the run then fails with
	// the last error. Events before the failure are kept. A wait needs no worker, and
	// [Session.Cancel] ends a wait at once. Watch gets an [event.Restarted] for each failure;
	// Temporal shows the wait as a timer with the error. Workers of a task queue need the same
	// Outage, because the worker that gets the failure decides. 0 means that a run does not wait; a
	// negative Outage is an error of Run.
	Outage time.Duration
	// Options are the options of Temporal's worker. A zero WorkerStopTimeout becomes 10 seconds
	// more than the longest time of a call, by the Runner and by the Agents' own tools. A zero
	// MaxHeartbeatThrottleInterval becomes a second. With deployment versions (UseVersioning), an
	// unspecified DefaultVersioningBehavior becomes VersioningBehaviorAutoUpgrade.
	Options worker.Options
}

// defaultCall is the time of a call by the default of a Runner, and late bounds the time of a
// function after that.
const (
	defaultCall = 2 * time.Minute
	late        = 10 * time.Second
)

// stopTimeout returns the time for running calls when the worker stops.
func (w *Worker) stopTimeout() time.Duration {
	longest := w.Runner.ToolTimeout
	if longest <= 0 {
		longest = defaultCall
	}
	for _, a := range w.Agents {
		for _, reached := range a.Reachable() {
			for _, t := range reached.Tools {
				longest = max(longest, t.Timeout())
			}
		}
	}
	return longest + late
}

// Run runs the worker until ctx ends, and then until its calls have ended, at most for
// WorkerStopTimeout. Run does not wait for requests to models: another worker sends them again.
// Run returns nil after the end of ctx.
func (w Worker) Run(ctx context.Context) error {
	options := w.Options
	if options.WorkerStopTimeout == 0 {
		options.WorkerStopTimeout = w.stopTimeout()
	}
	if options.MaxHeartbeatThrottleInterval == 0 {
		// By default, the SDK keeps heartbeats back for four fifths of the timeout: a short
		// stall would look like a death.
		options.MaxHeartbeatThrottleInterval = time.Second
	}
	if w.Temporal == nil {
		return errors.New("temporal: the Worker has no Temporal client")
	}
	queue := worker.New(w.Temporal, cmp.Or(w.TaskQueue, defaultQueue), options)
	if err := w.Register(queue); err != nil {
		return err
	}
	if err := queue.Start(); err != nil {
		return fmt.Errorf("temporal: %w", err)
	}
	<-ctx.Done()
	queue.Stop()
	return nil
}

// Register adds what sessions need to a worker of the program, in place of [Worker.Run]. Of the
// Options, Register reads only DisableWorkflowWorker, true for a worker with calls alone, and
// DeploymentOptions.DefaultVersioningBehavior. The worker's WorkerStopTimeout must be longer than
// the longest call, and its MaxHeartbeatThrottleInterval about a second.
func (w Worker) Register(r worker.Registry) error {
	a, err := newActivities(&w)
	if err == nil {
		a.register(r)
	}
	return err
}

func (a *activities) register(r worker.Registry) {
	if !a.worker.Options.DisableWorkflowWorker { // such a worker of Temporal panics
		r.RegisterWorkflowWithOptions(flow.Session, workflow.RegisterOptions{
			Name:               flow.SessionName, // a registered behavior hides the default of the worker
			VersioningBehavior: cmp.Or(a.worker.Options.DeploymentOptions.DefaultVersioningBehavior, workflow.VersioningBehaviorAutoUpgrade),
		})
	}
	r.RegisterActivityWithOptions(a.advance, activity.RegisterOptions{Name: flow.AdvanceName})
	r.RegisterActivityWithOptions(a.call, activity.RegisterOptions{Name: flow.CallName})
	r.RegisterActivityWithOptions(a.archive, activity.RegisterOptions{Name: flow.ArchiveName})
}

func newActivities(w *Worker) (*activities, error) {
	if w.Runner.Journal != nil {
		return nil, errors.New("temporal: the Runner has a Journal, but Temporal keeps the sessions: leave it nil")
	}
	if w.Outage < 0 {
		return nil, errors.New("temporal: the Outage of the Worker is negative: 0 means that a run does not wait for a model")
	}
	a := &activities{worker: *w, agents: map[string]*agent.Agent{}, logger: w.Runner.Logger, memory: newMemory(maxKept)}
	if a.logger == nil {
		a.logger = slog.New(slog.DiscardHandler)
	}
	a.page = a.query
	for _, one := range w.Agents {
		if err := one.Validate(); err != nil {
			return nil, fmt.Errorf("temporal: %w", err)
		}
		name := one.DisplayName()
		if a.agents[name] != nil {
			return nil, fmt.Errorf("temporal: two agents are named %q", name)
		}
		a.agents[name] = one
	}
	if len(a.agents) == 0 {
		return nil, errors.New("temporal: the Worker has no Agents")
	}
	return a, nil
}
