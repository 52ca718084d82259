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
// list the only array that stands apart from sentences. Of two values none is taken: a
// model that corrects itself and a model that answers twice look alike. text means that
// the value may be a text: what JSON the text holds is its own affair.
func ParseAnswer(answer string, list, text bool, done *tree.Repairs) (*tree.Value, error) {
	inner, fenced := unfence(answer)
	v, err := tree.ParseLoosely(inner, tree.ArgumentLimits, done)
	switch {
	case err == nil && fenced:
		done.Add(nil, "a Markdown fence was removed")
		return v, nil
	case err == nil:
		in := unwrap(v, tree.ArgumentLimits)
		whole := in.Is(tree.ObjectForm) && (!text || len(in.Value.Members) == 1 && in.Value.Has("value"))
		if whole || list && in.Is(tree.ArrayForm) {
			done.Unwrapped(nil, in)
			return in.Value, nil
		}
		return v, nil
	}
	found := valuesIn(answer, list)
	switch {
	case len(found.taken)+found.others > 1:
		return nil, errors.New("it has more than one JSON value; send exactly one")
	case len(found.taken) == 1:
		*done = found.taken[0].done
		done.Add(nil, "the text around the JSON was removed")
		return found.taken[0].value, nil
	case !found.some:
		return nil, errors.New("it has no JSON")
	}
	return nil, err
}

// values are the values in a text.
type values struct {
	taken  []foundValue // that may be the answer
	others int          // that are not the answer, but whose author may have meant it
	some   bool         // a value seems to begin somewhere
}

type foundValue struct {
	value *tree.Value
	done  tree.Repairs
}

// valuesIn finds the values in a text, until there are two. What stands in brackets is
// skipped as a whole, because an object inside of an array or of a broken object is not
// the answer. Sentences hold references such as [1], sets such as {1, 2} and the empty {}
// and []: these do not count.
func valuesIn(text string, list bool) (found values) {
	pos := 0
	for tries := 0; len(found.taken)+found.others < 2; tries++ {
		i := strings.IndexAny(text[pos:], "{[")
		if i < 0 {
			break
		}
		if tries == maxTries { // nobody knows what follows
			found.others, found.some = found.others+1, true
			break
		}
		start := pos + i
		found.some = found.some || list || text[start] == '{'
		var done tree.Repairs
		v, length, err := tree.ParseFirst(text[start:], tree.ArgumentLimits, &done)
		if err != nil {
			if length = endOfBraces(text[start:]); length < 0 { // cut off
				found.others, found.some = found.others+1, true
				break
			}
		}
		pos = start + length
		ownLines, fence := apart(text[:start], text[pos:])
		empty := err == nil && len(v.Items)+len(v.Members) == 0
		switch {
		case empty && !fence:
		case err == nil && (v.Form == tree.ObjectForm || list && ownLines):
			found.taken = append(found.taken, foundValue{v, done})
		case strings.ContainsAny(text[start:pos], `:"`), list && ownLines:
			found.others, found.some = found.others+1, true
		}
	}
	return found
}

// apart reports whether a value between two texts has lines of its own, and whether these
// are the content of a Markdown fence.
func apart(before, after string) (ownLines, fence bool) {
	before, after = strings.TrimRight(before, " \t"), strings.TrimLeft(after, " \t\r")
	if before != "" && before[len(before)-1] != '\n' || after != "" && after[0] != '\n' {
		return false, false
	}
	before = strings.TrimSpace(before)
	opening := strings.TrimSpace(before[strings.LastIndexByte(before, '\n')+1:])
	return true, strings.HasPrefix(opening, "```") && strings.HasPrefix(strings.TrimSpace(after), "```")
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
