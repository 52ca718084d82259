// Package event has the events of a run. The same events rebuild the state of a
// session, reach the caller of runner.Stream, and are stored by a journal.
//
// Durable events have a Seq, counted from 1 through the life of a session. Applied in
// order, they rebuild the session's state. Ephemeral events ([TextDelta],
// [ReasoningDelta], [CallDelta], [Restarted], [Notice]) have Seq 0: they are for
// display and are not stored.
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
// The words of this package: event, run, turn, call reference.
package event
