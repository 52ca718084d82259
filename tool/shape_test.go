package tool_test

import (
	"testing"

	"github.com/invopop/jsonschema"
	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/tool"
)

// extended and replaced are open: their schemas admit properties that they do not name.
type extended struct {
	Amount int `json:"amount"`
}

func (extended) JSONSchemaExtend(s *jsonschema.Schema) {
	s.AdditionalProperties = nil
	p, _ := s.Properties.Get("amount")
	p.Maximum = "100"
}

type replaced struct {
	Sum
	Again *replaced `json:"kids,omitempty"`
}

type Sum struct {
	Amount int `json:"amount"`
}

func (replaced) JSONSchema() *jsonschema.Schema {
	p := jsonschema.NewProperties()
	p.Set("amount", &jsonschema.Schema{Type: "integer", Maximum: "100"})
	return &jsonschema.Schema{Type: "object", Properties: p}
}

func TestANameInAnotherCaseDoesNotPassTheSchema(t *testing.T) {
	type nested struct {
		One  replaced             `json:"one"`
		List []replaced           `json:"list"`
		Map  map[string]*replaced `json:"map"`
	}
	tests := []struct {
		name  string
		make  func() (tool.Tool, error)
		args  string
		where string
		as    string
	}{
		{"extended", takes[extended], `{"amount":10,"AMOUNT":99999}`, "(top level)", "AMOUNT"},
		{"replaced", takes[replaced], `{"amount":10,"Amount":99999}`, "(top level)", "Amount"},
		{"alone", takes[replaced], `{"aMount":99999}`, "(top level)", "aMount"},
		{"nested", takes[nested], `{"one":{"amount":1,"AMOUNT":9999},"list":[],"map":{}}`, "/one", "AMOUNT"},
		{"in a list", takes[nested], `{"one":{},"list":[{},{"AMOUNT":9999}],"map":{}}`, "/list/1", "AMOUNT"},
		{"in a map", takes[nested], `{"one":{},"list":[],"map":{"AMOUNT":{"kids":{"AMOUNT":9999}}}}`, "/map/AMOUNT/kids", "AMOUNT"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := tool.Must(tt.make()).Parse(tt.args)
			requireProblems(t, err, "takes", tt.where+`: unknown property "`+tt.as+`"; did you mean "amount"?`)
		})
	}
	args, _, err := tool.Must(takes[replaced]()).Parse(`{"amount":10,"other":5}`)
	require.NoError(t, err)
	require.JSONEq(t, `{"amount":10,"other":5}`, string(args))
	_, _, err = tool.Must(takes[replaced]()).Parse(`{"ſum":1,"\u212Aids":{}}`) // the sign of kelvin
	requireProblems(t, err, "takes", `(top level): unknown property "Kids"; did you mean "kids"?`)
}

// opened has a hidden field and a schema that admits further properties.
type opened struct {
	Amount int  `json:"amount"`
	Admin  bool `json:"admin" jsonschema:"-"`
}

func (opened) JSONSchemaExtend(s *jsonschema.Schema) { s.AdditionalProperties = nil }

func TestAHiddenFieldStaysUnsetWhereOtherPropertiesAreAllowed(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"admin", "Admin"} {
		_, _, err := tool.Must(takes[opened]()).Parse(`{"amount":1,"other":2,"` + name + `":true}`)
		requireProblems(t, err, "takes", `(top level): unknown property "`+name+`"`)
	}
}

type boomText struct{ _ string }

func (*boomText) UnmarshalText([]byte) error { panic("boom") }

func TestAPanicOfUnmarshalTextIsNoFaultOfTheModel(t *testing.T) {
	_, _, err := tool.Must(takes[struct{ X boomText }]()).Parse(`{"X":"a"}`)
	requireFailure(t, err, tool.Panicked, "The tool broke down because of an internal fault, which is not yours. The same call is likely to break down again.")
	require.ErrorContains(t, err, "panicked: panic: boom")
	require.Contains(t, string(fails(t, err).Stack), "boomText")
}
