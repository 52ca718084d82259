package toolloop_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/compact"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/inspect"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/journal/journaltest"
	"github.com/seed-916e8f6a/toolloop/runner/runnertest"
	"github.com/seed-916e8f6a/toolloop/runner/serve"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// notCopied are used by pointer, as their documentation says.
var notCopied = []string{"agent.Output", "llm.Memo", "llmtest.Model", "llmtest.Server", "tape.Tape", "inspect.Handler", "journal.Memory", "runner.CallLimit", "runner.Budget", "runner.Session", "runnertest.World", "serve.Chat", "wrap.Limiter"}

// copies returns a copy of a variable of every other exported struct: go vet
// refuses a line of it should the struct come to hold a lock.
func copies() []any {
	var (
		anAgent  agent.Agent
		anInfo   agent.Info
		helper   agent.Helper
		aTool    tool.Tool
		aSet     tool.Set
		aCall    tool.Call
		anError  tool.Error
		aRunner  runner.Runner
		aResult  runner.Result
		aLimit   runner.LimitError
		aFinish  runner.FinishError
		aConfig  openai.Config
		aProfile openai.Profile
		aRetry   wrap.Retry
		fallback wrap.Fallback
		aCache   wrap.Cache
		aLog     wrap.Log
		aStep    llmtest.Step
		busy     journal.BusyError
		conflict journal.ConflictError
		store    journaltest.Store
		dir      journal.Dir
		corrupt  journal.CorruptError
		storeErr journal.StoreError
		sizeErr  journal.SizeError
		pending  runner.Pending
		decision runner.DecisionError
		call     runnertest.Call[struct{}]
		fault    llmtest.Fault
	)
	values := []any{
		anAgent, anInfo, helper, aTool, aSet, aCall, anError, aRunner, aResult, aLimit, aFinish,
		aConfig, aProfile, aRetry, fallback, aCache, aLog, aStep, busy, conflict, store, dir, corrupt, storeErr, sizeErr, pending, decision, fault, call,
	}
	values = append(values, agent.Handoff{}, agent.Check{}, agent.Subject{}, agent.Verdict{}, runner.CheckError{}, runner.Work{}, tool.Form{}, runner.OutputError{}, runner.OnceError{}, runner.State{}, runner.Decision{}, runner.Standing{}, runner.PastCall{}, runner.OpenCall{}, runner.PartialAnswer{}, inspect.Visitor{}, journal.Filter{}, journal.Summary{}, runner.Limits{}, runner.Change{}, compact.Policy{}, compact.History{}, serve.Config{}, event.Live{})
	return append(append(values, copiesOfData()...), copiesOfEvents()...)
}

func copiesOfData() []any {
	var (
		message    llm.Message
		member     llm.Member
		text       llm.Text
		reasoning  llm.Reasoning
		refusal    llm.Refusal
		image      llm.Image
		audio      llm.Audio
		file       llm.File
		call       llm.ToolCall
		result     llm.ToolResult
		raw        llm.RawPart
		request    llm.Request
		settings   llm.Settings
		def        llm.ToolDef
		output     llm.OutputFormat
		response   llm.Response
		finish     llm.Finish
		usage      llm.Usage
		rateLimit  llm.RateLimit
		failure    llm.APIError
		textDelta  llm.TextDelta
		reasonings llm.ReasoningDelta
		callDelta  llm.CallDelta
		restarted  llm.Restarted
		notice     llm.Notice
	)
	return []any{
		message, member, text, reasoning, refusal, image, audio, file, call, result, raw, request, settings, def, output,
		response, finish, usage, rateLimit, failure, textDelta, reasonings, callDelta, restarted, notice,
	}
}

func copiesOfEvents() []any {
	var (
		e              event.Event
		runStarted     event.RunStarted
		userMessaged   event.UserMessaged
		turnPrepared   event.TurnPrepared
		offered        event.OfferedTool
		modelAnswered  event.ModelAnswered
		streamed       event.AnswerStreamed
		callStarted    event.ToolCallStarted
		callDeferred   event.ToolCallDeferred
		callFinished   event.ToolCallFinished
		given          event.Given
		asked          event.ApprovalAsked
		approval       event.ApprovalDecided
		revoked        event.StandingRevoked
		inDoubt        event.InDoubtDecided
		paused         event.RunPaused
		outputRejected event.OutputRejected
		limitReached   event.LimitReached
		stallDetected  event.StallDetected
		compacted      event.Compacted
		stretch        event.Stretch
		checked        event.Checked
		handedOff      event.HandedOff
		runFinished    event.RunFinished
		runFailed      event.RunFailed
		textDelta      event.TextDelta
		partialOutput  event.PartialOutput
		reasoning      event.ReasoningDelta
		callDelta      event.CallDelta
		progress       event.ToolProgress
		restarted      event.Restarted
		notice         event.Notice
	)
	return []any{
		e, runStarted, userMessaged, turnPrepared, offered, modelAnswered, streamed, callStarted, callDeferred, callFinished, given, asked, approval, revoked, inDoubt, paused, outputRejected,
		limitReached, stallDetected, compacted, stretch, checked, handedOff, runFinished, runFailed, textDelta, partialOutput, reasoning, callDelta, progress, restarted, notice,
	}
}

// TestCopies: every exported struct can be copied, or is known as one that
// cannot.
func TestCopies(t *testing.T) {
	t.Parallel()
	var known []string
	for _, v := range copies() {
		typ := reflect.TypeOf(v)
		require.Empty(t, lockIn(typ), "%v", typ)
		name, _, _ := strings.Cut(typ.String(), "[") // of a generic one
		known = append(known, name)
	}
	require.ElementsMatch(t, exportedStructs(t), append(known, notCopied...))

	for _, v := range []any{new(runner.CallLimit), new(llmtest.Model), new(journal.Memory)} { // the check can fail
		require.NotEmpty(t, lockIn(reflect.TypeOf(v).Elem()), "%T", v)
	}
}

// lockIn returns the path to a lock in values of a type, as go vet looks for it.
func lockIn(typ reflect.Type) string {
	locker := reflect.TypeFor[sync.Locker]()
	switch typ.Kind() {
	case reflect.Array:
		return lockIn(typ.Elem())
	case reflect.Struct:
		if reflect.PointerTo(typ).Implements(locker) && !typ.Implements(locker) {
			return typ.String()
		}
		for f := range typ.Fields() {
			if in := lockIn(f.Type); in != "" {
				return f.Name + "." + in
			}
		}
	}
	return ""
}

// exportedStructs are those of the core's packages, but for internal ones.
func exportedStructs(t *testing.T) (names []string) {
	for dir := range arrows {
		if strings.Contains(dir, "internal") {
			continue
		}
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		require.NoError(t, err)
		for _, name := range slices.DeleteFunc(files, func(name string) bool { return strings.HasSuffix(name, "_test.go") }) {
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			require.NoError(t, err)
			ast.Inspect(file, func(n ast.Node) bool {
				spec, ok := n.(*ast.TypeSpec)
				if ok && spec.Name.IsExported() && isStruct(spec) {
					names = append(names, file.Name.Name+"."+spec.Name.Name)
				}
				return !ok
			})
		}
	}
	require.Greater(t, len(names), 50)
	return names
}

func isStruct(spec *ast.TypeSpec) bool {
	_, ok := spec.Type.(*ast.StructType)
	return ok
}
