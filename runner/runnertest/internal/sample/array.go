package sample

import (
	"slices"
	"strconv"
)

// array makes an array with at most three items more than the schema requires.
func (g *generator) array(s schema, p place) (any, error) {
	first, rest := items(s)
	least, most := s.count("minItems", 0), s.count("maxItems", 1<<20)
	contained := 0
	if s.has("contains") {
		contained = s.count("minContains", 1)
		least = max(least, contained)
	}
	if rest == false {
		most = min(most, max(len(first), least)) // a required item without a value fails below
	}
	if least > most {
		return nil, p.errorf("it has at least %d items and at most %d", least, most)
	}
	n := least
	if !g.deep(p) {
		n += g.rand.IntN(min(most-least, max(3, len(first)-least)) + 1)
	}
	nodes := slices.Repeat([]any{rest}, n)
	copy(nodes, first)
	for i := n - contained; i < n; i++ { // the last items satisfy contains
		nodes[i] = allOf(nodes[i], s.keywords["contains"])
	}
	return g.items(nodes, least, contained == 0, s.keywords["uniqueItems"] == true, p)
}

// items makes an item for each schema. Where fewer items are enough, the first
// impossible item ends the array.
func (g *generator) items(nodes []any, least int, fewer, unique bool, p place) (any, error) {
	out := []any{}
	for i, node := range nodes {
		v, err := g.item(node, out, unique, p.in(strconv.Itoa(i)))
		if err != nil && fewer && i >= least {
			break
		}
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// items returns the schemas of the first items, and the schema of the rest.
func items(s schema) (first []any, rest any) {
	first, rest = s.list("prefixItems"), s.keywords["items"]
	if tuple := s.list("items"); tuple != nil { // up to draft 2019-09
		first, rest = tuple, s.keywords["additionalItems"]
	}
	if rest == nil {
		rest = true
	}
	return first, rest
}

// item makes an item. If unique is true, the item differs from others.
func (g *generator) item(node any, others []any, unique bool, p place) (any, error) {
	for range 100 {
		v, err := g.value(node, p)
		if err != nil || !unique {
			return v, err
		}
		if !slices.ContainsFunc(others, func(o any) bool { return equal(o, v) }) {
			return v, nil
		}
	}
	return nil, p.errorf("no further item was found that differs from the others")
}
