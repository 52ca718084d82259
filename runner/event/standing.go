package event

// A Reach is the set of later questions of a standing answer: EveryCall or SameArguments.
type Reach string

// A standing answer is about calls of the same tool, with the same fingerprint, by the same
// agent, in the same session.
const (
	// EveryCall reaches every call of the tool.
	EveryCall Reach = "tool"
	// SameArguments reaches every call of the tool with the same arguments: the same text after
	// the repairs. A person is asked again about another order of the members.
	SameArguments Reach = "arguments"
)

// StandingRevoked ends a standing answer, at any time.
type StandingRevoked struct {
	Standing int64 `json:"standing"` // Seq of the ApprovalDecided
	// Person, Words and Checksum belong to the revocation, as in [ApprovalDecided].
	Person   string `json:"person,omitempty"`
	Words    string `json:"words,omitempty"`
	Checksum int64  `json:"checksum,omitempty"`
}
