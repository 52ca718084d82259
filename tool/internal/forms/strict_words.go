package forms

import (
	"fmt"
	"strings"

	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
	"github.com/seed-916e8f6a/toolloop/tool/internal/validate"
)

// spoken says in sentences what the strict form has no keyword for, of the
// keywords that are about a type.
func spoken(n *tree.Value, typ string) []string {
	var all []string
	for _, m := range n.Members {
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

func spokenOfText(m tree.Member) string {
	switch m.Name {
	case "minLength":
		return "At least " + times(m.Value, "character") + "."
	case "maxLength":
		return "At most " + times(m.Value, "character") + "."
	case "contentEncoding":
		return "Encoded in " + tree.Clip(m.Value.Str(), tree.MaxEcho) + "."
	case "contentMediaType":
		return "Of the media type " + tree.Clip(m.Value.Str(), tree.MaxEcho) + "."
	}
	return ""
}

func spokenOfList(n *tree.Value, m tree.Member) string {
	switch {
	case m.Name == "uniqueItems" && m.Value.Text == "true":
		return "All items are different."
	case m.Name == "contains":
		least, most := "at least 1", ""
		if low := n.Get("minContains"); low != nil {
			least = "at least " + low.Text
		}
		if high := n.Get("maxContains"); high != nil {
			most = " and at most " + high.Text
		}
		return "Of its items " + least + most + " fit " + tree.Clip(string(m.Value.JSON()), 3*tree.MaxEcho) + "."
	}
	return ""
}

func spokenOfObject(m tree.Member) string {
	switch m.Name {
	case "minProperties":
		return "Give at least " + times(m.Value, "property") + "."
	case "maxProperties":
		return "Give at most " + times(m.Value, "property") + "."
	case "dependentRequired", "dependencies":
		var rules []string
		for _, d := range m.Value.Members {
			rules = append(rules, fmt.Sprintf("%s needs %s", tree.Clip(d.Name, tree.MaxEcho), tree.List(d.Value.Strings(), tree.MaxEcho)))
		}
		if len(rules) > 0 {
			return tree.Clip(strings.Join(rules, "; "), 6*tree.MaxEcho) + "."
		}
	}
	return ""
}

// times is count for a number as its author wrote it.
func times(n *tree.Value, what string) string {
	if n.Text == "1" {
		return validate.Count(1, what)
	}
	_, many, _ := strings.Cut(validate.Count(0, what), " ")
	return n.Text + " " + many
}

// annotated says what is told about a value without holding it to anything.
func annotated(n *tree.Value) string {
	s := ""
	if examples := n.Get("examples"); examples != nil && len(examples.Items) > 0 {
		var shown []string
		for _, e := range examples.Items {
			shown = append(shown, string(e.JSON()))
		}
		s = "Examples: " + tree.List(shown, 2*tree.MaxEcho) + "."
	}
	if n.Get("deprecated") != nil && n.Get("deprecated").Text == "true" {
		s = strings.TrimPrefix(s+" Deprecated.", " ")
	}
	return s
}
