package event

// Given is how a result came from outside. ToolCallFinished has a pointer, because few results
// come from outside, and the size of every event counts.
type Given struct {
	// Checksum is that of the result as it was handed in. Zero is not used.
	Checksum int64 `json:"checksum"`
	// Person and Words are those of [ApprovalDecided].
	Person string `json:"person,omitempty"`
	Words  string `json:"words,omitempty"`
}

func (b *ToolCallFinished) codeGiven(c *coder) {
	if !c.reading && b.Given == nil || !c.member(`,"given":`) {
		return
	}
	if c.reading {
		b.Given = new(Given)
	}
	start := c.open()
	number(c, `,"checksum":`, &b.Given.Checksum)
	textIf(c, `,"person":`, &b.Given.Person)
	textIf(c, `,"words":`, &b.Given.Words)
	c.close(start)
}
