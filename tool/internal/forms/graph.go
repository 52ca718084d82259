package forms

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
	"github.com/seed-916e8f6a/toolloop/tool/internal/validate"
)

// A site is where a schema stands. base is the "$id" around it, to which names are
// relative.
type site struct {
	schema *tree.Value
	base   string
	above  *site    // nil at the top
	steps  []string // from there
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
	base  string  // at the top
	id    string  // the keyword that names a schema
	sites []*site // in their order, each before those inside
	known map[*tree.Value]bool
	ids   map[string]string // each name, in full, to the pointer of its schema
}

func readGraph(root *tree.Value) *graph {
	g := &graph{root: root, base: validate.SchemaURL, id: "$id", known: map[*tree.Value]bool{}, ids: map[string]string{validate.SchemaURL: ""}}
	if strings.Contains(root.Get("$schema").Str(), "draft-04") {
		g.id = "id" // which means nothing to later drafts
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
	s.schema.Inner(func(below *tree.Value, steps ...string) { g.read(&site{below, s.base, s, steps}) })
}

// reference returns a reference from where base holds as one to the whole schema.
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

// target returns where a reference leads to; nil if it leads nowhere in the schema.
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

// point makes the reference of a schema lead to path.
func (g *graph) point(s *site, path []string) string {
	ref := fragment(tree.Pointer(path))
	if s.base != g.base { // there # is another schema
		ref = g.base + ref
	}
	s.schema.Set("$ref", tree.Text(ref))
	return ref
}

// leads reports whether a reference leads somewhere, which may be outside.
func (g *graph) leads(s *site) bool {
	ref := s.schema.Get("$ref").Str()
	if _, to := g.target(s); to != nil {
		return true
	}
	return ref == "" || s.isRemote()
}

// isRemote reports whether a reference is to an address elsewhere.
func (s *site) isRemote() bool {
	name, _, _ := strings.Cut(s.schema.Get("$ref").Str(), "#")
	return strings.Contains(name, ":") || name != "" && !strings.HasPrefix(s.base, validate.SchemaURL[:len("tool:")])
}

// dropDangling removes references that lead nowhere, or out of a schema that is shown.
func dropDangling(shown *tree.Value) {
	g := readGraph(shown)
	for _, s := range g.sites {
		if !g.leads(s) || s.isRemote() {
			s.schema.DropReference("$ref")
		}
	}
}

// dropDynamic removes dynamic references if the schemas that they choose from have one
// name, which they cannot have without an "$id".
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

// references makes those that lead nowhere lead to what their author meant: the
// same path from a schema around them, since generators put one whole schema into
// another, or the only definition of that name.
func (m *mender) references(root *tree.Value) {
	g := readGraph(root)
	named := g.definitions()
	for _, s := range g.sites {
		if g.leads(s) {
			continue
		}
		ref := s.schema.Get("$ref").Str()
		if path := g.meant(s, named); path != nil {
			m.at = nil
			for _, name := range s.path() {
				m.at = append(m.at, tree.Step{Name: name, Index: -1})
			}
			m.tell("reference %s leads nowhere and is read as %s", tree.Quote(ref), tree.Quote(g.point(s, path)))
		}
	}
	m.at = nil
}

func (g *graph) meant(s *site, named map[string][][]string) []string {
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

// definitions returns where the definitions of each name stand.
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

// maxHoists bounds how deep definitions that stand in no keyword refer to others
// of that kind elsewhere.
const maxHoists = 16

// hoist moves schemas that references lead to but that stand in no keyword of JSON
// Schema, such as those of OpenAPI in "components", to the definitions.
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

// reaches reports whether a reference leads into that member of the root.
func (g *graph) reaches(name string) bool {
	return slices.ContainsFunc(g.sites, func(s *site) bool {
		path, _ := g.target(s)
		return len(path) > 0 && path[0] == name
	})
}

// A move is of a schema to the definition of that name.
type move struct {
	from   []string
	schema *tree.Value
	name   string
}

// hoist moves what references lead to now. There may be more of that in it.
func (g *graph) hoist() []move {
	var moves []move
	looked := map[string]bool{}
	for _, s := range g.sites {
		path, to := g.target(s)
		if to == nil || g.known[to] || looked[tree.Pointer(path)] {
			continue
		}
		for _, mv := range g.beside(path, to) {
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
	for _, mv := range moves { // which have references of their own
		g.read(&site{schema: mv.schema, base: g.base})
	}
	for _, s := range g.sites {
		path, _ := g.target(s)
		g.follow(s, path, moved)
	}
	return moves
}

// define adds the definitions, each with a name of its own. It reports whether it
// could.
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

// follow makes a reference to what was moved lead to where it is now.
func (g *graph) follow(s *site, path []string, moved map[string]move) {
	for n := len(path); n > 0; n-- {
		if mv, ok := moved[tree.Pointer(path[:n])]; ok {
			g.point(s, append([]string{"$defs", mv.name}, path[n:]...))
			return
		}
	}
}

// beside returns a schema and those of its like, if they stand in a group of their own.
func (g *graph) beside(path []string, schema *tree.Value) []move {
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

// keepRoot makes "#" go on to mean what it does where the top of what is shown will
// say something else: there it is an object, without combinations.
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
	whole.Remove(tree.Storage...)
	defs.Set(name, whole)
}
