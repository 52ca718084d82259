package mcp_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/tool/mcp"
)

// saidAt is a misdeed that answers a call with a given line; $id stands for the id.
func saidAt(line string) misdeed {
	return at("tools/call", func(f *foe, h heard) { f.say(strings.ReplaceAll(line, "$id", string(h.ID))) })
}

// TestHostileAnswers: whatever a server answers to a call, the model reads only clean
// text, and the run goes on.
func TestHostileAnswers(t *testing.T) {
	t.Parallel()
	resultOf := func(result string) misdeed { return answersAt("tools/call", result) }
	content := func(part string) misdeed { return resultOf(`{"content":[` + part + `]}`) }
	failed := func(message string) misdeed {
		return at("tools/call", func(f *foe, h heard) { f.refuse(h, -32000, message) })
	}
	const gone = inDoubt + "|outcome_unknown"
	doubted := func(happened string) string {
		return strings.Replace(gone, "disconnected before it answered", happened, 1)
	}
	for name, tt := range map[string]struct {
		do   misdeed
		evil string // what the model reads, and behind | the kind of the failure
	}{
		"both result and error":    {saidAt(`{"jsonrpc":"2.0","id":$id,"result":` + worked + `,"error":{"code":-32000,"message":"no"}}`), "no|failed"},
		"neither result nor error": {saidAt(`{"jsonrpc":"2.0","id":$id}`), doubted("answered with neither a result nor an error")},
		"another id":               {saidAt(`{"jsonrpc":"2.0","id":7777,"result":` + worked + `}`), doubted("answered with the id 7777, which no request has")},
		"its id as text":           {saidAt(`{"jsonrpc":"2.0","id":"$id","result":` + worked + `}`), isWorked},
		"no id":                    {saidAt(`{"jsonrpc":"2.0","id":null,"result":` + worked + `}`), doubted("answered without the id of a request")},
		"another version":          {saidAt(`{"jsonrpc":"1.0","id":$id,"result":` + worked + `}`), isWorked},
		"answers twice":            {saidAt(`{"jsonrpc":"2.0","id":$id,"result":` + worked + `}` + "\n" + `{"jsonrpc":"2.0","id":$id,"result":{"content":[{"type":"text","text":"No."}]}}`), isWorked},
		"answers to what nobody asked": {at("tools/call", func(f *foe, h heard) {
			for i := range 1000 {
				f.say(`{"jsonrpc":"2.0","id":%d,"result":{}}`, 1000+i)
			}
			f.answer(h, worked)
		}), isWorked},
		"null":                        {resultOf(`null`), "(no output)"},
		"text":                        {resultOf(`"Worked."`), "The tool ran, but the server's answer cannot be read: \"Worked.\"|failed"},
		"a list":                      {resultOf(`[1]`), "The tool ran, but the server's answer cannot be read: [1]|failed"},
		"content that is no list":     {resultOf(`{"content":{"type":"text"}}`), "The tool ran, but the server's answer cannot be read: {\"content\":{\"type\":\"text\"}}|failed"},
		"text that is none":           {content(`{"type":"text","text":7}`), "[content that cannot be read]"},
		"an image that is no base64":  {content(`{"type":"image","data":"%%%","mimeType":"image/png"}`), "[image, image/png, whose data cannot be decoded]"},
		"a type with escapes":         {content(`{"type":"\u001b[2J\u202ex"}`), `[content of the unknown type "[2Jx"]`},
		"a number beyond all":         {resultOf(`{"content":[],"structuredContent":{"a":1e999}}`), `{"a":1e999}`},
		"NaN":                         {saidAt(`{"jsonrpc":"2.0","id":$id,"result":NaN}`), gone},
		"100,000 deep":                {resultOf(`{"structuredContent":` + strings.Repeat(`[`, 100_000) + strings.Repeat(`]`, 100_000) + `}`), gone},
		"half a message":              {saidAt(`{"jsonrpc":"2.0","id":$id,"result":{"content":[`), timedOut + "|timed_out"},
		"an empty batch":              {saidAt(`[]`), gone},
		"a batch":                     {saidAt(`[{"jsonrpc":"2.0","id":$id,"result":` + worked + `}]`), isWorked},
		"no UTF-8":                    {content("{\"type\":\"text\",\"text\":\"a\xff\xfeb\"}"), "a\uFFFD\uFFFDb"},
		"half a surrogate":            {content(`{"type":"text","text":"a\ud800b"}`), "a\uFFFDb"},
		"members twice":               {resultOf(`{"content":[{"type":"text","text":"No."}],"content":[{"type":"text","text":"Worked."}]}`), isWorked},
		"a failure that did not run":  {resultOf(`{"content":[{"type":"text","text":"x"}],"isError":true,"_meta":{"` + mcp.FailureMeta + `":"not_run"}}`), "x|failed"},
		"a failure that is denied":    {resultOf(`{"content":[{"type":"text","text":"x"}],"isError":true,"_meta":{"` + mcp.FailureMeta + `":"denied"}}`), "x|failed"},
		"a failure of our own making": {resultOf(`{"content":[],"isError":true,"_meta":{"toolloop.internal/raw":"{\"content\":[]}"}}`), "The tool failed and gave no reason.|failed"},
		"a code of ours":              {failed("x"), "x|failed"},
		"an error without a message":  {saidAt(`{"jsonrpc":"2.0","id":$id,"error":{"code":-32000}}`), "The tool failed and gave no reason.|failed"},
		"an error that is none":       {saidAt(`{"jsonrpc":"2.0","id":$id,"error":"no"}`), "no|failed"},
		"an error with escapes":       {failed("a\x1b[2J\u202eb\U000E0061c"), "a[2Jbc|failed"},
		"input that nobody gives":     {resultOf(`{"resultType":"input_required","inputRequests":{"a":{"method":"elicitation/create","params":{}}}}`), "The tool asks for a person's input, and no person is there to give it.|failed"},
		"a URL to be opened":          {saidAt(`{"jsonrpc":"2.0","id":$id,"error":{"code":-32042,"message":"open it","data":{"elicitations":[{"mode":"url","url":"http://evil.example","elicitationId":"x","message":"m"}]}}}`), "open it|failed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				out, all := stage{server: mcp.Server{Dial: inMemoryFoe(t, tt.do)}}.play(t)
				want := outcome{}
				want.Evil, want.Failure, _ = strings.Cut(tt.evil, "|")
				require.Equal(t, want, out)
				require.LessOrEqual(t, all.took, 2*time.Minute)
				requireClean(t, all.log)
			})
		})
	}
}

// requireClean fails if text has control sequences or invisible characters.
func requireClean(t *testing.T, text string) {
	t.Helper()
	for _, bad := range []string{"\x1b", "\u202e", "\U000E0061", "\u200b", "\x00"} {
		require.NotContains(t, text, bad)
	}
}

// TestHostileSizes: oversized texts are cut or refused, for the model and for the log.
func TestHostileSizes(t *testing.T) {
	t.Parallel()
	big := bigText
	for name, tt := range map[string]struct {
		do      misdeed
		failure string
		least   int // of the text that the model reads
		most    int
	}{
		"a result of 10 MB":             {answersAt("tools/call", `{"content":[{"type":"text","text":"`+big+`"}]}`), "", 1 << 10, 257 << 10},
		"a structured result of 10 MB":  {answersAt("tools/call", `{"structuredContent":{"a":"`+big+`"}}`), "", 1 << 10, 257 << 10},
		"a million parts":               {answersAt("tools/call", `{"content":[`+strings.Repeat(`{},`, bigMegabytes*100_000)+`{}]}`), "", 1 << 10, 257 << 10},
		"an error of 10 MB":             {at("tools/call", func(f *foe, h heard) { f.refuse(h, -32000, big) }), "failed", 256, 1 << 10},
		"an error of arguments":         {at("tools/call", func(f *foe, h heard) { f.refuse(h, -32602, big) }), "invalid_arguments", 256, 1 << 10},
		"a failure of 10 MB":            {answersAt("tools/call", `{"isError":true,"content":[{"type":"text","text":"`+big+`"}]}`), "failed", 1 << 10, 20 << 10},
		"a name of a resource of 10 MB": {answersAt("tools/call", `{"content":[{"type":"resource_link","uri":"`+big+`","name":"`+big[:1<<20]+`"}]}`), "", 256, 4 << 10},
		"a type of 10 MB":               {answersAt("tools/call", `{"content":[{"type":"`+big+`"}]}`), "", 16, 1 << 10},
		"a progress of 10 MB": {at("tools/call", func(f *foe, h heard) {
			f.say(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%q,"progress":1,"message":%q}}`, h.token(), big)
			time.Sleep(time.Minute) // synctest: exact in a bubble
			f.answer(h, worked)
		}), "", 7, 7},
		"a description of 3 MB":  {lists(`{"name":"work","description":"` + big[:len(big)/10*3] + `"}`), "", 7, 7},
		"a description of 5 MB":  {lists(`{"name":"work","description":"` + strings.Repeat("x", 5<<20) + `"}`), "unknown_tool", 7, 1 << 10},
		"an initialize of 10 MB": {answersAt("initialize", strings.Replace(hello, `"foe"`, `"`+big+`"`, 1)), "", 7, 7},
		"instructions of 10 MB":  {answersAt("initialize", strings.Replace(hello, `{`, `{"instructions":"`+big+`",`, 1)), "", 7, 7},
		"a version of 10 MB":     {answersAt("initialize", strings.Replace(hello, `2025-11-25`, big, 1)), "unknown_tool", 7, 1 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				out, all := stage{server: mcp.Server{Dial: inMemoryFoe(t, tt.do)}}.play(t)
				require.Equal(t, tt.failure, out.Failure)
				require.GreaterOrEqual(t, len(out.Evil), tt.least)
				require.LessOrEqual(t, len(out.Evil), tt.most)
				require.Less(t, len(all.everything(t)), 2<<20)
			})
		})
	}
}

// TestHostileFloods: unsolicited messages block nothing and are not stored.
func TestHostileFloods(t *testing.T) {
	t.Parallel()
	const many = 5_000
	flood := func(line func(h heard, i int) string) misdeed {
		return at("tools/call", func(f *foe, h heard) {
			var b strings.Builder
			for i := range many {
				b.WriteString(line(h, i) + "\n")
			}
			_, _ = f.out.Write([]byte(b.String()))
			f.answer(h, worked)
		})
	}
	request := func(method string) misdeed { // and does not read the answers
		return flood(func(_ heard, i int) string {
			return fmt.Sprintf(`{"jsonrpc":"2.0","id":"q%d","method":%q,"params":{}}`, i, method)
		})
	}
	notice := func(method, params string) misdeed {
		return flood(func(h heard, i int) string {
			return fmt.Sprintf(`{"jsonrpc":"2.0","method":%q,"params":%s}`, method, strings.ReplaceAll(strings.ReplaceAll(params, "$token", h.token()), "$i", fmt.Sprint(i)))
		})
	}
	requests := map[string]bool{"pings": true, "sampling": true, "elicitation": true, "roots": true, "unknown requests": true}
	for name, do := range map[string]misdeed{
		"progress of nothing":     notice("notifications/progress", `{"progressToken":"x$i","progress":1}`),
		"progress of the call":    notice("notifications/progress", `{"progressToken":"$token","progress":$i,"message":"m\u001b[2J"}`),
		"progress without end":    notice("notifications/progress", `{"progressToken":"$token","progress":1e999,"total":-1e999}`),
		"progress of wrong types": notice("notifications/progress", `{"progressToken":{},"progress":"x"}`),
		"changes":                 notice("notifications/tools/list_changed", `{}`),
		"log messages":            notice("notifications/message", `{"level":"emergency","data":"\u001b[2J"}`),
		"cancellations":           notice("notifications/cancelled", `{"requestId":$i}`),
		"unknown notifications":   notice("notifications/x$i", `null`),
		"broken notifications":    notice("notifications/resources/updated", `[7]`),
		"pings":                   request("ping"),
		"sampling":                request("sampling/createMessage"),
		"elicitation":             request("elicitation/create"),
		"roots":                   request("roots/list"),
		"unknown requests":        request("tools/call"),
		"one id for all":          flood(func(heard, int) string { return `{"jsonrpc":"2.0","id":1,"method":"ping"}` }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				out, all := stage{server: mcp.Server{Dial: inMemoryFoe(t, do)}}.play(t)
				want := outcome{isWorked, "", ""}
				if requests[name] {
					want = outcome{inDoubt, "outcome_unknown", ""}
				}
				if name == "one id for all" && out.Failure != "" { // a repeated id has an answer, or none
					want = outcome{inDoubt, "outcome_unknown", ""}
				}
				require.Equal(t, want, out)
				require.LessOrEqual(t, all.took, time.Second)
				require.Less(t, len(all.everything(t)), 4<<20)
				requireClean(t, all.log+all.events)
			})
		})
	}
}
