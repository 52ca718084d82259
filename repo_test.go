// Package toolloop_test holds the tests of the repository as a whole: which
// package may import which, how much each one exports, what the core module
// requires, and that the README shows code that runs.
package toolloop_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
)

const module = "github.com/seed-916e8f6a/toolloop"

// arrows says what each package of the core may import of this module, beside
// what those packages may. It is the table of DESIGN.md.
var arrows = map[string][]string{
	"internal/browser":           {},
	"internal/tied":              {},
	"internal/clip":              {},
	"internal/faketb":            {},
	"internal/hostile":           {"llm", "runner/event"},
	"internal/invoke":            {"llm", "tool"},
	"internal/memnet":            {},
	"internal/mutant":            {},
	"internal/netguard":          {},
	"internal/appended":          {"llm"},
	"internal/opening":           {},
	"internal/waited":            {},
	"internal/batched":           {"llm"},
	"internal/prompt":            {"llm"},
	"internal/scenario":          {"llm", "llm/llmtest", "llm/openai", "llm/wrap", "tool", "agent", "runner", "runner/event", "runner/runnertest"},
	"llm":                        {},
	"llm/wrap":                   {"internal/batched", "internal/clip", "internal/prompt", "internal/secret", "internal/waited", "llm"},
	"llm/openai":                 {"internal/appended", "internal/batched", "internal/clip", "internal/netguard", "internal/prompt", "internal/rawjson", "internal/secret", "llm", "llm/wrap"},
	"internal/rawjson":           {"llm"},
	"llm/llmtest":                {"internal/clip", "internal/memnet", "internal/netguard", "internal/rawjson", "llm", "llm/wrap"},
	"llm/llmtest/tape":           {"internal/clip", "internal/rawjson", "internal/secret", "llm"},
	"internal/secret":            {},
	"tool":                       {"internal/clip", "internal/rawjson", "internal/secret", "llm", "tool/internal/tree", "tool/internal/validate", "tool/internal/gotype", "tool/internal/forms"},
	"tool/internal/tree":         {"internal/clip", "internal/rawjson", "internal/secret"},
	"tool/internal/validate":     {"internal/clip", "internal/rawjson", "tool/internal/tree"},
	"tool/internal/gotype":       {"internal/clip", "tool/internal/tree", "tool/internal/validate"},
	"tool/internal/forms":        {"internal/clip", "tool/internal/tree", "tool/internal/validate"},
	"agent":                      {"internal/rawjson", "llm", "tool"},
	"runner/event":               {"internal/clip", "llm"},
	"runner/internal/loop":       {"internal/rawjson", "llm", "runner/event"},
	"runner/compact":             {"internal/clip", "llm", "runner/internal/loop"},
	"runner/journal":             {"internal/opening", "llm", "runner/event"},
	"runner/internal/find":       {},
	"runner/internal/step":       {"runner/event", "runner/journal"},
	"runner":                     {"internal/appended", "internal/batched", "internal/clip", "internal/invoke", "internal/opening", "internal/prompt", "internal/rawjson", "internal/waited", "llm", "tool", "agent", "runner/compact", "runner/event", "runner/internal/find", "runner/internal/loop", "runner/internal/step", "runner/journal"},
	"runner/internal/pages":      {"internal/clip", "llm", "runner/event"},
	"runner/inspect":             {"internal/clip", "llm", "runner", "runner/event", "runner/internal/pages", "runner/journal"},
	"runner/report":              {"runner/event", "runner/internal/pages"},
	"runner/serve":               {"llm", "agent", "runner", "runner/event", "runner/journal"},
	"runner/runnertest":          {"llm", "llm/llmtest", "tool", "agent", "runner", "runner/event", "runner/journal", "runner/runnertest/internal/sample"},
	"runner/journal/journaltest": {"llm", "runner/event", "runner/journal"},

	"runner/runnertest/internal/sample": {"tool"},
}

// outside says which packages may import what from outside the standard library.
var outside = map[string][]string{
	"tool/internal/gotype":   {"github.com/invopop/jsonschema"},
	"tool/internal/validate": {"github.com/santhosh-tekuri/jsonschema/"},
	"tool/internal/forms":    {"github.com/santhosh-tekuri/jsonschema/"},
	"runner":                 {"golang.org/x/sync/"},
}

type listed struct {
	ImportPath string
	Imports    []string
	Standard   bool
}

func list(t *testing.T) []listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Env = append(os.Environ(), "GOWORK=off")
	out, err := cmd.Output()
	require.NoError(t, err)
	var all []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p listed
		require.NoError(t, dec.Decode(&p))
		all = append(all, p)
	}
	return all
}

// TestArrows: imports point as the table says.
func TestArrows(t *testing.T) {
	t.Parallel()
	for _, p := range list(t) {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		if name == "" {
			continue // this package
		}
		allowed, known := arrows[name]
		require.True(t, known, "%s is not in the table", name)
		for _, imp := range p.Imports {
			if own, ok := strings.CutPrefix(imp, module+"/"); ok {
				require.Contains(t, allowed, own, "%s imports %s", name, own)
				continue
			}
			if !strings.Contains(strings.Split(imp, "/")[0], ".") {
				continue // the standard library
			}
			require.True(t, slices.ContainsFunc(outside[name], func(prefix string) bool { return strings.HasPrefix(imp+"/", prefix) }),
				"%s imports %s", name, imp)
		}
	}
}

// TestExportedNames bounds what each package exports at its top level: types,
// functions, constants and variables. The bounds are those of DESIGN.md.
func TestExportedNames(t *testing.T) {
	t.Parallel()
	rows := regexp.MustCompile("(?m)^\\| `([a-z/]+)` \\| ([0-9]+) \\|").FindAllStringSubmatch(read(t, "DESIGN.md"), -1)
	require.Len(t, rows, 16)
	for _, row := range rows {
		limit, err := strconv.Atoi(row[2])
		require.NoError(t, err)
		names := exported(t, row[1])
		require.NotEmpty(t, names)
		require.LessOrEqual(t, len(names), limit, "%s exports %v", row[1], names)
	}
}

func exported(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, decl := range f.Decls {
			names = append(names, declared(decl)...)
		}
	}
	return slices.DeleteFunc(names, func(n string) bool { return !ast.IsExported(n) })
}

func declared(decl ast.Decl) (names []string) {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			names = append(names, d.Name.Name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				names = append(names, s.Name.Name)
			case *ast.ValueSpec:
				for _, n := range s.Names {
					names = append(names, n.Name)
				}
			}
		}
	}
	return names
}

// TestRequirements: the core module requires four libraries, and no package of
// ours has an init function.
func TestRequirements(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("go.mod")
	require.NoError(t, err)
	var direct []string
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) == 2 && strings.HasPrefix(fields[1], "v") {
			direct = append(direct, fields[0])
		}
	}
	require.Equal(t, []string{
		"github.com/invopop/jsonschema", "github.com/santhosh-tekuri/jsonschema/v6",
		"github.com/stretchr/testify", "golang.org/x/sync",
	}, direct)
}

func TestNoInit(t *testing.T) {
	t.Parallel()
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || path.Ext(file) != ".go" {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range f.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s has an init function", file)
			}
		}
		return nil
	})
	require.NoError(t, err)
}

// blocks returns a page's blocks in a language.
func blocks(t *testing.T, page, language string) []string {
	t.Helper()
	var all []string
	for _, part := range strings.Split(read(t, page), "```"+language+"\n")[1:] {
		block, _, closed := strings.Cut(part, "```")
		require.True(t, closed)
		all = append(all, block)
	}
	return all
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	return string(data)
}

// userTests is the test file of an agent of a user.
const userTests = "examples/testing/desk_test.go"

// TestReadmeBlocks: but for the program, each block of code stands in a test that
// runs, and each text is what an example prints.
func TestReadmeBlocks(t *testing.T) {
	t.Parallel()
	require.LessOrEqual(t, strings.Count(read(t, "README.md"), "\n"), 220) // a screen for each job, for typed answers and for several agents
	examples, tests := examplesOf(t, "runner"), read(t, userTests)
	code, printed := blocks(t, "README.md", "go"), blocks(t, "README.md", "text")
	require.Len(t, append(code, printed...), strings.Count(read(t, "README.md"), "```")/2, "blocks in other languages")
	require.Greater(t, len(code), 4)
	for _, block := range code[1 : len(code)-1] {
		require.Contains(t, flush(examples), flush(block))
	}
	require.Contains(t, tests, code[len(code)-1])
	servers := examplesOf(t, "tool/mcp")
	for _, block := range blocks(t, "tool/mcp/README.md", "go") {
		require.Contains(t, flush(servers), flush(block))
	}
	for _, block := range printed {
		require.Contains(t, strings.ReplaceAll(flush(examples), "// ", ""), block)
	}
}

// examplesOf returns the examples of a package, one file for each feature.
func examplesOf(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "example_*_test.go"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var all strings.Builder
	for _, file := range files {
		all.WriteString(read(t, file))
	}
	return all.String()
}

// TestComparedTests: docs/compare.md shows our own test of the examples, and counts
// the lines of each test correctly.
func TestComparedTests(t *testing.T) {
	t.Parallel()
	code := blocks(t, "docs/compare.md", "go")
	require.Contains(t, read(t, userTests), code[0])
	counts := regexp.MustCompile(`(?m)^\*\*.*: (\d+) lines`).FindAllStringSubmatch(read(t, "docs/compare.md"), -1)
	require.Len(t, counts, len(code))
	for i, block := range code {
		lines := slices.DeleteFunc(strings.Split(block, "\n"), func(line string) bool { return strings.TrimSpace(line) == "" })
		require.Equal(t, counts[i][1], strconv.Itoa(len(lines)), counts[i][0])
	}
}

// TestUserTests: a user's test of a flow fits into fifteen lines.
func TestUserTests(t *testing.T) {
	t.Parallel()
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, userTests, nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	flows := 0
	for _, decl := range f.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok || !strings.HasPrefix(fn.Name.Name, "Test") {
			continue
		}
		flows++
		lines := fset.Position(fn.End()).Line - fset.Position(fn.Pos()).Line + 1
		require.LessOrEqual(t, lines, 15, fn.Name.Name)
	}
	require.GreaterOrEqual(t, flows, 10)
}

// flush cuts the indents, which differ between a page and a function.
func flush(code string) string {
	var b strings.Builder
	for line := range strings.Lines(code) {
		b.WriteString(strings.TrimLeft(line, "\t"))
	}
	return b.String()
}

// TestOutside builds and runs the README's program in a module of its own, with
// the core replaced by this checkout and nothing else of it in the module graph.
func TestOutside(t *testing.T) {
	t.Parallel()
	core, err := os.Getwd()
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte(blocks(t, "README.md", "go")[0]), 0o600))
	sums, err := os.ReadFile("go.sum")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o600))
	script := llmtest.NewScript(llmtest.Calls("get_weather", map[string]string{"city": "Beijing"}), llmtest.Text("It is 22 °C."))
	server := script.Serve()
	defer server.Close()
	outside := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod", "OPENAI_API_KEY=", "OPENAI_BASE_URL="+server.BaseURL)
		var messages strings.Builder // such as downloads of modules
		cmd.Stderr = &messages
		out, err := cmd.Output()
		require.NoError(t, err, "%s%s", out, &messages)
		return string(out)
	}
	outside("mod", "init", "example.com/outside")
	outside("mod", "edit", "-require="+module+"@v0.1.0", "-replace="+module+"="+core)
	require.Equal(t, "It is 22 °C.\n", outside("run", "."))
	require.NoError(t, script.Done())
	require.NotContains(t, outside("list", "-m", "all"), module+"/")
}
