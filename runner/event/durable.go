package event

import (
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// writeBody writes the members of a durable event. Events without a Seq are in no journal.
//
// The types are listed here and in readBody, because a call through an interface or a
// function value would cost an allocation for each body.
func (c *coder) writeBody(body Body) {
	switch b := body.(type) {
	case RunStarted:
		b.code(c)
	case UserMessaged:
		b.code(c)
	case TurnPrepared:
		b.code(c)
	case ModelAnswered:
		b.code(c)
	case AnswerStreamed:
		b.code(c)
	case ToolCallStarted:
		b.code(c)
	case ToolCallDeferred:
		b.code(c)
	case ToolCallFinished:
		b.code(c)
	case ApprovalAsked:
		b.code(c)
	case ApprovalDecided:
		b.code(c)
	case StandingRevoked:
		b.code(c)
	case InDoubtDecided:
		b.code(c)
	case RunPaused:
		b.code(c)
	case OutputRejected:
		b.code(c)
	case LimitReached:
		b.code(c)
	case StallDetected:
		b.code(c)
	case RunFinished:
		b.code(c)
	case RunFailed:
		b.code(c)
	default:
		c.failed = true
	}
}

// leaveIf leaves a body that the coder does not know to encoding/json.
func (c *coder) leaveIf(unknown bool) { c.failed = c.failed || !c.reading && unknown }

// readBody reads the members of a durable event.
func (c *coder) readBody(kind string) Body {
	switch kind {
	case "run_started":
		var b RunStarted
		b.code(c)
		return b
	case "user_messaged":
		var b UserMessaged
		b.code(c)
		return b
	case "turn_prepared":
		var b TurnPrepared
		b.code(c)
		return b
	case "model_answered":
		var b ModelAnswered
		b.code(c)
		return b
	case "answer_streamed":
		var b AnswerStreamed
		b.code(c)
		return b
	case "tool_call_started":
		var b ToolCallStarted
		b.code(c)
		return b
	case "tool_call_deferred":
		var b ToolCallDeferred
		b.code(c)
		return b
	case "tool_call_finished":
		var b ToolCallFinished
		b.code(c)
		return b
	case "approval_asked":
		var b ApprovalAsked
		b.code(c)
		return b
	case "approval_decided":
		var b ApprovalDecided
		b.code(c)
		return b
	case "standing_revoked":
		var b StandingRevoked
		b.code(c)
		return b
	case "in_doubt_decided":
		var b InDoubtDecided
		b.code(c)
		return b
	case "run_paused":
		var b RunPaused
		b.code(c)
		return b
	case "output_rejected":
		var b OutputRejected
		b.code(c)
		return b
	case "limit_reached":
		var b LimitReached
		b.code(c)
		return b
	case "stall_detected":
		var b StallDetected
		b.code(c)
		return b
	case "run_finished":
		var b RunFinished
		b.code(c)
		return b
	case "run_failed":
		var b RunFailed
		b.code(c)
		return b
	}
	c.failed = true
	return nil
}

func (b *RunStarted) code(c *coder) {
	numberIf(c, `,"version":`, &b.Version)
	number(c, `,"run":`, &b.Run)
	text(c, `,"agent":`, &b.Agent)
	text(c, `,"id":`, &b.ID)
	textIf(c, `,"trace":`, &b.Trace)
}

func (b *UserMessaged) code(c *coder) {
	c.message(`,"message":`, &b.Message)
	c.trueIf(`,"said":`, &b.Said)
	c.trueIf(`,"at_end":`, &b.AtEnd)
	textIf(c, `,"key":`, &b.Key)
	textIf(c, `,"person":`, &b.Person)
}

func (b *TurnPrepared) code(c *coder) {
	number(c, `,"turn":`, &b.Turn)
	text(c, `,"agent":`, &b.Agent)
	const instructions = `,"instructions":`
	if b.Instructions != nil {
		text(c, instructions, b.Instructions)
	} else if c.reading && c.member(instructions) {
		s := c.readString()
		b.Instructions = &s
	}
	if c.reading || b.Tools != nil {
		list(c, `,"tools":`, &b.Tools, offeredTool)
	}
	textIf(c, `,"tool_choice":`, &b.ToolChoice)
	textIf(c, `,"output":`, &b.Output)
	c.leaveIf(b.Offer != nil || b.Chosen != "" || len(b.Messages) > 0 || b.Changed) // rare
}

func offeredTool(c *coder, t *OfferedTool) {
	start := c.open()
	text(c, `,"name":`, &t.Name)
	text(c, `,"fingerprint":`, &t.Fingerprint)
	c.close(start)
}

func (b *ModelAnswered) code(c *coder) {
	number(c, `,"turn":`, &b.Turn)
	c.message(`,"message":`, &b.Message)
	c.finish(`,"finish":`, &b.Finish)
	c.usage(`,"usage":`, &b.Usage)
	c.rawIf(`,"raw_usage":`, &b.RawUsage)
	c.rawIf(`,"log_probs":`, &b.LogProbs)
	textIf(c, `,"model":`, &b.Model)
	textIf(c, `,"id":`, &b.ID)
	textIf(c, `,"request_id":`, &b.RequestID)
	listIf(c, `,"extra":`, &b.Extra, memberItem)
	c.leaveIf(b.Cost != 0 || b.Work != 0) // rare, and encoding/json has its own form of a fraction
}

func (b *ToolCallStarted) code(c *coder) {
	text(c, `,"call":`, &b.Call)
	textIf(c, `,"id":`, &b.ID)
	text(c, `,"name":`, &b.Name)
	text(c, `,"arguments":`, &b.Arguments)
	listIf(c, `,"repairs":`, &b.Repairs, item)
	c.trueIf(`,"helper":`, &b.Helper)
}

func (b *ToolCallDeferred) code(c *coder) {
	text(c, `,"call":`, &b.Call)
	text(c, `,"name":`, &b.Name)
	textIf(c, `,"handle":`, &b.Handle)
	c.timeIf(`,"until":`, &b.Until)
	c.timeIf(`,"began":`, &b.Began)
}

// timeIf is the member of a time. It does not write the zero time.
func (c *coder) timeIf(name string, v *time.Time) {
	if c.reading || !v.IsZero() {
		c.time(name, v)
	}
}

func (b *ToolCallFinished) code(c *coder) {
	text(c, `,"call":`, &b.Call)
	if c.member(`,"result":`) {
		start := c.open()
		c.toolResult(&b.Result)
		c.close(start)
	}
	textIf(c, `,"whole":`, &b.Whole)
	textIf(c, `,"failure":`, &b.Failure)
	textIf(c, `,"error":`, &b.Error)
	c.trueIf(`,"rejected":`, &b.Rejected)
	b.codeGiven(c)
	c.timeIf(`,"began":`, &b.Began)
	textIf(c, `,"handoff":`, &b.Handoff)
}

func (b *ApprovalAsked) code(c *coder) {
	text(c, `,"call":`, &b.Call)
	textIf(c, `,"id":`, &b.ID)
	text(c, `,"name":`, &b.Name)
	text(c, `,"arguments":`, &b.Arguments)
	text(c, `,"hash":`, &b.Hash)
	listIf(c, `,"repairs":`, &b.Repairs, item)
	textIf(c, `,"fingerprint":`, &b.Fingerprint)
	c.timeIf(`,"until":`, &b.Until)
}

func (b *ApprovalDecided) code(c *coder) {
	text(c, `,"call":`, &b.Call)
	text(c, `,"hash":`, &b.Hash)
	c.trueIf(`,"approved":`, &b.Approved)
	textIf(c, `,"reason":`, &b.Reason)
	textIf(c, `,"arguments":`, &b.Arguments)
	listIf(c, `,"repairs":`, &b.Repairs, item)
	textIf(c, `,"person":`, &b.Person)
	textIf(c, `,"words":`, &b.Words)
	textIf(c, `,"always":`, &b.Always)
	numberIf(c, `,"standing":`, &b.Standing)
	numberIf(c, `,"checksum":`, &b.Checksum)
}

func (b *StandingRevoked) code(c *coder) {
	number(c, `,"standing":`, &b.Standing)
	textIf(c, `,"person":`, &b.Person)
	textIf(c, `,"words":`, &b.Words)
	numberIf(c, `,"checksum":`, &b.Checksum)
}

func (b *InDoubtDecided) code(c *coder) {
	text(c, `,"call":`, &b.Call)
	text(c, `,"decision":`, &b.Decision)
	text(c, `,"by":`, &b.By)
	textIf(c, `,"person":`, &b.Person)
	textIf(c, `,"words":`, &b.Words)
	numberIf(c, `,"checksum":`, &b.Checksum)
}

func (b *RunPaused) code(c *coder) {
	number(c, `,"run":`, &b.Run)
	list(c, `,"calls":`, &b.Calls, item)
	listIf(c, `,"late":`, &b.Late, item)
	c.timeIf(`,"until":`, &b.Until)
}

func (b *OutputRejected) code(c *coder) {
	number(c, `,"turn":`, &b.Turn)
	text(c, `,"reason":`, &b.Reason)
	c.message(`,"message":`, &b.Message)
}

func (b *LimitReached) code(c *coder) {
	text(c, `,"limit":`, &b.Limit)
	number(c, `,"max":`, &b.Max)
	c.leaveIf(b.Cost != 0 || b.Message != nil) // rare
}

func (b *StallDetected) code(c *coder) {
	number(c, `,"turn":`, &b.Turn)
	c.message(`,"message":`, &b.Message)
}

func (b *RunFinished) code(c *coder) {
	number(c, `,"run":`, &b.Run)
	number(c, `,"turns":`, &b.Turns)
	c.usage(`,"usage":`, &b.Usage)
	c.rawIf(`,"output":`, &b.Output)
	listIf(c, `,"repairs":`, &b.Repairs, item[string])
	c.trueIf(`,"stopped":`, &b.Stopped)
	textIf(c, `,"text":`, &b.Text)
}

func (b *RunFailed) code(c *coder) {
	number(c, `,"run":`, &b.Run)
	number(c, `,"turns":`, &b.Turns)
	c.usage(`,"usage":`, &b.Usage)
	text(c, `,"error":`, &b.Error)
}

func (c *coder) message(name string, m *llm.Message) {
	if !c.member(name) {
		return
	}
	start := c.open()
	text(c, `,"role":`, &m.Role)
	list(c, `,"parts":`, &m.Parts, part)
	listIf(c, `,"extra":`, &m.Extra, memberItem)
	c.close(start)
}

// part is an element of Parts. The names of the kinds are those of [llm.Parts].
func part(c *coder, p *llm.Part) {
	if c.depth++; c.depth > maxDepth {
		c.failed = true
		return
	}
	start := c.open()
	if c.reading {
		*p = c.readPart()
	} else {
		c.writePart(*p)
	}
	c.close(start)
	c.depth--
}

// The parts that a coder knows. encoding/json handles rare parts.
const (
	textPart      = `,"type":"text"`
	reasoningPart = `,"type":"reasoning"`
	imagePart     = `,"type":"image"`
	callPart      = `,"type":"tool_call"`
	resultPart    = `,"type":"tool_result"`
)

func (c *coder) writePart(p llm.Part) {
	switch v := p.(type) {
	case llm.Text:
		c.member(textPart)
		c.text(&v)
	case llm.Reasoning:
		c.member(reasoningPart)
		c.reasoning(&v)
	case llm.Image:
		c.member(imagePart)
		c.image(&v)
	case llm.ToolCall:
		c.member(callPart)
		c.toolCall(&v)
	case llm.ToolResult:
		c.member(resultPart)
		c.toolResult(&v)
	default:
		c.failed = true
	}
}

func (c *coder) readPart() llm.Part {
	switch {
	case c.member(textPart):
		var v llm.Text
		c.text(&v)
		return v
	case c.member(reasoningPart):
		var v llm.Reasoning
		c.reasoning(&v)
		return v
	case c.member(imagePart):
		var v llm.Image
		c.image(&v)
		return v
	case c.member(callPart):
		var v llm.ToolCall
		c.toolCall(&v)
		return v
	case c.member(resultPart):
		var v llm.ToolResult
		c.toolResult(&v)
		return v
	}
	c.failed = true
	return nil
}

func (c *coder) text(v *llm.Text) {
	text(c, `,"text":`, &v.Text)
	c.extra(&v.Extra)
}

func (c *coder) reasoning(v *llm.Reasoning) {
	text(c, `,"text":`, &v.Text)
	textIf(c, `,"field":`, &v.Field)
	c.extra(&v.Extra)
}

func (c *coder) image(v *llm.Image) {
	textIf(c, `,"url":`, &v.URL)
	c.bytesIf(`,"data":`, &v.Data)
	textIf(c, `,"media_type":`, &v.MediaType)
	textIf(c, `,"detail":`, &v.Detail)
	c.extra(&v.Extra)
}

func (c *coder) toolCall(v *llm.ToolCall) {
	textIf(c, `,"id":`, &v.ID)
	text(c, `,"name":`, &v.Name)
	text(c, `,"arguments":`, &v.Arguments)
	c.extra(&v.Extra)
}

// toolResult has the members of a tool result, which is a part or a member of its own.
func (c *coder) toolResult(v *llm.ToolResult) {
	textIf(c, `,"call_id":`, &v.CallID)
	textIf(c, `,"name":`, &v.Name)
	list(c, `,"parts":`, &v.Parts, part)
	c.trueIf(`,"is_error":`, &v.IsError)
	c.extra(&v.Extra)
}

func (c *coder) extra(v *[]llm.Member) { listIf(c, `,"extra":`, v, memberItem) }

func (c *coder) finish(name string, f *llm.Finish) {
	if !c.member(name) {
		return
	}
	start := c.open()
	textIf(c, `,"reason":`, &f.Reason)
	textIf(c, `,"raw":`, &f.Raw)
	textIf(c, `,"native":`, &f.Native)
	c.close(start)
}

func (c *coder) usage(name string, u *llm.Usage) {
	if !c.member(name) {
		return
	}
	start := c.open()
	number(c, `,"input_tokens":`, &u.InputTokens)
	numberIf(c, `,"cached_tokens":`, &u.CachedTokens)
	numberIf(c, `,"cache_write_tokens":`, &u.CacheWriteTokens)
	numberIf(c, `,"input_audio_tokens":`, &u.InputAudioTokens)
	number(c, `,"output_tokens":`, &u.OutputTokens)
	numberIf(c, `,"reasoning_tokens":`, &u.ReasoningTokens)
	numberIf(c, `,"output_audio_tokens":`, &u.OutputAudioTokens)
	numberIf(c, `,"total_tokens":`, &u.TotalTokens)
	c.close(start)
}
