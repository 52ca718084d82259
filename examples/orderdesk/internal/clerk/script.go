package clerk

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/desk"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// A request is a user's text and a script: turns with calls, and then an answer from
// the texts of all acts.
type request struct {
	text  string
	turns []func(*talk) []act
	end   func(*talk) // adds to the answer; may be nil
}

// byText finds a request.
var byText = func() map[string]*request {
	m := map[string]*request{}
	for i := range requests {
		m[requests[i].text] = &requests[i]
	}
	return m
}()

// An act is a call and the use of its result.
type act struct {
	tool string
	args args
	// wish is the user's wish behind the call: "cancel order #D0000000". An act
	// without a wish is a step on the way: if it fails, the script ends.
	wish string
	// take reads the result for later acts and for the answer. An error means that
	// the result is a failure, and says why.
	take func(t *talk, result string) error
}

// args are the arguments of a call.
type args map[string]any

// A talk is the knowledge so far, and the answer so far.
type talk struct {
	number  int    // the number of the copy
	id      string // the id of the user
	user    desk.User
	orders  map[string]desk.Order // by their ids in the seed
	product desk.Product
	said    []string
}

func (t *talk) say(format string, args ...any) { t.said = append(t.said, fmt.Sprintf(format, args...)) }

// A result is the result of a call as the model reads it.
type result struct{ tool, text string }

// turnsOf returns the results of each turn, in the order of its calls.
func turnsOf(messages []llm.Message) (turns [][]result) {
	for _, m := range messages {
		if calls := m.Calls(); m.Role == llm.RoleAssistant && len(calls) > 0 {
			turns = append(turns, make([]result, 0, len(calls)))
		}
		for _, r := range m.Results() {
			last := len(turns) - 1
			turns[last] = append(turns[last], result{r.Name, textOf(r)})
		}
	}
	return turns
}

// textOf removes the library's notes about a call from its result.
func textOf(r llm.ToolResult) string {
	text := r.Text()
	if strings.HasPrefix(text, "[") {
		if _, rest, ok := strings.Cut(text, "]\n"); ok {
			return rest
		}
	}
	return text
}

// next follows the script as far as there are results, and returns the next message.
func (r *request) next(turns [][]result, number int) llm.Message {
	t := &talk{number: number, orders: map[string]desk.Order{}}
	for i, turn := range r.turns {
		acts := turn(t)
		if i == len(turns) {
			return t.calls(i+1, acts)
		}
		if !t.takeAll(acts, turns[i]) {
			return t.answer()
		}
	}
	if r.end != nil {
		r.end(t)
	}
	return t.answer()
}

func (t *talk) answer() llm.Message {
	return llm.Assistant(strings.Join(t.said, " "))
}

// The ids of calls depend only on the conversation, so they are the same each time.
func (t *talk) calls(turn int, acts []act) llm.Message {
	var parts []llm.Part
	for k, a := range acts {
		text, err := json.Marshal(a.args)
		if err != nil {
			panic(err) // the scripts have no such arguments
		}
		parts = append(parts, llm.ToolCall{ID: fmt.Sprintf("call_%d_%d", turn, k+1), Name: a.tool, Arguments: Copy(string(text), t.number)})
	}
	return llm.Assistant("", parts...)
}

// takeAll reads the results of a turn. It reports whether the script continues.
func (t *talk) takeAll(acts []act, results []result) bool {
	ok := true
	for k, a := range acts {
		err := errors.New("there is no result")
		if k < len(results) && results[k].tool == a.tool {
			err = a.take(t, results[k].text)
		}
		if err != nil {
			t.sorry(a, err.Error())
			ok = ok && a.wish != ""
		}
	}
	return ok
}

// sorry describes why an act failed.
func (t *talk) sorry(a act, why string) {
	wish := Copy(cmp.Or(a.wish, "look that up"), t.number)
	switch reason, denied := strings.CutPrefix(why, "The call was denied"); {
	case denied:
		reason, _, _ = strings.Cut(reason, ". It did not run.")
		t.say("I am sorry: I may not %s, since a colleague did not agree%s.", wish, reason)
	case strings.HasPrefix(why, "Error: "):
		t.say("I am sorry, I cannot %s: %s.", wish, strings.TrimPrefix(why, "Error: "))
	default:
		t.say("I am sorry, something went wrong when I tried to %s. A colleague will look into it.", wish)
	}
}

// reads makes take of a function that reads the object of the result.
func reads[T any](use func(*talk, T)) func(*talk, string) error {
	return func(t *talk, text string) error {
		var v T
		if !strings.HasPrefix(text, "{") || json.Unmarshal([]byte(text), &v) != nil {
			return errors.New(text)
		}
		use(t, v)
		return nil
	}
}

// perhaps returns an act that may fail.
func perhaps(a act) act {
	take := a.take
	a.take = func(t *talk, text string) error {
		_ = take(t, text)
		return nil
	}
	return a
}

// always returns a turn that does not depend on earlier results.
func always(acts ...act) func(*talk) []act {
	return func(*talk) []act { return slices.Clone(acts) }
}
