package openai

import (
	"regexp"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// A streamState records the signs that a streamed answer is whole. A document needs no
// streamState: valid JSON is whole.
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
//	an error of the provider, and no finish reason         any              the error
//
// [DONE] alone proves nothing: gateways write [DONE] when the server behind the gateway
// breaks off. A usage is a proof: the server counts tokens when the model has ended,
// unless a usage comes with every piece. An error behind the finish reason does not
// concern the answer, because the model had ended. To ask again would lose the calls and
// cost the same price once more. The error counts nevertheless if the finish reason is
// an error or content_filter, if the error is of kind content_filter, if the answer is
// empty, and if the arguments of a call are not JSON.
//
// Of 405 recorded streams, 403 end with a finish reason, and 10 of the 403 have no
// [DONE]. The last 2 end with a whole call, a usage and [DONE].
type streamState struct {
	pieces   int  // pieces of the answer so far
	content  bool // a piece was more than thinking
	call     bool // the last piece was part of a call
	repeated bool // a message repeated all deltas

	before      int  // value of pieces before this event
	finishesNow bool // this event has a finish reason
	usageNow    bool // this event has a usage

	finished        bool // a finish reason came
	finishedContent bool // text or a call came before or with the finish reason
	piecesAfter     bool // more pieces followed the last finish reason
	resumed         bool // more pieces followed an earlier finish reason

	usage        bool // a usage came
	usageAt      int  // value of pieces at the usage
	runningUsage bool // usages come with the pieces

	unknown string // a line or an event that is not understood
}

func (p *streamState) sawThinking() { p.pieces, p.call = p.pieces+1, false }

func (p *streamState) sawContent(call bool) { p.pieces, p.call, p.content = p.pieces+1, call, true }

func (p *streamState) sawUsage(some bool) { p.usageNow = p.usageNow || some }

func (p *streamState) sawFinish(some bool) { p.finishesNow = p.finishesNow || some }

// beginEvent begins the next event.
func (p *streamState) beginEvent() { p.before, p.finishesNow, p.usageNow = p.pieces, false, false }

// endEvent ends the event.
func (p *streamState) endEvent() {
	more := p.pieces > p.before
	p.resumed = p.resumed || p.finished && more
	switch {
	case p.finishesNow:
		p.finished, p.piecesAfter, p.finishedContent = true, false, p.content
	case more && p.finished:
		p.piecesAfter = true
	}
	if p.usageNow {
		p.runningUsage = p.runningUsage || more || p.usageAt > 0 && p.usageAt != p.pieces
		p.usage, p.usageAt = true, p.pieces
	}
}

// sawUnknown records a line or an event without a known meaning. The line may be a
// piece of the answer, so the answer may lack a piece.
func (p *streamState) sawUnknown(data []byte) {
	if p.unknown == "" {
		p.unknown = excerpt(data)
	}
}

// isWhole reports whether the answer is complete, whatever follows.
func (p *streamState) isWhole() bool { return p.finished && !p.resumed && p.unknown == "" }

// incompleteReason returns the reason why a stream that ended is incomplete, or "".
// done reports [DONE]; never reports a provider without finish reasons.
func (a *completion) incompleteReason(done, never bool) string {
	p := &a.stream
	switch {
	case p.unknown != "":
		return "the stream holds an unknown event: " + p.unknown
	case p.finished && !p.piecesAfter:
		return ""
	case !done && p.finished:
		return "the stream ended while it went on behind its finish reason"
	case !done:
		return "the stream ended without a finish reason and without [DONE]"
	case a.calls.anyIncomplete():
		return "the stream ended without a finish reason in the middle of a tool call"
	case p.call && a.calls.allComplete(), p.usage && p.usageAt == p.pieces && !p.runningUsage, p.repeated:
		return ""
	case (never || p.finished && p.finishedContent) && (!p.call || a.calls.allComplete()):
		return ""
	}
	return "the stream ended with [DONE], but without a finish reason, or anything else that proves the answer whole"
}

// survives reports whether the answer stays valid despite a later error of the
// provider.
func (a *completion) survives(e *llm.APIError) bool {
	switch e.Kind {
	case llm.KindTruncated, llm.KindMalformed, llm.KindContentFilter:
		return false
	}
	switch llm.FinishOf(a.finish, a.native).Reason {
	case llm.FinishError, llm.FinishContentFilter:
		return false
	}
	return a.stream.isWhole() && a.stream.content && !a.calls.anyIncomplete()
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
