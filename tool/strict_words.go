package tool

import (
	"fmt"
	"strings"
)

// spoken says in sentences what the strict form has no keyword for, of the
// keywords that are about a type.
func spoken(n *value, typ string) []string {
	var all []string
	for _, m := range n.members {
		sentence := ""
		switch typ {
		case "string":
			sentence = spokenOfText(m)
		case "array":
			sentence = spokenOfList(n, m)
		case "object":
			sentence = spokenOfObject(m)
		}
		if sentence != "" {
			all = append(all, sentence)
		}
	}
	return all
}

func spokenOfText(m member) string {
	switch m.name {
	case "minLength":
		return "At least " + times(m.value, "character") + "."
	case "maxLength":
		return "At most " + times(m.value, "character") + "."
	case "contentEncoding":
		return "Encoded in " + clip(m.value.str(), maxEcho) + "."
	case "contentMediaType":
		return "Of the media type " + clip(m.value.str(), maxEcho) + "."
	}
	return ""
}

func spokenOfList(n *value, m member) string {
	switch {
	case m.name == "uniqueItems" && m.value.text == "true":
		return "All items are different."
	case m.name == "contains":
		least, most := "at least 1", ""
		if low := n.get("minContains"); low != nil {
			least = "at least " + low.text
		}
		if high := n.get("maxContains"); high != nil {
			most = " and at most " + high.text
		}
		return "Of its items " + least + most + " fit " + clip(string(m.value.json()), 3*maxEcho) + "."
	}
	return ""
}

func spokenOfObject(m member) string {
	switch m.name {
	case "minProperties":
		return "Give at least " + times(m.value, "property") + "."
	case "maxProperties":
		return "Give at most " + times(m.value, "property") + "."
	case "dependentRequired", "dependencies":
		var rules []string
		for _, d := range m.value.members {
			rules = append(rules, fmt.Sprintf("%s needs %s", clip(d.name, maxEcho), list(d.value.strs(), maxEcho)))
		}
		if len(rules) > 0 {
			return clip(strings.Join(rules, "; "), 6*maxEcho) + "."
		}
	}
	return ""
}

// times is count for a number as its author wrote it.
func times(n *value, what string) string {
	if n.text == "1" {
		return count(1, what)
	}
	_, many, _ := strings.Cut(count(0, what), " ")
	return n.text + " " + many
}

// annotated says what is told about a value without holding it to anything.
func annotated(n *value) string {
	s := ""
	if examples := n.get("examples"); examples != nil && len(examples.items) > 0 {
		var shown []string
		for _, e := range examples.items {
			shown = append(shown, string(e.json()))
		}
		s = "Examples: " + list(shown, 2*maxEcho) + "."
	}
	if n.get("deprecated") != nil && n.get("deprecated").text == "true" {
		s = strings.TrimPrefix(s+" Deprecated.", " ")
	}
	return s
}
