package tool_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// The arguments of the order desk's tools as Go structs.
type (
	calculateArgs struct {
		Expression string `json:"expression" jsonschema_description:"Numbers, the operators + - * /, parentheses and spaces, e.g. (2 + 3) * 4.5"`
	}
	cancelOrderArgs struct {
		OrderID string `json:"order_id" jsonschema_description:"With its leading #, e.g. #W0000000"`
		Reason  string `json:"reason" jsonschema:"enum=no longer needed,enum=ordered by mistake"`
	}
	exchangeItemsArgs struct {
		OrderID string `json:"order_id" jsonschema_description:"With its leading #, e.g. #W0000000"`
		itemSwap
	}
	findByEmailArgs struct {
		Email string `json:"email"`
	}
	findByNameArgs struct {
		FirstName string `json:"first_name"`
		LastName  string `json:"last_name"`
		Zip       string `json:"zip" jsonschema_description:"That of the profile's address, e.g. 12345"`
	}
	orderDetailsArgs struct {
		OrderID string `json:"order_id" jsonschema_description:"With its leading #, e.g. #W0000000"`
	}
	productDetailsArgs struct {
		ProductID string `json:"product_id" jsonschema_description:"Of the product, not of one of its items"`
	}
	userDetailsArgs struct {
		UserID string `json:"user_id" jsonschema_description:"e.g. sara_doe_496"`
	}
	productTypesArgs struct{}
	orderAddressArgs struct {
		OrderID string `json:"order_id" jsonschema_description:"With its leading #, e.g. #W0000000"`
		postalAddress
	}
	modifyItemsArgs struct {
		OrderID string `json:"order_id" jsonschema_description:"With its leading #, e.g. #W0000000"`
		itemSwap
	}
	modifyPaymentArgs struct {
		OrderID         string `json:"order_id" jsonschema_description:"With its leading #, e.g. #W0000000"`
		PaymentMethodID string `json:"payment_method_id" jsonschema_description:"One of the user's, e.g. gift_card_0000000"`
	}
	userAddressArgs struct {
		UserID string `json:"user_id" jsonschema_description:"e.g. sara_doe_496"`
		postalAddress
	}
	returnItemsArgs struct {
		OrderID         string   `json:"order_id" jsonschema_description:"With its leading #, e.g. #W0000000"`
		ItemIDs         []string `json:"item_ids" jsonschema_description:"As often as the order has the item"`
		PaymentMethodID string   `json:"payment_method_id" jsonschema_description:"Where the money goes: the original one, or a gift card"`
	}
	thinkArgs struct {
		Thought string `json:"thought"`
	}
	transferArgs struct {
		Summary string `json:"summary" jsonschema_description:"What the user wants, for the person who takes over"`
	}

	itemSwap struct {
		ItemIDs         []string `json:"item_ids" jsonschema_description:"As often as the order has the item"`
		NewItemIDs      []string `json:"new_item_ids" jsonschema_description:"Variants of the same products, in the order of item_ids"`
		PaymentMethodID string   `json:"payment_method_id" jsonschema_description:"Pays or receives the difference"`
	}
	postalAddress struct {
		Address1 string `json:"address1" jsonschema_description:"e.g. 123 Main St"`
		Address2 string `json:"address2" jsonschema_description:"e.g. Apt 1; may be empty"`
		City     string `json:"city"`
		State    string `json:"state" jsonschema_description:"e.g. CA"`
		Country  string `json:"country" jsonschema_description:"e.g. USA"`
		Zip      string `json:"zip" jsonschema_description:"e.g. 12345"`
	}
)

// deskTools makes the typed tools. Each answers what it decoded.
var deskTools = map[string]func(name, description string) (tool.Tool, error){
	"calculate":                      handsBack[calculateArgs],
	"cancel_pending_order":           handsBack[cancelOrderArgs],
	"exchange_delivered_order_items": handsBack[exchangeItemsArgs],
	"find_user_id_by_email":          handsBack[findByEmailArgs],
	"find_user_id_by_name_zip":       handsBack[findByNameArgs],
	"get_order_details":              handsBack[orderDetailsArgs],
	"get_product_details":            handsBack[productDetailsArgs],
	"get_user_details":               handsBack[userDetailsArgs],
	"list_all_product_types":         handsBack[productTypesArgs],
	"modify_pending_order_address":   handsBack[orderAddressArgs],
	"modify_pending_order_items":     handsBack[modifyItemsArgs],
	"modify_pending_order_payment":   handsBack[modifyPaymentArgs],
	"modify_user_address":            handsBack[userAddressArgs],
	"return_delivered_order_items":   handsBack[returnItemsArgs],
	"think":                          handsBack[thinkArgs],
	"transfer_to_human_agents":       handsBack[transferArgs],
}

func handsBack[In any](name, description string) (tool.Tool, error) {
	return tool.New(name, description, func(_ context.Context, in In) (got[In], error) { return got[In]{in}, nil })
}

func handsBackRaw(d deskTool) (tool.Tool, error) {
	return tool.NewRaw(d.Name, d.Description, d.Parameters, func(_ context.Context, in json.RawMessage) (got[json.RawMessage], error) {
		return got[json.RawMessage]{in}, nil
	})
}

// got contains the received arguments.
type got[In any] struct {
	Got In `json:"got"`
}

type (
	deskTool struct {
		Name, Description string
		Parameters        json.RawMessage
	}
	deskCall struct {
		Name      string
		Arguments json.RawMessage
	}
	// deskSchema is what is compared of two schemas: their texts differ.
	deskSchema struct {
		Properties map[string]deskProperty
		Required   []string
	}
	deskProperty struct {
		Type, Description string
		Enum              []string
		Items             struct{ Type string }
	}
)

// deskDir is where the order desk is, beside the repository or where
// TOOLLOOP_ORDERDESK says.
func deskDir(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("TOOLLOOP_ORDERDESK")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "orderdesk")
	}
	for _, file := range []string{"tools.json", "jobs.jsonl"} {
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

func deskDeclares(t *testing.T, dir string) (declared []deskTool) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "tools.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, &declared))
	return declared
}

func deskCalls(t *testing.T, dir string) (calls []deskCall) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "jobs.jsonl"))
	require.NoError(t, err)
	for dec := json.NewDecoder(bytes.NewReader(raw)); dec.More(); {
		var job struct{ Calls []deskCall }
		require.NoError(t, dec.Decode(&job))
		calls = append(calls, job.Calls...)
	}
	return calls
}

// TestOrderDesk validates the recorded calls of an outside benchmark against its 16
// tools, both as declared and as Go structs.
func TestOrderDesk(t *testing.T) {
	dir := deskDir(t)
	raw, typed := map[string]tool.Tool{}, map[string]tool.Tool{}
	for _, d := range deskDeclares(t, dir) {
		require.Contains(t, deskTools, d.Name)
		raw[d.Name] = tool.Must(handsBackRaw(d))
		typed[d.Name] = tool.Must(deskTools[d.Name](d.Name, d.Description))
		require.Equal(t, deskForm(t, raw[d.Name]), deskForm(t, typed[d.Name]), d.Name)
	}
	require.Len(t, raw, len(deskTools))

	calls, taken, omissions := deskCalls(t, dir), 0, 0
	for i, c := range calls {
		where := fmt.Sprintf("call %d of %s: %s", i, c.Name, c.Arguments)
		for _, x := range []tool.Tool{raw[c.Name], typed[c.Name]} {
			requireDeskCall(t, x, c, where)
			omissions += requireOmissionsRefused(t, x, c, where)
		}
		taken++
	}
	require.NotEmpty(t, calls)
	fmt.Printf("order desk: %d tools, %d of %d calls, %d omissions refused\n", len(raw), taken, len(calls), omissions)
}

// deskForm is the form of a tool's arguments, without descriptions.
func deskForm(t *testing.T, x tool.Tool) deskSchema {
	t.Helper()
	form := deskShows(t, x)
	slices.Sort(form.Required)
	for name, p := range form.Properties {
		p.Description = ""
		form.Properties[name] = p
	}
	if len(form.Required) == 0 {
		form.Required = nil
	}
	return form
}

func deskShows(t *testing.T, x tool.Tool) (shown deskSchema) {
	t.Helper()
	require.NoError(t, json.Unmarshal(x.Def().Schema, &shown))
	return shown
}

// requireDeskCall requires that a recorded call is valid without repairs, and that the
// function receives all arguments.
func requireDeskCall(t *testing.T, x tool.Tool, c deskCall, where string) {
	t.Helper()
	args, repairs, err := x.Parse(string(c.Arguments))
	require.NoError(t, err, where)
	require.Empty(t, repairs, where)
	require.JSONEq(t, string(c.Arguments), string(args), where)
	parts, err := x.Call(t.Context(), args)
	require.NoError(t, err, where)
	require.JSONEq(t, `{"got":`+string(c.Arguments)+`}`, llm.Message{Parts: parts}.Text(), where)
}

// requireOmissionsRefused leaves out each required argument in turn, and
// returns how many those are.
func requireOmissionsRefused(t *testing.T, x tool.Tool, c deskCall, where string) int {
	t.Helper()
	shown := deskShows(t, x)
	for _, name := range shown.Required {
		var args map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(c.Arguments, &args))
		require.Contains(t, args, name, where)
		delete(args, name)
		left, err := json.Marshal(args)
		require.NoError(t, err)
		_, _, err = x.Parse(string(left))
		requireProblems(t, err, c.Name, deskMissing(name, shown.Properties[name]))
	}
	return len(shown.Required)
}

// deskMissing is the text for the model about a missing property.
func deskMissing(name string, p deskProperty) string {
	about := p.Type
	if d := []rune(strings.Join(strings.Fields(p.Description), " ")); len(d) > 80 {
		about += ": " + string(d[:80]) + "…"
	} else if len(d) > 0 {
		about += ": " + string(d)
	}
	return fmt.Sprintf(`(top level): required property "%s" is missing (%s)`, name, about)
}
