package demo

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// A heard is a word of the question.
type heard struct {
	text, low string // without the punctuation around it; in small letters
	begins    bool   // begins a sentence
	ends      bool   // ends a clause, with punctuation behind it
	joins     bool   // the word or its comma joins the words before it with the words after it
}

// marks are punctuation around words.
const marks = "\"'“”‘’„«»()[]{}<>,;:!?…"

// hear splits the question into words.
func (t talk) hear() []heard {
	var all []heard
	begins := true
	for _, field := range strings.Fields(t.question) {
		text := strings.Trim(strings.TrimRight(strings.Trim(field, marks), "."), marks)
		for _, genitive := range []string{"'s", "’s"} {
			text = strings.TrimSuffix(text, genitive)
		}
		last := field[len(field)-1:]
		w := heard{text: text, low: strings.ToLower(text), begins: begins, ends: strings.Contains(",;:.!?)", last)}
		w.joins = slices.Contains(joiners, w.low) || last == ","
		begins = strings.Contains(".!?:", last)
		if text != "" {
			all = append(all, w)
		}
	}
	return all
}

var (
	joiners  = strings.Fields("and or & plus")
	subjects = strings.Fields("i we you they he she")
	articles = strings.Fields("a an the my our your their his her its this that these those some any all both each every of")
	// function are words without a subject of their own.
	function = slices.Concat(joiners, subjects, articles, strings.Fields(`
		is are was were be been am do does did has have had can could will would shall should may might must let
		what which who whom whose where when why how whether if than then there here it me us them him one many much more most few
		in on at to into from with without for by about as up out off over under between per via near behind
		not no yes please thanks thank ok okay hi hey just only also still left ever today tomorrow tonight now currently right away again soon
		it's what's i'm i'd let's don't doesn't isn't aren't`))
	// verbs are common requests and actions.
	verbs = strings.Fields(`
		get give show tell say find look looks see check list fetch read print display know need want like help try make put set take use
		cost costs mean means weigh weighs work works exist exists happen happens come comes go goes buy order ask
		calculate compute translate convert define describe explain search remind add create write send call open`)
	// now are words for a time at the end of a phrase.
	now = strings.Fields("today tomorrow tonight now currently please right again soon")
)

// A thing is a subject in the question: "red lamp".
type thing struct {
	text   string
	joined bool // with the thing before it, as in "lamps and chairs"
}

// things returns the subjects of the question: rows of words without function words,
// verbs, numbers and skipped words.
func (t talk) things(skip func(low string) bool) []thing {
	var all []thing
	var run []string
	joined, verb := false, false // about the next thing; about the next word
	flush := func() {
		if run != nil {
			all, run = append(all, thing{strings.Join(run, " "), joined}), nil
			joined = false
		}
	}
	for _, w := range t.hear() {
		switch {
		case verb && !slices.Contains(function, w.low), slices.Contains(verbs, w.low), skip(w.low), isNumber(w.low):
			flush()
			verb = false
		case slices.Contains(function, w.low):
			flush()
			verb = slices.Contains(subjects, w.low)
		default:
			run = append(run, w.text)
		}
		if w.ends {
			flush()
		}
		if w.joins {
			joined = all != nil
		} else if run == nil && !slices.Contains(articles, w.low) {
			joined = false
		}
	}
	flush()
	return all
}

func isNumber(s string) bool {
	return strings.ContainsFunc(s, unicode.IsDigit) && !strings.ContainsFunc(s, unicode.IsLetter) || measure.MatchString(s) || numbers10[s] != ""
}

// phraseOf returns a phrase without articles at the start and without words of time
// at the end.
func phraseOf(text string) string {
	fields := strings.FieldsFunc(text, unicode.IsSpace)
	for i := range fields {
		fields[i] = strings.Trim(fields[i], marks)
	}
	for len(fields) > 0 && slices.Contains(articles, strings.ToLower(fields[0])) {
		fields = fields[1:]
	}
	for len(fields) > 0 && slices.Contains(now, strings.ToLower(fields[len(fields)-1])) {
		fields = fields[:len(fields)-1]
	}
	return strings.Join(fields, " ")
}

// behind returns the text after one of these words: a name, or the words up to the
// next function word or number.
func (t talk) behind(words ...string) string {
	all := t.hear()
	for i, w := range all {
		if w.ends || !slices.Contains(words, w.low) {
			continue
		}
		var run []string
		for _, next := range all[i+1:] {
			article := run == nil && slices.Contains(articles, next.low)
			if !article && (slices.Contains(function, next.low) || isNumber(next.low)) {
				break
			}
			if capital := unicode.IsUpper([]rune(next.text)[0]); len(run) > 0 && capital != unicode.IsUpper([]rune(run[0])[0]) {
				break // the name has ended, or the text before a name
			}
			if !article {
				run = append(run, next.text)
			}
			if next.ends {
				break
			}
		}
		if run != nil {
			return strings.Join(run, " ")
		}
	}
	return ""
}

// introduced matches the text after a colon, or after a word such as "saying".
var introduced = regexp.MustCompile(`(?s)(?::|\b(?:that|saying|says))\s+(\S.*)$`)

// introducedText returns the text introduced by the question.
func (t talk) introducedText() string {
	m := introduced.FindStringSubmatch(t.question)
	if m == nil {
		return ""
	}
	return strings.TrimRightFunc(m[1], func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(".!?", r) })
}

// An amount is a number of the question, with the words around it.
type amount struct {
	text          string
	before, after string
	unit          string // the unit directly behind or before the number
	thing         string // the word after the number, as in the question
}

var (
	units   = `km|m|cm|mm|mi|ft|kg|g|mg|lbs?|oz|ml|l|s|sec|secs|mins?|h|hrs?|d|ms|gb|mb|kb|kw|w|v`
	measure = regexp.MustCompile(`(?i)^-?\d+(?:[.,]\d+)*(?:` + units + `|st|nd|rd|th|°[cf]?|-[a-z]+)$`)
	// number matches a number outside of names, or a word for a number.
	number = regexp.MustCompile(`(?i)(?:^|[^\w.-])([€$£]?)(-?\d{1,3}(?:,\d{3})+(?:\.\d+)?\b|-?\d+(?:\.\d+)?)(?:(°[cf]?|%|(?:` + units + `)\b|(?:st|nd|rd|th)\b)|-([a-z]+)|\b)` +
		`|\b(two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|fifty|hundred|dozen)\b`)
	numbers10 = map[string]string{
		"two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9", "ten": "10",
		"eleven": "11", "twelve": "12", "twenty": "20", "fifty": "50", "hundred": "100", "dozen": "12",
	}
	firstWord = regexp.MustCompile(`^\W*(\w+)`)
	lastWord  = regexp.MustCompile(`(\w+)\W*$`)
)

// counted returns the numbers of a text.
func counted(s string) []amount {
	var all []amount
	for at := 0; ; {
		m := number.FindStringSubmatchIndex(s[at:])
		if m == nil {
			return all
		}
		group := func(i int) string {
			if m[2*i] < 0 {
				return ""
			}
			return s[at+m[2*i] : at+m[2*i+1]]
		}
		a := amount{text: strings.ReplaceAll(group(2), ",", ""), unit: strings.ToLower(group(1) + group(3))}
		if a.text == "" {
			a.text = numbers10[strings.ToLower(group(5))]
		}
		if w := lastWord.FindStringSubmatch(s[:at+m[0]]); w != nil {
			a.before = strings.ToLower(w[1])
		}
		if w := firstWord.FindStringSubmatch(group(4) + s[at+m[1]:]); w != nil {
			a.thing, a.after = w[1], strings.ToLower(w[1])
		}
		all = append(all, a)
		at += m[1]
	}
}
