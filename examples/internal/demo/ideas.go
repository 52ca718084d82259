package demo

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"math/big"
	"regexp/syntax"
	"strings"
	"time"
	"unicode/utf8"
)

// maxTries limits the attempts to invent a valid value.
const maxTries = 1000

// idea invents the i-th valid value, or the last value.
func (n *node) idea(i int) json.RawMessage {
	last := json.RawMessage("null")
	seen := map[string]bool{}
	tries := 0
	for v := range n.ideas() {
		if tries++; tries > maxTries {
			break
		}
		raw := encode(v)
		if seen[string(raw)] || !n.fits(raw) {
			continue
		}
		seen[string(raw)] = true
		if last = raw; len(seen) > i {
			break
		}
	}
	return last
}

// ideas returns candidates, the likeliest first.
func (n *node) ideas() iter.Seq[any] {
	return func(yield func(any) bool) {
		for _, s := range n.readings {
			for _, v := range append(s.enum, s.given...) {
				if !yield(v) {
					return
				}
			}
			kinds := s.kinds
			if len(kinds) == 0 {
				kinds = []string{"string", "null", "object"}
			}
			for _, e := range n.examples {
				if s.is("string") && !yield(e) || s.numeric() && json.Valid([]byte(e)) && !yield(json.Number(e)) {
					return
				}
			}
			for _, kind := range kinds {
				for v := range n.planner.ofKind(kind, s, n.wants()) {
					if !yield(v) {
						return
					}
				}
			}
		}
	}
}

func (t talk) ofKind(kind string, s schema, format string) iter.Seq[any] {
	switch kind {
	case "string":
		return t.texts(s, format)
	case "number", "integer":
		return numbers(s, kind == "integer")
	case "boolean":
		return values(true, false)
	case "array":
		return values([]any{})
	case "object":
		return values(map[string]any{})
	}
	return values(nil)
}

func values(all ...any) iter.Seq[any] {
	return func(yield func(any) bool) {
		for _, v := range all {
			if !yield(v) {
				return
			}
		}
	}
}

// variants is the number of invented texts of one kind.
const variants = 40

func (t talk) texts(s schema, format string) iter.Seq[any] {
	return func(yield func(any) bool) {
		for i := range variants {
			if text, ok := sample(format, i); ok && !yield(text) {
				return
			}
		}
		for text := range matching(s) {
			if !yield(text) {
				return
			}
		}
		for i := range variants {
			text := t.phrase()
			if i > 0 {
				text += fmt.Sprint(" ", i+1)
			}
			if s.encoding == "base64" {
				text = base64.StdEncoding.EncodeToString([]byte(text))
			}
			if !yield(sized(text, i, s)) {
				return
			}
		}
	}
}

// sized changes the length of the i-th text to a valid length.
func sized(text string, i int, s schema) string {
	runes := []rune(text)
	for len(runes) < s.minLength && len(runes) < math.MaxInt16 {
		runes = append(runes, []rune("."+text)...)
	}
	if s.maxLength >= 0 && len(runes) > s.maxLength {
		runes = runes[:s.maxLength]
		if number := []rune(fmt.Sprint(i + 1)); i > 0 && len(number) <= len(runes) { // the cut removes the difference from other texts
			copy(runes[len(runes)-len(number):], number)
		}
	}
	return string(runes)
}

// sample returns the i-th text of a format.
func sample(format string, i int) (string, bool) {
	at := time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)
	switch format {
	case "date-time":
		return at.Add(time.Duration(i) * time.Hour).Format(time.RFC3339), true
	case "date":
		return at.AddDate(0, 0, i).Format(time.DateOnly), true
	case "time":
		return at.Add(time.Duration(i) * time.Minute).Format("15:04:05Z"), true
	case "duration":
		return fmt.Sprintf("PT%dH", i+1), true
	case "email", "idn-email":
		return fmt.Sprintf("ada%s@example.com", nth(i)), true
	case "hostname", "idn-hostname":
		return fmt.Sprintf("host%s.example.com", nth(i)), true
	case "uri", "iri":
		return "https://example.com/" + nth(i), true
	case "uri-reference", "iri-reference", "uri-template", "json-pointer":
		return "/a" + nth(i), true
	case "relative-json-pointer":
		return fmt.Sprint(i), true
	case "uuid":
		return fmt.Sprintf("123e4567-e89b-12d3-a456-4266141740%02x", i), true
	case "ipv4":
		return fmt.Sprintf("192.0.2.%d", i+1), true
	case "ipv6":
		return fmt.Sprintf("2001:db8::%x", i+1), true
	case "regex":
		return "a" + nth(i), true
	}
	return "", false
}

// nth makes later samples differ from the first.
func nth(i int) string {
	if i == 0 {
		return ""
	}
	return fmt.Sprint(i + 1)
}

// matching returns texts for the pattern of s, or none if Go does not support the
// pattern.
func matching(s schema) iter.Seq[string] {
	return func(yield func(string) bool) {
		re, err := syntax.Parse(s.pattern, syntax.Perl)
		if s.pattern == "" || err != nil {
			return
		}
		for i := range variants {
			for more := range max(s.minLength, 3) + 1 {
				var b strings.Builder
				match(&b, re, more, i)
				n := utf8.RuneCountInString(b.String())
				if n < s.minLength || s.maxLength >= 0 && n > s.maxLength {
					continue
				}
				if !yield(b.String()) {
					return
				}
			}
		}
	}
}

// match writes a text for re: it varies the repetitions, and takes the i-th of the
// alternatives.
func match(b *strings.Builder, re *syntax.Regexp, more, i int) {
	times, least := 1, 0
	switch re.Op {
	case syntax.OpLiteral:
		b.WriteString(string(re.Rune))
		return
	case syntax.OpCharClass:
		b.WriteRune(runeOf(re.Rune, i))
		return
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		b.WriteRune(rune('a' + i%26))
		return
	case syntax.OpAlternate:
		match(b, re.Sub[i%len(re.Sub)], more, i)
		return
	case syntax.OpStar:
		times = more
	case syntax.OpPlus:
		times = 1 + more
	case syntax.OpQuest:
		times = min(more, 1)
	case syntax.OpRepeat:
		if times, least = re.Min+more, re.Max; least >= 0 {
			times = min(times, least)
		}
	}
	for range times {
		for _, sub := range re.Sub {
			if b.Len() < math.MaxInt16 {
				match(b, sub, more, i)
			}
		}
	}
}

// runeOf returns the i-th rune of a class, letters and digits first.
func runeOf(ranges []rune, i int) rune {
	var plain []rune
	for _, r := range "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789" {
		for k := 0; k+1 < len(ranges); k += 2 {
			if ranges[k] <= r && r <= ranges[k+1] {
				plain = append(plain, r)
			}
		}
	}
	switch {
	case plain != nil:
		return plain[i%len(plain)]
	case len(ranges) == 0:
		return 'a'
	}
	return ranges[0] + rune(i)%(ranges[1]-ranges[0]+1)
}

// numbers returns small numbers, and numbers at and between the bounds of s.
func numbers(s schema, whole bool) iter.Seq[any] {
	return func(yield func(any) bool) {
		step := big.NewRat(1, 1)
		multiple, stepped := s.bound("multipleOf")
		if stepped && multiple.Sign() > 0 {
			step = multiple
		}
		bases := []*big.Rat{big.NewRat(1, 1)}
		low, isLow := s.bound("minimum", "exclusiveMinimum")
		high, isHigh := s.bound("maximum", "exclusiveMaximum")
		if isLow {
			bases = append(bases, low, onGrid(low, step))
		}
		if isHigh {
			bases = append(bases, high, new(big.Rat).Sub(onGrid(high, step), step))
		}
		if isLow && isHigh {
			middle := new(big.Rat).Add(low, high)
			bases = append(bases, middle.Mul(middle, big.NewRat(1, 2)))
		}
		bases = append(bases, new(big.Rat), step)
		for _, base := range bases {
			if !yield(decimal(base)) {
				return
			}
		}
		if !whole && !stepped && isLow && isHigh { // there may be no whole numbers between the bounds
			step = new(big.Rat).Quo(new(big.Rat).Sub(high, low), big.NewRat(1000, 1))
		}
		for _, base := range bases {
			for i := range int64(variants) {
				for _, way := range []int64{1, -1} {
					v := new(big.Rat).Mul(step, big.NewRat(way*(i+1), 1))
					if !yield(decimal(v.Add(v, base))) {
						return
					}
				}
			}
		}
	}
}

// bound returns the first keyword of s.
func (s schema) bound(names ...string) (*big.Rat, bool) {
	for _, name := range names {
		text := s.bounds[name].String()
		if f, err := s.bounds[name].Float64(); err != nil || math.Abs(f) > 0 && math.Abs(f) < 1e-30 {
			continue // such a bound is a mistake
		}
		if r, ok := new(big.Rat).SetString(text); ok {
			return r, true
		}
	}
	return nil, false
}

// onGrid returns the least multiple of step that is at least r.
func onGrid(r, step *big.Rat) *big.Rat {
	q := new(big.Rat).Quo(r, step)
	n := new(big.Int).Div(q.Num(), q.Denom()) // rounds down
	if !q.IsInt() {
		n.Add(n, big.NewInt(1))
	}
	return q.Mul(new(big.Rat).SetInt(n), step)
}

func decimal(r *big.Rat) json.Number {
	text := r.FloatString(30)
	return json.Number(strings.TrimRight(strings.TrimRight(text, "0"), "."))
}
