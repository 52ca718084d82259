package temporal

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/temporal/internal/flow"
)

// send gives the session an input, and begins a missing session.
func (s *Session) send(ctx context.Context, a *agent.Agent, in []runner.Input) (*ticket, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	if a == nil {
		return nil, errors.New("temporal: the agent is nil")
	}
	input := flow.Input{Agent: a.DisplayName()}
	var err error
	if input.Inputs, err = encode(in); err != nil {
		return nil, err
	}
	handle, err := s.update(ctx, flow.UpdateRun, client.WorkflowUpdateStageAccepted, input)
	if err != nil {
		return nil, s.refused(ctx, err, a, in)
	}
	return &ticket{s, handle, a, in}, nil
}

// maxRefused bounds how often an update is sent again: for some ten seconds.
const maxRefused = 15

// update sends an update to the workflow, and begins a missing workflow. The same update comes again
// after two errors:
//   - The server has not answered for a minute, which is no end of ctx.
//   - The server refuses an update together with the task of the workflow that took the update, if a
//     signal or a result came during a task that continues the session as a new execution.
func (s *Session) update(ctx context.Context, name string, stage client.WorkflowUpdateStage, arg any) (client.WorkflowUpdateHandle, error) {
	c := s.client
	id := rand.Text()
	for pause, refusals := minPoll, 0; ; pause = min(2*pause, maxPoll) {
		start := c.Temporal.NewWithStartWorkflowOperation(client.StartWorkflowOptions{
			ID: s.id(), TaskQueue: cmp.Or(c.TaskQueue, defaultQueue),
			WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		}, flow.SessionName, flow.Start{Commands: flow.Commands, Session: s.name, Heartbeat: cmp.Or(c.Heartbeat, defaultHeartbeat), MaxHistory: c.MaxHistory}, []byte(nil))
		handle, err := c.Temporal.UpdateWithStartWorkflow(ctx, client.UpdateWithStartWorkflowOptions{
			StartWorkflowOperation: start,
			UpdateOptions: client.UpdateWorkflowOptions{
				UpdateID: id, WorkflowID: s.id(), UpdateName: name, Args: []any{arg}, WaitForStage: stage,
			},
		})
		_, refused := errors.AsType[*serviceerror.WorkflowNotReady](err)
		if refused {
			refusals++
		}
		switch {
		case err != nil && ctx.Err() != nil: // the error of the SDK is none of package context
			return nil, context.Cause(ctx)
		case !isSilent(err) && !refused || refusals > maxRefused:
			return handle, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// isSilent reports whether the server has not answered for a minute.
func isSilent(err error) bool {
	_, silent := errors.AsType[*client.WorkflowUpdateServiceTimeoutOrCanceledError](err)
	return silent
}

// check returns an error if nothing can be sent.
func (s *Session) check() error {
	switch {
	case s.client.Temporal == nil:
		return fmt.Errorf("temporal: %w", errNoClient)
	case s.name == "":
		return errors.New("temporal: the session has no name")
	case s.client.Heartbeat < 0 || s.client.MaxHistory < 0: // the session would keep a value that no server takes
		return errors.New("temporal: Heartbeat or MaxHistory of the Client is negative: 0 means the default")
	}
	return nil
}

// encode returns the JSON of inputs, without those that are nil or have no messages.
func encode(in []runner.Input) (all []json.RawMessage, err error) {
	size := 0
	for _, i := range in {
		if i == nil {
			continue
		}
		raw, err := json.Marshal(i)
		if err != nil {
			return nil, err
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(raw, &members); err != nil {
			return nil, err
		}
		delete(members, "person") // an input of nobody's words
		delete(members, "words")
		if len(members) == 0 {
			continue
		}
		size += len(raw)
		all = append(all, raw)
	}
	if size > maxInput {
		return nil, errInputTooLarge(size)
	}
	return all, nil
}

func errInputTooLarge(size int) error {
	return fmt.Errorf("temporal: the input has %d bytes, and Temporal takes up to %d: send a URL in place of a file", size, maxInput)
}
