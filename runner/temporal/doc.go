// Package temporal runs agents on Temporal (https://temporal.io), for programs that have
// outgrown one database: the sessions of package runner, with the same agents, the same
// events and the same promises, on any number of machines. The differences: the end of a
// caller's context ends only the wait, an event has at most 1 MB, and a session has a bound.
// docs/outgrow.md lists all of them.
//
// A [Worker] runs in each process that has the agents. A [Client] gives a program sessions
// with the shape of package runner's:
//
//	// the workers
//	w := temporal.Worker{Temporal: c, Agents: []*agent.Agent{desk}, Runner: runner.Runner{Model: model}}
//	if err := w.Run(ctx); err != nil { // until ctx ends
//		return err
//	}
//	// any program
//	result, err := temporal.Client{Temporal: c}.Session("order-17").Run(ctx, desk, runner.Say(llm.User("Refund it.")))
//
// # Install
//
// The package is a module of its own. Until the first release, name both modules of the
// clone. Write the path of your clone, such as ../toolloop, in place of CLONE:
//
//	go mod edit -require github.com/seed-916e8f6a/toolloop@v0.1.0 -replace github.com/seed-916e8f6a/toolloop=CLONE
//	go mod edit -require github.com/seed-916e8f6a/toolloop/runner/temporal@v0.1.0 -replace github.com/seed-916e8f6a/toolloop/runner/temporal=CLONE/runner/temporal
//	go get go.temporal.io/sdk && go mod tidy
//
// A server for development is a command of Temporal, on port 7233, where client.Dial looks:
//
//	go install github.com/temporalio/cli/cmd/temporal@v1.5.1
//	temporal server start-dev
//
// # What waits
//
// A [Client] is a [journal.Reader], so whatever reads a journal reads the sessions: the pages of
// package inspect, [runner.StateOf], [runner.CallsOf]. [Session.Pending] has the waiting calls
// of a session:
//
//	for sum, err := range sessions.List(ctx, journal.Filter{Status: journal.Paused}) { // sessions is a Client
//		…
//		pending, err := sessions.Session(sum.Session).Pending(ctx)
//	}
//
// The command "temporal workflow list" shows the same workflows. [runner.Runner.MayAnswer] and
// [runner.Runner.Decide] hold on the workers. Such a policy reads the calls before its question
// with runner.CallsOf(sessions.Read(ctx, p.Session, 0)).
//
// # Pages
//
// The inspector and the chat work over a Client: inspect.Handler has it as Reader, and
// serve.Config has it as Open and Reader. [Worker.Watch] passes deltas on, for example to
// serve.Chat.Live. docs/outgrow.md has the code.
//
// # How it works
//
// A session is a workflow. The workflow waits for inputs and keeps the events, and never reads
// an event: activities go on with the conversation until calls are to run, and run each call. A
// new version of this library, of an agent or of a tool therefore changes no history. Update the
// workers before the programs with a [Client]: a session that a newer Client began can wait for a
// newer worker.
//
//   - A call is recorded before its function runs, and Temporal runs each function once. If
//     the worker dies, the call is in doubt, as after a crash of any process:
//     [tool.Idempotent] and [tool.Reconcile] decide, or a person. After five such attempts of
//     a call, only [tool.Reconcile] with a result, Decide or a person decides.
//   - If a worker dies during a request to a model, a second worker sends the request again.
//   - The time of a paused session costs nothing. An answer comes after days, through any
//     process. When a call waits no longer ([runner.Pending.Until]), the session goes on by
//     itself.
//   - With Worker.Outage, a run waits for a model that is down.
//   - Limits of a Runner hold for a run, wherever its parts run. A [runner.Budget], a
//     [runner.CallLimit] and [tool.Concurrency] count in each worker by itself.
//
// # Settings
//
//   - WorkerStopTimeout is the time for running calls when a worker stops. Worker sets
//     WorkerStopTimeout by the longest call, if Options does not.
//   - After the death of a worker, the worker's workflows wait for
//     StickyScheduleToStartTimeout, 5 seconds in Temporal's worker, before a living worker
//     takes over. Client.Heartbeat bounds the wait for the calls.
//   - "temporal workflow reset" runs calls again that came after the reset point. A call keeps its
//     key ([tool.Call]) if the answer with the call came before the reset point. Later requests
//     are sent again: other calls can then have the keys of the earlier calls. A run that
//     began after the reset point gets new keys if Temporal applies its input again, as by
//     default.
//   - A session whose events have more than 1.8 MB after compression, or 64 MB before it, stays
//     in one execution. At 30 MB or 30,000 events of Temporal's history, such a session takes no
//     new messages, and at 45 MB its run fails, because the server would terminate the workflow
//     at 50 MB. The error names the remedy. Keep files outside, and give the model references.
//   - A session is one open workflow. The namespace's retention deletes a session that ended
//     ([Session.End]) after some days; Worker.Archive keeps the events. An input after the end
//     begins a new conversation.
//   - Inputs, results and answers are in Temporal's history. A data converter with encryption
//     hides all this from the server; set the converter on the client of all workers and
//     programs.
package temporal
