package sample

import (
	"encoding/json"
	"math/big"
)

// number makes a number. If the schema has bounds, half of the numbers are near
// a bound, where functions often break.
func (g *generator) number(whole bool, s schema, p place) (any, error) {
	low, high := bounds(s)
	step := s.rat("multipleOf")
	if step != nil && step.Sign() <= 0 {
		return nil, p.errorf("multipleOf is %s", step.RatString())
	}
	switch {
	case whole && step != nil:
		step = lcm(step, big.NewRat(1, 1))
	case whole:
		step = big.NewRat(1, 1)
	case step == nil:
		step = finestep(low, high)
	}
	first, last := inSteps(low, high, step)
	if first.Cmp(last) > 0 {
		return nil, p.errorf("no number lies between its bounds")
	}
	n := new(big.Rat).Mul(new(big.Rat).SetInt(g.between(first, last, low.value != nil || high.value != nil)), step)
	digits, exact := n.FloatPrec()
	if !exact {
		return nil, p.errorf("multipleOf has no end as a decimal")
	}
	return json.Number(n.FloatString(digits)), nil
}

// A bound limits numbers. Nil means that there is no limit.
type bound struct {
	value *big.Rat
	open  bool // the value itself is outside
}

// bounds returns the bounds of a schema. Where a schema leaves the choice, the
// bounds admit at most twenty digits: tools refuse very long numbers.
func bounds(s schema) (low, high bound) {
	low = tighter(bound{s.rat("minimum"), s.keywords["exclusiveMinimum"] == true}, bound{s.rat("exclusiveMinimum"), true}, 1)
	high = tighter(bound{s.rat("maximum"), s.keywords["exclusiveMaximum"] == true}, bound{s.rat("exclusiveMaximum"), true}, -1)
	if most := ratOf(json.Number("1e20")); low.value != nil && high.value != nil {
		if high.value.Cmp(most) > 0 && low.value.Cmp(most) < 0 {
			high = bound{value: most}
		}
		if least := new(big.Rat).Neg(most); low.value.Cmp(least) < 0 && high.value.Cmp(least) > 0 {
			low = bound{value: least}
		}
	}
	return low, high
}

func tighter(a, b bound, sign int) bound {
	if a.value == nil || b.value != nil && b.value.Cmp(a.value)*sign >= 0 {
		return b
	}
	return a
}

// finestep returns a power of ten that is small compared with the distance of
// the bounds.
func finestep(low, high bound) *big.Rat {
	step := big.NewRat(1, 100)
	if low.value == nil || high.value == nil {
		return step
	}
	distance := new(big.Rat).Sub(high.value, low.value)
	for range 60 {
		if distance.Sign() <= 0 || new(big.Rat).Quo(distance, step).Cmp(big.NewRat(100, 1)) >= 0 {
			break
		}
		step.Mul(step, big.NewRat(1, 10))
	}
	if low.value.Cmp(high.value) == 0 { // any step reaches the only number
		step.SetFrac64(1, 1)
		for !new(big.Rat).Quo(low.value, step).IsInt() {
			step.Mul(step, big.NewRat(1, 10))
		}
	}
	return step
}

// inSteps returns the first and the last multiple of step within the bounds.
// Where a bound is missing, the range extends a hundred beyond the present
// bound, or from zero.
func inSteps(low, high bound, step *big.Rat) (first, last *big.Int) {
	one, span := big.NewInt(1), big.NewInt(100)
	if !step.IsInt() {
		span.Div(new(big.Int).Mul(span, step.Denom()), step.Num())
	}
	if low.value != nil {
		q := new(big.Rat).Quo(low.value, step)
		first = floor(q)
		if !q.IsInt() || low.open {
			first.Add(first, one)
		}
	}
	if high.value != nil {
		q := new(big.Rat).Quo(high.value, step)
		last = floor(q)
		if q.IsInt() && high.open {
			last.Sub(last, one)
		}
	}
	switch {
	case first == nil && last == nil:
		first, last = new(big.Int), span
	case first == nil:
		first = new(big.Int).Sub(last, span)
	case last == nil:
		last = new(big.Int).Add(first, span)
	}
	return first, last
}

// floor returns the largest integer not above r.
func floor(r *big.Rat) *big.Int { return new(big.Int).Div(r.Num(), r.Denom()) }

// between returns an integer from first to last.
func (g *generator) between(first, last *big.Int, bounded bool) *big.Int {
	if bounded {
		switch g.rand.IntN(8) {
		case 0:
			return first
		case 1:
			return last
		}
	}
	n := new(big.Int).Sub(last, first)
	n.Add(n, big.NewInt(1))
	// 64 extra bits make the remainder practically uniform.
	r := new(big.Int)
	for range n.BitLen()/64 + 2 {
		r.Lsh(r, 64).Or(r, new(big.Int).SetUint64(g.rand.Uint64()))
	}
	return r.Mod(r, n).Add(r, first)
}
