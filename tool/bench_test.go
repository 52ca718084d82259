package tool_test

import (
	"encoding/json"
	"testing"

	"github.com/seed-916e8f6a/toolloop/tool"
)

func BenchmarkParse(b *testing.B) {
	type order struct {
		ID    string   `json:"id" jsonschema:"pattern=^#W[0-9]+$"`
		Total float64  `json:"total"`
		Count int      `json:"count" jsonschema:"minimum=1"`
		Tags  []string `json:"tags,omitempty"`
		Note  *string  `json:"note,omitempty"`
	}
	small := tool.Must(takes[struct {
		City string `json:"city"`
		Unit string `json:"unit,omitempty" jsonschema:"enum=celsius,enum=fahrenheit"`
		Days int    `json:"days,omitempty" jsonschema:"minimum=1,maximum=14"`
	}]())
	large := tool.Must(takes[struct {
		Orders []order `json:"orders"`
	}]())
	raw := tool.Must(tool.NewRaw("raw", "", json.RawMessage(`{"properties":{"city":{"type":"string"},
		"unit":{"enum":["celsius","fahrenheit"]},"days":{"type":"integer","minimum":1,"maximum":14}},"required":["city"],"additionalProperties":false}`), echo))
	const few = `{"city":"Beijing","unit":"celsius","days":3}`
	orders := `{"orders":[` + many(`{"id":"#W1%","total":19.99,"count":2,"tags":["a","b"],"note":null}`, 1000) + `]}`
	for _, bb := range []struct {
		name string
		tool tool.Tool
		args string
	}{{"small", small, few}, {"1000 orders", large, orders}, {"raw small", raw, few}} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(bb.args)))
			for b.Loop() {
				if _, _, err := bb.tool.Parse(bb.args); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(bb.name+", general path", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(bb.args)))
			for b.Loop() {
				if _, _, err := bb.tool.ParseAny(bb.args); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
