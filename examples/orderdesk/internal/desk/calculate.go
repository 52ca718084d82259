package desk

import (
	"context"
	"math"
	"strconv"
	"strings"
)

type calculateArgs struct {
	Expression string `json:"expression" jsonschema_description:"Numbers, the operators + - * /, parentheses and spaces, e.g. (2 + 3) * 4.5"`
}

// maxExpression limits an expression, in bytes, and so the depth of its parentheses.
const maxExpression = 4096

// calculate rounds the result to two places.
func calculate(_ context.Context, in calculateArgs) (string, error) {
	if strings.ContainsFunc(in.Expression, foreign) {
		return "", Refusal("invalid characters in expression")
	}
	if len(in.Expression) > maxExpression {
		return "", Refusal("the expression is too long")
	}
	s := &sum{rest: in.Expression}
	x, ok := s.terms()
	if s.skip(); !ok || s.rest != "" {
		return "", Refusal("malformed expression")
	}
	if math.IsInf(x, 0) || math.IsNaN(x) {
		return "", Refusal("the expression has no finite result")
	}
	return twoPlaces(x), nil
}

func foreign(r rune) bool { return !strings.ContainsRune("0123456789+-*/(). ", r) }

// twoPlaces rounds the binary value and writes at least one place.
func twoPlaces(x float64) string {
	return strings.TrimSuffix(strconv.FormatFloat(x, 'f', 2, 64), "0")
}

// A sum parses an expression. The methods report whether the text is valid.
type sum struct{ rest string }

func (s *sum) skip() { s.rest = strings.TrimLeft(s.rest, " ") }

// next consumes one of some characters, or returns 0.
func (s *sum) next(of string) byte {
	s.skip()
	if s.rest == "" || strings.IndexByte(of, s.rest[0]) < 0 {
		return 0
	}
	c := s.rest[0]
	s.rest = s.rest[1:]
	return c
}

func (s *sum) terms() (float64, bool) {
	x, ok := s.factors()
	for ok {
		op := s.next("+-")
		if op == 0 {
			break
		}
		var y float64
		if y, ok = s.factors(); op == '-' {
			y = -y
		}
		x += y
	}
	return x, ok
}

func (s *sum) factors() (float64, bool) {
	x, ok := s.factor()
	for ok {
		op := s.next("*/")
		if op == 0 {
			break
		}
		var y float64
		if y, ok = s.factor(); op == '*' {
			x = float64(x * y) // the conversion prevents a fused multiply-add, which rounds differently
		} else {
			x /= y // a division by zero has no finite result
		}
	}
	return x, ok
}

func (s *sum) factor() (float64, bool) {
	switch s.next("+-(") {
	case '+':
		return s.factor()
	case '-':
		x, ok := s.factor()
		return -x, ok
	case '(':
		x, ok := s.terms()
		return x, ok && s.next(")") != 0
	}
	digits := len(s.rest) - len(strings.TrimLeft(s.rest, "0123456789."))
	x, err := strconv.ParseFloat(s.rest[:digits], 64)
	s.rest = s.rest[digits:]
	return x, err == nil
}
