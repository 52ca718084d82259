package validate

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
)

const (
	maxProblems = 8
	maxReport   = tree.MaxMessage - 180 // leaves room for the sentence that follows
	maxEnum     = 20
)

// A Problem is one problem of the arguments: the place, the expected value, and the
// actual value.
type Problem struct {
	Path []string // nil for the top level
	Text string
	hint func() string // returns more text, only for problems that are shown; may be nil
}

func (p Problem) Line() string {
	where := "(top level)"
	if len(p.Path) > 0 {
		where = clip.Runes(strings.ToValidUTF8(tree.Pointer(p.Path), "\uFFFD"), tree.MaxEcho)
	}
	line := "- " + where + ": " + p.Text
	if p.hint != nil {
		line += p.hint()
	}
	return line
}

// Report lists the problems in order, as many as fit, after an introduction such as
// "The arguments do not match the schema".
func Report(intro string, found Findings) string {
	problems := found.Problems
	slices.SortFunc(problems, compareProblems)
	problems = slices.CompactFunc(problems, func(a, b Problem) bool {
		return a.Text == b.Text && slices.Equal(a.Path, b.Path)
	})
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s):", intro, howMany(len(problems)+found.more))
	shown := 0
	for _, p := range problems[:min(len(problems), maxProblems)] {
		line := p.Line()
		if shown > 0 && b.Len()+len(line) > maxReport-20 {
			break
		}
		b.WriteString("\n" + clip.Counted(line, maxReport-b.Len(), 0))
		shown++
	}
	if rest := len(problems) + found.more - shown; rest > 0 {
		b.WriteString("\n- and " + strings.Replace(howMany(rest), "problem", "more problem", 1))
	}
	return b.String()
}

func compareProblems(a, b Problem) int {
	return cmp.Or(slices.CompareFunc(a.Path, b.Path, compareSteps), cmp.Compare(a.Text, b.Text))
}

// compareSteps orders numbers by value: item 2 before item 10.
func compareSteps(a, b string) int {
	i, errA := strconv.Atoi(a)
	j, errB := strconv.Atoi(b)
	if errA == nil && errB == nil {
		return cmp.Compare(i, j)
	}
	return cmp.Compare(a, b)
}

// howMany says "at least" for large numbers, because the search stops at MaxCauses.
func howMany(problems int) string {
	if problems >= MaxCauses-1 {
		return "at least " + strconv.Itoa(problems) + " problems"
	}
	return Count(problems, "problem")
}

func Count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	if stem, ok := strings.CutSuffix(what, "y"); ok {
		what = stem + "ie"
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Describe describes a value to the model that wrote the value.
func Describe(v *tree.Value) string {
	switch {
	case v == nil:
		return "nothing"
	case v.Form == tree.StringForm:
		return "the string " + tree.Quote(v.Text)
	case v.Form == tree.NumberForm:
		return "the number " + v.Text
	case v.Form == tree.ArrayForm:
		return "an array of " + Count(len(v.Items), "item")
	case v.Form == tree.ObjectForm && len(v.Members) == 0:
		return "an empty object"
	case v.Form == tree.ObjectForm:
		return "an object with keys [" + tree.ListOf(v.FirstNames(tree.MaxEcho), len(v.Members), tree.MaxEcho) + "]"
	case v.Form == tree.BooleanForm:
		return v.Text
	}
	return "null"
}

// unquoted returns advice for a string that contains the wanted value as JSON, or "".
func unquoted(got *tree.Value, want []string) string {
	if got.Str() == "" || len(got.Text) > 4*tree.MaxMessage {
		return ""
	}
	inner, err := tree.Parse(got.Text, tree.ArgumentLimits)
	if err != nil {
		return ""
	}
	form := string(inner.Form)
	whole := !strings.ContainsAny(inner.Text, ".eE")
	switch {
	case form == "array" || form == "object":
		if slices.Contains(want, form) {
			return "; send it as JSON, not as a string holding JSON"
		}
	case slices.Contains(want, form) && form != "null", form == "number" && whole && slices.Contains(want, "integer"):
		return "; send it without quotes: " + clip.Runes(inner.Text, tree.MaxEcho)
	}
	return ""
}

// missing reports a missing property, with its type and description.
func missing(name string, find func() *tree.Value) Problem {
	return Problem{Text: "required property " + tree.Quote(name) + " is missing", hint: func() string {
		schema := find()
		typ := strings.Join(TypesOf(schema), " or ")
		about := clip.Runes(strings.Join(strings.Fields(schema.Get("description").Str()), " "), tree.MaxEcho)
		switch {
		case typ != "" && about != "":
			return " (" + typ + ": " + about + ")"
		case typ != "" || about != "":
			return " (" + typ + about + ")"
		}
		return ""
	}}
}

// unknown reports a property that is not allowed, with a similar name or all names.
func unknown(name string, properties *tree.Value) Problem {
	return Problem{Text: "unknown property " + tree.Quote(name), hint: func() string {
		allowed := properties.Names()
		if meant := tree.Closest(name, allowed); meant != "" {
			return "; did you mean " + tree.Quote(meant) + "?"
		}
		if len(allowed) == 0 {
			return "; none are allowed"
		}
		slices.Sort(allowed)
		return "; allowed: " + tree.List(allowed, 3*tree.MaxEcho)
	}}
}

// MustBeOneOf lists the allowed values.
func MustBeOneOf(enum []*tree.Value) string {
	var shown []string
	for _, v := range enum[:min(len(enum), maxEnum)] {
		shown = append(shown, clip.Runes(string(v.JSON()), tree.MaxEcho))
	}
	switch {
	case len(enum) == 0:
		return "is not one of the allowed values"
	case len(enum) == 1:
		return "must be " + shown[0]
	case len(enum) > maxEnum:
		return "must be one of " + strings.Join(shown, ", ") + fmt.Sprintf(" … (%d more)", len(enum)-maxEnum)
	}
	return "must be one of " + strings.Join(shown, ", ")
}

// notOneOf reports a value that is not allowed. must lists the allowed values. Schemas
// of Go types allow null only for nil, so null is not listed.
func notOneOf(must string, enum []*tree.Value, got *tree.Value) Problem {
	return Problem{Text: must + "; got " + Describe(got), hint: func() string {
		var meant []string
		for _, v := range enum {
			meant = append(meant, v.Str())
		}
		if m := tree.Closest(got.Str(), meant); m != "" && got.Str() != "" {
			return "; did you mean " + tree.Quote(m) + "?"
		}
		return ""
	}}
}

// TypesOf returns the types in "type", without null.
func TypesOf(schema *tree.Value) []string {
	t := schema.Get("type")
	if t == nil {
		return nil
	}
	if t.Form == tree.StringForm {
		return []string{t.Text}
	}
	return slices.DeleteFunc(t.Strings(), func(s string) bool { return s == "null" || s == "" })
}
