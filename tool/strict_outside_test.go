package tool_test

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/tool"
)

// sharedDir returns a directory of material that is not part of the repository,
// beside it or where the variable says, or skips the test.
func sharedDir(t *testing.T, variable, name string) string {
	t.Helper()
	dir := cmp.Or(os.Getenv(variable), filepath.Join("..", "..", "shared", name))
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	if os.Getenv("TOOLLOOP_REQUIRE_SHARED") != "" {
		t.Fatalf("no %s in %s, and TOOLLOOP_REQUIRE_SHARED is set", name, dir)
	}
	t.Skipf("no %s in %s; %s names another directory", name, dir, variable)
	return ""
}

// A strictCount counts the schemas with a strict form, and the reasons why the others
// have no such form.
type strictCount struct {
	strict int
	why    map[string]int
}

// add checks the strict form of one tool.
func (c *strictCount) add(t *testing.T, made tool.Tool) {
	t.Helper()
	def := made.Def()
	if err := made.NotStrict(); err != nil {
		require.Nil(t, def.Strict)
		_, why, _ := strings.Cut(err.Error(), "form: ")
		_, why, _ = strings.Cut(why, ": ")
		c.why[why]++
		return
	}
	c.strict++
	require.Empty(t, strictRules(def.Strict), "%s\n%s", def.Schema, def.Strict)
}

func (c *strictCount) print(what string) {
	var why []string
	total := c.strict
	for _, reason := range slices.Sorted(maps.Keys(c.why)) {
		why = append(why, fmt.Sprintf("%d %s", c.why[reason], reason))
		total += c.why[reason]
	}
	fmt.Printf("strict: %d of %d schemas %s, and why not: %s\n", c.strict, total, what, cmp.Or(strings.Join(why, "; "), "nothing"))
}

// TestStrictOrderDesk: the tools of an outside benchmark all have a strict form.
func TestStrictOrderDesk(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join(sharedDir(t, "TOOLLOOP_ORDERDESK", "orderdesk"), "tools.json"))
	require.NoError(t, err)
	var defs []struct {
		Name, Description string
		Parameters        json.RawMessage
	}
	require.NoError(t, json.Unmarshal(raw, &defs))
	count := strictCount{why: map[string]int{}}
	for _, def := range defs {
		made, err := tool.NewRaw(def.Name, def.Description, def.Parameters, echo)
		require.NoError(t, err)
		count.add(t, made)
	}
	count.print("of the order desk")
	require.Equal(t, strictCount{strict: 16, why: map[string]int{}}, count)
}

// TestStrictTraffic makes the strict form of every tool in recorded requests.
func TestStrictTraffic(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(sharedDir(t, "TOOLLOOP_TRAFFIC", "traffic"), "*.jsonl"))
	require.NoError(t, err)
	schemas := map[string]json.RawMessage{}
	for _, file := range files {
		readSchemas(t, file, schemas)
	}
	require.NotEmpty(t, schemas, "no tools in the recordings")
	count := strictCount{why: map[string]int{}}
	for _, key := range slices.Sorted(maps.Keys(schemas)) {
		made, err := tool.NewRaw("x", "", schemas[key], echo)
		require.NoError(t, err, key)
		count.add(t, made)
	}
	count.print("in recorded requests")
	require.Greater(t, count.strict, len(schemas)/2)
}

// readSchemas adds the different schemas of tools in a file of recordings.
func readSchemas(t *testing.T, file string, to map[string]json.RawMessage) {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	for r := bufio.NewReader(f); ; {
		line, err := r.ReadBytes('\n')
		var recorded struct {
			Request struct {
				Tools []struct {
					Function struct{ Parameters json.RawMessage }
				}
			}
		}
		if len(bytes.TrimSpace(line)) > 0 && json.Unmarshal(line, &recorded) == nil {
			for _, d := range recorded.Request.Tools {
				to[string(d.Function.Parameters)] = d.Function.Parameters
			}
		}
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
	}
}

// TestStrictTyped: typed tools of many shapes have a strict form by the rules.
func TestStrictTyped(t *testing.T) {
	t.Parallel()
	type leaves struct {
		D  time.Duration `json:"d"`
		T  time.Time     `json:"t,omitzero"`
		B  []byte        `json:"b" jsonschema:"maxLength=9"`
		F  [2]byte       `json:"f"`
		N  json.Number   `json:"n,omitempty"`
		S  int           `json:"s,string"`
		O  *bool         `json:"o,string"`
		C  celsius       `json:"c" jsonschema:"title=C,maximum=50"`
		M  *money        `json:"m"`
		E  *string       `json:"e" jsonschema:"nullable,enum=x"`
		X  any           `json:"x" jsonschema:"type=string"`
		Y  any           `json:"y" jsonschema:"oneof_type=string;integer"`
		Z  any           `json:"z,omitempty" jsonschema:"anyof_type=string;null"`
		U  uint64        `json:"u" jsonschema:"default=3"`
		Li []string      `json:"li,omitempty" jsonschema:"enum=x,enum=y,uniqueItems=true,minItems=1"`
	}
	count := strictCount{why: map[string]int{}}
	for _, make := range []func() (tool.Tool, error){
		takes[struct{}], takes[*base], takes[jsonTime], takes[leaves], takes[page[page[string]]], takes[branch], takes[strictOrder],
		takes[struct {
			base
			*Options
			Named base `json:"named,omitempty"`
		}],
		takes[struct{ Items []*page[*leaves] }], takes[struct{ A, B branch }],
		takes[tree], takes[map[string]int], takes[struct{ A any }], takes[struct{ M map[string]any }],
	} {
		made, err := make()
		require.NoError(t, err)
		count.add(t, made)
	}
	count.print("of Go types")
	require.Equal(t, strictCount{10, map[string]int{"properties of any name (additionalProperties)": 2, "any value": 1, "properties of any name": 1}}, count)
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		_, _ = takes[strictOrder]()
	}
}

func BenchmarkStrictForm(b *testing.B) {
	wire := tool.Must(takes[strictOrder]()).Def().Schema
	for b.Loop() {
		_, _ = tool.StrictForm(wire)
	}
}
