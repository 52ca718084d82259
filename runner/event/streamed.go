package event

// AnswerStreamed has what a model has written of an answer since the AnswerStreamed before; see
// runner.Runner.KeepPartial. A ModelAnswered of the turn has the whole answer. Without a
// ModelAnswered, the events of the turn since the last Again are a partial answer: no check of
// the agent has seen the text, and no model reads the text.
type AnswerStreamed struct {
	Turn      int    `json:"turn"`
	Text      string `json:"text,omitempty"`
	Reasoning string `json:"reasoning,omitempty"`
	// Again means that the model began anew: earlier events of the turn do not count.
	Again bool `json:"again,omitempty"`
}

func (b *AnswerStreamed) code(c *coder) {
	number(c, `,"turn":`, &b.Turn)
	textIf(c, `,"text":`, &b.Text)
	textIf(c, `,"reasoning":`, &b.Reasoning)
	c.trueIf(`,"again":`, &b.Again)
}
