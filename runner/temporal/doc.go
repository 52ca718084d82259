// Package temporal runs agents on Temporal (https://temporal.io), for programs that have
// outgrown one database: the sessions of package runner, with the same agents, the same
// events and the same promises, on any number of machines.
//
// A [Worker] runs in each process that has the agents. A [Client] gives a program sessions
// that look like those of package runner:
//
//	go temporal.Worker{Temporal: c, Agents: []*agent.Agent{desk}, Runner: runner.Runner{Model: model}}.Run(ctx)
//	…
//	result, err := temporal.Client{Temporal: c}.Session("order-17").Run(ctx, desk, runner.Say(llm.User("Refund it.")))
//
// # How it works
//
// A session is a workflow, which waits for inputs and keeps the events. It never looks into
// them: activities go on with the conversation until calls are to run, and run each call. So a
// new version of this library, of an agent or of a tool changes nothing that Temporal
// replays.
//
//   - A call is recorded before its function runs, and Temporal runs each function once. If
//     the worker dies, the call is in doubt, as after a crash of any process:
//     [tool.Idempotent] and [tool.Reconcile] decide, or a person. After five such attempts of
//     a call, only [tool.Reconcile] with a result, Decide or a person decides.
//   - A request to a model that a dead worker has sent is sent again by another worker.
//   - The time of a paused session costs nothing. An answer comes after days, through any
//     process.
//   - Limits of a Runner hold for a run, wherever its parts run. A [runner.Budget], a
//     [runner.CallLimit] and [tool.Concurrency] count in each worker by itself.
//
// # Settings
//
//   - WorkerStopTimeout is the time that running calls get when a worker stops. Worker sets
//     it to the longest time of a call of its agents, if Options does not.
//   - After the death of a worker, the workflows that it held wait for
//     StickyScheduleToStartTimeout, 5 seconds in Temporal's worker, before another worker
//     takes them over. Client.Heartbeat bounds the wait for the calls.
//   - "temporal workflow reset" runs calls again that came after the reset point, with the
//     same keys ([tool.Call]).
//   - A session is one open workflow. The namespace's retention deletes a session that ended
//     ([Session.End]) after some days, and then a new input begins a new conversation.
//   - Inputs, results and answers are in Temporal's history. A data converter with encryption
//     keeps them secret from the server; set it on the client of all workers and programs.
package temporal
