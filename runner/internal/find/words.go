package find

import (
	"strings"
	"unicode"
)

// common are words that say nothing about a tool.
const common = " a an and are as at be by can do does for from given has have how i if in into is it its me my of on or our please s so t that the their this to us use used using we what when which will with you your "

// words returns the words of a text in lower case and in the singular. A name in
// camelCase, snake_case or kebab-case has several words. Each character of a script
// without spaces is a word.
func words(text string) (list []string) {
	runes, start := []rune(text), 0
	end := func(i int) {
		if w := singular(strings.ToLower(string(runes[start:i]))); w != "" && !strings.Contains(common, " "+w+" ") {
			list = append(list, w)
		}
		start = i
	}
	for i, r := range runes {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r):
			end(i)
			start = i + 1
		case i > start && begins(runes, i):
			end(i)
		}
	}
	end(len(runes))
	return list
}

// begins reports whether a word begins at the letter or digit i, inside of a name: at a
// change from lower to upper case (getUser), before the last capital of a row (HTTPServer),
// between letters and digits, and at each character of a script without spaces.
func begins(runes []rune, i int) bool {
	before, r := runes[i-1], runes[i]
	switch {
	case spaceless(r) || spaceless(before):
		return true
	case unicode.IsUpper(r):
		return !unicode.IsUpper(before) || i+1 < len(runes) && unicode.IsLower(runes[i+1]) && !plural(runes, i+1)
	}
	return unicode.IsDigit(r) != unicode.IsDigit(before) && !unicode.IsMark(r)
}

// spaceless reports whether r is of a script without spaces.
func spaceless(r rune) bool {
	return r > unicode.MaxLatin1 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana)
}

// plural reports whether the letter i is the s of a plural of capitals, as in URLs.
func plural(runes []rune, i int) bool {
	return runes[i] == 's' && (i+1 == len(runes) || !unicode.IsLower(runes[i+1]))
}

// singular drops the s of an English plural.
func singular(w string) string {
	switch {
	case len(w) > 4 && strings.HasSuffix(w, "ies"):
		return w[:len(w)-3] + "y"
	case len(w) > 4 && (strings.HasSuffix(w, "sses") || strings.HasSuffix(w, "xes") || strings.HasSuffix(w, "ches") || strings.HasSuffix(w, "shes")):
		return w[:len(w)-2]
	case len(w) > 2 && strings.HasSuffix(w, "s") && !strings.HasSuffix(w, "ss") && !strings.HasSuffix(w, "us") && !strings.HasSuffix(w, "is"):
		return w[:len(w)-1]
	}
	return w
}
