package forms

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
	"github.com/seed-916e8f6a/toolloop/tool/internal/validate"
)

// A site is the place of a schema. base is the enclosing "$id"; names are relative to
// base.
type site struct {
	schema *tree.Value
	base   string
	above  *site    // enclosing schema; nil at the top
	steps  []string // path from above
}

func (s *site) path() (path []string) {
	for ; s.above != nil; s = s.above {
		path = slices.Insert(path, 0, s.steps...)
	}
	return path
}

// A graph is a schema with its references.
type graph struct {
	root  *tree.Value
	base  string  // base at the top
	id    string  // keyword that names a schema
	sites []*site // in document order, each before its inner schemas
	known map[*tree.Value]bool
	ids   map[string]string // full names to the pointers of their schemas
}

func readGraph(root *tree.Value) *graph {
	g := &graph{root: root, base: validate.SchemaURL, id: "$id", known: map[*tree.Value]bool{}, ids: map[string]string{validate.SchemaURL: ""}}
	if strings.Contains(root.Get("$schema").Str(), "draft-04") {
		g.id = "id" // later drafts ignore "id"
	}
	g.read(&site{schema: root, base: validate.SchemaURL})
	g.base = g.sites[0].base
	return g
}

func (g *graph) read(s *site) {
	if id := s.schema.Get(g.id).Str(); id != "" {
		at, name := locate(s.base, id)
		s.base = at
		g.ids[at+name] = tree.Pointer(s.path())
	}
	for _, keyword := range []string{"$anchor", "$dynamicAnchor"} {
		if name := s.schema.Get(keyword).Str(); name != "" {
			g.ids[s.base+"#"+name] = tree.Pointer(s.path())
		}
	}
	g.known[s.schema] = true
	g.sites = append(g.sites, s)
	s.schema.EachSubschema(func(below *tree.Value, steps ...string) { g.read(&site{below, s.base, s, steps}) })
}

// reference rewrites a reference that is relative to base as a reference from the root.
func (g *graph) reference(ref, base string) string {
	at, rest := locate(base, ref)
	if to, ok := g.ids[at+rest]; ok {
		return fragment(to)
	}
	if to, ok := g.ids[at]; ok && strings.HasPrefix(rest, "#/") {
		return fragment(to) + rest[1:]
	}
	return ref
}

// target returns the target of a reference, or nil if the schema contains no target.
func (g *graph) target(s *site) ([]string, *tree.Value) {
	ref := s.schema.Get("$ref").Str()
	if ref == "" {
		return nil, nil
	}
	path, local := tree.PathOf(g.reference(ref, s.base))
	if !local {
		return nil, nil
	}
	if to := tree.Descend(g.root, path); tree.IsSchema(to) {
		return path, to
	}
	return nil, nil
}

// point sets the reference of a schema to path.
func (g *graph) point(s *site, path []string) string {
	ref := fragment(tree.Pointer(path))
	if s.base != g.base { // a nested "$id" changes the meaning of #
		ref = g.base + ref
	}
	s.schema.Set("$ref", tree.Text(ref))
	return ref
}

// isValid reports whether the reference of s is valid. A remote reference is valid, too.
func (g *graph) isValid(s *site) bool {
	ref := s.schema.Get("$ref").Str()
	if _, to := g.target(s); to != nil {
		return true
	}
	return ref == "" || s.isRemote()
}

// isRemote reports whether a reference leaves the schema.
func (s *site) isRemote() bool {
	name, _, _ := strings.Cut(s.schema.Get("$ref").Str(), "#")
	return strings.Contains(name, ":") || name != "" && !strings.HasPrefix(s.base, validate.SchemaURL[:len("tool:")])
}

// dropDangling removes invalid and remote references from a shown schema.
func dropDangling(shown *tree.Value) {
	g := readGraph(shown)
	for _, s := range g.sites {
		if !g.isValid(s) || s.isRemote() {
			s.schema.DropReference("$ref")
		}
	}
}

// dropDynamic removes dynamic references if several schemas share a dynamic anchor.
// Anchors of one name need an "$id" each, and the shown schema has no "$id".
func (g *graph) dropDynamic() {
	seen, twice := map[string]bool{}, false
	for _, s := range g.sites {
		if name := s.schema.Get("$dynamicAnchor").Str(); name != "" {
			twice = twice || seen[name]
			seen[name] = true
		}
	}
	for _, s := range g.sites {
		if twice {
			s.schema.DropReference("$dynamicRef")
			s.schema.Remove("$dynamicAnchor")
		}
	}
}

// references repairs invalid references. A reference may be relative to an enclosing
// schema, since generators copy whole schemas into other schemas, or may name the only
// definition with its name.
func (m *repairer) references(root *tree.Value) {
	g := readGraph(root)
	named := g.definitions()
	for _, s := range g.sites {
		if g.isValid(s) {
			continue
		}
		ref := s.schema.Get("$ref").Str()
		if path := g.intended(s, named); path != nil {
			m.at = nil
			for _, name := range s.path() {
				m.at = append(m.at, tree.Step{Name: name, Index: -1})
			}
			m.report("reference %s leads nowhere and is read as %s", tree.Quote(ref), tree.Quote(g.point(s, path)))
		}
	}
	m.at = nil
}

func (g *graph) intended(s *site, named map[string][][]string) []string {
	ref := s.schema.Get("$ref").Str()
	if path, local := tree.PathOf(ref); local {
		for around := s; around != nil; around = around.above {
			if tree.IsSchema(tree.Descend(around.schema, path)) {
				return append(around.path(), path...)
			}
		}
	}
	name := tree.UnescapeStep.Replace(ref[strings.LastIndexAny(ref, "/#")+1:])
	if paths := named[name]; len(paths) == 1 {
		return paths[0]
	}
	return nil
}

// definitions returns the places of the definitions by name.
func (g *graph) definitions() map[string][][]string {
	named := map[string][][]string{}
	for _, s := range g.sites {
		for _, keyword := range []string{"$defs", "definitions"} {
			for _, name := range s.schema.Get(keyword).Names() {
				named[name] = append(named[name], append(s.path(), keyword, name))
			}
		}
		for _, keyword := range []string{"$id", "id"} {
			if id := strings.TrimPrefix(s.schema.Get(keyword).Str(), "#"); id != "" && s.above != nil && named[id] == nil {
				named[id] = [][]string{s.path()}
			}
		}
	}
	return named
}

// maxHoists bounds the passes of hoist. Each pass can reveal further references.
const maxHoists = 16

// hoist moves referenced schemas that are not below a keyword of JSON Schema, such as
// the "components" of OpenAPI, to the definitions.
func hoist(root *tree.Value) error {
	left := []string{"components"}
	for range maxHoists {
		g := readGraph(root)
		moved := g.hoist()
		if len(moved) == 0 {
			break
		}
		if n := root.Schemas(); n > 2*MaxRawSchemas {
			return fmt.Errorf("schema: its references lead to %d objects and booleans; at most %d are read", n, MaxRawSchemas)
		}
		for _, mv := range moved {
			left = append(left, mv.from[0])
		}
	}
	slices.Sort(left)
	for _, name := range slices.Compact(left) {
		if root.Has(name) && !slices.Contains(wellKnown, name) && !readGraph(root).reaches(name) {
			root.Remove(name)
		}
	}
	return nil
}

// reaches reports whether a reference leads into the member name of the root.
func (g *graph) reaches(name string) bool {
	return slices.ContainsFunc(g.sites, func(s *site) bool {
		path, _ := g.target(s)
		return len(path) > 0 && path[0] == name
	})
}

// A move moves a schema to the definition with the name.
type move struct {
	from   []string
	schema *tree.Value
	name   string
}

// hoist moves the schemas that references lead to now. The moved schemas may contain
// further references to move.
func (g *graph) hoist() []move {
	var moves []move
	looked := map[string]bool{}
	for _, s := range g.sites {
		path, to := g.target(s)
		if to == nil || g.known[to] || looked[tree.Pointer(path)] {
			continue
		}
		for _, mv := range g.siblings(path, to) {
			if at := tree.Pointer(mv.from); !looked[at] {
				looked[at] = true
				moves = append(moves, mv)
			}
		}
	}
	if len(moves) == 0 || !g.define(moves) {
		return nil
	}
	moved := make(map[string]move, len(moves))
	for _, mv := range moves {
		moved[tree.Pointer(mv.from)] = mv
	}
	for _, mv := range moves { // moved schemas contain references, too
		g.read(&site{schema: mv.schema, base: g.base})
	}
	for _, s := range g.sites {
		path, _ := g.target(s)
		g.follow(s, path, moved)
	}
	return moves
}

// define adds the definitions under unused names. define reports false if "$defs" is not
// an object.
func (g *graph) define(moves []move) bool {
	g.root.SetDefault("$defs", tree.Object())
	defs := g.root.Get("$defs")
	if defs.Form != tree.ObjectForm {
		return false
	}
	used := map[string]bool{}
	for _, name := range defs.Names() {
		used[name] = true
	}
	for i := range moves {
		mv := &moves[i]
		mv.schema, mv.name = mv.schema.Clone(), mv.from[len(mv.from)-1]
		for n := 2; used[mv.name]; n++ {
			mv.name = fmt.Sprintf("%s_%d", mv.from[len(mv.from)-1], n)
		}
		used[mv.name] = true
		defs.Members = append(defs.Members, tree.Member{Name: mv.name, Value: mv.schema})
	}
	return true
}

// follow updates a reference to a moved schema.
func (g *graph) follow(s *site, path []string, moved map[string]move) {
	for n := len(path); n > 0; n-- {
		if mv, ok := moved[tree.Pointer(path[:n])]; ok {
			g.point(s, append([]string{"$defs", mv.name}, path[n:]...))
			return
		}
	}
}

// siblings returns a schema together with its siblings if all of them are schemas, such as
// all of "components/schemas".
func (g *graph) siblings(path []string, schema *tree.Value) []move {
	within := path[:len(path)-1]
	group := tree.Descend(g.root, within)
	if len(within) == 0 || g.known[group] || group.Form != tree.ObjectForm ||
		slices.ContainsFunc(group.Members, func(m tree.Member) bool { return !tree.IsSchema(m.Value) }) {
		return []move{{from: path, schema: schema}}
	}
	var all []move
	for _, m := range group.Members {
		all = append(all, move{from: slices.Concat(within, []string{m.Name}), schema: m.Value})
	}
	return all
}

// keepRoot preserves the meaning of "#" where the shown top differs from the original
// top. The shown top is always an object without combinations, so the original top
// becomes a definition.
func keepRoot(shown *tree.Value) {
	top := shown.Get("type")
	if shown.Get("$ref").Str() == "#" || top.Str() == "object" && !shown.Has(tree.Combinators...) {
		return
	}
	g := readGraph(shown)
	loops := slices.DeleteFunc(g.sites, func(s *site) bool {
		path, local := tree.PathOf(s.schema.Get("$ref").Str())
		return !local || len(path) > 0 || !s.schema.Has("$ref")
	})
	if len(loops) == 0 {
		return
	}
	shown.SetDefault("$defs", tree.Object())
	defs, name := shown.Get("$defs"), "arguments"
	for defs.Has(name) {
		name += "_"
	}
	for _, s := range loops {
		g.point(s, []string{"$defs", name})
	}
	whole := shown.Clone()
	whole.Remove(tree.DefinitionKeywords...)
	defs.Set(name, whole)
}
