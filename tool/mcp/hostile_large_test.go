package mcp_test

import (
	"fmt"
	"strings"
)

// bigText is as large as a server's message may be. It is smaller with the race
// detector, which makes it ten times as slow.
var bigText = strings.Repeat("x", bigMegabytes<<20)

// largeFoes are processes that write too much.
func largeFoes() map[string]misdeed {
	long := func(f *foe, begin string, megabytes int, end string) {
		chunk := strings.Repeat("x", 1<<20)
		_, _ = fmt.Fprint(f.out, begin)
		for range megabytes {
			_, _ = fmt.Fprint(f.out, chunk)
		}
		_, _ = fmt.Fprintln(f.out, end)
	}
	tools := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `{"name":"t%d"},`, i)
		}
		return b.String() + workTool
	}
	return map[string]misdeed{
		"a description of 100 MB": at("tools/list", func(f *foe, h heard) {
			long(f, fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":{"tools":[{"name":"work","description":"`, h.ID), 100, `"}]}}`)
		}),
		"a description of 15 MB": at("tools/list", func(f *foe, h heard) {
			long(f, fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":{"tools":[{"name":"work","description":"`, h.ID), 15, `"}]}}`)
		}),
		"a million tools": at("tools/list", func(f *foe, h heard) { f.answer(h, `{"tools":[`+tools(1_000_000)+`]}`) }),
		"700,000 tools":   at("tools/list", func(f *foe, h heard) { f.answer(h, `{"tools":[`+tools(700_000)+`]}`) }),
		"millions that are none": at("tools/list", func(f *foe, h heard) {
			f.answer(h, `{"tools":[`+strings.Repeat(`{},`, 5_000_000)+`{}]}`)
		}),
		"long cursors": at("tools/list", func(f *foe, h heard) {
			page, _, _ := strings.Cut(h.cursor(), "x")
			f.answer(h, fmt.Sprintf(`{"tools":[],"nextCursor":"%sa%s"}`, page, strings.Repeat("x", 300<<10)))
		}),
		"a result of 50 MB": at("tools/call", func(f *foe, h heard) {
			long(f, fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":{"content":[{"type":"text","text":"`, h.ID), 50, `"}]}}`)
		}),
		"a result of 15 MB": at("tools/call", func(f *foe, h heard) {
			long(f, fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":{"content":[{"type":"text","text":"`, h.ID), 15, `"}]}}`)
		}),
	}
}
