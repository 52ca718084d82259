package desk

import (
	"fmt"
	"strconv"
	"strings"
)

// Cents is an amount of money. The JSON is a decimal number with two places, for
// example 0.05.
type Cents int64

// String writes c as 12.50 or -0.05.
func (c Cents) String() string {
	sign, n := "", uint64(c)
	if c < 0 {
		sign, n = "-", -n
	}
	return fmt.Sprintf("%s%d.%02d", sign, n/100, n%100)
}

// Abs returns c without the sign.
func (c Cents) Abs() Cents { return max(c, -c) }

// MarshalJSON implements [json.Marshaler].
func (c Cents) MarshalJSON() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalJSON implements [json.Unmarshaler]. UnmarshalJSON reads the text of a
// decimal number, and refuses parts of a cent.
func (c *Cents) UnmarshalJSON(text []byte) error {
	if string(text) == "null" { // null changes nothing, by convention
		return nil
	}
	got, err := parseCents(string(text))
	if err == nil {
		*c = got
	}
	return err
}

func parseCents(text string) (Cents, error) {
	units, places, _ := strings.Cut(text, ".")
	places = strings.TrimRight(places, "0")
	if len(places) > 2 {
		return 0, fmt.Errorf("amount %s: it has parts of a cent", text)
	}
	n, err := strconv.ParseInt(units+(places + "00")[:2], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("amount %s: not a decimal number", text)
	}
	return Cents(n), nil
}
