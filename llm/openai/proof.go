package openai

import (
	"regexp"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// A proof is what a stream says of whether the answer is whole. A document needs
// none: it is whole when its JSON is.
//
// This table decides. "More" is text, thinking, a call, a refusal, sound, or a part.
//
//	what came                                              the end          the answer
//	finish reason, and no more behind it                   any              whole
//	the same, then an error of the provider                any              whole; a notice tells of the error
//	finish reason, more, finish reason                     [DONE] or EOF    whole
//	finish reason, more, finish reason                     broken           truncated
//	text or calls, finish reason, more                     [DONE]           whole, if the last call is not cut
//	thinking or nothing, finish reason, more               [DONE]           as without a finish reason
//	finish reason, more                                    EOF or broken    truncated
//	no finish reason; usage once, behind all else          [DONE]           whole
//	no finish reason; a call with whole arguments is last  [DONE]           whole
//	no finish reason; a message repeats all deltas         [DONE]           whole
//	no finish reason, of a provider that never sends one   [DONE]           whole
//	no finish reason, and anything else                    [DONE]           truncated
//	no finish reason                                       EOF or broken    truncated
//	a line or an event that is not understood              any              truncated
//	an error of the provider, and no finish reason         any              that error
//
// [DONE] alone proves nothing: gateways write it when the server behind them breaks
// off. A usage does: it is counted when the model has ended, unless it comes with
// every piece. An error behind the finish reason is not about the answer, which the
// model had ended, and to ask again would lose its calls and cost as much once more.
// It is an error nevertheless where the finish reason says so (error,
// content_filter), where it is of kind content_filter, where nothing was said, and
// where arguments are no JSON.
//
// In 405 recorded streams, 403 have a finish reason with nothing behind it, 10 of
// them without [DONE]. The other 2 have [DONE], a whole call, and the usage behind it.
type proof struct {
	said     int  // pieces of the answer so far
	answered bool // a piece was more than thinking
	call     bool // the last piece was part of a call
	copied   bool // a message repeated all deltas

	mark    int  // value of said before this event
	ends    bool // this event has a finish reason
	counted bool // this event has a usage

	ended    bool // a finish reason came
	ofAnswer bool // text or a call came before or with the finish reason
	behind   bool // more pieces followed the last finish reason
	again    bool // more pieces followed an earlier finish reason

	usage   bool // a usage came
	usageAt int  // value of said at the usage
	running bool // usages come with the pieces

	strange string // a line or an event that is not understood
}

func (p *proof) thought() { p.said, p.call = p.said+1, false }

func (p *proof) answer(call bool) { p.said, p.call, p.answered = p.said+1, call, true }

func (p *proof) counts(some bool) { p.counted = p.counted || some }

func (p *proof) finishes(some bool) { p.ends = p.ends || some }

// begin begins the next event.
func (p *proof) begin() { p.mark, p.ends, p.counted = p.said, false, false }

// end ends the event.
func (p *proof) end() {
	more := p.said > p.mark
	p.again = p.again || p.ended && more
	switch {
	case p.ends:
		p.ended, p.behind, p.ofAnswer = true, false, p.answered
	case more && p.ended:
		p.behind = true
	}
	if p.counted {
		p.running = p.running || more || p.usageAt > 0 && p.usageAt != p.said
		p.usage, p.usageAt = true, p.said
	}
}

// spoil records a line or an event that is not understood: it may be a piece of
// the answer.
func (p *proof) spoil(data []byte) {
	if p.strange == "" {
		p.strange = excerpt(data)
	}
}

// stands reports whether the answer is complete, whatever follows.
func (p *proof) stands() bool { return p.ended && !p.again && p.strange == "" }

// doubt returns the reason why a stream that ended is incomplete, or "". done
// says that [DONE] came; never says that the provider sends no finish reasons.
func (a *answer) doubt(done, never bool) string {
	p := &a.proof
	switch {
	case p.strange != "":
		return "the stream holds what is no event: " + p.strange
	case p.ended && !p.behind:
		return ""
	case !done && p.ended:
		return "the stream ended while it went on behind its finish reason"
	case !done:
		return "the stream ended without a finish reason and without [DONE]"
	case a.calls.cut():
		return "the stream ended without a finish reason in the middle of a tool call"
	case p.call && a.calls.given(), p.usage && p.usageAt == p.said && !p.running, p.copied:
		return ""
	case (never || p.ended && p.ofAnswer) && (!p.call || a.calls.given()):
		return ""
	}
	return "the stream ended with [DONE], but without a finish reason, or anything else that proves the answer whole"
}

// keeps reports whether the answer stays valid despite a later error of the
// provider.
func (a *answer) keeps(e *llm.APIError) bool {
	switch e.Kind {
	case llm.KindTruncated, llm.KindMalformed, llm.KindContentFilter:
		return false
	}
	switch llm.FinishOf(a.finish, a.native).Reason {
	case llm.FinishError, llm.FinishContentFilter:
		return false
	}
	return a.proof.stands() && a.proof.answered && !a.calls.cut()
}

// neverFinishes reports whether the model at that host is known to end streams
// with [DONE] and without a finish reason. Source:
// github.com/earendil-works/pi, issue 6226; github.com/openclaw/openclaw, issue
// 98575.
func neverFinishes(host, model string) bool {
	switch {
	case host == "integrate.api.nvidia.com":
		return glm51.MatchString(model)
	case host == "evolink.ai" || strings.HasSuffix(host, ".evolink.ai"):
		return strings.HasPrefix(model, "deepseek-v4")
	}
	return false
}

var glm51 = regexp.MustCompile(`(?i)(^|/)glm-?5[.p_-]?1`)
