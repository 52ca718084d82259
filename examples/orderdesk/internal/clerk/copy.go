package clerk

import (
	"regexp"
	"strconv"
	"strings"
)

// A copy of a request is about another user, who has everything that the user of the
// seed has, under other names. The names end in the number of the copy.
var (
	names  = regexp.MustCompile(`@example\.com|#D\d{7}|\b\d{5}\b|\b[a-z]+_[a-z]+_\d{4}\b`) // email addresses, orders, zip codes, users
	copies = regexp.MustCompile(`(#D\d{7}|\b\d{5})-(\d{4,})\b|\+(\d+)@example\.com`)
)

const domain = "@example.com"

// Copy returns a text about users of the seed, such as one of [Requests] or the seed
// itself, changed for the copies with that number. Zero returns the text unchanged.
func Copy(text string, number int) string {
	if number == 0 {
		return text
	}
	n := strconv.Itoa(number)
	padded := n
	if len(n) < 4 {
		padded = "0000"[len(n):] + n
	}
	return names.ReplaceAllStringFunc(text, func(name string) string {
		switch {
		case name == domain:
			return "+" + n + domain
		case strings.Contains(name, "_"):
			return name + "_" + n
		}
		return name + "-" + padded
	})
}

// original returns the original in [Requests] of a request, and the number of the
// copy.
func original(text string) (string, int) {
	m := copies.FindStringSubmatch(text)
	if m == nil {
		return text, 0
	}
	number, err := strconv.Atoi(m[2] + m[3]) // either group is empty
	if err != nil {
		return text, 0
	}
	plain := copies.ReplaceAllStringFunc(text, func(name string) string {
		if strings.HasPrefix(name, "+") {
			return domain
		}
		before, _, _ := strings.Cut(name, "-")
		return before
	})
	if Copy(plain, number) != text {
		return text, 0
	}
	return plain, number
}
