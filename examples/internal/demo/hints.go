package demo

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

var (
	// exampled matches the examples in a description.
	exampled = regexp.MustCompile(`(?i)(?:\be\.\s?g\.|\bfor example\b|\bfor instance\b|\bsuch as\b|\bexamples?:|\bone of\b)[,:]?\s*((?:[^.;()\n]|\.\S)+)|\(((?:[^().;\n]|\.\S)+,(?:[^().;\n]|\.\S)+)\)`)
	// either matches a description made of choices.
	either  = regexp.MustCompile(`^(?:[\w-]+, )*[\w-]+,? or [\w-]+\.?$`)
	between = regexp.MustCompile(`,\s*(?:or |and )?|\s+(?:or|and)\s+`)
)

// examplesIn returns the examples in a description, and the rest of the description.
func examplesIn(description string) (examples []string, rest string) {
	rest = exampled.ReplaceAllStringFunc(description, func(text string) string {
		m := exampled.FindStringSubmatch(text)
		for _, e := range between.Split(m[1]+m[2], -1) {
			if e = strings.TrimPrefix(strings.Trim(e, marks+" ."), "e.g. "); e != "" && len(strings.Fields(e)) <= 4 {
				examples = append(examples, e)
			}
		}
		return " "
	})
	if examples == nil && either.MatchString(description) {
		examples = between.Split(strings.TrimSuffix(description, "."), -1)
	}
	if examples == nil {
		for _, m := range quoted.FindAllStringSubmatch(description, -1) {
			examples = append(examples, m[1]+m[2])
		}
	}
	return examples, rest
}

// parts returns the words of a property's name: "fromCity" and "from_city" have two.
func parts(name string) []string {
	var b strings.Builder
	for i, r := range name {
		if i > 0 && unicode.IsUpper(r) && !unicode.IsUpper(rune(name[i-1])) {
			b.WriteByte(' ')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return strings.FieldsFunc(b.String(), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// isCalled reports whether the name of the place has any of these words.
func (p place) isCalled(names ...string) bool {
	return slices.ContainsFunc(parts(p.name), func(w string) bool { return slices.Contains(names, w) })
}

// free reports whether the place accepts any text.
func (p place) free() bool {
	return p.values == nil && p.is("string") && p.enum == nil && p.encoding == "" && p.wants() == ""
}

var (
	targets  = strings.Fields("to target destination dest into recipient recipients receiver arrival language lang locale")
	sources  = strings.Fields("from source origin sender departure")
	topics   = strings.Fields("subject topic theme")
	queries  = strings.Fields("query question search prompt q keywords phrase")
	texts    = strings.Fields("text message body content note reminder task todo")
	titles   = strings.Fields("name title label")
	negative = strings.Fields("off not no without never don't disable false")
	days     = strings.Fields("day date when weekday month time hour")
	numbered = strings.Fields("id number no code sku zip isbn plate key ref reference")
	letters  = strings.Fields("letter character char")
	formulas = strings.Fields("expression expr formula equation calculation term")
	// known are capitalized words without being names.
	known = strings.Fields("monday tuesday wednesday thursday friday saturday sunday january february march april june july august september october november december")
	// formula matches a calculation.
	formula = regexp.MustCompile(`[-(]?\d[\d\s.,()]*(?:[-+*/^%×÷][\s(-]*\d[\d\s.,)]*)+`)
)

// hint assigns texts by the words around them, or by the examples in a description.
func (t talk) hint(places []place, skip func(low string) bool) {
	for _, p := range places {
		if p.is("boolean") && p.must && p.values == nil && slices.ContainsFunc(t.hear(), func(w heard) bool { return slices.Contains(negative, w.low) }) {
			p.values = []any{false}
		}
		if text := t.hinted(p); p.free() && text != "" && p.fits(text) {
			p.values = []any{text}
		}
	}
	for _, p := range places {
		if p.values == nil && p.is("string") && p.enum == nil {
			p.values = t.exemplary(p, skip)
		}
	}
}

// exemplary returns the examples of a place in the question, and the things joined
// to them, as in "lamps and chairs". The method names returns names.
func (t talk) exemplary(p place, skip func(low string) bool) (values []any) {
	names := t.names(nil, func(string) bool { return false })
	add := func(text string) {
		if p.fits(text) && !slices.Contains(values, any(text)) && (len(values) == 0 || p.must) {
			values = append(values, text)
		}
	}
	all := t.things(skip)
	for begin := 0; begin < len(all); {
		end := begin + 1
		for end < len(all) && all[end].joined {
			end++
		}
		var texts []string
		found := false
		for _, th := range all[begin:end] {
			form := talk{question: th.text}.example(p)
			found = found || form != "" && !slices.Contains(names, any(form))
			texts = append(texts, firstOf(form, th.text))
		}
		for _, text := range texts {
			if found {
				add(text)
			}
		}
		begin = end
	}
	if form := t.example(p); values == nil && form != "" && !slices.Contains(names, any(form)) { // a word of the tool may be an example, too
		add(form)
	}
	return values
}

// example returns the first example in the question.
func (t talk) example(p place) string {
	for _, e := range p.examples {
		if form := t.mention(e); form != "" {
			return form
		}
	}
	return ""
}

// hinted returns the text at the usual position for the name of the place.
func (t talk) hinted(p place) string {
	switch {
	case p.isCalled(formulas...):
		return strings.Trim(formula.FindString(t.question), " .,")
	case p.isCalled(sources...):
		return firstOf(t.behind("from"), t.measured())
	case p.isCalled(targets...):
		return firstOf(t.behind("to", "into"), t.behind("in"))
	case p.isCalled(topics...):
		return t.behind("about", "regarding")
	case p.isCalled(texts...) && !quoted.MatchString(t.question):
		return t.introducedText()
	case p.isCalled(titles...):
		return t.behind("called", "named", "titled")
	case p.isCalled(days...):
		return t.moment()
	}
	return ""
}

// moment returns a day or a time in the question.
func (t talk) moment() string {
	for _, w := range t.hear() {
		if slices.Contains(known, w.low) || slices.Contains([]string{"today", "tomorrow", "tonight"}, w.low) {
			return w.text
		}
	}
	all, _ := t.finds()
	for _, f := range all {
		if slices.Contains([]string{"date-time", "date", "time"}, f.format) {
			return f.text
		}
	}
	return ""
}

// measured returns the unit of the first number.
func (t talk) measured() string {
	for _, a := range counted(t.question) {
		unit := firstOf(strings.Trim(a.unit, "$€£"), a.thing)
		if unit != "" && !slices.Contains(function, strings.ToLower(unit)) {
			return unit
		}
	}
	return ""
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// mention returns the form of an example in the question, or the example itself if
// the question has its plural.
func (t talk) mention(example string) string {
	if t.mentions(example) {
		return example
	}
	if strings.ContainsRune(example, ' ') {
		return ""
	}
	for _, w := range t.hear() {
		if plural(w.low, strings.ToLower(example)) {
			return example
		}
	}
	return ""
}

// plural reports whether a is the plural of b.
func plural(a, b string) bool {
	return len(b) > 2 && (a == b+"s" || a == b+"es" || strings.HasSuffix(b, "y") && a == strings.TrimSuffix(b, "y")+"ies")
}

// suits reports whether a name is of the kind of the place: with digits, a single
// letter, or similar to the examples.
func (p place) suits(name any) bool {
	text, _ := name.(string)
	digit := strings.ContainsFunc(text, unicode.IsDigit)
	switch {
	case !p.named(name):
		return false
	case p.isCalled(letters...):
		return len([]rune(text)) == 1
	case p.isCalled(numbered...):
		return digit
	case p.examples != nil:
		small, digits := true, true
		for _, e := range p.examples {
			small = small && strings.ToLower(e) == e
			digits = digits && strings.ContainsFunc(e, unicode.IsDigit)
		}
		return digits == digit && (!small || digit || strings.ToLower(text) == text)
	}
	return !digit
}

// isSpecial reports whether the place accepts names of one kind only.
func (p place) isSpecial() bool { return p.isCalled(letters...) || p.isCalled(numbered...) }

// deal assigns the numbers of the question: first to the places that the words
// around a number name, and then to the required places.
func (t talk) deal(places []place) {
	_, rest := t.finds()
	var others []any
	for _, a := range counted(rest) {
		if len(a.text) > len("-9007199254740991") {
			continue // a name, not a number
		}
		v := json.Number(a.text)
		i := slices.IndexFunc(places, func(p place) bool {
			return p.numeric() && p.enum == nil && (p.values == nil || p.many) && p.fits(v) && p.counts(a)
		})
		if i < 0 {
			others = append(others, v)
			continue
		}
		places[i].values = append(places[i].values, v)
	}
	open := slices.DeleteFunc(slices.Clone(places), func(p place) bool { return !p.must || p.values != nil })
	share(open, others, func(p place, _ any) bool { return p.numeric() })
}

// counts reports whether the words around a number name the place.
func (p place) counts(a amount) bool {
	return slices.ContainsFunc(parts(p.name), func(w string) bool {
		switch w {
		case "percent", "percentage", "rate":
			return a.unit == "%"
		case "price", "cost", "euros", "dollars":
			return a.unit != "" && strings.Contains("€$£", a.unit)
		}
		return w == a.before && !slices.Contains(function, w) || w == a.unit || w == a.after || len(w) > 2 && stem(w) == stem(a.after)
	})
}

// stem returns a word without the endings of plurals and participles.
func stem(w string) string {
	w = strings.TrimSuffix(w, "s")
	if strings.HasSuffix(w, "ed") {
		return strings.TrimSuffix(w, "d")
	}
	return w
}

// guess assigns the subjects of the question to the required texts without a value.
func (t talk) guess(n *node, skip func(low string) bool) {
	var open []place
	for _, p := range n.places(true, false) {
		if p.must && p.free() && p.pattern == "" && p.given == nil {
			open = append(open, p)
		}
	}
	whole := len(open) == 1 && open[0].isCalled(queries...)
	pool := t.subjects(skip, n.written(), whole)
	for i, p := range open {
		for j := i; j < len(pool) && (j == i || len(open) == 1 && pool[j].joined); j++ {
			if p.fits(pool[j].text) {
				p.values = append(p.values, pool[j].text)
			}
		}
	}
}

// subjects returns the subjects of the question, the likeliest first. If the last
// phrase joins several things, the whole phrase is a subject, too.
func (t talk) subjects(skip func(string) bool, used []string, whole bool) []thing {
	if text := t.introducedText(); text != "" {
		return []thing{{text: text}}
	}
	isUsed := func(text string) bool {
		return slices.ContainsFunc(used, func(u string) bool { return strings.Contains(spaced(u), spaced(text)) })
	}
	all := t.things(func(low string) bool { return skip(low) || isUsed(low) })
	if all == nil && t.asksWhether() { // "Is the lamp on?" for a tool with the name lamp
		all = t.things(isUsed)
	}
	phrase := phraseOf(t.phrase())
	says := slices.ContainsFunc(words(phrase, 1), func(w string) bool { return !skip(w) && !slices.Contains(function, w) })
	plain := phrase != t.phrase() || behind.MatchString(t.question)
	if says && plain && !isUsed(phrase) && !t.asksWhether() && (whole || !strings.Contains(phrase, " and ")) {
		rest := slices.DeleteFunc(all, func(th thing) bool { return strings.Contains(phrase, th.text) })
		return append([]thing{{text: phrase}}, rest...)
	}
	return all
}

// asksWhether reports whether the question is about its grammatical subject instead
// of its last words: "Is the lamp in the box?"
func (t talk) asksWhether() bool {
	all := t.hear()
	return len(all) > 1 && (slices.Contains(strings.Fields("is are do does can have has was were"), all[0].low) ||
		all[0].low == "how" && slices.Contains([]string{"many", "much"}, all[1].low))
}

// each calls f with n and all nodes below it.
func (n *node) each(f func(*node)) {
	f(n)
	for _, inner := range n.inner() {
		inner.each(f)
	}
}
