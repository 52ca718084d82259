// Package event has the events of a run. The caller of runner.Stream gets all events. The
// durable events also rebuild the state of a session, and a journal stores them.
//
// Durable events have a Seq, counted from 1 through the life of a session. Applied in
// order, they rebuild the session's state. Ephemeral events ([TextDelta],
// [ReasoningDelta], [CallDelta], [PartialOutput], [ToolProgress], [Restarted], [Notice]) have
// Seq 0: they are for display and are not stored.
//
//	for e, err := range runner.Stream(ctx, assistant, llm.User("Hello")) {
//		switch b := e.Body.(type) {
//		case event.TextDelta:
//			fmt.Print(b.Text)
//		case event.ToolCallStarted:
//			fmt.Println(b.Name, b.Arguments)
//		}
//	}
//
// For a log that people read, print [Event.Line] of each event.
//
// Words of this package:
//
//   - event: a fact about a run.
//   - turn: one answer of the model, with its tool calls.
//   - run: turns until a final answer or an error. A pause does not end a run.
//   - call reference: our own name of a tool call; see [CallRef].
package event
