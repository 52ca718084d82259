package tool_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/tool"
)

const orderSchema = `{
	"type": "object",
	"properties": {
		"order_id": {"type": "string", "description": "Order id, such as '#W0000000'", "pattern": "^#W[0-9]{7}$"},
		"item_ids": {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": true},
		"reason": {"enum": ["no longer needed", "ordered by mistake"]},
		"qty": {"type": "integer", "minimum": 1},
		"amount": {"type": "number", "maximum": 500, "exclusiveMinimum": 0, "multipleOf": 0.5},
		"notify": {"type": "boolean"},
		"when": {"type": "string", "minLength": 3, "maxLength": 5},
		"address": {"type": "object", "properties": {"street": {"type": "string"}, "city": {"type": "string"}}, "additionalProperties": false, "minProperties": 1},
		"ref": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
		"note": {"anyOf": [{"type": "string", "maxLength": 3}, {"type": "null"}]},
		"payment": {"oneOf": [{"$ref": "#/$defs/card"}, {"$ref": "#/$defs/gift"}]},
		"shape": {"anyOf": [{"required": ["r"]}, {"required": ["w", "h"]}]},
		"tags": {"type": "object", "propertyNames": {"pattern": "^[a-z]+$"}},
		"pair": {"prefixItems": [{"type": "integer"}], "items": false},
		"never": false,
		"mode": {"const": "fast"},
		"no_zero": {"not": {"const": 0}},
		"has": {"contains": {"type": "integer"}},
		"deep/~er": {"additionalProperties": {"type": "integer"}}
	},
	"dependentRequired": {"notify": ["when"]},
	"required": ["order_id", "item_ids"],
	"additionalProperties": false,
	"$defs": {
		"card": {"properties": {"kind": {"const": "card"}, "number": {"type": "string"}}, "required": ["kind", "number"], "additionalProperties": false},
		"gift": {"properties": {"kind": {"const": "gift"}, "code": {"type": "string"}}, "required": ["kind", "code"], "additionalProperties": false}
	}
}`

func TestProblems(t *testing.T) {
	t.Parallel()
	cancel := tool.Must(tool.NewRaw("cancel_items", "", json.RawMessage(orderSchema), echo))
	// with returns the required members and one further member.
	with := func(more string) string { return `{"order_id":"#W1234567","item_ids":["1"],` + more + `}` }
	tests := []struct {
		name, in string
		want     []string
	}{
		{"wrong names", `{"orderId":"#W1234567","items":["1"]}`, []string{
			`(top level): required property "item_ids" is missing (array)`,
			`(top level): required property "order_id" is missing (string: Order id, such as '#W0000000')`,
			`(top level): unknown property "items"; allowed: address, amount, deep/~er, has, item_ids, mode, never, no_zero, note, notify, order_id, pair, payment, qty, reason, ref, shape, tags, when`,
			`(top level): unknown property "orderId"; did you mean "order_id"?`,
		}},
		{"limits", `{"order_id":"W123","item_ids":[]}`, []string{
			`/item_ids: must have at least 1 item; got 0`,
			`/order_id: must match the regular expression ^#W[0-9]{7}$; got the string "W123"`,
		}},
		{"enum", with(`"reason":"No longer needed"`), []string{
			`/reason: must be one of "no longer needed", "ordered by mistake"; got the string "No longer needed"; did you mean "no longer needed"?`}},
		{"enum of another type", with(`"reason":[1]`), []string{
			`/reason: must be one of "no longer needed", "ordered by mistake"; got an array of 1 item`}},
		{"unique", `{"order_id":"#W1234567","item_ids":["1","2","1"]}`, []string{
			`/item_ids: items 0 and 2 are equal; items must be unique`}},
		{"JSON in strings with more around it", `{"order_id":"#W1234567","item_ids":["1"],"qty":" 3","notify":"true ","when":"now","amount":"1.5 "}`, []string{
			`/amount: must be number, got the string "1.5 "; send it without quotes: 1.5`,
			`/notify: must be boolean, got the string "true "; send it without quotes: true`,
			`/qty: must be integer, got the string " 3"; send it without quotes: 3`,
		}},
		{"no advice for other strings", with(`"qty":"three","amount":"null"`), []string{
			`/amount: must be number, got the string "null"`,
			`/qty: must be integer, got the string "three"`,
		}},
		{"numbers", with(`"amount":750.25,"qty":0`), []string{
			`/amount: must be <= 500; got the number 750.25`,
			`/amount: must be a multiple of 0.5; got the number 750.25`,
			`/qty: must be >= 1; got the number 0`,
		}},
		{"fraction", with(`"qty":1.5,"amount":0`), []string{
			`/amount: must be > 0; got the number 0`,
			`/qty: must be integer, got the number 1.5`,
		}},
		{"lengths", with(`"when":"éé"`), []string{`/when: must have at least 3 characters; got 2`}},
		{"too long", with(`"when":"123456"`), []string{`/when: must have at most 5 characters; got 6`}},
		{"nested", with(`"address":{"streat":"x"}`), []string{`/address: unknown property "streat"; did you mean "street"?`}},
		{"too few", with(`"address":{}`), []string{`/address: must have at least 1 property; got 0`}},
		{"types of a union", with(`"ref":{"a":1}`), []string{`/ref: must be integer or string, got an object with keys [a]`}},
		{"null does not count", with(`"note":"long"`), []string{`/note: must have at most 3 characters; got 4`}},
		{"variant by its constant", with(`"payment":{"kind":"gift","number":"1"}`), []string{
			`/payment: required property "code" is missing (string)`,
			`/payment: unknown property "number"; allowed: code, kind`,
		}},
		{"no variant", with(`"payment":{"kind":"cash"}`), []string{
			`/payment/kind: must be one of "card", "gift"; got the string "cash"`}},
		{"no branch", with(`"shape":{"w":1}`), []string{`/shape: must have "r", or "h"; got an object with keys [w]`}},
		{"property names", with(`"tags":{"A":1}`), []string{`(top level): property name "A" is not allowed`}},
		{"dependent", with(`"notify":true`), []string{`(top level): property "notify" also needs when`}},
		{"too many items", with(`"pair":[1,2]`), []string{`/pair/1: is not allowed`}},
		{"never", with(`"never":1`), []string{`/never: is not allowed`}},
		{"constant", with(`"mode":"slow"`), []string{`/mode: must be "fast"; got the string "slow"`}},
		{"not", with(`"no_zero":0`), []string{`/no_zero: has a form that is not allowed; got the number 0`}},
		{"contains", with(`"has":["a"]`), []string{`/has: must contain an item of the required form; got an array of 1 item`}},
		{"pointer", with(`"deep/~er":{"x/y":"1.5"}`), []string{`/deep~1~0er/x~1y: must be integer, got the string "1.5"`}},
		{"order of items", `{"order_id":"#W1234567","item_ids":["0","1",2,"3","4","5","6","7","8","9",10]}`, []string{
			`/item_ids/2: must be string, got the number 2`,
			`/item_ids/10: must be string, got the number 10`,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for range 3 { // the library's order is random, ours is not
				_, _, err := cancel.Parse(tt.in)
				requireProblems(t, err, "cancel_items", tt.want...)
			}
		})
	}
}

func requireProblems(t *testing.T, err error, name string, want ...string) {
	t.Helper()
	e, ok := errors.AsType[*tool.Error](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, tool.InvalidArguments, e.Failure)
	head := "1 problem"
	if len(want) > 1 {
		head = string(rune('0'+len(want))) + " problems"
	}
	require.Equal(t, "Arguments for "+name+" do not match its schema ("+head+"):\n- "+strings.Join(want, "\n- ")+
		"\nSend the call again with corrected arguments.", e.Message)
}

func TestProblemsAreBounded(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é\n", 1000)
	quoted, err := json.Marshal(long)
	require.NoError(t, err)
	var enum []string
	for i := range 40 {
		enum = append(enum, strings.Repeat("v", i+1))
	}
	enums, err := json.Marshal(enum)
	require.NoError(t, err)
	big := tool.Must(tool.NewRaw("big", "", json.RawMessage(`{"properties":{"e":{"enum":`+string(enums)+`},`+
		string(quoted)+`:{"description":`+string(quoted)+`}},"required":[`+string(quoted)+`],"additionalProperties":{"type":"integer"}}`), echo))

	var b strings.Builder
	for _, name := range enum {
		b.WriteString(`,"` + name + `":` + string(quoted))
	}
	_, _, err = big.Parse(`{"e":` + string(quoted) + b.String() + `}`)
	e, ok := errors.AsType[*tool.Error](err)
	require.True(t, ok)
	require.LessOrEqual(t, len(e.Message), 1024)
	require.Contains(t, e.Message, "(42 problems)")
	require.Contains(t, e.Message, " more problems\nSend the call again with corrected arguments.")
	require.NotContains(t, e.Message, "é\n")

	few := tool.Must(tool.NewRaw("few", "", json.RawMessage(`{"properties":{"e":{"enum":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22]}}}`), echo))
	_, _, err = few.Parse(`{"e":0}`)
	requireProblems(t, err, "few", `/e: must be one of 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20 … (2 more); got the number 0`)
}

type shout string

func (s *shout) UnmarshalText(b []byte) error {
	if strings.ToUpper(string(b)) != string(b) {
		return errors.New("write it in capitals")
	}
	*s = shout(b)
	return nil
}

func TestProblemsOfTypedTools(t *testing.T) {
	t.Parallel()
	type args struct {
		Age   int8              `json:"age,omitempty"`
		Big   int64             `json:"big,omitempty"`
		Count uint              `json:"count,omitempty"`
		Ratio float32           `json:"ratio,omitempty"`
		Name  *string           `json:"name,omitempty" jsonschema:"enum=Ann,enum=Bob"`
		When  *jsonTime         `json:"when,omitempty"`
		Data  []byte            `json:"data,omitempty"`
		Shout shout             `json:"shout,omitempty"`
		Quote int16             `json:"quote,omitempty,string"`
		Keys  map[int8]string   `json:"keys,omitempty"`
		Lists map[string][]bool `json:"lists,omitempty"`
	}
	typed := tool.Must(tool.New("typed", "", func(context.Context, args) (string, error) { return "", nil }))
	tests := []struct{ name, in, want string }{
		{"small integer", `{"age":300}`, `/age: must be <= 127; got the number 300`},
		{"large integer", `{"big":9223372036854775808}`, `/big: must be <= 9223372036854775807; got the number 9223372036854775808`},
		{"huge integer", `{"big":1e300}`, `/big: must be <= 9223372036854775807; got the number 1e300`},
		{"negative", `{"count":-1}`, `/count: must be >= 0; got the number -1`},
		{"float", `{"ratio":1e39}`, `/ratio: must be <= 3.4028235e+38; got the number 1e39`},
		{"no null in an enum", `{"name":"Carl"}`, `/name: must be one of "Ann", "Bob"; got the string "Carl"`},
		{"no null in a type", `{"name":1}`, `/name: must be string, got the number 1`},
		{"time", `{"when":{"at":"2024-01-02"}}`, `/when/at: must be an RFC 3339 date-time with zone, e.g. 2024-01-31T15:04:05Z; got the string "2024-01-02"`},
		{"bytes", `{"data":"!!"}`, `/data: must be a string in base64; got the string "!!"`},
		{"own text", `{"shout":"abc"}`, `/shout: is not accepted: write it in capitals; got the string "abc"`},
		{"quoted", `{"quote":"40000"}`, `/quote: must be a whole number in range, in a string; got the string "40000"`},
		{"keys", `{"keys":{"200":"x"}}`, `(top level): property name "200" is not allowed`},
		{"keys twice", `{"keys":{"1":"x","01":"y"}}`, `(top level): property name "01" is not allowed`},
		{"below", `{"lists":{"a":[true,0]}}`, `/lists/a/1: must be boolean, got the number 0`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := typed.Parse(tt.in)
			requireProblems(t, err, "typed", tt.want)
		})
	}
}

func TestProblemsBelowTypesThatHoldThemselves(t *testing.T) {
	t.Parallel()
	made := tool.Must(takes[tree]())
	_, _, err := made.Parse(`{"name":"a","kids":[{"name":"b","kids":null,"next":{"name":1,"kids":[],"next":null}}],"next":"none"}`)
	requireProblems(t, err, "takes",
		`/kids/0/next/name: must be string, got the number 1`,
		`/next: must be object, got the string "none"`)
}

func TestAMebibyteOfUnknownProperties(t *testing.T) {
	x := tool.Must(takes[struct {
		Aaaaaaaaaaaaaaaaaaaaaaaaa1, Aaaaaaaaaaaaaaaaaaaaaaaaa2, Aaaaaaaaaaaaaaaaaaaaaaaaa3, Aaaaaaaaaaaaaaaaaaaaaaaaa4 string `json:",omitempty"`
		Bbbbbbbbbbbbbbbbbbbbbbbbb1, Bbbbbbbbbbbbbbbbbbbbbbbbb2, Bbbbbbbbbbbbbbbbbbbbbbbbb3, Bbbbbbbbbbbbbbbbbbbbbbbbb4 string `json:",omitempty"`
	}]())
	var b strings.Builder
	for i := range 31_000 {
		fmt.Fprintf(&b, `,"qqqqqqqqqqqqqqqqqqqqqqq%05d":0`, i)
	}
	var err error
	allocated, took := cost(func() { _, _, err = x.Parse("{" + b.String()[1:] + "}") })
	require.ErrorContains(t, err, "invalid_arguments: Arguments for takes do not match its schema (at least 31000 problems):\n"+
		`- (top level): unknown property "qqqqqqqqqqqqqqqqqqqqqqq00000"; allowed: Aaaa`)
	require.Regexp(t, `(?m)^- and at least 309\d\d more problems$`, err.Error())
	require.Less(t, took, aSecond)
	require.Less(t, allocated, uint64(64<<20))
}
