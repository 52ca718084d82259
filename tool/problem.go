package tool

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const (
	maxProblems = 8
	maxReport   = maxMessage - 180 // room for the sentence that follows
	maxEnum     = 20
)

// A problem is one thing that is wrong with arguments: where, and what was
// expected and came instead.
type problem struct {
	path []string // nil: the top level
	text string
	hint func() string // what follows the text; nil: nothing. Only what is shown is asked for
}

func (p problem) line() string {
	where := "(top level)"
	if len(p.path) > 0 {
		where = clip(strings.ToValidUTF8(pointer(p.path), "\uFFFD"), maxEcho)
	}
	line := "- " + where + ": " + p.text
	if p.hint != nil {
		line += p.hint()
	}
	return line
}

// report lists the problems, sorted, as many as fit.
func report(tool string, found findings) string {
	problems := found.problems
	slices.SortFunc(problems, compareProblems)
	problems = slices.CompactFunc(problems, func(a, b problem) bool {
		return a.text == b.text && slices.Equal(a.path, b.path)
	})
	var b strings.Builder
	fmt.Fprintf(&b, "Arguments for %s do not match its schema (%s):", tool, howMany(len(problems)+found.more))
	shown := 0
	for _, p := range problems[:min(len(problems), maxProblems)] {
		line := p.line()
		if shown > 0 && b.Len()+len(line) > maxReport-20 {
			break
		}
		b.WriteString("\n" + clipBytes(line, maxReport-b.Len()))
		shown++
	}
	if rest := len(problems) + found.more - shown; rest > 0 {
		b.WriteString("\n- and " + strings.Replace(howMany(rest), "problem", "more problem", 1))
	}
	return b.String()
}

func compareProblems(a, b problem) int {
	return cmp.Or(slices.CompareFunc(a.path, b.path, compareSteps), cmp.Compare(a.text, b.text))
}

// compareSteps puts item 2 before item 10.
func compareSteps(a, b string) int {
	i, errA := strconv.Atoi(a)
	j, errB := strconv.Atoi(b)
	if errA == nil && errB == nil {
		return cmp.Compare(i, j)
	}
	return cmp.Compare(a, b)
}

// howMany is careful with large numbers: beyond maxCauses nothing is looked at.
func howMany(problems int) string {
	if problems >= maxCauses-1 {
		return "at least " + strconv.Itoa(problems) + " problems"
	}
	return count(problems, "problem")
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	if stem, ok := strings.CutSuffix(what, "y"); ok {
		what = stem + "ie"
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// describe names a value to the model that wrote it.
func describe(v *value) string {
	switch {
	case v == nil:
		return "nothing"
	case v.form == stringForm:
		return "the string " + quote(v.text)
	case v.form == numberForm:
		return "the number " + v.text
	case v.form == arrayForm:
		return "an array of " + count(len(v.items), "item")
	case v.form == objectForm && len(v.members) == 0:
		return "an empty object"
	case v.form == objectForm:
		return "an object with keys [" + listOf(v.firstNames(maxEcho), len(v.members), maxEcho) + "]"
	case v.form == booleanForm:
		return v.text
	}
	return "null"
}

// unquoted is the advice for a string that holds what was wanted as JSON; empty
// if it does not.
func unquoted(got *value, want []string) string {
	if got.str() == "" || len(got.text) > 4*maxMessage {
		return ""
	}
	inner, err := parse(got.text, argumentLimits)
	if err != nil {
		return ""
	}
	form := string(inner.form)
	whole := !strings.ContainsAny(inner.text, ".eE")
	switch {
	case form == "array" || form == "object":
		if slices.Contains(want, form) {
			return "; send it as JSON, not as a string holding JSON"
		}
	case slices.Contains(want, form) && form != "null", form == "number" && whole && slices.Contains(want, "integer"):
		return "; send it without quotes: " + clip(inner.text, maxEcho)
	}
	return ""
}

// missing says that a property is missing, and what its schema says of it.
func missing(name string, find func() *value) problem {
	return problem{text: "required property " + quote(name) + " is missing", hint: func() string {
		schema := find()
		typ := strings.Join(typesOf(schema), " or ")
		about := clip(strings.Join(strings.Fields(schema.get("description").str()), " "), maxEcho)
		switch {
		case typ != "" && about != "":
			return " (" + typ + ": " + about + ")"
		case typ != "" || about != "":
			return " (" + typ + about + ")"
		}
		return ""
	}}
}

// unknown says that a property is not allowed, and which was meant or may be.
func unknown(name string, properties *value) problem {
	return problem{text: "unknown property " + quote(name), hint: func() string {
		allowed := properties.names()
		if meant := closest(name, allowed); meant != "" {
			return "; did you mean " + quote(meant) + "?"
		}
		if len(allowed) == 0 {
			return "; none are allowed"
		}
		slices.Sort(allowed)
		return "; allowed: " + list(allowed, 3*maxEcho)
	}}
}

// mustBeOneOf says which values are allowed.
func mustBeOneOf(enum []*value) string {
	var shown []string
	for _, v := range enum[:min(len(enum), maxEnum)] {
		shown = append(shown, clip(string(v.json()), maxEcho))
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

// notOneOf says that a value is not among those allowed, which must says. null is
// among those of a schema of ours only for the sake of Go's nil.
func notOneOf(must string, enum []*value, got *value) problem {
	return problem{text: must + "; got " + describe(got), hint: func() string {
		var meant []string
		for _, v := range enum {
			meant = append(meant, v.str())
		}
		if m := closest(got.str(), meant); m != "" && got.str() != "" {
			return "; did you mean " + quote(m) + "?"
		}
		return ""
	}}
}

// typesOf returns what a schema's "type" says, without null.
func typesOf(schema *value) []string {
	t := schema.get("type")
	if t == nil {
		return nil
	}
	if t.form == stringForm {
		return []string{t.text}
	}
	return slices.DeleteFunc(t.strs(), func(s string) bool { return s == "null" || s == "" })
}
