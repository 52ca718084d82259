package openai

import (
	"regexp"
	"slices"
	"sync/atomic"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// omitsOutput reports whether the profile leaves the output format out of the
// request, because the model may call a tool.
func (p *Profile) omitsOutput(req *llm.Request) bool {
	o := req.Output
	held := o != nil && o.Type != "text" && (o.Type != "" || len(o.Schema) > 0)
	return p.OutputAlone && held && len(req.Tools)+len(req.HostedTools) > 0 && req.ToolChoice != llm.ToolNone
}

// outputKey is the memo key for the reported note.
type outputKey struct{}

// outputOmitted is the change for a server that refuses an output format together
// with tools.
const outputOmitted = "requests that offer tools go without response_format"

// outputNotes returns the note that the request has no output format, once per
// conversation. It returns no note if the notice of the profile change has said
// so already.
func (d *dialect) outputNotes(req *llm.Request) []string {
	if !d.profile.omitsOutput(req) || slices.Contains(d.notes, outputOmitted) || req.Memo.Slot(outputKey{}, func() any { return new(atomic.Bool) }).(*atomic.Bool).Swap(true) {
		return nil
	}
	return []string{"requests that offer tools go without response_format: with it, this provider's models never call a tool (Profile.OutputAlone)"}
}

// exclusiveText matches refusals of two members in one request.
var exclusiveText = regexp.MustCompile(`(?is)\b(cannot|can.?t|not (be )?(supported|allowed|used|combined|possible)|unsupported|incompatible|together|mutually exclusive)\b`)

// omitOutput changes the profile for a server that refuses an output format
// together with tools.
func omitOutput(p *Profile, e *llm.APIError) string {
	if p.OutputAlone || !exclusiveText.MatchString(e.Message) {
		return ""
	}
	p.OutputAlone = true
	return outputOmitted
}
