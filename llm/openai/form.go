package openai

import (
	"regexp"
	"slices"
	"sync/atomic"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// leavesForm reports whether the form of the answer is left out of the request, since
// the model may call a tool.
func (p *Profile) leavesForm(req *llm.Request) bool {
	o := req.Output
	held := o != nil && o.Type != "text" && (o.Type != "" || len(o.Schema) > 0)
	return p.OutputAlone && held && len(req.Tools)+len(req.HostedTools) > 0 && req.ToolChoice != llm.ToolNone
}

// formKey is that of the note in a memo.
type formKey struct{}

// formless is what was learned of a server that refuses a form of the answer beside
// tools.
const formless = "the answer is asked for without its form where tools are offered"

// formNotes tells that the form is left out, once in a conversation. What was learned
// was told then.
func (d *dialect) formNotes(req *llm.Request) []string {
	if !d.leavesForm(req) || slices.Contains(d.learned, formless) || req.Memo.Slot(formKey{}, func() any { return new(atomic.Bool) }).(*atomic.Bool).Swap(true) {
		return nil
	}
	return []string{"the answer is asked for without its form: this provider would hold each answer to it, so that no tool is ever called (Profile.OutputAlone)"}
}

// notTogether are the words for two things that a provider does not take together.
var notTogether = regexp.MustCompile(`(?is)\b(cannot|can.?t|not (be )?(supported|allowed|used|combined|possible)|unsupported|incompatible|together|mutually exclusive)\b`)

// outputAlone is learned of servers that refuse a form of the answer beside tools.
func outputAlone(p *Profile, e *llm.APIError) string {
	if p.OutputAlone || !notTogether.MatchString(e.Message) {
		return ""
	}
	p.OutputAlone = true
	return formless
}
