package runnertest

import (
	"fmt"
	"sync"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
)

// A cast answers for all agents of a program. A conversation that goes on after a crash gets
// the same answer again, and a conversation that began twice gets all answers twice. A cast
// is safe for concurrent use.
type cast struct {
	steps []llmtest.Step
	mu    sync.Mutex
	made  map[string][]int // guarded by mu: the steps that made an answer
}

// script returns the steps, each with the condition for its turn.
func (c *cast) script() []llmtest.Step {
	all := make([]llmtest.Step, len(c.steps))
	for i, s := range c.steps {
		all[i] = s.Forever().When(func(req *llm.Request) bool { return c.turn(req) == i })
	}
	return all
}

// turn returns the step that answers a request, or -1. The conditions choose the steps
// of an agent, and the number of answers in the conversation chooses the next step.
func (c *cast) turn(req *llm.Request) int {
	var own []int
	mine := map[int]bool{}
	for i, s := range c.steps {
		if s.Matches(req) {
			own, mine[i] = append(own, i), true
		}
	}
	if len(own) == 0 {
		return -1
	}
	n := 0
	for _, m := range req.Messages {
		if m.Role == llm.RoleAssistant && !c.byOthers(m, mine) {
			n++
		}
	}
	return own[n%len(own)]
}

// byOthers reports whether only steps of other agents have made an answer.
func (c *cast) byOthers(m llm.Message, mine map[int]bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	steps := c.made[answerKey(m)]
	for _, i := range steps {
		if mine[i] {
			return false
		}
	}
	return len(steps) > 0
}

// note notes which step made an answer.
func (c *cast) note(step int, m llm.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := answerKey(m)
	c.made[key] = append(c.made[key], step)
}

// answerKey is what an answer has in common with its message in a history, whose arguments
// may be repaired.
func answerKey(m llm.Message) string {
	key := m.Text()
	for _, call := range m.Calls() {
		key += fmt.Sprintf("\n%s %s", call.ID, call.Name)
	}
	return key
}
