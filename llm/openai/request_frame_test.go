package openai_test

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

// sample sets a value of any type of a field of a request.
func sample(t *testing.T, v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString("auto") // which is a tool choice, too
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Float64:
		v.SetFloat(0.5)
	case reflect.Uint8:
		v.SetUint('7')
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		sample(t, v.Elem())
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("a"), reflect.ValueOf("b"))
	case reflect.Struct:
		for i := range v.NumField() {
			sample(t, v.Field(i))
		}
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[json.RawMessage]() {
			v.SetBytes([]byte(`{"type":"object"}`))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		sample(t, v.Index(0))
	default:
		t.Fatalf("no sample of a %v", v.Type())
	}
}

// A frameCheck sends requests with one model, which keeps frames, and compares each with
// the request of a new model.
type frameCheck struct {
	w    *wire
	kept llm.Model
	api  openai.API
	err  error
}

func (c *frameCheck) check(t *testing.T, req *llm.Request, what string) {
	t.Helper()
	config := c.w.config()
	if config.API = c.api; c.kept == nil {
		c.kept = config.Model("m")
	}
	config.Profile = nil
	c.w.bodies = nil
	_, err := c.kept.Generate(t.Context(), req, nil)
	c.err = err
	_, _ = config.Model("m").Generate(t.Context(), req, nil)
	if len(c.w.bodies) > 0 { // the value may be one that no request can have
		require.Len(t, c.w.bodies, 2, what)
		require.Equal(t, c.w.bodies[1], c.w.bodies[0], what)
	}
}

// TestFrameNoticesChanges changes each field of a request, and back, and then what the
// fields hold in its place.
func TestFrameNoticesChanges(t *testing.T) {
	t.Parallel()
	for _, api := range []openai.API{openai.APIChat, openai.APIResponses} {
		c := &frameCheck{w: &wire{body: ok}, api: api}
		base := func() *llm.Request {
			return &llm.Request{Messages: []llm.Message{llm.User("hi")}, Tools: []llm.ToolDef{{Name: "f", Schema: json.RawMessage(`{"type":"object"}`)}}}
		}
		c.check(t, base(), "nothing")
		for _, of := range []func(*llm.Request) reflect.Value{
			func(r *llm.Request) reflect.Value { return reflect.ValueOf(r).Elem() },
			func(r *llm.Request) reflect.Value { return reflect.ValueOf(&r.Settings).Elem() },
			func(r *llm.Request) reflect.Value { return reflect.ValueOf(&r.Tools[0]).Elem() },
		} {
			for i := range of(base()).NumField() {
				field := of(base()).Type().Field(i)
				if field.Name == "Messages" || field.Name == "Memo" || field.Name == "Settings" {
					continue
				}
				req := base()
				sample(t, of(req).Field(i))
				c.check(t, req, field.Name)
				c.check(t, base(), "back from "+field.Name)
			}
		}
		full := base()
		sample(t, reflect.ValueOf(&full.Settings).Elem())
		if api == openai.APIResponses { // which refuses them
			full.Stop, full.Seed, full.FrequencyPenalty, full.PresencePenalty, full.Modalities = nil, nil, nil, nil, nil
		}
		full.Output = &llm.OutputFormat{Schema: json.RawMessage(`{"a":1}`), Strict: new(true)}
		full.Extra = []llm.Member{{Name: "x", Value: "1"}}
		full.HostedTools = []json.RawMessage{json.RawMessage(`{"type":"h1"}`)}
		for name, change := range map[string]func(*llm.Request){
			"nothing": func(*llm.Request) {}, "a schema": func(r *llm.Request) { copy(r.Tools[0].Schema, `{"Type"`) },
			"a number": func(r *llm.Request) { *r.Temperature = 0.25 }, "a zero": func(r *llm.Request) { *r.TopP = 0 },
			"a negative zero": func(r *llm.Request) { *r.TopP = math.Copysign(0, -1) }, "a user": func(r *llm.Request) { r.User = "z" },
			"metadata": func(r *llm.Request) { r.Metadata["a"] = "z" }, "a member": func(r *llm.Request) { r.Extra[0].Value = "2" },
			"a hosted tool": func(r *llm.Request) { copy(r.HostedTools[0], `{"type":"h2"}`) },
			"output":        func(r *llm.Request) { copy(r.Output.Schema, `{"b":2}`); *r.Output.Strict = false },
			"a description": func(r *llm.Request) { r.Tools[0].Description = "d" }, "another tool": func(r *llm.Request) { r.Tools = append(r.Tools, llm.ToolDef{Name: "g"}) },
			"instructions": func(r *llm.Request) { r.Instructions = "i" }, "a lead": func(r *llm.Request) { r.Messages = append([]llm.Message{llm.System("s")}, r.Messages...) },
		} {
			c.check(t, full, "before "+name)
			change(full)
			c.check(t, full, name)
			require.NotEmpty(t, c.w.bodies, "%s: %v", name, c.err)
		}
	}
}

// TestManyFrames: a model that is asked in very many ways answers each as the first.
func TestManyFrames(t *testing.T) {
	t.Parallel()
	c := &frameCheck{w: &wire{body: ok}}
	for i := range 100 {
		c.check(t, &llm.Request{Messages: []llm.Message{llm.User("hi")}, Settings: llm.Settings{MaxOutputTokens: int64(i % 40)}}, "many")
	}
}
