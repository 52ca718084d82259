// Package event is what happens in a run. The same events rebuild the state of
// a session, are yielded to the caller of runner.Stream, and are kept by a
// journal.
//
// Durable events have a Seq, counted from 1 through the life of a session, and
// rebuild its state when they are applied in order. Ephemeral ones ([TextDelta],
// [ReasoningDelta], [CallDelta], [Restarted], [Notice]) have Seq 0; they are for
// eyes only and are not kept.
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
// Words owned here: event, run, turn, call reference.
package event
