package event

import "github.com/seed-916e8f6a/toolloop/llm"

// Compacted replaces the history by a shorter history. The events before stay in the
// journal. If the turn was already asked, its request did not fit into the model's context,
// and the turn is asked again: discard its deltas.
type Compacted struct {
	Turn   int `json:"turn"`   // the turn of the next request
	Before int `json:"before"` // the number of messages of the replaced history
	// History is the new history, in order.
	History []Stretch `json:"history"`
	// Usage is the usage of the models that the strategy asked, for example for a summary.
	// It is a part of the usage of the run. Cost is the cost of these answers.
	Usage llm.Usage `json:"usage"`
	Cost  float64   `json:"cost,omitempty"`
}

// A Stretch is a piece of the history after a compaction: Count messages of the replaced
// history from the position From on, or one new message.
type Stretch struct {
	From    int          `json:"from,omitempty"`
	Count   int          `json:"count,omitempty"`
	Message *llm.Message `json:"message,omitempty"`
}

// After returns the number of messages of the new history.
func (b Compacted) After() (n int) {
	for _, s := range b.History {
		n += s.Count
		if s.Message != nil {
			n++
		}
	}
	return n
}

// HandedOff gives the conversation to another agent, which goes on with the run and with later
// runs of the session.
type HandedOff struct {
	Turn int    `json:"turn"` // the next turn
	From string `json:"from"` // names of agents
	To   string `json:"to"`
	// Call is the model's call that handed the conversation over. Empty means that a function
	// of the program did.
	Call CallRef `json:"call,omitempty"`
	// Before and History are those of [Compacted], if the next agent sees another history.
	// Otherwise they are empty.
	Before  int       `json:"before,omitempty"`
	History []Stretch `json:"history,omitempty"`
	// Failure, if not empty, means that the Filter of the hand-off failed, and that From keeps
	// the conversation. The text takes the place of the result of Call.
	Failure string `json:"failure,omitempty"`
}
