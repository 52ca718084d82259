package tool_test

import (
	"bytes"
	"encoding"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/tool"
)

// A disagreement is between the schema, encoding/json and the type.
type disagreement struct {
	check    string // which of the properties does not hold
	typ      reflect.Type
	doc, why string
	schema   string
}

func (d *disagreement) Error() string {
	return fmt.Sprintf("%s\n  why: %s\n  type: %v\n  document: %s\n  schema: %s", d.check, d.why, d.typ, d.doc, d.schema)
}

// The properties that are held.
const (
	takesMarshalled = "what json.Marshal writes of a value is accepted"
	takesObedient   = "what obeys the shown schema is accepted"
	decodes         = "what the schema accepts decodes"
	losesNothing    = "what decodes has all that the arguments had"
	holdsRequired   = "arguments without a required property are refused"
)

// Figures count documents.
type figures struct{ types, accepted, refused int }

func (f *figures) add(more figures) {
	f.types += more.types
	f.accepted += more.accepted
	f.refused += more.refused
}

// agrees holds one type to the properties, with so many documents. alter plants
// a bug; nil for none.
func agrees(t reflect.Type, r *rand.Rand, documents int, alter func(map[string]any)) (f figures, err error) {
	made, err := tool.Reflected(t, alter)
	if err != nil {
		return f, &disagreement{check: "a tool can be made", typ: t, why: err.Error()}
	}
	shown := made.Def().Schema
	c := &checker{tool: made, typ: t, figures: &f}
	docs := docGen{valueGen{r}, read(shown).(map[string]any)}
	for i := range documents {
		switch i % 4 {
		case 0:
			err = c.marshalled(docs.value(t, 4).Addr().Interface())
		case 1:
			err = c.document(takesObedient, docs.obedient(t))
		case 2:
			err = c.mutant(mutate(r, docs.obedient(t)))
		case 3:
			err = c.mutant(mutate(r, reparse(docs.value(t, 4).Addr().Interface())))
		}
		if d, ok := errors.AsType[*disagreement](err); ok {
			d.typ, d.schema = t, string(shown)
			return f, d
		}
	}
	f.types++
	return f, nil
}

type checker struct {
	tool tool.Tool
	typ  reflect.Type
	*figures
}

// marshalled holds what json.Marshal writes of a value. Nil for all arguments
// means none, which is {}.
func (c *checker) marshalled(v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return &disagreement{check: takesMarshalled, why: err.Error()}
	}
	if string(raw) == "null" {
		return nil
	}
	return c.accepted(takesMarshalled, string(raw))
}

func (c *checker) document(check string, doc any) error {
	raw, err := json.Marshal(doc)
	if err != nil {
		return &disagreement{check: check, why: err.Error()}
	}
	return c.accepted(check, string(raw))
}

func (c *checker) accepted(check, doc string) error {
	args, err := c.tool.Parse(doc)
	if err == nil {
		return c.lossless(doc, args)
	}
	if _, ok := errors.AsType[*tool.DecodeError](err); ok {
		check = decodes
	}
	return &disagreement{check: check, doc: doc, why: err.Error()}
}

// mutant holds a document that may be wrong: what is accepted must decode whole.
func (c *checker) mutant(doc any) error {
	raw, err := json.Marshal(doc)
	if err != nil {
		return &disagreement{check: decodes, why: err.Error()}
	}
	args, err := c.tool.Parse(string(raw))
	if e, ok := errors.AsType[*tool.DecodeError](err); ok && !c.mayRefuse(e) {
		return &disagreement{check: decodes, doc: string(raw), why: err.Error()}
	}
	if err != nil {
		c.refused++
		return nil
	}
	return c.lossless(string(raw), args)
}

// mayRefuse reports whether a type that reads itself refused what its author
// said of it in a tag: big.Int reads no exponents.
func (c *checker) mayRefuse(e *tool.DecodeError) bool {
	return strings.HasPrefix(e.Err.Error(), "math/big:")
}

// lossless decodes arguments and compares what comes of them with what they were.
func (c *checker) lossless(doc string, args json.RawMessage) error {
	c.figures.accepted++
	v := reflect.New(c.typ)
	if err := tool.Decode(args, v.Interface()); err != nil {
		return &disagreement{check: decodes, doc: doc, why: err.Error()}
	}
	again, err := json.Marshal(v.Interface())
	if err != nil {
		return &disagreement{check: losesNothing, doc: doc, why: err.Error()}
	}
	if string(again) == "null" {
		again = []byte("{}")
	}
	lost := sameAs(read(args), read(again), jsonField{typ: c.typ})
	if lost == nil {
		return nil
	}
	check := losesNothing
	if errors.Is(lost, errRequired) {
		check = holdsRequired
	}
	return &disagreement{check: check, doc: doc, why: fmt.Sprintf("%v; decoded and written again: %s", lost, again)}
}

var errRequired = errors.New("a required member is not there")

// sameAs compares arguments with what is written of the value that they decode to.
// These differences are allowed, and no other:
//
//   - A number in another spelling, -0 for 0 among them: JSON, JSON Schema and Go
//     call the values equal, and 0 is the one canonical spelling.
//   - A number for a float is the float nearest to it: that is what the Go type
//     holds. So 1e-400 is 0.
//   - Base64 of the same bytes: line breaks and unused bits say nothing.
//   - A date-time of the same instant and offset: 1.50 and 1.5 seconds. Of the
//     fraction nine digits count: that is what time.Time holds.
//   - A text that the type's UnmarshalText reads, and its own spelling of it.
//   - A member that is not written since it is omitempty or omitzero, and what
//     was given decodes to the empty or zero value.
//   - A member that is written and was not given: its field is optional, or
//     behind an embedded pointer, and has its zero value.
//   - null for a field that holds no nil, which its author tagged nullable: it
//     has its zero value. null for nil is null again, and no difference.
//   - The order of members, and of those in a json.RawMessage or any.
func sameAs(args, again any, f jsonField) error {
	t := target(f.typ)
	got, isText := args.(string)
	switch {
	case args == nil && again != nil:
		return sameNull(again, f)
	case args == nil || again == nil || t.Kind() == reflect.Interface:
		return sameJSON(args, again)
	case f.quoted && isText && t.Kind() != reflect.Bool:
		return sameQuoted(got, again, f)
	case t == reflect.TypeFor[time.Time]():
		return sameTime(got, again)
	case hasOwnSchema(t) && t.Kind() == reflect.Struct && t != reflect.TypeFor[genPoint](), t == reflect.TypeFor[json.RawMessage](), t == genReader:
		return sameJSON(args, again)
	case readsText(t):
		return sameText(got, again, t)
	}
	return sameKind(args, again, t)
}

func sameKind(args, again any, t reflect.Type) error {
	switch t.Kind() {
	case reflect.Float32, reflect.Float64:
		return sameFloat(args, again, t)
	case reflect.Struct:
		return sameStruct(args, again, t)
	case reflect.Map:
		return sameMap(args, again, t)
	case reflect.Slice, reflect.Array:
		if got, ok := args.(string); ok {
			return sameBytes(got, again)
		}
		return sameItems(args, again, t)
	}
	return sameJSON(args, again)
}

func differ(args, again any) error { return fmt.Errorf("%v became %v", args, again) }

func sameNull(again any, f jsonField) error {
	nullable := strings.Contains(f.tag.Get("jsonschema"), "nullable")
	if nullable && sameZero(again, f) == nil {
		return nil
	}
	return differ(nil, again)
}

// sameZero holds a member to the zero value of its field.
func sameZero(again any, f jsonField) error {
	zero := reparse(reflect.New(f.typ).Interface())
	if got, ok := again.(string); ok && f.quoted {
		again = read([]byte(got))
	}
	return sameJSON(zero, again)
}

func sameQuoted(args string, again any, f jsonField) error {
	text, ok := again.(string)
	if !ok {
		return differ(args, again)
	}
	return sameKind(json.Number(args), json.Number(text), target(f.typ))
}

func sameTime(args string, again any) error {
	text, _ := again.(string)
	a, errA := time.Parse(time.RFC3339Nano, args)
	b, errB := time.Parse(time.RFC3339Nano, text)
	_, offsetA := a.Zone()
	_, offsetB := b.Zone()
	if errA != nil || errB != nil || !a.Equal(b) || offsetA != offsetB {
		return differ(args, again)
	}
	return nil
}

func sameText(args string, again any, t reflect.Type) error {
	text, _ := again.(string)
	spelled := func(s string) string {
		v := reflect.New(t).Interface()
		if err := v.(encoding.TextUnmarshaler).UnmarshalText([]byte(s)); err != nil {
			return err.Error()
		}
		written, err := v.(encoding.TextMarshaler).MarshalText()
		if err != nil {
			return err.Error()
		}
		return string(written)
	}
	if spelled(args) != text || spelled(text) != text {
		return differ(args, again)
	}
	return nil
}

func sameBytes(args string, again any) error {
	text, _ := again.(string)
	a, errA := base64.StdEncoding.DecodeString(args)
	b, errB := base64.StdEncoding.DecodeString(text)
	if errA != nil || errB != nil || !bytes.Equal(a, b) {
		return differ(args, again)
	}
	return nil
}

func sameFloat(args, again any, t reflect.Type) error {
	a, okA := args.(json.Number)
	b, okB := again.(json.Number)
	x, errA := strconv.ParseFloat(a.String(), t.Bits())
	y, errB := strconv.ParseFloat(b.String(), t.Bits())
	if !okA || !okB || errA != nil || errB != nil || x != y {
		return differ(args, again)
	}
	return nil
}

// sameJSON compares what no type changes: numbers by their exact value.
func sameJSON(args, again any) error {
	switch a := args.(type) {
	case json.Number:
		x, okA := new(big.Rat).SetString(a.String())
		b, okB := again.(json.Number)
		y, okC := new(big.Rat).SetString(b.String())
		if !okA || !okB || !okC || x.Cmp(y) != 0 {
			return differ(args, again)
		}
		return nil
	case []any:
		return sameItems(args, again, reflect.TypeFor[[]any]())
	case map[string]any:
		return sameMap(args, again, reflect.TypeFor[map[string]any]())
	}
	if args != again {
		return differ(args, again)
	}
	return nil
}

func sameItems(args, again any, t reflect.Type) error {
	a, okA := args.([]any)
	b, okB := again.([]any)
	if !okA || !okB || len(a) != len(b) {
		return differ(args, again)
	}
	for i := range a {
		if err := sameAs(a[i], b[i], jsonField{typ: t.Elem()}); err != nil {
			return fmt.Errorf("item %d: %w", i, err)
		}
	}
	return nil
}

func sameMap(args, again any, t reflect.Type) error {
	a, okA := args.(map[string]any)
	b, okB := again.(map[string]any)
	if !okA || !okB || len(a) != len(b) {
		return differ(args, again)
	}
	for key := range a {
		other, ok := b[key]
		if !ok {
			return fmt.Errorf("key %q is lost", key)
		}
		if err := sameAs(a[key], other, jsonField{typ: t.Elem()}); err != nil {
			return fmt.Errorf("key %q: %w", key, err)
		}
	}
	return nil
}

func sameStruct(args, again any, t reflect.Type) error {
	a, okA := args.(map[string]any)
	b, okB := again.(map[string]any)
	if !okA || !okB {
		return differ(args, again)
	}
	fields := jsonFields(t)
	for name, got := range a {
		f, known := fields[name]
		if !known {
			return fmt.Errorf("member %q is lost", name)
		}
		if err := sameMember(got, b, name, f); err != nil {
			return fmt.Errorf("member %q: %w", name, err)
		}
	}
	return notGiven(a, b, fields)
}

func sameMember(got any, again map[string]any, name string, f jsonField) error {
	written, ok := again[name]
	if ok {
		return sameAs(got, written, f)
	}
	raw, err := json.Marshal(got)
	if err != nil {
		return err
	}
	if got, quoted := got.(string); quoted && f.quoted {
		raw = []byte(got)
	}
	v := reflect.New(f.typ).Elem()
	if err := tool.Decode(raw, v.Addr().Interface()); err != nil {
		return err
	}
	if f.omitEmpty && isEmpty(v) || f.omitZero && isZero(v) {
		return nil
	}
	return errors.New("it is lost")
}

// isEmpty is what omitempty leaves out.
func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map, reflect.Array, reflect.String:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}

// isZero is what omitzero leaves out.
func isZero(v reflect.Value) bool {
	if z, ok := v.Interface().(interface{ IsZero() bool }); ok && (v.Kind() != reflect.Pointer || !v.IsNil()) {
		return z.IsZero()
	}
	return v.IsZero()
}

// notGiven holds the members that were not given to their zero values.
func notGiven(args, again map[string]any, fields map[string]jsonField) error {
	for name, written := range again {
		if _, given := args[name]; given {
			continue
		}
		f := fields[name]
		if !f.optional && f.tag.Get("jsonschema") != "-" {
			return fmt.Errorf("member %q: %w", name, errRequired)
		}
		if err := sameZero(written, f); err != nil {
			return fmt.Errorf("member %q was not given: %w", name, err)
		}
	}
	return nil
}

func environment(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, name)
	return n
}

// TestSchemaAgrees holds generated types and documents to the properties above.
// TOOLLOOP_SEED, TOOLLOOP_TYPES and TOOLLOOP_DOCUMENTS change what is generated;
// with TOOLLOOP_DURATION, such as 60m, it goes on with the next seeds for so long.
func TestSchemaAgrees(t *testing.T) {
	t.Parallel()
	seed, types, documents := environment(t, "TOOLLOOP_SEED", 1), environment(t, "TOOLLOOP_TYPES", 500), environment(t, "TOOLLOOP_DOCUMENTS", 200)
	end := time.Now()
	if text := os.Getenv("TOOLLOOP_DURATION"); text != "" {
		d, err := time.ParseDuration(text)
		require.NoError(t, err)
		end = end.Add(d)
	}
	for {
		f := agreesAll(t, seed, types, documents)
		t.Logf("schema agrees: %d types x %d documents (%d accepted, %d refused), seed %d",
			f.types, documents, f.accepted, f.refused, seed)
		all := f.accepted + f.refused
		require.Equal(t, types, f.types)
		require.Greater(t, f.accepted, all/2, "too few documents are accepted")
		require.Greater(t, f.refused, all/5, "too few documents are refused")
		if !time.Now().Before(end) {
			return
		}
		seed++
	}
}

// agreesAll holds all types of one seed, on every processor.
func agreesAll(t *testing.T, seed, types, documents int) figures {
	t.Helper()
	var total figures
	var failed []string
	var mu sync.Mutex
	var workers sync.WaitGroup
	next := make(chan int)
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := range next {
				r := rand.New(rand.NewPCG(uint64(seed), uint64(i)))
				f, err := agrees(typeGen{r}.root(), r, documents, nil)
				mu.Lock()
				total.add(f)
				if err != nil {
					failed = append(failed, fmt.Sprintf("type %d of seed %d: %v", i, seed, err))
				}
				mu.Unlock()
			}
		})
	}
	for i := range types {
		next <- i
	}
	close(next)
	workers.Wait()
	require.Zero(t, len(failed), "%s", strings.Join(failed[:min(len(failed), 5)], "\n"))
	return total
}
