package openai

import (
	"regexp"
	"slices"
	"sync/atomic"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// leavesForm reports whether the profile leaves the form of the answer out of the
// request, because the model may call a tool.
func (p *Profile) leavesForm(req *llm.Request) bool {
	o := req.Output
	held := o != nil && o.Type != "text" && (o.Type != "" || len(o.Schema) > 0)
	return p.OutputAlone && held && len(req.Tools)+len(req.HostedTools) > 0 && req.ToolChoice != llm.ToolNone
}

// formKey is the key of the note in a memo.
type formKey struct{}

// formless is the lesson of a server that refuses a form of the answer beside tools.
const formless = "requests that offer tools go without response_format"

// formNotes says that the request goes without the form, once in a conversation. The
// notice of a lesson has said it already.
func (d *dialect) formNotes(req *llm.Request) []string {
	if !d.leavesForm(req) || slices.Contains(d.learned, formless) || req.Memo.Slot(formKey{}, func() any { return new(atomic.Bool) }).(*atomic.Bool).Swap(true) {
		return nil
	}
	return []string{"requests that offer tools go without response_format: with it, this provider's models never call a tool (Profile.OutputAlone)"}
}

// notTogether are words for two members that a provider does not take together.
var notTogether = regexp.MustCompile(`(?is)\b(cannot|can.?t|not (be )?(supported|allowed|used|combined|possible)|unsupported|incompatible|together|mutually exclusive)\b`)

// outputAlone learns from a server that refuses a form of the answer beside tools.
func outputAlone(p *Profile, e *llm.APIError) string {
	if p.OutputAlone || !notTogether.MatchString(e.Message) {
		return ""
	}
	p.OutputAlone = true
	return formless
}
