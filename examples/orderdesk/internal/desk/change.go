package desk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// look makes a tool's function of one that reads.
func look[In, Out any](d *Desk, read func(context.Context, *tx, In) (Out, error)) func(context.Context, In) (Out, error) {
	return func(ctx context.Context, in In) (out Out, err error) {
		err = d.view(ctx, func(t *tx) (err error) {
			out, err = read(ctx, t, in)
			return err
		})
		return out, told(err)
	}
}

// change makes a tool's function of one that changes something: in one
// transaction, and once for each call, however often that is made. What is
// answered the second time is what was answered the first. A refused call has
// changed nothing, and a later attempt at it is looked at anew; an earlier one,
// whose process slept, changes nothing any more.
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

// buried keeps attempts at a refused call from having an effect later: those up to
// this one. An earlier attempt can have had its effect since the refusal; then the
// answer is that attempt's.
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

// claim takes a call's key for this transaction with the number of the attempt, or
// returns what was answered when the call was made before. While another process
// makes the same call, as one may that was taken for dead, it waits for its end. A
// call that was refused in a later attempt is an error. A function that runs
// outside of a call, in a test say, has no key.
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

// keep records what a call is answered.
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

// told is the error that leaves the desk. The model reads refusals. Whatever else
// goes wrong is about the database, and none of its business, but for one thing:
// whether there may have been an effect.
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

// limit is up to which amount the agent acts by itself.
const limit Cents = 100_00

// over makes an approval policy of what a call moves: a person is asked above the
// limit. A call that would be refused is not worth asking about, unless what it lacks
// is money on a gift card, which another call may put there before this one runs.
func over[In any](d *Desk, amount amount[In]) tool.Option {
	return tool.NeedsApprovalIf(func(ctx context.Context, in In) (bool, error) {
		moved, err := moves(ctx, d, amount, in)
		return moved > limit, err
	})
}

// An amount is the policy's view of a tool: how much money its call moves.
type amount[In any] func(context.Context, *tx, In) (Cents, error)

// moves returns what a call would move now. One that would be refused moves
// nothing, but for one that a gift card cannot pay yet.
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

// Amount returns what a call of one of the desk's tools would move now: what the
// policy compares with its limit. It is 0 for a call that would be refused, but for
// one that a gift card cannot pay yet, and for tools that move nothing.
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
