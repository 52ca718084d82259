package desk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// look makes a tool's function of a function that only reads.
func look[In, Out any](d *Desk, read func(context.Context, *tx, In) (Out, error)) func(context.Context, In) (Out, error) {
	return func(ctx context.Context, in In) (out Out, err error) {
		err = d.view(ctx, func(t *tx) (err error) {
			out, err = read(ctx, t, in)
			return err
		})
		return out, told(err)
	}
}

// change makes a tool's function of a function that changes the database. The change
// is one transaction and happens once for each call, however often the runner
// repeats the call. A repetition returns the first result. A refused call has
// changed nothing, and a later attempt runs again. An earlier attempt, whose process
// was stopped, changes nothing any more.
func change[In, Out any](d *Desk, do func(context.Context, *tx, In) (Out, error)) func(context.Context, In) (Out, error) {
	return func(ctx context.Context, in In) (out Out, err error) {
		call := tool.CallFrom(ctx)
		err = d.update(ctx, func(t *tx) error {
			before, done, err := t.claim(ctx, call)
			if err != nil {
				return err
			}
			if done {
				return json.Unmarshal([]byte(before), &out)
			}
			if out, err = do(ctx, t, in); err != nil {
				return err
			}
			return t.keep(ctx, call, out)
		})
		if refusal, ok := errors.AsType[Refusal](err); ok {
			out, err = buried[Out](ctx, d, call, refusal)
		}
		return out, told(err)
	}
}

// buried prevents effects of this attempt and earlier attempts at a refused call. If
// an earlier attempt has had its effect since the refusal, buried returns the result
// of that attempt.
func buried[Out any](ctx context.Context, d *Desk, call tool.Call, refusal Refusal) (out Out, err error) {
	if call.Key == "" || call.Fence == 0 {
		return out, refusal
	}
	err = d.update(ctx, func(t *tx) error {
		before, err := one[string](ctx, t, `INSERT INTO calls (key, fence, tool, result) VALUES ($1, $2, $3, '')
			ON CONFLICT (key) DO UPDATE SET fence = CASE WHEN calls.fence < excluded.fence THEN excluded.fence ELSE calls.fence END
			RETURNING result`, call.Key, call.Fence, call.Tool)
		if err != nil || before == "" {
			return err
		}
		refusal = ""
		return json.Unmarshal([]byte(before), &out)
	})
	if err == nil && refusal != "" {
		err = refusal
	}
	return out, err
}

var errBuried = errors.New("a later attempt at this call was made")

// claim records a call's key and the number of the attempt for this transaction, or
// returns the result of an earlier attempt. claim waits while a different process
// makes the same call: a process that seemed dead may still be alive. A call that
// was refused in a later attempt is an error. A function outside of a call, for
// example in a test, has no key.
func (t *tx) claim(ctx context.Context, call tool.Call) (before string, done bool, err error) {
	if call.Key == "" {
		return "", false, nil
	}
	result, err := t.ExecContext(ctx, `INSERT INTO calls (key, fence, tool, result) VALUES ($1, $2, $3, '')
		ON CONFLICT (key) DO UPDATE SET fence = excluded.fence WHERE calls.result = '' AND calls.fence < excluded.fence`,
		call.Key, call.Fence, call.Tool)
	if err != nil {
		return "", false, err
	}
	if n, err := result.RowsAffected(); err != nil || n == 1 {
		return "", false, err
	}
	before, err = one[string](ctx, t, `SELECT result FROM calls WHERE key = $1`, call.Key)
	if err == nil && before == "" {
		err = errBuried
	}
	return before, err == nil, err
}

// keep records the result of a call.
func (t *tx) keep(ctx context.Context, call tool.Call, out any) error {
	if call.Key == "" {
		return nil
	}
	result, err := json.Marshal(out)
	if err != nil {
		return err
	}
	return t.exec(ctx, `UPDATE calls SET result = $2 WHERE key = $1`, call.Key, string(result))
}

// told returns the error for the model. The model reads refusals. All other errors
// are about the database; the model learns only whether the call may have had an
// effect.
func told(err error) error {
	if err == nil {
		return nil
	}
	if r, ok := errors.AsType[Refusal](err); ok {
		return r
	}
	if _, ok := errors.AsType[*commitError](err); ok {
		return tool.Fail(tool.OutcomeUnknown, "", err)
	}
	return tool.Hide(err)
}

// limit is the largest amount without approval.
const limit Cents = 100_00

// over returns the approval policy: a person must approve an amount above the
// limit. A call that the desk would refuse needs no approval. The exception is a
// call that lacks only money on a gift card, because an earlier call of the turn
// may add the money.
func over[In any](d *Desk, amount amount[In]) tool.Option {
	return tool.NeedsApprovalIf(func(ctx context.Context, in In) (bool, error) {
		moved, err := moves(ctx, d, amount, in)
		return moved > limit, err
	})
}

// An amount returns the money that a call moves, for the policy.
type amount[In any] func(context.Context, *tx, In) (Cents, error)

// moves returns the money that a call would move now. A call that the desk would
// refuse moves nothing, unless only money on a gift card is missing.
func moves[In any](ctx context.Context, d *Desk, amount amount[In], in In) (moved Cents, err error) {
	err = d.view(ctx, func(t *tx) (err error) {
		moved, err = amount(ctx, t, in)
		return err
	})
	if _, refused := errors.AsType[Refusal](err); refused {
		return 0, nil
	}
	return moved, err
}

// Amount returns the money that a call of a tool of the desk would move now: the
// policy compares it with the limit. The amount is 0 for tools without money, and
// for a call that the desk would refuse, unless only money on a gift card is
// missing.
func (d *Desk) Amount(ctx context.Context, call llm.ToolCall) (Cents, error) {
	switch call.Name {
	case "cancel_pending_order":
		return decoded(ctx, d, cancelAmount, call)
	case "modify_pending_order_payment":
		return decoded(ctx, d, paymentAmount, call)
	case "modify_pending_order_items":
		return decoded(ctx, d, modifyAmount, call)
	case "exchange_delivered_order_items":
		return decoded(ctx, d, exchangeAmount, call)
	case "return_delivered_order_items":
		return decoded(ctx, d, returnAmount, call)
	}
	return 0, nil
}

func decoded[In any](ctx context.Context, d *Desk, amount amount[In], call llm.ToolCall) (Cents, error) {
	var in In
	if err := json.Unmarshal([]byte(call.Arguments), &in); err != nil {
		return 0, fmt.Errorf("desk: arguments of %s: %w", call.Name, err)
	}
	return moves(ctx, d, amount, in)
}
