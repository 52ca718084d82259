package demo

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
)

// A node is a value to write: the schema, and the nodes of the members or items.
type node struct {
	name     string // the name of the property; items have the name of the array
	readings []schema
	schema   // the first form
	planner  *planner
	fits     judge
	values   []any    // the found values; the i-th value is for the i-th call or item
	examples []string // from its description, or the tool's description

	members []*node // the properties of an object
	must    bool    // a required property
	prefix  []*node
	items   *node // the items of an array, or the values of a map
	keys    *node // the keys of a map
}

// A planner makes the nodes of a document.
type planner struct {
	talk              // embedded with document: the two sources of values
	document          // see talk
	examples []string // for texts without examples
}

// plan returns the node of a whole schema. The examples are for texts inside of the
// node.
func (t talk) plan(raw json.RawMessage, examples []string) *node {
	p := &planner{talk: t, document: document{root: raw}, examples: examples}
	n := p.node("", raw, p.inside())
	if n == nil {
		return p.node("", json.RawMessage(`{"type":"object"}`), nil)
	}
	return n
}

// node returns the node of a schema, or nil for a schema that contains itself.
func (p *planner) node(name string, raw json.RawMessage, path []string) *node {
	forms := p.forms(raw, path)
	if len(forms) == 0 {
		return nil
	}
	n := &node{name: name, planner: p, fits: p.lazyJudge(raw)}
	var composite bool
	for _, f := range forms {
		s := f.read()
		n.readings = append(n.readings, s)
		composite = composite || s.is("object") || s.is("array")
	}
	n.schema = n.readings[0]
	if n.examples, _ = examplesIn(n.about); n.examples == nil {
		n.examples = p.examples
	}
	if !composite {
		return n
	}
	for i, f := range forms { // uses the first form of a union for which a valid value exists
		n.schema = f.read()
		n.readings = []schema{n.schema}
		if p.fill(n, f.path) && (i == len(forms)-1 || n.fits(n.write(0, true))) {
			return n
		}
	}
	return nil
}

func (p *planner) lazyJudge(raw json.RawMessage) judge {
	once := sync.OnceValue(func() judge { return p.judge(raw) })
	return func(v any) bool { return once()(v) }
}

// fill makes the nodes inside n. It reports success.
func (p *planner) fill(n *node, path []string) bool {
	n.members, n.prefix, n.items, n.keys = nil, nil, nil, nil
	if len(n.kinds) == 0 {
		return true
	}
	switch n.kinds[0] {
	case "object":
		return p.fillObject(n, path)
	case "array":
		for _, raw := range n.schema.prefix {
			item := p.node(n.name, raw, path)
			if item == nil {
				return false
			}
			n.prefix = append(n.prefix, item)
		}
		if n.schema.items != nil {
			n.items = p.node(n.name, n.schema.items, path)
		}
		if own, _ := examplesIn(n.about); n.items != nil && own != nil {
			n.items.examples = own
		}
		return n.items != nil || n.schema.items == nil || n.minItems <= len(n.prefix)
	}
	return true
}

func (p *planner) fillObject(n *node, path []string) bool {
	anything := json.RawMessage(`{}`)
	if n.others != nil {
		anything = n.others
	}
	seen := map[string]bool{}
	add := func(name string, raw json.RawMessage) bool {
		seen[name] = true
		m := p.node(name, raw, path)
		must := slices.Contains(n.required, name)
		if m == nil {
			return !must
		}
		m.must = must
		n.members = append(n.members, m)
		return true
	}
	for _, m := range n.properties {
		if !add(m.Name, json.RawMessage(m.Value)) {
			return false
		}
	}
	for _, name := range n.required {
		if !seen[name] && !add(name, anything) {
			return false
		}
	}
	names := json.RawMessage(`{"type":"string"}`)
	if n.names != nil {
		names = json.RawMessage(fmt.Sprintf(`{"allOf":[{"type":"string"},%s]}`, n.names))
	}
	if n.minProperties > 0 || n.others != nil {
		if n.items = p.node("", anything, path); n.items != nil {
			n.keys = p.node("", names, path)
		}
	}
	return n.items != nil || n.minProperties <= len(n.members)
}

// A place is a node that may get a found value.
type place struct {
	*node      // embedded: a place is a node in a role
	must  bool // needs a value
	many  bool // accepts any number of values at once
}

// places returns the leaves below n: all required leaves, and the optional leaves
// beside them.
func (n *node) places(must, many bool) []place {
	if n.values != nil {
		return nil
	}
	var all []place
	switch {
	case n.members != nil && must:
		free := !slices.ContainsFunc(n.members, func(m *node) bool { return m.must })
		for _, m := range n.members {
			all = append(all, m.places(m.must, many)...)
		}
		if free && n.minProperties < 1 { // without required members, optional members accept values
			for i := range all {
				all[i].must = true
			}
		}
	case n.members != nil:
	case n.keys != nil:
		if n.items.is("number") || n.items.is("integer") { // an equal share of the numbers for each
			all = append(all, place{n.keys, must, true}, place{n.items, must, true})
		}
	case n.is("array"):
		for _, item := range n.prefix {
			all = append(all, item.places(must, many)...)
		}
		if n.items != nil {
			all = append(all, n.items.places(must, true)...)
		}
	default:
		all = append(all, place{n, must, many})
	}
	return all
}

// width returns the number of calls or items for the found values.
func (n *node) width() int {
	if n.values != nil {
		return len(n.values)
	}
	width := 0
	for _, m := range n.members {
		width = max(width, m.width())
	}
	for _, inner := range n.inner() {
		width = max(width, min(inner.width(), 1)) // one call or item takes all values of it
	}
	return width
}

// write returns the JSON of the i-th value; if made is set, an invented value.
func (n *node) write(i int, made bool) json.RawMessage {
	switch {
	case n.values != nil && !made:
		return encode(n.values[min(i, len(n.values)-1)])
	case len(n.kinds) == 0:
	case n.enum != nil:
	case n.kinds[0] == "object":
		return n.writeObject(i, made)
	case n.kinds[0] == "array":
		return n.writeArray(i, made)
	}
	if !made {
		i = 0
	}
	return n.idea(i)
}

// forget drops all found values.
func (n *node) forget() {
	n.values = nil
	for _, inner := range n.inner() {
		inner.forget()
	}
}

// inner returns the nodes directly inside n.
func (n *node) inner() []*node {
	all := slices.Concat(n.members, n.prefix, []*node{n.keys, n.items})
	return slices.DeleteFunc(all, func(inner *node) bool { return inner == nil })
}

func (n *node) writeObject(i int, made bool) json.RawMessage {
	b := []byte{'{'}
	count := 0
	add := func(name string, value json.RawMessage) {
		if count++; count > 1 {
			b = append(b, ',')
		}
		b = append(append(append(b, encode(name)...), ':'), value...)
	}
	spare := n.minProperties - len(n.required)
	for _, m := range n.members {
		if !m.must && (made || m.width() == 0) {
			if spare--; spare < 0 {
				continue
			}
		}
		add(m.name, m.write(i, made))
	}
	if n.keys == nil {
		return append(b, '}')
	}
	seen := map[string]bool{}
	for _, m := range n.members {
		seen[m.name] = true
	}
	found := 0
	if !made {
		found = n.keys.width()
	}
	for j := 0; j < found+maxTries && (j < found || count < n.minProperties); j++ {
		var key string
		_ = json.Unmarshal(n.keys.write(j, j >= found), &key) // the schema of keys is a string
		if !seen[key] {
			seen[key] = true
			add(key, n.items.write(j, j >= found))
		}
	}
	return append(b, '}')
}

func (n *node) writeArray(i int, made bool) json.RawMessage {
	var items []string
	add := func(value json.RawMessage) {
		if !n.unique || !slices.Contains(items, string(value)) {
			items = append(items, string(value))
		}
	}
	for _, item := range n.prefix {
		add(item.write(i, made))
	}
	found := 0
	if n.items != nil && !made {
		found = n.items.width()
	}
	for j := 0; j < found+maxTries && (n.maxItems < 0 || len(items) < n.maxItems); j++ {
		switch {
		case j >= found && len(items) >= n.minItems:
			j = found + maxTries // there are enough
		case n.items != nil:
			add(n.items.write(j, j >= found))
		default:
			add(encode(j + 1))
		}
	}
	b := []byte{'['}
	for k, item := range items {
		if k > 0 {
			b = append(b, ',')
		}
		b = append(b, item...)
	}
	return append(b, ']')
}
