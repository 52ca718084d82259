package forms

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
)

// The limits of one strict schema, by the same documentation.
const (
	maxStrictProperties = 5_000
	maxStrictDepth      = 10
	maxStrictCharacters = 120_000 // names and enum values together
	maxStrictEnum       = 1_000   // values of all enums together
	manyEnumValues      = 250     // an enum of strings with more values
	maxEnumCharacters   = 15_000  // may have so many characters in total
)

// A strictSize counts what the limits bound.
type strictSize struct{ properties, characters, values int }

// checkStrict refuses a strict schema that is too large or that has endless references.
func checkStrict(root *tree.Value) error {
	size := strictSize{}
	if err := size.add(root, nil); err != nil {
		return err
	}
	d := &depths{root: root, known: map[string]int{}, open: map[string]bool{}}
	depth := d.of(root)
	switch {
	case size.properties > maxStrictProperties:
		return fmt.Errorf("more than %d properties", maxStrictProperties)
	case size.values > maxStrictEnum:
		return fmt.Errorf("more than %d values in enums", maxStrictEnum)
	case size.characters > maxStrictCharacters:
		return fmt.Errorf("more than %d characters in names and enums", maxStrictCharacters)
	case depth > maxStrictDepth:
		return fmt.Errorf("nested more than %d deep", maxStrictDepth)
	}
	return d.checkEnds()
}

func (z *strictSize) add(n *tree.Value, path []string) error {
	if enum := n.Get("enum"); enum != nil {
		characters := 0
		for _, v := range enum.Items {
			characters += utf8.RuneCountInString(v.Text)
		}
		if len(enum.Items) > manyEnumValues && characters > maxEnumCharacters {
			return fmt.Errorf("%s: more than %d characters in %d values of an enum", place(path), maxEnumCharacters, len(enum.Items))
		}
		z.values += len(enum.Items)
		z.characters += characters
	}
	for _, names := range []*tree.Value{n.Get("properties"), n.Get("$defs")} {
		for _, m := range tree.Members(names) {
			z.characters += utf8.RuneCountInString(m.Name)
		}
	}
	z.properties += len(tree.Members(n.Get("properties")))
	var err error
	n.EachSubschema(func(s *tree.Value, steps ...string) {
		if err == nil {
			err = z.add(s, append(path, steps...))
		}
	})
	return err
}

// depths computes the depth of the definitions of a strict schema.
type depths struct {
	root  *tree.Value
	known map[string]int
	open  map[string]bool // definitions under computation
}

// of returns the depth of objects and arrays below n, also through references. A
// recursive definition counts once.
func (d *depths) of(n *tree.Value) int {
	if ref := n.Get("$ref").Str(); ref != "" {
		return d.ofDefinition(ref)
	}
	deepest := 0
	if n.Has("properties", "items") {
		deepest = 1
	}
	if items := n.Get("items"); items != nil {
		deepest = 1 + d.of(items)
	}
	for _, p := range tree.Members(n.Get("properties")) {
		deepest = max(deepest, 1+d.of(p.Value))
	}
	if either := n.Get("anyOf"); either != nil {
		for _, form := range either.Items {
			deepest = max(deepest, d.of(form))
		}
	}
	return deepest
}

func (d *depths) ofDefinition(ref string) int {
	depth, ok := d.known[ref]
	if ok || d.open[ref] || ref == "#" {
		return depth
	}
	d.open[ref] = true
	depth = d.of(d.definition(ref))
	delete(d.open, ref)
	d.known[ref] = depth
	return depth
}

func (d *depths) definition(ref string) *tree.Value {
	name, ok := strings.CutPrefix(ref, "#/$defs/")
	if !ok {
		return d.root
	}
	return d.root.Get("$defs").Get(name)
}

// checkEnds refuses definitions that are only references to each other.
func (d *depths) checkEnds() error {
	ends := map[string]bool{}
	for _, def := range tree.Members(d.root.Get("$defs")) {
		if !d.ends(tree.Object(tree.Member{Name: "$ref", Value: tree.Text("#/$defs/" + def.Name)}), ends) {
			return fmt.Errorf("/$defs/%s: refers to nothing but itself", def.Name)
		}
	}
	return nil
}

// ends reports whether the references of n for the same value come to an end.
func (d *depths) ends(n *tree.Value, known map[string]bool) bool {
	if either := n.Get("anyOf"); either != nil {
		return !slices.ContainsFunc(either.Items, func(form *tree.Value) bool { return !d.ends(form, known) })
	}
	ref := n.Get("$ref").Str()
	if ref == "" || known[ref] {
		return true
	}
	if d.open[ref] {
		return false
	}
	d.open[ref] = true
	known[ref] = d.ends(d.definition(ref), known)
	delete(d.open, ref)
	return known[ref]
}
