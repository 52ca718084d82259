package tool_test

import (
	"encoding/json"
	"errors"
	"fmt"
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
	takesMarshalled = "what json.Marshal writes of a value is accepted as it is"
	takesObedient   = "what obeys the shown schema is accepted as it is"
	decodes         = "what the schema accepts decodes"
	losesNothing    = "what decodes has all that the arguments had"
	holdsRequired   = "arguments without a required property are refused"
	samePaths       = "arguments that are right as they are fare alike on both paths"
)

// Figures count documents.
type figures struct{ types, accepted, refused, direct int }

func (f *figures) add(more figures) {
	f.types += more.types
	f.direct += more.direct
	f.accepted += more.accepted
	f.refused += more.refused
}

// agrees holds one type to the properties, with so many documents. alter plants a bug;
// nil means no bug.
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

// marshalled holds what json.Marshal writes of a value. Nil for all arguments means {}.
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
	if why := c.paths(doc); why != "" {
		return &disagreement{check: samePaths, doc: doc, why: why}
	}
	args, repairs, err := c.tool.Parse(doc)
	if err == nil && len(repairs) == 0 {
		return c.lossless(doc, args)
	}
	if err == nil {
		return &disagreement{check: check, doc: doc, why: "it was repaired: " + strings.Join(repairs, ", ")}
	}
	if _, ok := errors.AsType[*tool.DecodeError](err); ok {
		check = decodes
	}
	return &disagreement{check: check, doc: doc, why: err.Error()}
}

// mutant checks a document that may be invalid: accepted documents must decode without
// loss.
func (c *checker) mutant(doc any) error {
	raw, err := json.Marshal(doc)
	if err != nil {
		return &disagreement{check: decodes, why: err.Error()}
	}
	if why := c.paths(string(raw)); why != "" {
		return &disagreement{check: samePaths, doc: string(raw), why: why}
	}
	args, _, err := c.tool.Parse(string(raw))
	if e, ok := errors.AsType[*tool.DecodeError](err); ok && !c.mayRefuse(e) {
		return &disagreement{check: decodes, doc: string(raw), why: err.Error()}
	}
	if err != nil {
		c.refused++
		return nil
	}
	return c.lossless(string(raw), args)
}

// paths compares the two paths of Parse, and counts documents that need only the first.
func (c *checker) paths(doc string) string {
	if !accepts(c.tool, doc) {
		return ""
	}
	c.figures.direct++
	return differentPaths(c.tool, doc)
}

// mayRefuse reports whether a type with its own UnmarshalJSON may refuse values that its
// tag allows: big.Int reads no exponents.
func (c *checker) mayRefuse(e *tool.DecodeError) bool {
	return strings.HasPrefix(e.Err.Error(), "math/big:")
}

// lossless decodes arguments, encodes the value, and compares the result with the
// arguments.
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

// TestSchemaAgreesRefuses inserts types without a schema into generated types. The error
// names the field.
func TestSchemaAgreesRefuses(t *testing.T) {
	for i := range 500 {
		r := rand.New(rand.NewPCG(1, uint64(i)))
		bad, path := typeGen{r}.bad(3)
		_, err := tool.Reflected(bad, nil)
		require.Error(t, err, "%v", bad)
		require.Contains(t, err.Error(), `tool "reflected": field `+path+":", "%v", bad)
	}
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
// TOOLLOOP_SEED, TOOLLOOP_TYPES and TOOLLOOP_DOCUMENTS change the generated cases.
// TOOLLOOP_DURATION, such as 60m, continues with the next seeds for that time.
//
// These tests are not parallel to other tests: they use all processors and much memory,
// and the attack tests measure time and bytes.
func TestSchemaAgrees(t *testing.T) {
	seed, types, documents := environment(t, "TOOLLOOP_SEED", 1), environment(t, "TOOLLOOP_TYPES", someTypes), environment(t, "TOOLLOOP_DOCUMENTS", 200)
	end := time.Now()
	if text := os.Getenv("TOOLLOOP_DURATION"); text != "" {
		d, err := time.ParseDuration(text)
		require.NoError(t, err)
		end = end.Add(d)
	}
	for {
		f := agreesAll(t, seed, types, documents)
		t.Logf("schema agrees: %d types x %d documents (%d accepted, %d of them directly, %d refused), seed %d",
			f.types, documents, f.accepted, f.direct, f.refused, seed)
		all := f.accepted + f.refused
		require.Equal(t, types, f.types)
		require.Greater(t, f.accepted, all/2, "too few documents are accepted")
		require.Greater(t, f.refused, all/5, "too few documents are refused")
		require.Greater(t, f.direct, all/50, "too few documents are accepted directly")
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
				f, err := agrees(typeGen{r}.nth(i), r, documents, nil)
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
