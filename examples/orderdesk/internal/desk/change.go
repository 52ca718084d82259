package desk

import (
	"context"
	"encoding/json"
	"errors"

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
// changed nothing, and is looked at anew.
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
		return out, told(err)
	}
}

// claim takes a call's key for this transaction, or returns what was answered
// when the call was made before. While another process makes the same call, as
// one may that was taken for dead, it waits for its end. A function that runs
// outside of a call, in a test say, has no key.
func (t *tx) claim(ctx context.Context, call tool.Call) (before string, done bool, err error) {
	if call.Key == "" {
		return "", false, nil
	}
	result, err := t.ExecContext(ctx, `INSERT INTO calls (key, tool, result) VALUES ($1, $2, '') ON CONFLICT (key) DO NOTHING`, call.Key, call.Tool)
	if err != nil {
		return "", false, err
	}
	if n, err := result.RowsAffected(); err != nil || n == 1 {
		return "", false, err
	}
	before, err = one[string](ctx, t, `SELECT result FROM calls WHERE key = $1`, call.Key)
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
// limit. A call that would be refused is not worth asking about.
func over[In any](d *Desk, amount func(context.Context, *tx, In) (Cents, error)) tool.Option {
	return tool.NeedsApprovalIf(func(ctx context.Context, in In) (bool, error) {
		var moved Cents
		err := d.view(ctx, func(t *tx) (err error) {
			moved, err = amount(ctx, t, in)
			return err
		})
		if _, refused := errors.AsType[Refusal](err); refused {
			return false, nil
		}
		return moved > limit, err
	})
}
