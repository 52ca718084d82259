package forms

import (
	"fmt"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
	"github.com/seed-916e8f6a/toolloop/tool/internal/validate"
)

// sentences returns sentences for the keywords of a type that the strict form does not
// support.
func sentences(n *tree.Value, typ string) []string {
	var all []string
	for _, m := range n.Members {
		sentence := ""
		switch typ {
		case "string":
			sentence = stringSentence(m)
		case "array":
			sentence = arraySentence(n, m)
		case "object":
			sentence = objectSentence(m)
		}
		if sentence != "" {
			all = append(all, sentence)
		}
	}
	return all
}

func stringSentence(m tree.Member) string {
	switch m.Name {
	case "minLength":
		return "At least " + quantity(m.Value, "character") + "."
	case "maxLength":
		return "At most " + quantity(m.Value, "character") + "."
	case "contentEncoding":
		return "Encoded in " + clip.Runes(m.Value.Str(), tree.MaxEcho) + "."
	case "contentMediaType":
		return "Of the media type " + clip.Runes(m.Value.Str(), tree.MaxEcho) + "."
	}
	return ""
}

func arraySentence(n *tree.Value, m tree.Member) string {
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
		return "Of its items " + least + most + " fit " + clip.Runes(string(m.Value.JSON()), 3*tree.MaxEcho) + "."
	}
	return ""
}

func objectSentence(m tree.Member) string {
	switch m.Name {
	case "minProperties":
		return "Give at least " + quantity(m.Value, "property") + "."
	case "maxProperties":
		return "Give at most " + quantity(m.Value, "property") + "."
	case "dependentRequired", "dependencies":
		var rules []string
		for _, d := range m.Value.Members {
			rules = append(rules, fmt.Sprintf("%s needs %s", clip.Runes(d.Name, tree.MaxEcho), tree.List(d.Value.Strings(), tree.MaxEcho)))
		}
		if len(rules) > 0 {
			return clip.Runes(strings.Join(rules, "; "), 6*tree.MaxEcho) + "."
		}
	}
	return ""
}

// quantity returns a count, with the number exactly as written in the schema.
func quantity(n *tree.Value, what string) string {
	if n.Text == "1" {
		return validate.Count(1, what)
	}
	_, many, _ := strings.Cut(validate.Count(0, what), " ")
	return n.Text + " " + many
}

// annotationSentences returns sentences for annotations: examples and deprecated.
func annotationSentences(n *tree.Value) string {
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
