package openai_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// A want is what is to come of an answer.
type want struct {
	Text      string
	Refusal   string
	Reasoning *string
	Calls     []struct{ ID, Name, Arguments *string }
	Finish    *string
	Raw       *string
	Native    *string
	Usage     *[2]int64
	Extra     map[string]any
	CallExtra []map[string]any
	Notices   *int
	Error     *wantError
}

type wantError struct {
	Kind       string
	Status     *int
	Code       *string
	Param      *string
	RetryAfter *float64 `json:"retry_after"`
	Contains   string
	Retryable  *bool
}

func (f *fixture) checkWant(mode string, resp *llm.Response, err error, notices int) error {
	text, ok := f.section("want " + mode)
	if !ok {
		text, ok = f.section("want")
	}
	if !ok {
		return err
	}
	text = expand(text)
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	var w want
	if err := dec.Decode(&w); err != nil {
		return err
	}
	switch {
	case w.Error != nil:
		return w.Error.check(resp, err, strings.Contains(fmt.Sprint(f.sections), "{{now"))
	case err != nil:
		return fmt.Errorf("the error %w", err)
	}
	d := &differ{}
	d.equal("notices", w.Notices, notices)
	w.check(d, resp)
	return d.err()
}

// A differ collects differences.
type differ struct{ list []string }

func (d *differ) err() error {
	if len(d.list) == 0 {
		return nil
	}
	return errors.New(strings.Join(d.list, "; "))
}

func (d *differ) add(format string, args ...any) {
	d.list = append(d.list, fmt.Sprintf(format, args...))
}

// equal compares unless want is a nil pointer.
func (d *differ) equal(name string, want, got any) {
	if v := reflect.ValueOf(want); v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return
		}
		want = v.Elem().Interface()
	}
	if !reflect.DeepEqual(want, got) {
		d.add("%s is %.300q, want %.300q", name, fmt.Sprint(got), fmt.Sprint(want))
	}
}

func (w *want) check(d *differ, resp *llm.Response) {
	m := resp.Message
	d.equal("text", w.Text, m.Text())
	d.equal("refusal", w.Refusal, m.Refusal())
	d.equal("reasoning", w.Reasoning, m.Reasoning())
	d.equal("finish", w.Finish, string(resp.Finish.Reason))
	d.equal("raw", w.Raw, resp.Finish.Raw)
	d.equal("native", w.Native, resp.Finish.Native)
	d.equal("usage", w.Usage, [2]int64{resp.Usage.InputTokens, resp.Usage.OutputTokens})
	d.extra("extra", w.Extra, m.Extra)
	calls := m.Calls()
	if len(calls) != len(w.Calls) {
		d.add("%d calls, want %d: %+v", len(calls), len(w.Calls), calls)
		return
	}
	for i, c := range calls {
		at := fmt.Sprintf("calls[%d]: ", i)
		d.equal(at+"id", w.Calls[i].ID, c.ID)
		d.equal(at+"name", w.Calls[i].Name, c.Name)
		d.equal(at+"arguments", w.Calls[i].Arguments, c.Arguments)
		if i < len(w.CallExtra) {
			d.extra(at+"extra", w.CallExtra[i], c.Extra)
		}
	}
}

// extra looks for each wanted member among those that were kept; one that is
// wanted as null must not be there.
func (d *differ) extra(name string, want map[string]any, kept []llm.Member) {
	for member, value := range want {
		i := slices.IndexFunc(kept, func(m llm.Member) bool { return m.Name == member })
		switch {
		case value == nil && i >= 0:
			d.add("%s: %q was kept", name, member)
		case value == nil:
		case i < 0:
			d.add("%s: %q was not kept", name, member)
		default:
			var got any
			if err := json.Unmarshal([]byte(kept[i].Value), &got); err != nil {
				d.add("%s: %q: %v", name, member, err)
			}
			d.equal(name+": "+member, value, got)
		}
	}
}

// check compares waits to the millisecond, or to two seconds if they depend on
// the time of day.
func (w *wantError) check(resp *llm.Response, err error, loose bool) error {
	var api *llm.APIError
	if err == nil {
		return fmt.Errorf("no error of kind %s but the answer %+v", w.Kind, resp)
	}
	if !errors.As(err, &api) {
		return fmt.Errorf("no APIError: %w", err)
	}
	d := &differ{}
	d.equal("error.kind", w.Kind, string(api.Kind))
	d.equal("error.status", w.Status, api.StatusCode)
	d.equal("error.code", w.Code, api.Code)
	d.equal("error.param", w.Param, api.Param)
	d.equal("error.retryable", w.Retryable, api.Retryable())
	if off := 0.001; w.RetryAfter != nil {
		if loose {
			off = 2
		}
		if got := api.RetryAfter.Seconds(); math.Abs(got-*w.RetryAfter) > off {
			d.add("error.retry_after is %v, want %v", got, *w.RetryAfter)
		}
	}
	if !strings.Contains(err.Error(), w.Contains) {
		d.add("error.contains: %q is not in it", w.Contains)
	}
	if strings.Contains(fmt.Sprintf("%v %+v", err, *api), key) {
		d.add("the error shows the key")
	}
	if len(d.list) > 0 {
		d.add("the error is %v", err)
	}
	return d.err()
}
