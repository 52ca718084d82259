package tool

import (
	"strconv"
	"strings"
)

// A decimal is a JSON number taken apart: its digits are whole+fraction, and
// its value has the point exponent places to the right of that between them.
type decimal struct {
	negative        bool
	whole, fraction string
	exponent        int
}

func readNumber(raw string) (d decimal, ok bool) {
	rest, negative := strings.CutPrefix(raw, "-")
	d.negative = negative
	d.whole, rest = leadingDigits(rest)
	if d.whole == "" || len(d.whole) > 1 && d.whole[0] == '0' {
		return d, false
	}
	if after, found := strings.CutPrefix(rest, "."); found {
		if d.fraction, rest = leadingDigits(after); d.fraction == "" {
			return d, false
		}
	}
	if rest == "" {
		return d, true
	}
	if rest[0] != 'e' && rest[0] != 'E' {
		return d, false
	}
	digits, after := leadingDigits(strings.TrimLeft(rest[1:min(2, len(rest))], "+-") + rest[min(2, len(rest)):])
	if digits == "" || after != "" {
		return d, false
	}
	n, err := strconv.Atoi(digits)
	if err != nil {
		n = maxExponent + 1
	}
	if strings.HasPrefix(rest[1:], "-") {
		n = -n
	}
	d.exponent = n
	return d, true
}

func leadingDigits(s string) (digits, rest string) {
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	return s[:n], s[n:]
}

// canonical is the number without point and exponent if it is whole and has at
// most 20 digits (any int64 or uint64), since encoding/json reads 1.0 and 1e2
// into no integer. Zero has no sign: -0 and 0 are the same value to JSON Schema,
// and encoding/json reads -0 into no unsigned integer. Every other number stays
// as it was written.
func (d decimal) canonical(raw string) string {
	digits := d.whole + d.fraction
	point := len(d.whole) + d.exponent
	significant := strings.TrimLeft(digits, "0")
	point -= len(digits) - len(significant)
	significant = strings.TrimRight(significant, "0")
	switch {
	case significant == "":
		return "0"
	case !strings.ContainsAny(raw, ".eE"), len(significant) > point, point > 20:
		return raw
	}
	out := significant + strings.Repeat("0", point-len(significant))
	if d.negative {
		out = "-" + out
	}
	return out
}
