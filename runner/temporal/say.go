package temporal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/step"
	"github.com/seed-916e8f6a/toolloop/runner/temporal/internal/flow"
)

// Say is like Say of [runner.Session]: it adds messages to the conversation, also during a run,
// which reads them before its next turn. A run with a final answer takes another turn. When Say
// returns nil, Temporal has the messages. Any process can say something during a run: other
// session values do not make Say fail.
//
//   - While a worker asks a model, [Client.Read] does not have the messages: they are behind
//     the events of the turn.
//   - If no run is going on, or if the run is paused or fails, the messages wait in the session
//     for the next run. Say begins a session that does not exist.
//   - During a turn in which 1,500 inputs and messages came, or with a history of more than 30 MB
//     or 30,000 events, the error is a [*journal.BusyError]. After the turn, Say works again.
//   - After [Session.End], until the session is closed, the error is a [*journal.BusyError].
//   - After an error of ctx or of the connection, nobody knows whether the messages were added;
//     see [Session.SayOnce].
func (s *Session) Say(ctx context.Context, messages ...llm.Message) error {
	return s.say(ctx, false, func(copied *runner.Session) error { return copied.Say(ctx, messages...) })
}

// SayAtEnd is like [Session.Say], but a run that is going on reads the messages when it would
// otherwise end with a final answer.
func (s *Session) SayAtEnd(ctx context.Context, messages ...llm.Message) error {
	return s.say(ctx, false, func(copied *runner.Session) error { return copied.SayAtEnd(ctx, messages...) })
}

// SayOnce is like [Session.Say], but says messages with a key once: see [runner.Session.SayOnce].
// SayOnce reads the events of the session, and waits while other processes add events and while a
// worker asks a model about earlier messages, at most until the end of ctx.
func (s *Session) SayOnce(ctx context.Context, key string, messages ...llm.Message) error {
	return s.say(ctx, true, func(copied *runner.Session) error { return copied.SayOnce(ctx, key, messages...) })
}

// SayInput is like [Session.Say] for the messages of an input of [runner.Say] or [runner.Once],
// with the name of [runner.By]. The messages of Once are said as with [Session.SayOnce]. Another
// input is an error.
func (s *Session) SayInput(ctx context.Context, in runner.Input) error {
	var once struct {
		Key string `json:"once"`
	}
	raw, err := json.Marshal(in)
	if err == nil {
		err = json.Unmarshal(raw, &once)
	}
	if err != nil {
		return fmt.Errorf("temporal: %w", err)
	}
	return s.say(ctx, once.Key != "", func(copied *runner.Session) error { return copied.SayInput(ctx, in) })
}

// say adds the events that package runner records in a copy of the session. Only messages with a
// key depend on the events before; for others, the copy is empty.
func (s *Session) say(ctx context.Context, once bool, record func(copied *runner.Session) error) error {
	if err := s.check(); err != nil {
		return err
	}
	for pause := minPoll; ; pause = min(2*pause, maxPoll) {
		var before []event.Event
		if once {
			for e, err := range s.client.Read(ctx, s.name, 0) {
				if err != nil {
					return err
				}
				before = append(before, e)
			}
		}
		log := step.NewEvents(before)
		if err := record(runner.Runner{Journal: log}.Session(s.name)); err != nil {
			return err
		}
		said, err := encodeSaid(log.Added())
		if err != nil || len(said.Events) == 0 {
			return err
		}
		if once {
			said.Seen = new(len(before))
		}
		err = s.sendSaid(ctx, said)
		app, ok := errors.AsType[*temporal.ApplicationError](err)
		switch {
		case err == nil:
			return nil
		case !ok || app.Type() != flow.MovedType:
			return s.refused(ctx, err, nil, nil)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return s.failed(context.Cause(ctx))
		}
	}
}

func (s *Session) sendSaid(ctx context.Context, said flow.Said) error {
	handle, err := s.update(ctx, flow.UpdateSay, client.WorkflowUpdateStageCompleted, said)
	if err == nil {
		err = handle.Get(ctx, nil)
	}
	return err
}

// encodeSaid returns events for the workflow. Their positions come from the workflow.
func encodeSaid(events []event.Event) (said flow.Said, err error) {
	size := 0
	for _, e := range events {
		e.Seq = 0
		raw, err := e.MarshalJSON()
		if err != nil {
			return said, fmt.Errorf("temporal: %w", err)
		}
		size += len(raw)
		said.Events = append(said.Events, raw)
	}
	if size > maxInput {
		return said, errInputTooLarge(size)
	}
	return said, nil
}
