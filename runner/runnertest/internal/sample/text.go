package sample

import (
	"encoding/base64"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	maxTexts  = 400     // attempts for one place
	maxLength = 1 << 16 // of one text, in characters
)

// text makes a string.
func (g *generator) text(s schema, p place) (any, error) {
	expressions := compiled(s.strings("pattern"))
	least, most := s.count("minLength", 0), s.count("maxLength", 1<<20)
	if least > most {
		return nil, p.errorf("it has at least %d characters and at most %d", least, most)
	}
	if least > maxLength {
		return nil, p.errorf("a text of %d characters is too long to make", least)
	}
	for try := range maxTexts {
		t, err := g.candidate(s, expressions, least, most, try)
		if err != nil {
			return nil, p.errorf("%w", err)
		}
		if n := utf8.RuneCountInString(t); n < least || n > most {
			continue
		}
		if !slices.ContainsFunc(expressions, func(e expression) bool { return !e.MatchString(t) }) {
			return t, nil
		}
	}
	return nil, p.errorf("no text was found that fits its %s", strings.Join(slices.DeleteFunc(
		[]string{"format", "pattern", "contentEncoding", "minLength", "maxLength"}, func(name string) bool { return !s.has(name) }), ", "))
}

// candidate makes a text that may fit, by the format, by a pattern, or from
// words. If texts of the format never fit the pattern, the format was only an
// annotation.
func (g *generator) candidate(s schema, patterns []expression, least, most, try int) (string, error) {
	if strings.EqualFold(s.text("contentEncoding"), "base64") || s.text("format") == "byte" {
		return g.base64(least, most), nil
	}
	if formatted, ok := formats[s.text("format")]; ok && (len(patterns) == 0 || try < maxTexts/2) {
		return formatted(g), nil
	}
	if len(patterns) == 0 {
		return g.words(least, most), nil
	}
	more := 3
	if try%2 == 1 {
		more += least
	}
	t, err := g.matching(patterns[try/2%len(patterns)], more)
	if missing := least - utf8.RuneCountInString(t); missing > 0 && try%4 >= 2 {
		t += g.words(missing, missing) // beyond the pattern's match, if the pattern is not anchored
	}
	return t, err
}

func (g *generator) base64(least, most int) string {
	n := (least + 3) / 4 * 3 // bytes
	if room := most/4*3 - n; room > 0 {
		n += g.rand.IntN(min(room, 24) + 1)
	}
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(g.rand.Uint32())
	}
	return base64.StdEncoding.EncodeToString(data)
}

// vocabulary has words that often break programs: other scripts, quotes, percent
// signs.
var vocabulary = []string{
	"amber", "bridge", "copper", "delta", "ember", "forest", "granite", "harbour", "island", "juniper",
	"größe", "naïve", "東京", "Привет", "🙂", `"quoted"`, "it's", "50%", "a/b", "<tag>", "back\\slash", "two\nlines",
}

// words makes a text of words, and prefers a short text where the schema
// permits.
func (g *generator) words(least, most int) string {
	var b strings.Builder
	n, end := 0, least+1+g.rand.IntN(16)
	if least == 0 && g.rand.IntN(32) == 0 {
		end = 0
	}
	for n < end {
		w := vocabulary[g.rand.IntN(len(vocabulary))]
		if n > 0 {
			w = " " + w
		}
		b.WriteString(w)
		n += utf8.RuneCountInString(w)
	}
	runes := []rune(b.String())
	return string(runes[:min(len(runes), most)])
}
