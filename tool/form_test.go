package tool_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/tool"
)

type invoice struct {
	Number string `json:"number"`
	Cents  int    `json:"cents" jsonschema:"minimum=1"`
	Note   string `json:"note,omitempty"`
}

// TestBrokenAnswers is the table of documents as models write them: a document is
// repaired only if one reading is left, else the model must write it again.
func TestBrokenAnswers(t *testing.T) {
	t.Parallel()
	form, err := tool.FormOf[invoice]()
	require.NoError(t, err)
	const right = `{"number":"A1","cents":5}`
	const noJSON = "Your answer was rejected: it has no JSON."
	const two = "Your answer was rejected: it has more than one JSON value; send exactly one."
	const cut = "Your answer was rejected: its JSON ends too early (cut off?)."
	for text, want := range map[string]string{
		// taken
		right:                             right,
		" \n" + right + "\n ":             right,
		"{\"cents\":5,\"number\":\"A1\"}": `{"cents":5,"number":"A1"}`,
		`{"number":"A1","cents":5.0}`:     right,
		"```json\n" + right + "\n```":     right,
		"```\n" + right + "\n```":         right,
		"```JSON\n" + right + "```":       right,
		"Here is the invoice:\n" + right:  right,
		"Here is the invoice:\n```json\n" + right + "\n```\nAnything else?": right,
		right + "\n\nLet me know if you need more.":                         right,
		"The set {1, 2} is not JSON. " + right:                              right,
		`{"number":"A1","cents":5,}`:                                        right,
		"{\n// the number\n\"number\":\"A1\", /* cents */ \"cents\":5}":     right,
		"{\"number\":\"A1\", # python\n\"cents\":5}":                        right,
		`{"number":"A1","cents":"5"}`:                                       right,
		`{"number":"A1","cents":5,"note":null}`:                             right,
		`"{\"number\":\"A1\",\"cents\":5}"`:                                 right,
		"{\"number\":\"A1\",\"cents\":5,\"note\":\"two\nlines\"}":           `{"number":"A1","cents":5,"note":"two\nlines"}`,
		"<answer>" + right + "</answer>":                                    right,
		"Not {}: " + right:                                                  right,
		"In the set {1} or [a]: " + right:                                   right,
		"**Answer**: `" + right + "`":                                       right,
		"\ufeff" + right:                                                    right,
		"json\n" + right:                                                    right,
		`Answer [1]: ` + right:                                              right,
		right + "}":                                                         right, // nothing but a bracket is lost
		// go back to the model
		`Sure: {"number":"A1","cents":5,"parts":[` + right + `],`: "",
		`Sure: {number:"A1",cents:5,parts:[` + right + `]}`:       "",
		"Sure: [" + right + ", {\"number\":":                      "",
		"Answer: [" + right + "]":                                 "",
		"Sure: [" + right + ",":                                   "",
		"Because " + right + " is wrong: {number:\"B2\"}":         two,
		"{number:\"B2\"} is wrong: " + right:                      two,
		right + " and {\"number\":":                               two,
		right + strings.Repeat(" [1]", 101) + right:               two,
		"I could not find it {}.":                                 "",
		"Nothing [].":                                             noJSON,
		"":                                                        noJSON,
		"   \n":                                                   noJSON,
		"I cannot read the invoice.":                              noJSON,
		"null":                                                    "Your answer does not match its schema (1 problem):\n- (top level): must be object, got null",
		"[]":                                                      "Your answer does not match its schema (1 problem):\n- (top level): must be object, got an array of 0 items",
		"[" + right + "]":                                         "Your answer does not match its schema (1 problem):\n- (top level): must be object, got an array of 1 item",
		"5":                                                       "Your answer does not match its schema (1 problem):\n- (top level): must be object, got the number 5",
		"true":                                                    "Your answer does not match its schema (1 problem):\n- (top level): must be object, got true",
		right + right:                                             two,
		right + "\n" + right:                                      two,
		"First " + right + ", or " + right:                        two,
		`{"number":"A1","cents":5`:                                cut,
		`{"number":"A1","cents"`:                                  cut,
		`{"number":"A1`:                                           cut,
		"```json\n{\"number\":\"A1\"":                             "",
		`{number:"A1",cents:5}`:                                   "",
		`{'number':'A1','cents':5}`:                               "",
		`{"number":"A1" "cents":5}`:                               "",
		`{"number":"A1","cents":05}`:                              "",
		`{"number":"A1","cents":NaN}`:                             "",
		`{"number":"A1","cents":5,"cents":6}`:                     "",
		`{"number":"A1"}`:                                         "Your answer does not match its schema (1 problem):\n- (top level): required property \"cents\" is missing (integer)",
		`{"number":"A1","cents":0}`:                               "",
		`{"number":"A1","cents":"five"}`:                          "",
		`{"number":"A1","cents":5,"x":1}`:                         "",
	} {
		t.Run(fmt.Sprintf("%.40q", text), func(t *testing.T) {
			t.Parallel()
			got, repairs, err := form.Parse(text)
			t.Logf("%s %q %v", got, repairs, err)
			if want != "" && want[0] == '{' {
				require.NoError(t, err)
				require.Equal(t, want, string(got))
				return
			}
			var e *tool.Error
			require.ErrorAs(t, err, &e)
			t.Log(e.Message)
			if want != "" {
				require.Equal(t, want+"\nReply again with only the corrected JSON.", e.Message)
			}
		})
	}
}

func TestWrappedForms(t *testing.T) {
	t.Parallel()
	list, err := tool.FormOf[[]int]()
	require.NoError(t, err)
	shown, strict := list.Schema()
	require.JSONEq(t, `{"type":"object","properties":{"value":{"type":"array","items":{"type":"integer"}}},"required":["value"],"additionalProperties":false}`, string(shown))
	require.NotEmpty(t, strict)
	for _, text := range []string{`{"value":[1,2]}`, `[1,2]`, "Sure:\n[1, 2]\nMore?", "```json\n[1,2,]\n```", "So:\n```json\n[\n 1,2,]\n```\nMore?"} {
		got, _, err := list.Parse(text)
		require.NoError(t, err, text)
		require.Equal(t, `[1,2]`, string(got))
	}
	_, _, err = list.Parse(`[1,"x"]`)
	require.ErrorContains(t, err, "/value/1: must be integer")
	for _, text := range []string{`[1] or [2]`, `{"value":[1],"more":1}`} {
		_, _, err := list.Parse(text)
		require.Error(t, err, text)
	}
	number, err := tool.FormOf[float64]()
	require.NoError(t, err)
	got, _, err := number.Parse(`{"value":2.50}`)
	require.NoError(t, err)
	require.Equal(t, json.RawMessage("2.50"), got)
	got, _, err = number.Parse(`2.5`)
	require.NoError(t, err)
	require.Equal(t, "2.5", string(got))
}

// TestAnswersInSentences: references and empty brackets are no answer, and the value of a
// text is no JSON.
func TestAnswersInSentences(t *testing.T) {
	t.Parallel()
	ints, err := tool.FormOf[[]int]()
	require.NoError(t, err)
	texts, err := tool.FormOf[[]string]()
	require.NoError(t, err)
	text, err := tool.FormOf[string]()
	require.NoError(t, err)
	counts, err := tool.FormOf[map[string]int]()
	require.NoError(t, err)
	type list []list
	lists, err := tool.FormOf[list]()
	require.NoError(t, err)
	anything, err := tool.FormOf[json.RawMessage]()
	require.NoError(t, err)
	for _, tt := range []struct {
		form tool.Form
		text string
		want string // empty: refused
	}{
		{ints, "As shown in [1], I could not find the numbers.", ""},
		{ints, "Sure: [1, 2].", ""},
		{ints, "Sure:\n[1, 2]", "[1,2]"},
		{ints, "Sure:\r\n  [1, 2]\r\nMore?", "[1,2]"},
		{ints, "As shown in [7]:\n[1, 2]", "[1,2]"},
		{ints, "Either\n[1, 2]\nor\n[3]", ""},
		{ints, "Either\n[1, 2]\nor\n[3", ""},
		{ints, "Nothing:\n[]", ""},
		{ints, "Nothing:\n```json\n[]\n```\nMore?", "[]"},
		{ints, `Sure: {"value":[1]}`, "[1]"},
		{ints, `"[1]"`, "[1]"},
		{ints, `"{\"value\":[1]}"`, "[1]"},
		{texts, "I do not know [].", ""},
		{texts, "- [] open", ""},
		{texts, `Perhaps ["a"], or` + "\n[\"b\"]", ""},
		{lists, "Sure:\n[[]]", "[[]]"},
		{text, `"[1]"`, `"[1]"`},
		{text, `"{\"a\":1}"`, `"{\"a\":1}"`},
		{text, `"{\"value\":\"a\"}"`, `"a"`},
		{text, `{"value":"[1]"}`, `"[1]"`},
		{text, "See\n[1]", ""},
		{counts, "I could not find it {}", ""},
		{counts, "```json\n{}\n```", "{}"},
		{counts, "Nothing:\n```json\n{}\n```\nMore?", "{}"},
		{counts, `I fill {} in: {"a":1}`, `{"a":1}`},
		{anything, `{"value":1}`, "1"},
		{anything, `{"value":1,"more":2}`, `{"value":1,"more":2}`},
	} {
		got, _, err := tt.form.Parse(tt.text)
		require.Equal(t, tt.want, string(got), tt.text)
		require.Equal(t, tt.want == "", err != nil, tt.text)
	}
	_, _, err = ints.Parse(`{"value":[1],"explanation":"It is one."}`)
	require.ErrorContains(t, err, `unknown property "explanation"; allowed: value`)
	_, _, err = ints.Parse(`{"value":["x"],"explanation":"It is one."}`)
	require.ErrorContains(t, err, "/value/0: must be integer")
}

func TestFormsRefused(t *testing.T) {
	t.Parallel()
	type bad struct {
		Name string
		Do   chan int `json:"do"`
	}
	_, err := tool.FormOf[bad]()
	require.ErrorContains(t, err, "Do")
	_, err = tool.FormOf[any]()
	require.ErrorContains(t, err, "has no schema: use a struct with a pointer field for each alternative")
	_, err = tool.FormOf[*big.Int]()
	require.EqualError(t, err, "tool: the form of *big.Int: big.Int decodes itself (UnmarshalJSON), so its JSON type is not known; give it a method JSONSchema() *jsonschema.Schema, or use NewRaw (for an Output: a literal)")
	_, err = tool.FormOf[[]chan int]()
	require.EqualError(t, err, "tool: the form of []chan int: field []: JSON cannot be decoded into chan int")
	_, err = tool.FormOf[chan int]()
	require.EqualError(t, err, "tool: the form of chan int: JSON cannot be decoded into chan int")
	_, err = tool.FormRaw(json.RawMessage(`{"type":"array"}`))
	require.Error(t, err)
	_, _, err = tool.Form{}.Parse("{}")
	require.Error(t, err)
}
