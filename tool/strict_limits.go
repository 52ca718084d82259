package tool

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// The limits of one strict schema, by the same documentation.
const (
	maxStrictProperties = 5_000
	maxStrictDepth      = 10
	maxStrictCharacters = 120_000 // of names and enum values together
	maxStrictEnum       = 1_000   // values of all enums together
	manyEnumValues      = 250     // of one enum of strings; with more of them
	maxEnumCharacters   = 15_000  // they may have so many characters together
)

// A strictSize is what counts against the limits.
type strictSize struct{ properties, characters, values int }

// checkStrict refuses a strict schema that is too large, or that cannot end.
func checkStrict(root *value) error {
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

func (z *strictSize) add(n *value, path []string) error {
	if enum := n.get("enum"); enum != nil {
		characters := 0
		for _, v := range enum.items {
			characters += utf8.RuneCountInString(v.text)
		}
		if len(enum.items) > manyEnumValues && characters > maxEnumCharacters {
			return fmt.Errorf("%s: more than %d characters in %d values of an enum", place(path), maxEnumCharacters, len(enum.items))
		}
		z.values += len(enum.items)
		z.characters += characters
	}
	for _, names := range []*value{n.get("properties"), n.get("$defs")} {
		for _, m := range members(names) {
			z.characters += utf8.RuneCountInString(m.name)
		}
	}
	z.properties += len(members(n.get("properties")))
	var err error
	n.inner(func(s *value, steps ...string) {
		if err == nil {
			err = z.add(s, append(path, steps...))
		}
	})
	return err
}

// depths knows how deep the definitions of a strict schema are nested.
type depths struct {
	root  *value
	known map[string]int
	open  map[string]bool // that are being looked at
}

// of returns how many objects and lists stand in one another, through
// references too; what holds itself counts once.
func (d *depths) of(n *value) int {
	if ref := n.get("$ref").str(); ref != "" {
		return d.ofDefinition(ref)
	}
	deepest := 0
	if n.has("properties", "items") {
		deepest = 1
	}
	if items := n.get("items"); items != nil {
		deepest = 1 + d.of(items)
	}
	for _, p := range members(n.get("properties")) {
		deepest = max(deepest, 1+d.of(p.value))
	}
	if either := n.get("anyOf"); either != nil {
		for _, form := range either.items {
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

func (d *depths) definition(ref string) *value {
	name, ok := strings.CutPrefix(ref, "#/$defs/")
	if !ok {
		return d.root
	}
	return d.root.get("$defs").get(name)
}

// checkEnds refuses definitions that are nothing but references to each other.
func (d *depths) checkEnds() error {
	ends := map[string]bool{}
	for _, def := range members(d.root.get("$defs")) {
		if !d.ends(object(member{"$ref", text("#/$defs/" + def.name)}), ends) {
			return fmt.Errorf("/$defs/%s: refers to nothing but itself", def.name)
		}
	}
	return nil
}

// ends follows the references of n that are about the same value.
func (d *depths) ends(n *value, known map[string]bool) bool {
	if either := n.get("anyOf"); either != nil {
		return !slices.ContainsFunc(either.items, func(form *value) bool { return !d.ends(form, known) })
	}
	ref := n.get("$ref").str()
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
