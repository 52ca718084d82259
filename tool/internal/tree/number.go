package tree

import (
	"strconv"
	"strings"
)

// A decimal is a JSON number in parts. The digits are Whole+Fraction. The decimal point
// is Exponent places to the right of the end of Whole.
type decimal struct {
	Negative        bool
	Whole, Fraction string
	Exponent        int
}

func ReadNumber(raw string) (d decimal, ok bool) {
	rest, negative := strings.CutPrefix(raw, "-")
	d.Negative = negative
	d.Whole, rest = leadingDigits(rest)
	if d.Whole == "" || len(d.Whole) > 1 && d.Whole[0] == '0' {
		return d, false
	}
	if after, found := strings.CutPrefix(rest, "."); found {
		if d.Fraction, rest = leadingDigits(after); d.Fraction == "" {
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
		n = MaxExponent + 1
	}
	if strings.HasPrefix(rest[1:], "-") {
		n = -n
	}
	d.Exponent = n
	return d, true
}

func leadingDigits(s string) (digits, rest string) {
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	return s[:n], s[n:]
}

// Canonical returns a whole number of at most 20 digits (any int64 or uint64) without
// point and exponent, because encoding/json decodes 1.0 and 1e2 into no integer. Zero
// loses its sign: -0 equals 0 in JSON Schema, but encoding/json decodes -0 into no
// unsigned integer. Other numbers are returned as written.
func (d decimal) Canonical(raw string) string {
	digits := d.Whole + d.Fraction
	point := len(d.Whole) + d.Exponent
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
	if d.Negative {
		out = "-" + out
	}
	return out
}
