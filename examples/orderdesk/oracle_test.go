package main_test

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/desk"
)

// A job is a line of jobs.jsonl: the calls for a request, the results of an outside
// benchmark, and the changes in its database.
type job struct {
	line      int
	Calls     []call
	Outputs   []string                             // the last answer contains these texts
	DBChanges map[string]map[string]map[string]any `json:"db_changes"` // objects by kind and id
}

type call struct {
	Name      string
	Arguments json.RawMessage
	Result    string
}

// refused: the benchmark's result is an error.
func (c call) refused() bool { return strings.HasPrefix(c.Result, "Error: ") }

// sharedDir returns the directory of the benchmark's data: beside the repository, or
// TOOLLOOP_ORDERDESK.
func sharedDir(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("TOOLLOOP_ORDERDESK")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "orderdesk")
	}
	for _, file := range []string{"users.json", "products.json", "orders.json", "jobs.jsonl"} {
		_, err := os.Stat(filepath.Join(dir, file))
		if err != nil && os.Getenv("TOOLLOOP_REQUIRE_SHARED") != "" {
			t.Fatalf("no order desk, and TOOLLOOP_REQUIRE_SHARED is set: %v", err)
		}
		if err != nil {
			t.Skipf("skipped: no %s in %s; TOOLLOOP_ORDERDESK names another directory", file, dir)
		}
	}
	return dir
}

func readJobs(t *testing.T, dir string) (jobs []job) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "jobs.jsonl"))
	require.NoError(t, err)
	for dec := json.NewDecoder(bytes.NewReader(raw)); dec.More(); {
		j := job{line: len(jobs) + 1}
		require.NoError(t, dec.Decode(&j))
		jobs = append(jobs, j)
	}
	require.NotEmpty(t, jobs)
	return jobs
}

// readData returns the database before the jobs.
func readData(t *testing.T, dir string) *desk.Data {
	t.Helper()
	var data desk.Data
	for file, into := range map[string]any{"users": &data.Users, "products": &data.Products, "orders": &data.Orders} {
		require.NoError(t, json.Unmarshal(readFile(t, dir, file), into))
	}
	return &data
}

func readFile(t *testing.T, dir, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, name+".json"))
	require.NoError(t, err)
	return raw
}

// sameText compares a result with the benchmark's result: as JSON if that result is
// JSON.
func sameText(want, got string) bool {
	if want == "" { // the library describes an empty result in words
		return got == "(no output)"
	}
	var w, g any
	if json.Unmarshal([]byte(want), &w) != nil {
		return want == got
	}
	return json.Unmarshal([]byte(got), &g) == nil && same(w, g)
}

// same compares JSON values. The benchmark calculates in floating point, so its
// amounts are slightly off.
func same(want, got any) bool {
	switch want := want.(type) {
	case float64:
		got, ok := got.(float64)
		return ok && math.Abs(want-got) < 1e-6
	case []any:
		got, ok := got.([]any)
		if !ok || len(want) != len(got) {
			return false
		}
		for i := range want {
			if !same(want[i], got[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		got, ok := got.(map[string]any)
		if !ok || len(want) != len(got) {
			return false
		}
		for k := range want {
			if v, ok := got[k]; !ok || !same(want[k], v) {
				return false
			}
		}
		return true
	}
	return want == got
}

// asJSON returns v as its JSON decodes.
func asJSON(t *testing.T, v any) (out any) {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &out))
	return out
}

// said reports whether an answer has the outputs of a job. Commas do not count on
// either side.
func said(answer string, outputs []string) bool {
	plain := func(text string) string { return strings.ToLower(strings.ReplaceAll(text, ",", "")) }
	for _, o := range outputs {
		if !strings.Contains(plain(answer), plain(o)) {
			return false
		}
	}
	return strings.TrimSpace(answer) != ""
}

// changing are the tools that change data; the others read data.
var changing = map[string]bool{
	"cancel_pending_order": true, "modify_pending_order_address": true, "modify_pending_order_items": true,
	"modify_pending_order_payment": true, "exchange_delivered_order_items": true, "return_delivered_order_items": true,
	"modify_user_address": true,
}

// poor reports whether a gift card could not pay for a call.
func (c call) poor() bool {
	return strings.HasPrefix(c.Result, "Error: insufficient gift card balance")
}

// asks reports by the benchmark's result whether a call needs approval.
func (c call) asks(t *testing.T) bool {
	t.Helper()
	if !changing[c.Name] || c.refused() {
		return false
	}
	var o struct {
		Items []struct {
			ID    string `json:"item_id"`
			Price float64
		}
		Payments   []struct{ Amount float64 } `json:"payment_history"`
		Difference float64                    `json:"exchange_price_difference"`
		Returned   []string                   `json:"return_items"`
	}
	require.NoError(t, json.Unmarshal([]byte(c.Result), &o))
	returned, total, back := map[string]int{}, 0.0, 0.0
	for _, id := range o.Returned {
		returned[id]++
	}
	for _, i := range o.Items {
		total += i.Price
		if returned[i.ID] > 0 {
			returned[i.ID]--
			back += i.Price
		}
	}
	var moved float64
	switch c.Name {
	case "cancel_pending_order", "modify_pending_order_payment":
		moved = total
	case "modify_pending_order_items":
		moved = lastOf(o.Payments).Amount
	case "exchange_delivered_order_items":
		moved = math.Abs(o.Difference)
	case "return_delivered_order_items":
		moved = back
	}
	return moved > 100+1e-6
}

// TestSaid: the required texts in the answer to a job.
func TestSaid(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		answer  string
		outputs []string
		want    bool
	}{
		{"That is all.", nil, true},
		{" ", nil, false},
		{"It costs 1,939.05 by MasterCard.", []string{"1939.05", "mastercard"}, true},
		{"It costs 1939.05.", []string{"1,939.05"}, true},
		{"It costs 1,939.50.", []string{"1,939.05"}, false},
		{"To Chicago, IL.", []string{"Chicago, IL", "60621"}, false},
	} {
		require.Equal(t, tt.want, said(tt.answer, tt.outputs), tt)
	}
}
