package event

// A Reach says for which later questions an answer stands.
type Reach string

// A standing answer is about calls of the same tool, with the same fingerprint, by the same
// agent, in the same session.
const (
	EveryCall     Reach = "tool"      // every call of the tool
	SameArguments Reach = "arguments" // every call of the tool with the same arguments
)

// StandingRevoked says that an answer stands no longer. It can come at any time.
type StandingRevoked struct {
	Standing int64 `json:"standing"` // Seq of the ApprovalDecided
	// Person and Words are those of the person who revoked the answer.
	Person string `json:"person,omitempty"`
	Words  string `json:"words,omitempty"`
}
