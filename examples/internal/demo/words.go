package demo

import (
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
)

// A find is a text in the question that has a known format.
type find struct{ format, text string }

const clock = `\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:[zZ]|[+-]\d\d:\d\d)?`

var formats = []struct {
	name string
	re   *regexp.Regexp
}{
	{"uri", regexp.MustCompile(`\bhttps?://[^\s<>"]*[^\s<>".,;:!?)]`)},
	{"email", regexp.MustCompile(`[\w.+-]+@[\w-]+(?:\.[\w-]+)+`)},
	{"uuid", regexp.MustCompile(`\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b`)},
	{"date-time", regexp.MustCompile(`\b\d{4}-\d\d-\d\d[Tt ]` + clock)},
	{"date", regexp.MustCompile(`\b\d{4}-\d\d-\d\d\b`)},
	{"time", regexp.MustCompile(`\b` + clock)},
	{"ipv4", regexp.MustCompile(`\b\d{1,3}(?:\.\d{1,3}){3}\b`)},
}

// finds returns the texts with a format, and the rest of the question.
func (t talk) finds() (all []find, rest string) {
	rest = t.question
	for _, f := range formats {
		rest = f.re.ReplaceAllStringFunc(rest, func(text string) string {
			all = append(all, find{f.name, text})
			return " "
		})
	}
	return all, rest
}

// hints are the formats suggested by names of properties.
var hints = map[string]string{
	"email": "email", "mail": "email", "url": "uri", "uri": "uri", "link": "uri",
	"ip": "ipv4", "uuid": "uuid", "date": "date",
}

// wants returns the format of a string, or else the format suggested by the name.
func (n *node) wants() string {
	if n.format != "" || n.pattern != "" || n.encoding != "" {
		return n.format
	}
	all := words(strings.ReplaceAll(n.name, "_", " "), 2)
	if len(all) == 0 {
		return ""
	}
	return hints[all[len(all)-1]]
}

// formatted returns the texts of the question in a format, and texts derived from
// further formats, for example the day of a time.
func (t talk) formatted(format string) (direct, derived []any) {
	all, _ := t.finds()
	var fits judge
	for _, f := range all {
		for _, text := range f.as(format) {
			if fits == nil {
				fits = new(document).judge(encode(map[string]string{"type": "string", "format": format}))
			}
			switch {
			case !fits(text):
			case f.format == format:
				direct = append(direct, text)
			default:
				derived = append(derived, text)
			}
		}
	}
	return direct, derived
}

func (f find) as(format string) []any {
	switch {
	case f.format == "date-time" && slices.Contains([]string{"date-time", "date", "time"}, format):
		date, hour := f.text[:len(time.DateOnly)], zoned(f.text[len(time.DateOnly)+1:])
		return []any{map[string]string{"date-time": date + "T" + hour, "date": date, "time": hour}[format]}
	case f.format == "date" && format == "date-time":
		return []any{f.text + "T00:00:00Z"}
	case f.format == "time" && format == "time":
		return []any{zoned(f.text)}
	case f.format == format, f.format+"-reference" == format, "idn-"+f.format == format, f.format == "uri" && format == "iri":
		return []any{f.text}
	}
	return nil
}

// zoned completes a time of day.
func zoned(clock string) string {
	clock = strings.ToUpper(clock)
	if len(clock) == len("15:04") || clock[len("15:04")] != ':' {
		clock = clock[:len("15:04")] + ":00" + clock[len("15:04"):]
	}
	if strings.ContainsAny(clock, "Z+-") {
		return clock
	}
	return clock + "Z"
}

var (
	quoted = regexp.MustCompile(`"([^"]+)"|“([^”]+)”`)
	behind = regexp.MustCompile(`.*\b(?:in|of|for|to|about|with|at|on) (.+)`)
)

// names returns the names in the question: texts in quotes, or words with a capital
// letter inside a sentence, words with a digit, and addresses unless taken reports
// that another argument has them; otherwise numbers. There are no duplicates.
func (t talk) names(except []string, taken func(format string) bool) []any {
	var names []any
	add := func(name string) {
		if !slices.Contains(except, strings.ToLower(name)) && !slices.Contains(names, any(name)) {
			names = append(names, name)
		}
	}
	for _, m := range quoted.FindAllStringSubmatch(t.question, -1) {
		add(m[1] + m[2])
	}
	if names != nil {
		return names
	}
	all, rest := t.finds()
	for _, name := range capitalised(rest) {
		add(name)
	}
	for _, f := range all {
		if strings.Contains("uri email uuid ipv4", f.format) && !taken(f.format) {
			add(f.text)
		}
	}
	if names == nil {
		for _, n := range numerals(rest) {
			add(n)
		}
	}
	return names
}

func capitalised(s string) []string {
	var names []string
	begins, follows := true, false // at the start of a sentence; directly after a name
	for _, field := range strings.Fields(s) {
		word := strings.TrimFunc(field, unicode.IsPunct)
		ends := strings.HasSuffix(field, word)
		for _, genitive := range []string{"'s", "’s"} {
			if cut, ok := strings.CutSuffix(word, genitive); ok {
				word, ends = cut, false
			}
		}
		is := isName(word, begins)
		switch {
		case is && follows: // New York
			names[len(names)-1] += " " + word
		case is:
			names = append(names, word)
		}
		begins, follows = strings.ContainsAny(field[len(field)-1:], ".!?:"), is && ends
	}
	return names
}

func isName(word string, begins bool) bool {
	hasLetter := strings.ContainsFunc(word, unicode.IsLetter)
	switch {
	case measure.MatchString(word), slices.Contains(known, strings.ToLower(word)):
		return false
	case hasLetter && strings.ContainsFunc(word, unicode.IsDigit):
		return true
	}
	contracted := strings.HasPrefix(word, "I'") || strings.HasPrefix(word, "I’")
	return hasLetter && !begins && !contracted && len(word) > 1 && unicode.IsUpper([]rune(word)[0])
}

// ids returns the numbers of the question as texts.
func (t talk) ids() []any {
	_, rest := t.finds()
	var all []any
	for _, n := range numerals(rest) {
		all = append(all, n)
	}
	return all
}

func numerals(s string) []string {
	var all []string
	for _, a := range counted(s) {
		all = append(all, a.text)
	}
	return all
}

// phrase returns the likely subject of the question: the words after its last
// preposition, or the whole question.
func (t talk) phrase() string {
	text := strings.TrimRightFunc(t.question, unicode.IsPunct)
	if m := behind.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return text
}

// alike reports whether two words are equal but for a plural: "temperature" and
// "temperatures".
func alike(a, b string) bool {
	if min(len(a), len(b)) < 4 {
		return a == b
	}
	return strings.HasPrefix(a, b) || strings.HasPrefix(b, a)
}

var common = strings.Fields("the and for are was you your get give say tell what how who which when where with from into this that all has have one its")

// words returns the words of a text that may describe the subject, with a minimum
// length.
func words(s string, letters int) []string {
	all := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !unicode.IsLetter(r) })
	return slices.DeleteFunc(all, func(w string) bool { return len(w) < letters || slices.Contains(common, w) })
}

// mentions reports whether the question has these words.
func (t talk) mentions(text string) bool {
	return strings.Contains(spaced(t.question), spaced(text)) && spaced(text) != "  "
}

// place returns the position at which the question names a value of an enum, also in
// the plural, or -1.
func (t talk) place(value string) int {
	if t.mentions(value) {
		return strings.Index(spaced(t.question), spaced(value))
	}
	for _, w := range strings.Fields(spaced(t.question)) {
		if plural(w, strings.ToLower(value)) {
			return strings.Index(spaced(t.question), " "+w+" ")
		}
	}
	return -1
}

// spaced returns the words of a text in small letters, with a space around each.
func spaced(s string) string {
	fields := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	return " " + strings.Join(fields, " ") + " "
}
