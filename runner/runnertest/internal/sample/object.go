package sample

import (
	"maps"
	"slices"
	"strconv"
)

// object makes an object with all required properties and half of the optional
// properties.
func (g *generator) object(s schema, p place) (any, error) {
	b := &objectBuilder{g: g, schema: s, at: p, members: map[string]any{}}
	for _, name := range s.strings("required") {
		if err := b.add(name); err != nil {
			return nil, err
		}
	}
	least, most := s.count("minProperties", 0), s.count("maxProperties", 1<<20)
	for _, name := range b.optional() {
		enough := len(b.members) >= least
		if len(b.members) < most && (!enough || b.want()) {
			_ = b.add(name) // an impossible property is left out
		}
	}
	more := least
	if b.open() && !g.deep(p) {
		more = max(least, len(b.members)+g.rand.IntN(3))
	}
	for tries := 0; len(b.members) < min(more, most) && tries < 10*more+10; tries++ {
		if err := b.addAny(); err != nil {
			break
		}
	}
	if err := b.addDependent(); err != nil {
		return nil, err
	}
	if n := len(b.members); n < least || n > most {
		return nil, p.errorf("no object of %d to %d properties was found", least, most)
	}
	return b.members, nil
}

// An objectBuilder collects the members of one object.
type objectBuilder struct {
	g       *generator
	schema  schema
	at      place
	members map[string]any
}

func (b *objectBuilder) want() bool { return !b.g.deep(b.at) && b.g.rand.IntN(2) == 0 }

// optional returns the declared properties that the object does not have yet.
func (b *objectBuilder) optional() []string {
	names := slices.Sorted(maps.Keys(b.schema.object("properties")))
	b.g.rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	return names
}

// open reports whether the schema describes properties without naming them.
func (b *objectBuilder) open() bool {
	switch more := b.schema.keywords["additionalProperties"].(type) {
	case map[string]any:
		return true
	case bool:
		return more && len(b.schema.object("properties")) == 0
	}
	return len(b.schema.object("patternProperties")) > 0
}

// add makes the property of that name, unless the property exists.
func (b *objectBuilder) add(name string) error {
	if _, ok := b.members[name]; ok {
		return nil
	}
	p := b.at.in(name)
	var parts []any
	if node, ok := b.schema.object("properties")[name]; ok {
		parts = append(parts, node)
	}
	patterns := b.schema.object("patternProperties")
	for _, pattern := range slices.Sorted(maps.Keys(patterns)) {
		if e, err := compile(pattern); err == nil && e.MatchString(name) {
			parts = append(parts, patterns[pattern])
		}
	}
	if more, ok := b.schema.keywords["additionalProperties"]; ok && parts == nil {
		if more == false {
			return p.errorf("no property of that name is allowed")
		}
		parts = append(parts, more)
	}
	v, err := b.g.value(map[string]any{"allOf": parts}, p)
	if err == nil {
		b.members[name] = v
	}
	return err
}

// addAny adds a property that the schema does not name.
func (b *objectBuilder) addAny() error {
	name, err := b.name()
	if err != nil {
		return err
	}
	return b.add(name)
}

// name makes a property name: by propertyNames, by a pattern, or a number.
// Numbers are valid keys for maps with keys of any type.
func (b *objectBuilder) name() (string, error) {
	if names, ok := b.schema.keywords["propertyNames"]; ok {
		v, err := b.g.value(allOf(names, map[string]any{"type": "string"}), b.at)
		name, _ := v.(string)
		return name, err
	}
	patterns := slices.Sorted(maps.Keys(b.schema.object("patternProperties")))
	if len(patterns) > 0 && (b.schema.keywords["additionalProperties"] == false || b.g.rand.IntN(2) == 0) {
		e, err := compile(patterns[b.g.rand.IntN(len(patterns))])
		if err != nil {
			return "", err
		}
		return b.g.matching(e, 3)
	}
	return strconv.Itoa(b.g.rand.IntN(100)), nil
}

// addDependent adds the properties that existing properties require.
func (b *objectBuilder) addDependent() error {
	for _, keyword := range []string{"dependentRequired", "dependencies"} {
		needs := b.schema.object(keyword)
		for changed := true; changed; {
			before := len(b.members)
			for _, name := range slices.Sorted(maps.Keys(b.members)) {
				list, _ := needs[name].([]any)
				for _, v := range list {
					needed, _ := v.(string)
					if err := b.add(needed); err != nil {
						return err
					}
				}
			}
			changed = len(b.members) > before
		}
	}
	return nil
}
