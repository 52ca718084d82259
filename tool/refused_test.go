//lint:file-ignore SA5008 the tags are wrong on purpose

package tool_test

import (
	"encoding/json"
	"io"
	"math/big"
	"net/netip"
	"net/url"
	"reflect"
	"testing"
	"time"

	"github.com/invopop/jsonschema"
	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/tool"
)

type selfish struct{ *selfish }

type Doubled struct {
	ID string `json:"id"`
}

type wide0 struct{ A, B, C, D, E, F, G, H string }
type wide1 struct{ A, B, C, D, E, F, G, H wide0 }
type wide2 struct{ A, B, C, D, E, F, G, H wide1 }
type wide3 struct{ A, B, C, D, E, F, G, H wide2 }
type wide4 struct{ A, B, C, D, E, F, G, H wide3 }

type aliased struct{ X int }

func (aliased) JSONSchemaAlias() any { return "" }

type WithSchema struct{ X int }

func (WithSchema) JSONSchema() *jsonschema.Schema { return &jsonschema.Schema{Type: "object"} }

type lowly int

// readByte is read as text and written as a number, a slice of it as base64.
type readByte uint8

func (*readByte) UnmarshalText([]byte) error { return nil }

type rudeSchema struct{}

func (rudeSchema) JSONSchema() *jsonschema.Schema { panic("rude") }

// emptyEnum builds its list at run time, and the list is still empty.
type emptyEnum struct{}

func (emptyEnum) JSONSchema() *jsonschema.Schema {
	p := jsonschema.NewProperties()
	p.Set("a", &jsonschema.Schema{Type: "string", Enum: []any{}})
	return &jsonschema.Schema{Type: "object", Properties: p}
}

// amount has the UnmarshalJSON of an embedded type.
type amount struct {
	big.Int
	Currency string
}

// spoken decodes itself from text only.
type spoken struct{ s string }

func (s *spoken) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &s.s) }

type noSchema struct{}

func (noSchema) JSONSchema() *jsonschema.Schema { return nil }

func TestTypesThatCannotBeExpressed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		make func() (tool.Tool, error)
		want string
	}{
		{"text", takes[string], "arguments are a JSON object: a struct or a map with string keys, not string"},
		{"slice", takes[[]int], "arguments are a JSON object: a struct or a map with string keys, not []int"},
		{"map of integers", takes[map[int]int], "arguments are a JSON object: a struct or a map with string keys, not map[int]int"},
		{"any", takes[any], "interface {} has no schema; use NewRaw"},
		{"raw message", takes[json.RawMessage], "json.RawMessage has no schema; use NewRaw"},
		{"time", takes[time.Time], "the arguments must be a JSON object; the schema of time.Time says string"},
		{"channel", takes[struct{ In struct{ C []chan int } }], "field In.C[]: JSON cannot be decoded into chan int"},
		{"function", takes[struct{ F func() }], "field F: JSON cannot be decoded into func()"},
		{"complex", takes[struct{ M map[string]*complex128 }], "field M[]: JSON cannot be decoded into complex128"},
		{"uintptr", takes[struct{ U uintptr }], "field U: JSON cannot be decoded into uintptr"},
		{"interface", takes[struct{ R io.Reader }], "field R: JSON cannot be decoded into io.Reader"},
		{"map keys", takes[struct{ M map[bool]int }], "field M: a map needs keys that are strings or integers, not bool"},
		{"map keys that read text", takes[struct{ M map[netip.Addr]int }], "field M: a map needs keys that are strings or integers, not netip.Addr"},
		{"url.URL", takes[struct{ U *url.URL }], "field U: encoding/json cannot decode url.URL from a string; use a string"},
		{"decodes itself", takes[struct{ O []opaque }], "field O[]: tool_test.opaque decodes itself (UnmarshalJSON), so its JSON type is not known; give it a method JSONSchema() *jsonschema.Schema, or put in its place a type of your own that embeds it and has one"},
		{"decodes itself in a field", takes[struct{ X *big.Int }], "field X: big.Int decodes itself (UnmarshalJSON), so its JSON type is not known; say it in the tag of the field, as in `jsonschema:\"type=integer\"`, or give it a method JSONSchema() *jsonschema.Schema"},
		{"decodes itself from text", takes[struct{ M spoken }], "field M: tool_test.spoken decodes itself (UnmarshalJSON), so its JSON type is not known; say it in the tag of the field, as in `jsonschema:\"type=string\"`, or give it a method JSONSchema() *jsonschema.Schema"},
		{"panics while it decodes itself", takes[struct{ M rudeJSON }], "field M: tool_test.rudeJSON decodes itself (UnmarshalJSON), so its JSON type is not known; say it in the tag of the field, as in `jsonschema:\"type=string\"`, or give it a method JSONSchema() *jsonschema.Schema"},
		{"arguments that decode themselves", takes[opaque], "the arguments: tool_test.opaque decodes itself (UnmarshalJSON), so its JSON type is not known; give it a method JSONSchema() *jsonschema.Schema, or use NewRaw (for an Output: a literal)"},
		{"embeds what decodes itself", takes[struct {
			big.Int
			X int
		}], "the arguments: the whole of struct { big.Int; X int } is decoded by the UnmarshalJSON of the embedded big.Int; give that field a name, so that it is not embedded"},
		{"embeds what decodes itself under a name", takes[struct {
			F struct {
				big.Int `json:"n"`
				X       int
			}
		}], "field F: the whole of struct { big.Int \"json:\\\"n\\\"\"; X int } is decoded by the UnmarshalJSON of the embedded big.Int; give that field a name, so that it is not embedded"},
		{"a type that embeds what decodes itself", takes[struct{ A amount }], "field A: tool_test.amount decodes itself (UnmarshalJSON, unless it has its own that of the embedded big.Int), so its JSON type is not known; say it in the tag of the field, as in `jsonschema:\"type=integer\"`, or give it a method JSONSchema() *jsonschema.Schema"},
		{"embeds two that decode themselves", takes[struct {
			spoken
			opaque
		}], "field spoken: tool_test.spoken decodes itself and cannot be embedded; give the field a name"},
		{"embeds what reads text", takes[struct {
			F struct {
				netip.Addr
				Port int
			}
		}], "field F: the whole of struct { netip.Addr; Port int } is decoded by the UnmarshalText of the embedded netip.Addr; give that field a name, so that it is not embedded"},
		{"unexported fields only", takes[struct{ In struct{ x int } }], "field In: no field of struct { x int } is visible to JSON"},
		{"one name twice", takes[struct {
			ID int `json:"id"`
			Doubled
		}], `field Doubled.ID: property "id" is that of field ID too`},
		{"embeds itself", takes[struct{ S selfish }], "field S.selfish: encoding/json cannot set an embedded pointer to an unexported struct"},
		{"embedded and decodes itself", takes[struct {
			Named struct{ A, B string }
			T     struct {
				*time.Time
				X int
			}
		}], "field T: the whole of struct { *time.Time; X int } is decoded by the UnmarshalJSON of the embedded time.Time; give that field a name, so that it is not embedded"},
		{"embedded unexported integer", takes[struct {
			lowly
			X int
		}], "field lowly: encoding/json ignores an embedded unexported type that is not a struct; name the field"},
		{"inline", takes[struct {
			O Options `json:",inline"`
		}], `field O: encoding/json ignores "inline" on a named field; embed the struct`},
		{"a property named dash", takes[struct {
			X int `json:"-,"`
		}], `field X: a property cannot be named "-"`},
		{"a name that is ignored", takes[struct {
			X int `json:"a\"b"`
		}], `field X: encoding/json ignores the name "a\"b" of the tag`},
		{"string in a string", takes[struct {
			X string `json:",string"`
		}], `field X: ",string" on a string wants a string in a string; leave it out`},
		{"string on a number", takes[struct {
			X json.Number `json:",string"`
		}], `field X: ",string" on a string wants a string in a string; leave it out`},
		{"string on a pointer to a pointer", takes[struct {
			X **int `json:",string"`
		}], `field X: encoding/json ignores ",string" on a pointer to a pointer`},
		{"string on a time", takes[struct {
			X time.Time `json:",string"`
		}], `field X: ",string" has no meaning for time.Time`},
		{"top-level oneOf", takes[struct {
			X int `jsonschema:"oneof_required=a"`
		}], "field X: tag jsonschema: oneof_required: providers refuse the schema that it makes"},
		{"comma in a description", takes[struct {
			In struct {
				X string `jsonschema:"description=City, country"`
			}
		}], `field In.X: tag jsonschema: " country" stands alone; if it belongs to a text with a comma, write \\, or use the tag jsonschema_description`},
		{"unknown keyword", takes[struct {
			X string `jsonschema:"desc=City"`
		}], `field X: tag jsonschema: unknown keyword "desc"; did you mean "description"?`},
		{"misspelt keyword", takes[struct {
			X string `jsonschema:"minLenght=3"`
		}], `field X: tag jsonschema: unknown keyword "minLenght"; did you mean "minLength"?`},
		{"keyword without a value", takes[struct {
			X string `jsonschema:"enum=a,enum="`
		}], "field X: tag jsonschema: enum= has no value"},
		{"description as a tag", takes[struct {
			X string `json:"x" description:"The city."`
		}], "field X: the struct tag description has no effect here; use jsonschema_description"},
		{"desc as a tag", takes[struct {
			In []struct {
				X string `desc:"The city."`
			}
		}], "field In[].X: the struct tag desc has no effect here; use jsonschema_description"},
		{"keyword as a tag", takes[struct {
			X int `json:"x" jsonschema:"maximum=9" minimum:"1"`
		}], "field X: the struct tag minimum has no effect here; write `jsonschema:\"minimum=…\"`"},
		{"misspelt tag", takes[struct {
			X int `json:"x" jsonshema:"minimum=1"`
		}], `field X: struct tag "jsonshema" is not known; did you mean jsonschema?`},
		{"misspelt tag in camel case", takes[struct {
			X int `jsonSchema:"minimum=1"`
		}], `field X: struct tag "jsonSchema" is not known; did you mean jsonschema?`},
		{"misspelt tag of a description", takes[struct {
			X int `jsonschema_desc:"The city."`
		}], `field X: struct tag "jsonschema_desc" is not known; did you mean jsonschema_description?`},
		{"tag of an enum", takes[struct {
			X int `jsonschema_enum:"1"`
		}], `field X: struct tag "jsonschema_enum" is not known; did you mean jsonschema?`},
		{"misspelt json", takes[struct {
			X int `josn:"x"`
		}], `field X: struct tag "josn" is not known; did you mean json?`},
		{"no number", takes[struct {
			X int `jsonschema:"minimum=abc"`
		}], "field X: tag jsonschema: minimum=abc is not a number"},
		{"NaN", takes[struct {
			X float64 `jsonschema:"minimum=NaN"`
		}], "field X: tag jsonschema: minimum=NaN is not a number"},
		{"keyword of another type", takes[struct {
			In []struct {
				X string `jsonschema:"minimum=3"`
			}
		}], "field In[].X: tag jsonschema: minimum=3 has no effect on string"},
		{"enum of another type", takes[struct {
			X int `jsonschema:"enum=1,enum=two"`
		}], "field X: tag jsonschema: 1 of its enum values do not fit int"},
		{"default of a slice of numbers", takes[struct {
			X []int `jsonschema:"default=1"`
		}], "field X: tag jsonschema: a default of []int cannot be written in a tag; put it into the description"},
		{"default that does not fit", takes[struct {
			X int8 `jsonschema:"default=300"`
		}], "field X: tag jsonschema: 300 does not fit int8"},
		{"default of numbers in an array of texts", takes[struct {
			X []netip.Addr `jsonschema:"default=1.1.1.1,default=none"`
		}], "field X: tag jsonschema: its default does not fit []netip.Addr"},
		{"enum that the type cannot hold", takes[struct {
			X uint8 `jsonschema:"enum=1,enum=256"`
		}], "field X: tag jsonschema: 256 does not fit uint8"},
		{"enum of fractions", takes[struct {
			X []int `jsonschema:"enum=1.5"`
		}], "field X: tag jsonschema: 1.5 does not fit []int"},
		{"enum that the type does not read", takes[struct {
			X *netip.Addr `jsonschema:"enum=::1,enum=localhost"`
		}], `field X: tag jsonschema: "localhost" does not fit *netip.Addr`},
		{"enum of another spelling in a string", takes[struct {
			X int `json:",string" jsonschema:"enum=1,enum=1.0"`
		}], `field X: tag jsonschema: "1.0" does not fit int`},
		{"example that is not a date-time", takes[struct {
			X time.Time `jsonschema:"example=today"`
		}], `field X: tag jsonschema: "today" does not fit time.Time`},
		{"minimum below the type", takes[struct {
			X uint `jsonschema:"minimum=-5"`
		}], "field X: tag jsonschema: minimum=-5 is out of range for uint"},
		{"maximum above the type", takes[struct {
			X []int8 `jsonschema:"maximum=1000"`
		}], "field X: tag jsonschema: maximum=1000 is out of range for int8"},
		{"bound beyond a float", takes[struct {
			X float32 `jsonschema:"exclusiveMaximum=1e300"`
		}], "field X: tag jsonschema: exclusiveMaximum=1e300 is out of range for float32"},
		{"text as a number", takes[struct {
			X netip.Addr `jsonschema:"type=integer"`
		}], "field X: tag jsonschema: netip.Addr is read from a string"},
		{"text as text or a number", takes[struct {
			X time.Time `jsonschema:"oneof_type=string;integer"`
		}], "field X: tag jsonschema: time.Time is read from a string"},
		{"length of an array", takes[struct {
			X [3]int `jsonschema:"minItems=1"`
		}], "field X: tag jsonschema: [3]int always has 3 items"},
		{"more than an array holds", takes[struct {
			X [1]int `jsonschema:"maxItems=2"`
		}], "field X: tag jsonschema: [1]int always has 1 item"},
		{"another format of a time", takes[struct {
			X time.Time `jsonschema:"format=date"`
		}], "field X: tag jsonschema: format=date is not what time.Time reads"},
		{"limit of a duration", takes[struct {
			X time.Duration `jsonschema:"minimum=soon"`
		}], "field X: tag jsonschema: minimum=soon is not a duration"},
		{"limit beyond a duration", takes[struct {
			X []*time.Duration `jsonschema:"maximum=1e30"`
		}], "field X: tag jsonschema: maximum=1e30 is not a duration"},
		{"enum that is not a duration", takes[struct {
			X *time.Duration `jsonschema:"enum=1s,enum=1 day"`
		}], "field X: tag jsonschema: enum=1 day is not a duration"},
		{"default that is not a duration", takes[struct {
			X time.Duration `jsonschema:"default=none"`
		}], `field X: tag jsonschema: "none" does not fit time.Duration`},
		{"default of durations", takes[struct {
			X []time.Duration `jsonschema:"default=1s,default=none"`
		}], "field X: tag jsonschema: its default does not fit []time.Duration"},
		{"pattern for a duration", takes[struct {
			X time.Duration `jsonschema:"pattern=^1s$"`
		}], "field X: tag jsonschema: pattern=^1s$ has no effect on time.Duration"},
		{"multiple of nothing", takes[struct {
			X time.Duration `jsonschema:"multipleOf=0s"`
		}], "field X: tag jsonschema: multipleOf=0s is not a duration"},
		{"pattern for numbers", takes[struct {
			X []int `jsonschema:"pattern=^1$"`
		}], "field X: tag jsonschema: pattern=^1$ has no effect on []int"},
		{"string beside an own schema", takes[struct {
			X celsius `json:",string"`
		}], `field X: ",string" has no meaning beside the JSONSchema of tool_test.celsius`},
		{"hidden field of the same name", takes[struct {
			ID string `json:"id" jsonschema:"-"`
			base
		}], `field base.ID: property "id" is that of field ID too`},
		{"hidden fields of the same name", takes[struct {
			base `jsonschema:"-"`
			ID   string `json:"id"`
		}], `field ID: property "id" is that of field base.ID too`},
		{"bytes that are texts when they are read", takes[struct{ X []readByte }], "field X: encoding/json does not read []tool_test.readByte as it writes it"},
		{"schema that panics", takes[struct{ X rudeSchema }], "the schema of struct { X tool_test.rudeSchema }: rude"},
		{"no schema", takes[struct{ X noSchema }], "the schema of struct { X tool_test.noSchema }: its JSONSchema returns nil"},
		{"own schema with an empty enum", takes[struct{ X []emptyEnum }], "the schema of struct { X []tool_test.emptyEnum }: /properties/X/items/properties/a/enum: has no values, so nothing would be taken; give some or leave it out"},
		{"alias", takes[struct{ A aliased }], "field A: tool_test.aliased: JSONSchemaAlias and JSONSchemaProperty are not supported; use JSONSchema"},
		{"promoted schema", takes[struct {
			WithSchema
			Y int
		}], "the arguments: struct { tool_test.WithSchema; Y int } has its JSONSchema from the embedded tool_test.WithSchema; give it its own"},
		{"schema of another type", takes[celsius], "the arguments must be a JSON object; the schema of tool_test.celsius says number"},
		{"pattern that Go cannot hold a string to", takes[struct {
			X string `json:"x" jsonschema:"pattern=^(?!a)"`
		}], `schema: /properties/x/pattern: must be a regular expression; got the string "^(?!a)"`},
		{"too large", takes[wide4], "the arguments: its schema is too large"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := tt.make()
			require.EqualError(t, err, `tool "takes": `+tt.want)
		})
	}
}

// TestTagsOfOthers are left alone, and so is a keyword that is said to us, too.
func TestTagsOfOthers(t *testing.T) {
	t.Parallel()
	made, err := takes[struct {
		A int `json:"a" bson:"a" jsonb:"x" yaml:"a" db:"a" validate:"required,min=1" schema:"a" mapstructure:"a" required:"true" help:"x" env:"A"`
		B int `json:"b" description:"For you." jsonschema_description:"For us." default:"1" jsonschema:"default=2"`
		C int `json:"c" description:"For you." jsonschema:"description=For us."`
		D int `json:"-" description:"Nobody is shown it."`
	}]()
	require.NoError(t, err)
	require.Equal(t, `{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer","description":"For us. Default: 2."},`+
		`"c":{"type":"integer","description":"For us."}},"additionalProperties":false,"required":["a","b","c"]}`, string(made.Def().Schema))
}

// TestTagsThatGoDoesNotRead are told, since their author thinks that they say something.
func TestTagsThatGoDoesNotRead(t *testing.T) {
	t.Parallel()
	for tag, from := range map[string]string{
		`json:"x",jsonschema:"minimum=1"`: `,jsonschema:\"minimum=1\"`,
		`json:x`:                          `json:x`,
		`json: "x"`:                       `json: \"x\"`,
		`json:"x" the name`:               `the name`,
	} {
		typ := reflect.StructOf([]reflect.StructField{{Name: "X", Type: reflect.TypeFor[int](), Tag: reflect.StructTag(tag)}})
		_, err := tool.Reflected(typ, nil)
		require.EqualError(t, err, `tool "reflected": field X: its struct tag is not read from "`+from+`" on; write name:"value", with a blank between two`)
	}
	typ := reflect.StructOf([]reflect.StructField{{Name: "X", Type: reflect.TypeFor[int](), Tag: `json:"x"xml:"y"  `}})
	_, err := tool.Reflected(typ, nil)
	require.NoError(t, err, "Go reads it")
}
