package desk_test

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/desk"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal/pgtest"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A shop is a desk with the seed.
func shop(t *testing.T) *desk.Desk {
	t.Helper()
	d, err := desk.Open(t.Context(), filepath.Join(t.TempDir(), "desk #1.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	did, err := d.Seed(t.Context())
	require.NoError(t, err)
	require.True(t, did)
	return d
}

func named(t *testing.T, d *desk.Desk, name string) tool.Tool {
	t.Helper()
	for _, x := range d.Tools() {
		if x.Def().Name == name {
			return x
		}
	}
	t.Fatalf("no tool %s", name)
	return tool.Tool{}
}

// use calls a tool as a runner does, and returns the text for the model. A call
// without a key is a new call.
func use(t *testing.T, d *desk.Desk, key, name, arguments string) string {
	t.Helper()
	return attempt(t, d, tool.Call{Key: key, Tool: name}, arguments)
}

// attempt is use for a certain attempt at a call.
func attempt(t *testing.T, d *desk.Desk, c tool.Call, arguments string) string {
	t.Helper()
	x := named(t, d, c.Tool)
	args, _, err := x.Parse(arguments)
	require.NoError(t, err)
	parts, err := x.Call(tool.WithCall(t.Context(), c, nil), args)
	if failed, ok := errors.AsType[*tool.Error](err); ok {
		return failed.Message
	}
	require.NoError(t, err)
	return llm.Message{Parts: parts}.Text()
}

func order(t *testing.T, d *desk.Desk, id string) *desk.Order {
	t.Helper()
	all, err := d.Export(t.Context())
	require.NoError(t, err)
	return all.Orders[id]
}

func balance(t *testing.T, d *desk.Desk, user, card string) string {
	t.Helper()
	all, err := d.Export(t.Context())
	require.NoError(t, err)
	return all.Users[user].PaymentMethods[card].Balance.String()
}

// TestSeed: a database is seeded once, and its orders match its products.
func TestSeed(t *testing.T) {
	t.Parallel()
	d := shop(t)
	did, err := d.Seed(t.Context())
	require.NoError(t, err)
	require.False(t, did)
	all, err := d.Export(t.Context())
	require.NoError(t, err)
	for id, o := range all.Orders {
		var total desk.Cents
		for _, i := range o.Items {
			v, ok := all.Products[i.ProductID].Variants[i.ItemID]
			require.True(t, ok, id)
			require.Equal(t, desk.Item{Name: all.Products[i.ProductID].Name, ProductID: i.ProductID, ItemID: v.ItemID, Price: v.Price, Options: v.Options}, i)
			total += i.Price
		}
		require.Equal(t, total, o.PaymentHistory[0].Amount, id)
		require.Contains(t, all.Users[o.UserID].PaymentMethods, o.PaymentHistory[0].PaymentMethodID, id)
	}
	require.Error(t, d.Import(t.Context(), all), "all of it is there")
}

// TestApproval: changes up to 100.00 need no approval.
func TestApproval(t *testing.T) {
	t.Parallel()
	d := shop(t)
	for _, tt := range []struct {
		why, tool, args string
		want            bool
	}{
		{"40.85", "cancel_pending_order", `{"order_id":"#D0001001","reason":"no longer needed"}`, false},
		{"100.00", "cancel_pending_order", `{"order_id":"#D0001009","reason":"no longer needed"}`, false},
		{"119.05", "cancel_pending_order", `{"order_id":"#D0001014","reason":"no longer needed"}`, true},
		{"it is refused", "cancel_pending_order", `{"order_id":"#D0001008","reason":"no longer needed"}`, false},
		{"there is none", "cancel_pending_order", `{"order_id":"#D9","reason":"no longer needed"}`, false},
		{"40.85", "modify_pending_order_payment", `{"order_id":"#D0001001","payment_method_id":"gift_card_1001"}`, false},
		{"119.05", "modify_pending_order_payment", `{"order_id":"#D0001014","payment_method_id":"credit_card_1012"}`, true},
		{"100.01 more", "modify_pending_order_items", `{"order_id":"#D0001010","item_ids":["7100000071"],"new_item_ids":["7100000072"],"payment_method_id":"paypal_1008"}`, true},
		{"14.55 more", "modify_pending_order_items", `{"order_id":"#D0001010","item_ids":["7100000111"],"new_item_ids":["7100000112"],"payment_method_id":"paypal_1008"}`, false},
		{"100.01 less", "exchange_delivered_order_items", `{"order_id":"#D0001011","item_ids":["7100000072"],"new_item_ids":["7100000071"],"payment_method_id":"gift_card_1009"}`, true},
		{"none", "exchange_delivered_order_items", `{"order_id":"#D0001011","item_ids":["7100000072"],"new_item_ids":["7100000072"],"payment_method_id":"gift_card_1009"}`, false},
		{"79.90", "return_delivered_order_items", `{"order_id":"#D0001008","item_ids":["7100000021"],"payment_method_id":"gift_card_1006"}`, false},
		{"218.90", "return_delivered_order_items", `{"order_id":"#D0001008","item_ids":["7100000021","7100000101"],"payment_method_id":"gift_card_1006"}`, true},
		{"an address", "modify_pending_order_address", `{"order_id":"#D0001014","address1":"a","address2":"","city":"c","state":"s","country":"USA","zip":"1"}`, false},
	} {
		got, err := named(t, d, tt.tool).NeedsApproval(t.Context(), json.RawMessage(tt.args))
		require.NoError(t, err, tt)
		require.Equal(t, tt.want, got, tt)
	}
	require.NoError(t, d.Close())
	got, err := named(t, d, "cancel_pending_order").NeedsApproval(t.Context(), json.RawMessage(`{"order_id":"#D0001001","reason":"no longer needed"}`))
	require.Error(t, err)
	require.True(t, got, "nobody can tell")
}

// TestApprovalOfThePoor: another call may fill a gift card between the policy and
// the call. So the call needs approval, although the card cannot pay yet.
func TestApprovalOfThePoor(t *testing.T) {
	t.Parallel()
	d := shop(t)
	exec := func(statement string) {
		_, err := d.Journal().DB.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
	exec(`INSERT INTO payment_methods (user_id, id, source, brand, last_four, balance_cents) VALUES
		('lena_brook_1012', 'gift_card_12', 'gift_card', '', '', 10000), ('hugo_marsh_1008', 'gift_card_8', 'gift_card', '', '', 10000)`)
	for _, tt := range []struct{ tool, args, poor string }{
		{"modify_pending_order_payment", `{"order_id":"#D0001014","payment_method_id":"gift_card_12"}`, "Error: insufficient gift card balance to pay for the order"},
		{"modify_pending_order_items", `{"order_id":"#D0001010","item_ids":["7100000071"],"new_item_ids":["7100000072"],"payment_method_id":"gift_card_8"}`,
			"Error: insufficient gift card balance to pay for the new item"},
	} {
		asks, err := named(t, d, tt.tool).NeedsApproval(t.Context(), json.RawMessage(tt.args))
		require.NoError(t, err)
		require.True(t, asks, tt.tool)
		require.Equal(t, tt.poor, use(t, d, tt.tool, tt.tool, tt.args))
		exec(`UPDATE payment_methods SET balance_cents = balance_cents + 5000 WHERE id IN ('gift_card_12', 'gift_card_8')`)
		require.NotContains(t, use(t, d, tt.tool, tt.tool, tt.args), "Error", "and nobody is asked again")
		exec(`UPDATE payment_methods SET balance_cents = 10000 WHERE id = 'gift_card_8'`)
	}
}

// TestRepeated: calls with the same key take effect once and have the same result,
// also at the same time. A call with another key is another call.
func TestRepeated(t *testing.T) {
	t.Parallel()
	d := shop(t)
	const args = `{"order_id":"#D0001001","payment_method_id":"gift_card_1001"}`
	answers := make([]string, 4)
	var calls sync.WaitGroup
	for i := range answers {
		calls.Go(func() { answers[i] = use(t, d, "k1", "modify_pending_order_payment", args) })
	}
	calls.Wait()
	for _, a := range answers {
		require.Contains(t, a, `"payment_method_id":"gift_card_1001"`)
		require.JSONEq(t, answers[0], a)
	}
	require.Equal(t, "34.15", balance(t, d, "ada_pine_1001", "gift_card_1001"))
	require.Len(t, order(t, d, "#D0001001").PaymentHistory, 3)
	require.Equal(t, "Error: there should be exactly one payment for a pending order", use(t, d, "k2", "modify_pending_order_payment", args))

	// The order was cancelled in the meantime; the first call still has its first
	// result.
	use(t, d, "k3", "cancel_pending_order", `{"order_id":"#D0001001","reason":"ordered by mistake"}`)
	require.JSONEq(t, answers[0], use(t, d, "k1", "modify_pending_order_payment", args))
}

// TestLateAttempt: a process was stopped before it made a call, and another process
// made the call in the meantime. The result of that process counts, also a refusal.
func TestLateAttempt(t *testing.T) {
	t.Parallel()
	for name, place := range map[string]func() string{
		"SQLite":     func() string { return filepath.Join(t.TempDir(), "desk.db") },
		"PostgreSQL": func() string { return pgtest.Database(t) },
	} {
		d, err := desk.Open(t.Context(), place())
		require.NoError(t, err, name)
		defer func() { require.NoError(t, d.Close()) }()
		_, err = d.Seed(t.Context())
		require.NoError(t, err, name)
		const args = `{"order_id":"#D0001014","payment_method_id":"gift_card_12"}`
		const poor = "Error: insufficient gift card balance to pay for the order"
		pay := func(fence int64) string {
			return attempt(t, d, tool.Call{Key: "k", Fence: fence, Tool: "modify_pending_order_payment"}, args)
		}
		exec := func(statement string) {
			_, err := d.Journal().DB.ExecContext(t.Context(), statement)
			require.NoError(t, err, name)
		}
		exec(`INSERT INTO payment_methods (user_id, id, source, brand, last_four, balance_cents) VALUES ('lena_brook_1012', 'gift_card_12', 'gift_card', '', '', 0)`)
		require.Equal(t, poor, pay(8), name)
		exec(`UPDATE payment_methods SET balance_cents = 50000 WHERE id = 'gift_card_12'`)
		before := order(t, d, "#D0001014")
		require.NotContains(t, pay(5), "payment_history", "%s: the refusal was what the model read", name)
		require.Equal(t, before, order(t, d, "#D0001014"), name)
		require.Contains(t, pay(9), "payment_history", name)
		paid := order(t, d, "#D0001014")
		require.Contains(t, pay(5), "payment_history", "%s: it is answered as the other one was", name)
		require.Equal(t, paid, order(t, d, "#D0001014"), name)
	}
}

// TestCancelRefundsWhatWasPaid: no payment is refunded twice.
func TestCancelRefundsWhatWasPaid(t *testing.T) {
	t.Parallel()
	d := shop(t)
	use(t, d, "", "modify_pending_order_payment", `{"order_id":"#D0001001","payment_method_id":"gift_card_1001"}`)
	use(t, d, "", "cancel_pending_order", `{"order_id":"#D0001001","reason":"no longer needed"}`)
	o := order(t, d, "#D0001001")
	require.Equal(t, []desk.Payment{
		{TransactionType: "payment", Amount: 40_85, PaymentMethodID: "credit_card_1001"},
		{TransactionType: "payment", Amount: 40_85, PaymentMethodID: "gift_card_1001"},
		{TransactionType: "refund", Amount: 40_85, PaymentMethodID: "credit_card_1001"},
		{TransactionType: "refund", Amount: 40_85, PaymentMethodID: "gift_card_1001"},
	}, o.PaymentHistory)
	require.Equal(t, "cancelled", o.Status)
	require.Equal(t, "75.00", balance(t, d, "ada_pine_1001", "gift_card_1001"))
}

// TestRefusals: the model reads the first applicable refusal, and nothing has
// changed.
func TestRefusals(t *testing.T) {
	t.Parallel()
	d := shop(t)
	before, err := d.Export(t.Context())
	require.NoError(t, err)
	const twice = `"7100000021","7100000021"` // the items of order #D0001012
	for _, tt := range []struct{ want, tool, args string }{
		{"user not found", "find_user_id_by_email", `{"email":"nobody@example.com"}`},
		{"user not found", "find_user_id_by_name_zip", `{"first_name":"Ada","last_name":"Pine","zip":"97202"}`},
		{"user not found", "get_user_details", `{"user_id":""}`},
		{"product not found", "get_product_details", `{"product_id":"7100000001"}`},
		{"order not found", "get_order_details", `{"order_id":"D0001001"}`},
		{"invalid characters in expression", "calculate", `{"expression":"2 ^ 3"}`},
		{"non-pending order cannot be cancelled", "cancel_pending_order", `{"order_id":"#D0001002","reason":"no longer needed"}`},
		{"non-pending order cannot be modified", "modify_pending_order_payment", `{"order_id":"#D0001002","payment_method_id":"none"}`},
		{"payment method not found", "modify_pending_order_payment", `{"order_id":"#D0001006","payment_method_id":"none"}`},
		{"the new payment method should be different from the current one", "modify_pending_order_payment", `{"order_id":"#D0001006","payment_method_id":"credit_card_1005"}`},
		{"insufficient gift card balance to pay for the order", "modify_pending_order_payment", `{"order_id":"#D0001006","payment_method_id":"gift_card_1005"}`},
		{"7100000021 not found", "modify_pending_order_items", `{"order_id":"#D0001012","item_ids":[` + twice + `,"7100000021"],"new_item_ids":[],"payment_method_id":"none"}`},
		{"the number of items to be exchanged should match", "modify_pending_order_items", `{"order_id":"#D0001012","item_ids":[` + twice + `],"new_item_ids":["7100000022"],"payment_method_id":"none"}`},
		{"new item 7100000001 not found or available", "modify_pending_order_items", `{"order_id":"#D0001012","item_ids":["7100000021"],"new_item_ids":["7100000001"],"payment_method_id":"none"}`},
		{"payment method not found", "modify_pending_order_items", `{"order_id":"#D0001012","item_ids":["7100000021"],"new_item_ids":["7100000023"],"payment_method_id":"none"}`},
		{"insufficient gift card balance to pay for the new item", "modify_pending_order_items", `{"order_id":"#D0001006","item_ids":["7100000041"],"new_item_ids":["7100000042"],"payment_method_id":"gift_card_1005"}`},
		{"non-delivered order cannot be exchanged", "exchange_delivered_order_items", `{"order_id":"#D0001006","item_ids":[],"new_item_ids":[],"payment_method_id":"none"}`},
		{"non-delivered order cannot be returned", "return_delivered_order_items", `{"order_id":"#D0001006","item_ids":[],"payment_method_id":"none"}`},
		{"payment method not found", "return_delivered_order_items", `{"order_id":"#D0001004","item_ids":["none"],"payment_method_id":"none"}`},
		{"payment method should be either the original payment method or a gift card", "return_delivered_order_items", `{"order_id":"#D0001004","item_ids":["none"],"payment_method_id":"paypal_1003"}`},
		{"some item not found", "return_delivered_order_items", `{"order_id":"#D0001004","item_ids":["7100000081","7100000081"],"payment_method_id":"gift_card_1003"}`},
	} {
		require.Equal(t, "Error: "+tt.want, use(t, d, "refused", tt.tool, tt.args))
	}
	after, err := d.Export(t.Context())
	require.NoError(t, err)
	require.Equal(t, before, after)
}

// TestPairs: a later pair can replace the item of an earlier pair.
func TestPairs(t *testing.T) {
	t.Parallel()
	d := shop(t)
	use(t, d, "", "modify_pending_order_items", `{"order_id":"#D0001012","item_ids":["7100000021","7100000022"],
		"new_item_ids":["7100000022","7100000023"],"payment_method_id":"credit_card_1010"}`)
	o := order(t, d, "#D0001012")
	require.Equal(t, []string{"7100000023", "7100000022", "7100000021"}, []string{o.Items[0].ItemID, o.Items[1].ItemID, o.Items[2].ItemID})
	require.Equal(t, desk.Payment{TransactionType: "payment", Amount: 14_50, PaymentMethodID: "credit_card_1010"}, o.PaymentHistory[1])
	require.Equal(t, "pending (item modified)", o.Status)
}

// TestHidden: the model does not read errors of the database.
func TestHidden(t *testing.T) {
	t.Parallel()
	d := shop(t)
	require.NoError(t, d.Close())
	const want = "The tool failed. The reason is not for you to see; the same call may fail again."
	require.Equal(t, want, use(t, d, "", "get_user_details", `{"user_id":"ada_pine_1001"}`))
	require.Equal(t, want, use(t, d, "k", "cancel_pending_order", `{"order_id":"#D0001001","reason":"no longer needed"}`))
}

// TestNewerTables: Open does not change a database of a later version.
func TestNewerTables(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "desk.db")
	d, err := desk.Open(t.Context(), path)
	require.NoError(t, err)
	_, err = d.Journal().DB.ExecContext(t.Context(), `INSERT INTO desk_version (version) VALUES (99)`)
	require.NoError(t, err)
	require.NoError(t, d.Close())
	_, err = desk.Open(t.Context(), path)
	require.EqualError(t, err, "desk: migrate: the tables are of version 99, and this program knows up to 2")
}

func TestCalculate(t *testing.T) {
	t.Parallel()
	d := shop(t)
	for expression, want := range map[string]string{
		"12.50": "12.5", "30": "30.0", "135.24 - 153.23": "-17.99", "2 + 3 * 4": "14.0", "(2+3)*4": "20.0",
		"-(1.5 + .5) / 4.": "-0.5", "1 - 2 - 3": "-4.0", "16 / 4 / 2": "2.0", "0.1+0.2": "0.3", "2.675": "2.67", "--5": "5.0",
		"": "Error: malformed expression", "2 +": "Error: malformed expression", "(2": "Error: malformed expression",
		"2 3": "Error: malformed expression", "1.2.3": "Error: malformed expression", "2**3": "Error: malformed expression",
		"1 / 0": "Error: the expression has no finite result", "0/0": "Error: the expression has no finite result",
		"x": "Error: invalid characters in expression",
	} {
		text, err := json.Marshal(map[string]string{"expression": expression})
		require.NoError(t, err)
		require.Equal(t, want, use(t, d, "", "calculate", string(text)), expression)
	}
}

func TestCents(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]desk.Cents{"0.05": 5, "17": 17_00, "17.0": 17_00, "-12.5": -12_50, "-0.05": -5, "561.05": 561_05, "0.290": 29} {
		var c desk.Cents
		require.NoError(t, json.Unmarshal([]byte(text), &c), text)
		require.Equal(t, want, c, text)
		back, err := json.Marshal(c)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(back, &c))
		require.Equal(t, want, c, text)
	}
	for _, text := range []string{"0.001", "1e2", `"1"`, "99999999999999999999"} {
		require.Error(t, json.Unmarshal([]byte(text), new(desk.Cents)), text)
	}
	require.Equal(t, "-0.05", desk.Cents(-5).String())
}
