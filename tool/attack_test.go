package tool_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// The following inputs come from outside: arguments from a model, schemas from an MCP
// server. Each ends as it should within aSecond and maxAttack.

func bounded(t *testing.T, f func()) {
	t.Helper()
	allocated, took := cost(f)
	require.Less(t, took, aSecond)
	require.Less(t, allocated, uint64(maxAttack))
}

// cost measures f. Where it took long, it is asked again: the machine may have
// been busy with something else.
func cost(f func()) (allocated uint64, took time.Duration) {
	for range 3 {
		a, d := costOnce(f)
		if took == 0 || d < took {
			allocated, took = a, d
		}
		if took < aSecond/2 {
			break
		}
	}
	return allocated, took
}

// spent is the processor time of f.
func spent(f func()) time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	start := threadTime()
	f()
	return threadTime() - start
}

func costOnce(f func()) (allocated uint64, took time.Duration) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	took = spent(f)
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc, took
}

// many repeats an element with commas between, % being its number.
func many(element string, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strings.ReplaceAll(element, "%", fmt.Sprintf("%05d", i)))
	}
	return b.String()
}

func nested(depth int, in string) string {
	return strings.Repeat("[", depth) + in + strings.Repeat("]", depth)
}

func inJSON(t *testing.T, s string) string {
	t.Helper()
	b, err := json.Marshal(s)
	require.NoError(t, err)
	return string(b)
}

const tooComplex = "the arguments take too long to check against the schema"

// splits are n arrays that differ in where a string ends, which hashes without
// lengths do not see.
func splits(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`["`)
		for bit := range 13 {
			b.WriteString(map[bool]string{true: `","`, false: `\u0004`}[i>>bit&1 == 1])
		}
		b.WriteString(`"]`)
	}
	return b.String()
}

// Arguments against an honest schema. An empty want is a success.
func TestAttackArguments(t *testing.T) {
	honest := tool.Must(tool.NewRaw("honest", "", json.RawMessage(`{"properties":{"a":{"maximum":5,"multipleOf":0.5},
		"l":{"type":"array","uniqueItems":true,"items":{"type":"integer"}},"o":{"type":"array","uniqueItems":true},
		"s":{"type":"string","maxLength":20,"pattern":"^(a+)+$"},"names":{"propertyNames":{"pattern":"^[a-z]+$"}},
		"d":{"properties":{"n":{"type":"number","minimum":0}}}}}`), echo))
	repeat := strings.Repeat
	tests := []struct{ name, in, want string }{
		{"exponent that panics in the library", `{"a":1e1000001}`, "the number 1e1000001 at /a has an exponent out of range"},
		{"exponent that panics in a minimum", `{"d":{"n":-1e1000001}}`, "exponent out of range"},
		{"tiny exponent that panics", `{"a":1e-1000001}`, "exponent out of range"},
		{"exponents that cost 20 ms each", `{"l":[` + repeat(`1e999999,`, 100) + `1]}`, "exponent out of range"},
		{"exponents in a unique array", `{"l":[` + repeat(`1e1000001,`, 21) + `1]}`, "exponent out of range"},
		{"many exponents within the range", `{"l":[` + repeat(`1e-400,`, 99_000) + `1]}`, "more than 100000 values"},
		{"as many as are read", `{"l":[` + repeat(`1e-400,`, 7_000) + `1]}`, "/l/0: must be integer"},
		{"a megabyte of digits", `{"a":` + repeat("9", 1<<20-16) + `}`, "characters; at most 64 are read"},
		{"too large", `{"a":"` + repeat("x", 1<<20) + `"}`, "bytes; at most 1048576 are read"},
		{"arrays 10,000 deep", `{"a":` + nested(10_000, "1") + `}`, "nested more than 64 deep"},
		{"arrays without an end", `{"a":` + repeat("[", 100_000), "nested more than 64 deep"},
		{"objects without an end", repeat(`{"a":`, 100_000), "nested more than 64 deep"},
		{"more than 100,000 values", `{"l":[` + repeat("0,", 200_000) + `0]}`, "more than 100000 values"},
		{"many wrong items", `{"l":[` + repeat(`"x",`, 90_000) + `0]}`, "/l/1: must be integer"},
		{"a long unknown name", `{"` + repeat(`a`, 1<<19) + `":1,"l":3}`, "/l: must be array, got the number 3"},
		{"a megabyte that does not match a pattern", `{"s":"` + repeat("x", 1<<20-100) + `"}`, `/s: must match the regular expression ^(a+)+$; got the string "` + repeat("x", 80) + `…"`},
		{"a regular expression to run wild", `{"s":"` + repeat("a", 1<<19) + `b"}`, "/s: must match the regular expression"},
		{"100 names that are not allowed", `{"names":{` + many(`"A%":1`, 100) + `}}`, `- (top level): property name "A00000" is not allowed`},
		{"unique objects", `{"o":[` + many(`{"a":1%}`, 33_000) + `,{"a":100000}]}`, "/o: items 0 and 33000 are equal"},
		{"large items that differ at the end", `{"o":[` + many(`[`+repeat("1e300,", 400)+`1%]`, 20) + `]}`, ""},
		{"items with one hash", `{"o":[` + splits(8_000) + `]}`, ""},
		{"duplicate keys", `{"a":1,"a":99999}`, `duplicate property "a" at the top level`},
		{"duplicate keys by an escape", `{"d":{"n":1,"\u006e":-1}}`, `duplicate property "n" at /d`},
		{"50,000 names, one of them twice", `{` + many(`"k%":1`, 50_000) + `,"k00000":2}`, `duplicate property "k00000"`},
		{"invalid UTF-8", "{\"s\":\"\xff\"}", "its JSON is not valid UTF-8"},
		{"half of a surrogate pair", `{"q":"\ud83d"}`, `a string at /q holds \ud83d, half of a surrogate pair, which is not a character`},
		{"a fence without an end", "```json\n{\"a\":1}", "malformed at byte 1"},
		{"100,000 fences", repeat("```\n", 100_000), "malformed at byte 1"},
		{"a fence around too much", "```\n{\"a\":" + repeat("[", 100_000) + "\n```", "nested more than 64 deep"},
		{"white space", repeat(" ", 1<<21), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { requireParsed(t, honest, tt.in, tt.want) })
	}
}

// requireParsed requires that arguments are valid, or that the error is short and
// contains want.
func requireParsed(t *testing.T, x tool.Tool, in, want string) {
	t.Helper()
	bounded(t, func() {
		_, _, err := x.Parse(in)
		if want == "" {
			require.NoError(t, err)
			return
		}
		e, ok := errors.AsType[*tool.Error](err)
		require.True(t, ok)
		require.ErrorContains(t, err, want)
		if want == tooComplex {
			requireFailure(t, err, tool.InvalidArguments, "The arguments are too complex to check against the schema of "+x.Name()+": send simpler ones.\n"+
				"Send the call again with corrected arguments.")
		}
		require.LessOrEqual(t, len(e.Message), 1200)
		require.LessOrEqual(t, len(err.Error()), 1200)
	})
}

// Strings in strings, for the repairs.
func TestAttackRepairs(t *testing.T) {
	x := tool.Must(takes[repairedArgs]())
	list := tool.Must(tool.NewRaw("list", "", json.RawMessage(`{"properties":{"a":{"items":{"type":"array"}}}}`), echo))
	one := tool.Must(tool.NewRaw("one", "", json.RawMessage(`{"properties":{"a":{"allOf":[`+many(`{"type":"object"}`, 900)+`]}}}`), echo))
	deep := `{"inner":{}}`
	for range 12 {
		deep = `{"inner":` + inJSON(t, deep) + `}`
	}
	wraps := `{"count":1}`
	for range 10 {
		wraps = inJSON(t, wraps)
	}
	repeat := strings.Repeat
	for _, tt := range []struct {
		name string
		tool tool.Tool
		in   string
		want string
	}{
		{"objects in strings in one another", x, deep, ""},
		{"a string wrapped ten times", x, wraps, "its arguments are the string"},
		{"a long array in a string", x, `{"list":"[` + repeat(`1,`, 45_000) + `1]"}`, ""},
		{"more values than are read, in one string", x, `{"list":"[` + repeat(`1,`, 200_000) + `1]"}`, "/list: must be array, got the string"},
		{"more values than are read, in many strings", list, `{"a":[` + repeat(`"[`+repeat(`1,`, 90_000)+`1]",`, 5) + `[]]}`, "/a/1: must be array, got the string"},
		{"deeper than is read, in a string", x, `{"inner":{"list":` + inJSON(t, nested(63, "1")) + `}}`, "/inner/list: must be array, got the string"},
		{"one string under 900 schemas", one, `{"a":"[` + repeat(`1,`, 99_000) + `1]"}`, "/a: must be object, got the string"},
		{"a broken string under 900 schemas", one, `{"a":"[` + repeat(`1,`, 99_000) + `"}`, "/a: must be object, got the string"},
		{"numbers in strings", x, `{"list":[` + repeat(`"1",`, 45_000) + `"1"]}`, ""},
		{"exponents in strings", x, `{"list":[` + repeat(`"1e400",`, 50_000) + `"1"]}`, "/list/0: must be integer"},
	} {
		t.Run(tt.name, func(t *testing.T) { requireParsed(t, tt.tool, tt.in, tt.want) })
	}
}

// Schemas that take a file or an address to be something to load. Neither a
// secret nor whether its file exists may show.
func TestAttackSchemasThatReach(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret.json")
	require.NoError(t, os.WriteFile(secret, []byte(`{"const":"hunter2-secret"}`), 0o600))
	var hits atomic.Int32
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() { // ends with the listener
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			hits.Add(1)
			_ = conn.Close()
		}
	}()
	address := "http://" + listener.Addr().String() + "/x"

	tests := []struct{ name, schema string }{ // @ is a file or an address
		{"reference", `{"properties":{"a":{"$ref":"@"}}}`},
		{"reference to what is in it", `{"properties":{"a":{"$ref":"@#/const"}}}`},
		{"dynamic reference", `{"properties":{"a":{"$dynamicRef":"@"}}}`},
		{"recursive reference", `{"$schema":"https://json-schema.org/draft/2019-09/schema","properties":{"a":{"$recursiveRef":"@"}}}`},
		{"reference of draft-07", `{"$schema":"http://json-schema.org/draft-07/schema#","properties":{"a":{"$ref":"@"}}}`},
		{"meta-schema", `{"$schema":"@","properties":{"a":{"type":"string"}}}`},
		{"nested meta-schema", `{"properties":{"a":{"$id":"x","$schema":"@"}}}`},
		{"id at the top", `{"$id":"@/","properties":{"a":{"$ref":"secret.json"}}}`},
		{"nested id", `{"properties":{"a":{"$id":"@/../","$ref":"secret.json"}}}`},
		{"id that is it", `{"properties":{"a":{"$id":"@"},"b":{"$ref":"@#/const"}}}`},
	}
	for _, tt := range tests {
		for form, there := range map[string]string{"file URL": "file://" + secret, "path": secret, "address": address} {
			t.Run(tt.name+" by "+form, func(t *testing.T) {
				absent := strings.ReplaceAll(tt.schema, "@", strings.ReplaceAll(there, "secret", "absent"))
				absent = strings.ReplaceAll(absent, "secret.json", "absent.json")
				bounded(t, func() {
					said := outcome(strings.ReplaceAll(tt.schema, "@", there))
					require.NotContains(t, said, "hunter2")
					require.Equal(t, outcome(absent), strings.ReplaceAll(said, "secret", "absent"), "whether it exists makes no difference")
				})
			})
		}
	}
	require.NoError(t, listener.Close())
	<-done
	require.Zero(t, hits.Load())
}

// outcome returns all texts about a schema and its arguments.
func outcome(schema string) string {
	x, err := tool.NewRaw("x", "", json.RawMessage(schema), echo)
	if err != nil {
		return err.Error()
	}
	_, _, err = x.Parse(`{"a":1,"b":2}`)
	return fmt.Sprintf("%s %v", x.Def().Schema, err)
}

// Schemas that are refused when the tool is made. AllowUnchecked keeps such a
// tool, and tells why.
func TestAttackSchemas(t *testing.T) {
	repeat := strings.Repeat
	tests := []struct{ name, schema, want string }{
		{"exponent that panics in the library", `{"properties":{"a":{"multipleOf":1e-1000001}}}`, "exponent out of range"},
		{"400 deep", repeat(`{"properties":{"a":`, 400) + "{}" + repeat("}}", 400), "nested more than 64 deep"},
		{"2,000 deep", repeat(`{"not":`, 2000) + "{}" + repeat("}", 2000), "nested more than 64 deep"},
		{"large", `{"description":"` + repeat("x", 256<<10) + `"}`, "bytes; at most 262144 are read"},
		{"10,000 properties", `{"properties":{` + many(`"%":{}`, 10_000) + `}}`, "10002 objects and booleans; at most 4000 are read"},
		{"10,000 branches", `{"properties":{"a":{"allOf":[` + many(`true`, 10_000) + `]}}}`, "at most 4000 are read"},
		{"an enum of 30,000 values", `{"properties":{"a":{"enum":[` + many("1%", 30_000) + `]}}}`, "more than 20000 values"},
		{"a long enum", `{"properties":{"a":{"enum":[` + many(`"`+repeat("v", 20)+`%"`, 10_000) + `]}}}`, "at most 262144 are read"},
		{"duplicate keyword", `{"properties":{"a":{"type":"string","type":"number"}}}`, `duplicate property "type" at /properties/a`},
		{"invalid UTF-8", "{\"description\":\"\xff\"}", "not valid UTF-8"},
		{"an unknown type", `{"properties":{"a":{"type":"thing"}}}`, `must be one of "array", "boolean"`},
		{"1,900 unknown types", `{"properties":{` + many(`"%":{"type":"thing"}`, 1_900) + `}}`, `must be one of "array", "boolean"`},
		{"required is a number", `{"properties":{"a":{"required":3}}}`, "/properties/a/required: must be array, got the number 3"},
		{"exclusiveMinimum is a text", `{"properties":{"a":{"exclusiveMinimum":"zero"}}}`, `/properties/a/exclusiveMinimum: must be number, got the string "zero"`},
		{"items is an array", `{"$schema":"https://json-schema.org/draft/2020-12/schema","properties":{"a":{"items":[{}]}}}`, "/properties/a/items: must be boolean or object, got an array of 1 item"},
		{"an empty enum", `{"properties":{"a":{"items":{"enum":[]}}}}`, "schema: /properties/a/items/enum: has no values"},
		{"enum is an object", `{"properties":{"a":{"enum":{"x":1}}}}`, "/properties/a/enum: must be array, got an object with keys [x]"},
		{"1,900 unknown types in a tuple", `{"properties":{"a":{"items":[` + many(`{"type":"thing","title":"%"}`, 1_900) + `]}}}`, "/properties/a/items: must be boolean or object"},
		{"a long reference into a tuple", `{"items":[{"$ref":"#` + repeat("/items/0", 30_000) + `"}]}`, "/items: must be boolean or object"},
		{"references to one another at the top", `{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b","x":{}},"b":{"$ref":"#/$defs/c"}}}`, "not found"},
		{"1,900 dangling references", `{"properties":{` + many(`"%":{"$ref":"#/$defs/%"}`, 1_900) + `}}`, "not found"},
		{"1,900 references to definitions of one name", `{"properties":{` + many(`"%":{"$ref":"#/x","definitions":{"x":true}}`, 1_000) + `},"$ref":"#/$defs/x"}`, "not found"},
		{"deep references that lead nowhere", repeat(`{"properties":{"a":`, 30) + `{"anyOf":[` + many(`{"$ref":"#/$defs`+repeat("/a", 40)+`%"}`, 1_000) + `]}` + repeat("}}", 30), "not found"},
		{"dangling reference", `{"properties":{"a":{"$ref":"#/$defs/A"}}}`, "not found"},
		{"a repeated class of letters", `{"properties":{"a":{"pattern":"(` + repeat(`\\pL`, 200) + `){1000}"}}}`, "its regular expressions are too large"},
		{"repetitions of repetitions", `{"properties":{` + many(`"%":{"pattern":"(%{0,30}){0,30}b"}`, 1_000) + `}}`, "its regular expressions are too large"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bounded(t, func() {
				_, err := tool.NewRaw("raw", "", json.RawMessage(tt.schema), echo)
				require.ErrorContains(t, err, tt.want)
				require.LessOrEqual(t, len(err.Error()), 1200)
			})
		})
	}
}

// Schemas that compile, and arguments whose validation takes long. An empty want is a
// success.
func TestAttackHostileSchemas(t *testing.T) {
	const (
		left  = "(?!\\.)(?!.*\\.\\.)"
		draft = `"$schema":"http://json-schema.org/draft-07/schema#",`
	)
	repeat := strings.Repeat
	a := func(schema string) string { return `{"properties":{"a":` + schema + `}}` }
	components := func(n int, group string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"%d":{"x":{"$ref":"#/%s"},"not":{"$ref":"#/%s/%d"}},`, i, group, group, i+1)
		}
		return `{"properties":{"a":{"$ref":"#/` + group + `/0"}},` + strings.ReplaceAll(`"`+group+`":{`, "/", `":{"`) + b.String() + `"` + strconv.Itoa(n) + `":true}` + repeat("}", strings.Count(group, "/")) + `}`
	}
	chain := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"%d":{"$ref":"#/$defs/%d"},`, i, i+1)
		}
		return `{"properties":{"a":{"$ref":"#/$defs/0"}},"$defs":{` + b.String() + strconv.Quote(strconv.Itoa(n)) + `:{"type":"array","items":{"$ref":"#/$defs/0"}}}}`
	}
	ones, empties := `{"a":[`+repeat("1,", 99_000)+`1]}`, `{"a":[`+repeat("{},", 50_000)+`{}]}`
	members := `{"a":{` + many(`"m%":1`, 90_000) + `}}`
	b := bombs()
	tests := []struct{ name, schema, args, want string }{
		{"recursive anyOf, 18 deep", b["anyOf"], `{"a":` + nested(18, "1") + `}`, tooComplex},
		{"recursive anyOf, 60 deep", b["anyOf"], `{"a":` + nested(60, "1") + `}`, tooComplex},
		{"recursive anyOf of draft-07", b["draft-07"], `{"a":` + nested(60, "1") + `}`, tooComplex},
		{"recursive not", b["not"], `{"a":` + nested(60, "1") + `}`, tooComplex},
		{"allOf 2^22", strings.Replace(b["allOf"], "#/$defs/d40", "#/$defs/d22", 1), `{"a":"s"}`, tooComplex},
		{"allOf 2^40", b["allOf"], `{"a":"s"}`, tooComplex},
		{"allOf 2^40 and deep arguments", b["allOf"], `{"a":` + nested(60, "1") + `}`, tooComplex},
		{"allOf 2^40 asked about null", b["optional"], `{"n":null}`, tooComplex},
		{"a reference to the whole", `{"properties":{"a":{"$ref":"#"}}}`, `{"a":` + repeat(`{"a":`, 60) + `{}` + repeat("}", 60) + `}`, ""},
		{"a reference to itself", a(`{"$ref":"#/properties/a"}`), `{"a":1}`, "/a: does not match the schema"},
		{"a dynamic reference to itself", a(`{"$dynamicAnchor":"n","$dynamicRef":"#n"}`), `{"a":1}`, "/a: does not match the schema"},
		{"recursive dynamic references", a(`{"$dynamicAnchor":"n","anyOf":[{"items":{"$dynamicRef":"#n"},"minItems":2},{"items":{"$dynamicRef":"#n"},"maxItems":0}]}`), `{"a":` + nested(60, "1") + `}`, tooComplex},
		{"3,000 references in a row", chain(3_000), `{"a":` + nested(50, "") + `}`, tooComplex},
		{"300 references in a row", chain(300), ones, tooComplex},
		{"a cycle for each item", a(`{"items":{"$ref":"#/$defs/c"}},"b":{"$ref":"#/$defs/c"}},"$defs":{"c":{"$ref":"#/$defs/c"}`), ones, tooComplex},
		{"700 components in a row", components(700, "components/schemas"), `{"a":1}`, ""},
		{"1,200 schemas in no keyword in a row", components(1_200, "x"), `{"a":1}`, ""},
		{"3,900 components", `{"properties":{"a":{"$ref":"#/components/schemas/00001"}},"components":{"schemas":{` + many(`"%":{}`, 3_900) + `}}}`, ones, ""},
		{"3,900 names of types", `{"properties":{` + many(`"%":{"type":"dict"}`, 3_900) + `}}`, ones, ""},
		{"an enum of 19,000 equal values", a(`{"enum":[` + repeat("1,", 19_000) + `1]}`), `{"a":2}`, "/a: must be 1; got the number 2"},
		{"100,000 wrong items", a(`{"items":{"type":"string"}}`), ones, "/a/0: must be string, got the number 1"},
		{"100,000 wrong items far down", a(repeat(`{"items":`, 57) + `{"type":"string"}` + repeat("}", 57)), `{"a":` + nested(57, repeat("1,", 99_000)+"1") + `}`, tooComplex},
		{"30 times contains", a(`{"allOf":[` + many(`{"contains":{"type":"string"}}`, 30) + `]}`), ones, tooComplex},
		{"30 times else", a(`{"items":` + repeat(`{"if":{"type":"string"},"else":`, 30) + `{}` + repeat("}", 30) + `}`), ones, tooComplex},
		{"a huge enum of texts", a(`{"items":{"enum":[` + many(`"v%"`, 15_000) + `]}}`), `{"a":[` + repeat(`"v15001",`, 60_000) + `1]}`, "/a/0: must be one of"},
		{"a huge enum of numbers", a(`{"items":{"enum":[` + many(`1%`, 15_000) + `]}}`), `{"a":[` + repeat("1,", 85_000) + `1]}`, "/a/0: must be one of"},
		{"a huge enum of arrays", a(`{"items":{"enum":[` + many(`[1%]`, 9_000) + `]}}`), `{"a":[` + repeat(`[100001],`, 40_000) + `[1]]}`, "/a/40000: must be one of"},
		{"unique objects", a(`{"uniqueItems":true}`), `{"a":[` + many(`{"k":1%}`, 33_000) + `]}`, ""},
		{"required names of 50,000 objects", a(`{"items":{"required":[` + many(`"r%"`, 15_000) + `]}}`), empties, tooComplex},
		{"dependent names of 45,000 objects", a(`{"items":{"dependentRequired":{"x":[` + many(`"r%"`, 15_000) + `]}}}`), `{"a":[` + repeat(`{"x":1},`, 45_000) + `{}]}`, tooComplex},
		{"lists of what is left", a(`{"allOf":[` + many("true", 3_900) + `],"unevaluatedProperties":false}`), members, tooComplex},
		{"1,000 problems of one object", a(`{"allOf":[` + many(`{"not":{}}`, 1_000) + `]}`), members, tooComplex},
		{"null under 100 schemas", a(`{"allOf":[` + many(`{"properties":{`+many(`"m%":true`, 30)+`}}`, 100) + `]}`), `{"a":{` + many(`"m%":null`, 70_000) + `}}`, tooComplex},
		{"required null", `{"properties":{"a":{"properties":{` + many(`"m%":true`, 3_900) + `},"required":[` + many(`"m%"`, 3_900) + `]}}}`, `{"a":{` + many(`"m%":null`, 3_900) + `}}`, ""},
		{"a regular expression to run wild", a(`{"pattern":"^(a+)+$"}`), `{"a":"` + repeat("a", 50_000) + `b"}`, "/a: must match the regular expression ^(a+)+$"},
		{"a large regular expression", a(`{"pattern":"(a{0,30}){0,30}b"}`), `{"a":"` + repeat("a", 1<<19) + `"}`, tooComplex},
		{"1,000 regular expressions", a(`{"allOf":[` + many(`{"pattern":"^a*%$"}`, 1_000) + `]}`), `{"a":"` + repeat("a", 1<<19) + `"}`, tooComplex},
		{"1,000 patterns of names", a(`{"patternProperties":{` + many(`"a*%$":{}`, 1_000) + `}}`), `{"a":{` + many(`"`+repeat("a", 100)+`%":1`, 9_000) + `}}`, tooComplex},
		{"a lookahead", a(`{"pattern":"^` + strings.ReplaceAll(left, `\`, `\\`) + `a$"}`), `{"a":"anything"}`, ""},
		{"a format with a megabyte", `{` + draft + `"properties":{"a":{"format":"email"}}}`, `{"a":"` + repeat("x", 1<<20-100) + `"}`, `/a: must be an e-mail address; got the string "` + repeat("x", 80) + `…"`},
		{"regular expressions as arguments", `{` + draft + `"properties":{"a":{"items":{"format":"regex"}}}}`, `{"a":[` + many(`"(%{0,30}){0,30}"`, 40_000) + `]}`, ""},
		{"1,300 variants of 20,000 objects", a(`{"items":{"oneOf":[` + many(`{"properties":{"k":{"const":"%"}}}`, 1_300) + `]}}`), `{"a":[` + many(`{"k":"x%"}`, 20_000) + `]}`, tooComplex},
		{"long names of variants", a(`{"items":{"oneOf":[` + many(`{"properties":{"k":{"const":"%"}}}`, 1_300) + `]}}`), `{"a":[{"k":"` + repeat("x", 1<<19) + `"}]}`, "/a/0/k: must be one of"},
		{"unions that share 1,300 constants", a(`{"anyOf":[` + many(`{"oneOf":[{"$ref":"#/$defs/d"},{"$ref":"#/$defs/d"}]}`, 700) + `]}},"$defs":{"d":{"properties":{` + many(`"p%":{"const":1}`, 1_300) + `}}`), `{"a":{"p00000":2}}`, "/a"},
		{"an unknown draft", `{"$schema":"draft7","properties":{"a":{"type":"string"}}}`, `{"a":1}`, "/a: must be string, got the number 1"},
		{"names that are not allowed", `{"properties":{"a":{},"b":{"properties":{"c":{"propertyNames":{"maxLength":1}}}}}}`, `{"b":{"c":{"dd":1}}}`, `- (top level): property name "dd" is not allowed`},
		{"names in another case", `{"properties":{"amount":{"maximum":100}}}`, `{"amount":10,"AMOUNT":99999}`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var x tool.Tool
			bounded(t, func() { x = tool.Must(tool.NewRaw("x", "", json.RawMessage(tt.schema), echo)) })
			requireParsed(t, x, tt.args, tt.want)
			_, _, err := x.Parse(`{}`)
			require.NoError(t, err, "the tool is as good as before")
		})
	}
}

// brokenReader fails with an error that the model must not read.
type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { panic("hunter2") }

// endless is a reader without an end.
type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'x'
	}
	return len(b), nil
}

// Code of a program's own types that panics, or has no end.
func TestAttackTypes(t *testing.T) {
	const broke = "The tool broke down because of an internal fault, which is not yours. The same call is likely to break down again."
	t.Run("JSONSchema panics", func(t *testing.T) {
		_, err := takes[struct{ X rudeSchema }]()
		require.EqualError(t, err, `tool "takes": the schema of struct { X tool_test.rudeSchema }: rude`)
	})
	t.Run("UnmarshalJSON panics", func(t *testing.T) {
		_, _, err := tool.Must(takes[struct {
			X rudeJSON `jsonschema:"type=string"`
		}]()).Parse(`{"X":"a"}`)
		requireFailure(t, err, tool.Panicked, broke)
	})
	t.Run("UnmarshalText panics", func(t *testing.T) {
		_, _, err := tool.Must(takes[struct{ X rudeText }]()).Parse(`{"X":"a"}`)
		requireFailure(t, err, tool.Panicked, broke)
	})
	t.Run("a reader panics", func(t *testing.T) {
		x := tool.Must(tool.New("x", "", func(context.Context, struct{}) (io.Reader, error) { return brokenReader{}, nil }))
		_, err := x.Call(t.Context(), json.RawMessage(`{}`))
		requireFailure(t, err, tool.Panicked, broke)
	})
	t.Run("a reader has no end", func(t *testing.T) {
		x := tool.Must(tool.New("x", "", func(context.Context, struct{}) (io.Reader, error) { return endless{}, nil }))
		bounded(t, func() {
			parts, err := x.Call(t.Context(), json.RawMessage(`{}`))
			require.NoError(t, err)
			require.LessOrEqual(t, len(llm.Message{Parts: parts}.Text()), 1<<20)
		})
	})
	t.Run("a name in another case", func(t *testing.T) {
		x := tool.Must(takes[struct {
			Amount int `json:"amount" jsonschema:"maximum=100"`
		}]())
		_, _, err := x.Parse(`{"amount":10,"AMOUNT":99999}`)
		requireProblems(t, err, "takes", `(top level): unknown property "AMOUNT"; did you mean "amount"?`)
	})
	t.Run("many numbers that are compared with bounds", func(t *testing.T) {
		x := tool.Must(takes[struct{ F []float64 }]())
		requireParsed(t, x, `{"F":[`+strings.Repeat("1e-300,", 9_000)+`1e400]}`, "/F/9000: must be <= 1.7976931348623157e+308; got the number 1e400")
	})
	t.Run("a list of regular expressions", func(t *testing.T) {
		x := tool.Must(takes[struct {
			P []string `jsonschema:"format=regex"`
		}]())
		requireParsed(t, x, `{"P":[`+many(`"(%{0,30}){0,30}"`, 30_000)+`,"("]}`, "/P/30000: must be a regular expression")
		requireParsed(t, x, `{"P":["(`+strings.Repeat(`\\pL`, 10_000)+`)"]}`, "")
	})
}
