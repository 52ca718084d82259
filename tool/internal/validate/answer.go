package validate

import (
	"errors"
	"strings"

	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
)

// maxTries bounds the places of a text at which ParseAnswer looks for JSON.
const maxTries = 100

// ParseAnswer parses a model's answer that must be one JSON value. Models often put a
// fence or sentences around the value, so the only object in a text is taken, and with
// lists the only array. Of two values none is taken: a model that corrects itself and a
// model that answers twice look alike.
func ParseAnswer(text string, lists bool, done *tree.Repairs) (*tree.Value, error) {
	inner, fenced := unfence(text)
	v, err := tree.ParseLoosely(inner, tree.ArgumentLimits, done)
	switch {
	case err == nil && fenced:
		done.Add(nil, "a Markdown fence was removed")
		return v, nil
	case err == nil:
		if in := unwrap(v, tree.ArgumentLimits); in.Is(tree.ObjectForm) || lists && in.Is(tree.ArrayForm) {
			done.Unwrapped(nil, in)
			return in.Value, nil
		}
		return v, nil
	}
	found, some := valuesIn(text, lists)
	switch {
	case len(found) > 1:
		return nil, errors.New("it has more than one JSON value; send exactly one")
	case len(found) == 1:
		*done = found[0].done
		done.Add(nil, "the text around the JSON was removed")
		return found[0].value, nil
	case !some:
		return nil, errors.New("it has no JSON")
	}
	return nil, err
}

type foundValue struct {
	value *tree.Value
	done  tree.Repairs
}

// valuesIn finds up to two objects (with lists also arrays) in a text. some reports
// whether a value seems to begin anywhere. A value that cannot be read is skipped as a
// whole, because an object inside a broken object is not the answer.
func valuesIn(text string, lists bool) (found []foundValue, some bool) {
	starts := "{"
	if lists {
		starts = "{["
	}
	for tries := 0; tries < maxTries && len(found) < 2; tries++ {
		i := strings.IndexAny(text, starts)
		if i < 0 {
			return found, some
		}
		some, text = true, text[i:]
		var done tree.Repairs
		v, end, err := tree.ParseFirst(text, tree.ArgumentLimits, &done)
		if err == nil {
			found, text = append(found, foundValue{v, done}), text[end:]
			continue
		}
		if end = endOfBraces(text); end < 0 {
			return nil, some
		}
		text = text[end:]
	}
	return found, some
}

// endOfBraces returns the place after the bracket that closes the first bracket of a
// text, or -1.
func endOfBraces(text string) int {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{', c == '[':
			depth++
		case c == '}', c == ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}
