package tool_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
)

func named(names ...string) []tool.Tool {
	tools := make([]tool.Tool, len(names))
	for i, name := range names {
		tools[i] = tool.Must(tool.NewRaw(name, "Does "+name+".", nil, echo))
	}
	return tools
}

func listing(tools ...tool.Tool) func(context.Context) ([]tool.Tool, error) {
	return func(context.Context) ([]tool.Tool, error) { return tools, nil }
}

func namesOf(tools []tool.Tool) []string {
	names := []string{}
	for _, t := range tools {
		names = append(names, t.Name())
	}
	return names
}

func TestSet(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 60)
	planted := errors.New("planted")
	notB := func(name string) bool { return name != "b" }
	for _, tt := range []struct {
		name string
		set  tool.Set
		want []string
		err  string
	}{
		{"all", tool.Set{List: listing(named("a", "b")...)}, []string{"a", "b"}, ""},
		{"none", tool.Set{List: listing()}, []string{}, ""},
		{"prefix", tool.Set{Prefix: "github__", List: listing(named("b", "a")...)}, []string{"github__b", "github__a"}, ""},
		{"filter", tool.Set{Prefix: "p_", Allow: notB, List: listing(named("a", "b", "c")...)}, []string{"p_a", "p_c"}, ""},
		{"nothing allowed", tool.Set{Allow: func(string) bool { return false }, List: listing(named("a")...)}, []string{}, ""},
		{"two of a name that is not allowed", tool.Set{Allow: notB, List: listing(named("b", "b", "a")...)}, []string{"a"}, ""},
		{"too long, and not allowed", tool.Set{Prefix: "12345", Allow: notB, List: listing(append(named("a"), named("b")...)...)}, []string{"12345a"}, ""},
		{"two of a name", tool.Set{Name: "s", List: listing(named("a", "b", "a")...)}, nil, `toolset "s": two tools are named "a"`},
		{"zero tool", tool.Set{Name: "s", Allow: notB, List: listing(append(named("a"), tool.Tool{})...)}, nil, `toolset "s": tool 1 is the zero Tool`},
		{
			"too long", tool.Set{Name: "s", Prefix: "12345", List: listing(named(long)...)}, nil,
			`toolset "s": tool "12345` + long + `": a name has 1 to 64 of the characters a-z A-Z 0-9 _ -`,
		},
		{"as long as may be", tool.Set{Prefix: "1234", List: listing(named(long)...)}, []string{"1234" + long}, ""},
		{
			"bad prefix", tool.Set{Name: "s", Prefix: "a.", List: listing(named("b")...)}, nil,
			`toolset "s": tool "a.b": a name has 1 to 64 of the characters a-z A-Z 0-9 _ -`,
		},
		{"no list", tool.Set{Name: "s"}, nil, `toolset "s": has no List`},
		{"the zero Set", tool.Set{}, nil, `toolset "": has no List`},
		{"error", tool.Set{Name: "s", List: func(context.Context) ([]tool.Tool, error) { return named("a"), planted }}, nil, `toolset "s": planted`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := tt.set.Tools(t.Context())
			if tt.err != "" {
				require.EqualError(t, err, tt.err)
				require.Nil(t, got)
				require.Equal(t, tt.name == "error", errors.Is(err, planted))
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, namesOf(got))
		})
	}
}

// TestSetGetsTheContext: List is told when nobody waits for it any more.
func TestSetGetsTheContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := tool.Set{Name: "s", List: func(ctx context.Context) ([]tool.Tool, error) { return nil, ctx.Err() }}.Tools(ctx)
	require.ErrorIs(t, err, context.Canceled)
}

// TestSetRenames: a renamed tool differs only in its name. The listed tools and their
// slice do not change.
func TestSetRenames(t *testing.T) {
	t.Parallel()
	type args struct {
		City string `json:"city"`
	}
	listed := []tool.Tool{
		tool.Must(tool.New("get", "Gets it.", func(_ context.Context, in args) (string, error) { return in.City, nil },
			tool.Timeout(7), tool.Alone(), tool.Idempotent(), tool.Concurrency(1), tool.MaxResult(3))),
		tool.Must(tool.NewRaw("raw", "", uncompilable, echo, tool.AllowUnchecked())),
	}
	before, prints := append([]tool.Tool(nil), listed...), []string{listed[0].Fingerprint(), listed[1].Fingerprint()}
	set := tool.Set{Prefix: "s_", Allow: func(name string) bool { return name != "s_get" }, List: listing(listed...)}
	got, err := set.Tools(t.Context())
	require.NoError(t, err)
	require.Equal(t, before, listed)
	require.Equal(t, []string{"get", "raw"}, namesOf(listed))
	require.Equal(t, prints, []string{listed[0].Fingerprint(), listed[1].Fingerprint()})

	want := listed[0].Def()
	want.Name = "s_get"
	require.Equal(t, want, got[0].Def())
	require.Equal(t, listed[0].Timeout(), got[0].Timeout())
	require.True(t, got[0].Alone() && got[0].Idempotent() && got[0].Bounded())
	require.NotEqual(t, prints[0], got[0].Fingerprint())
	require.Equal(t, listed[1].Unchecked(), got[1].Unchecked())
	parts, err := got[0].Call(t.Context(), json.RawMessage(`{"city":"Oslo"}`))
	require.NoError(t, err)
	require.Equal(t, "Osl\n[The result is cut off: 1 of its 4 bytes are left out.]", llm.Message{Parts: parts}.Text())

	again, err := set.Tools(t.Context())
	require.NoError(t, err)
	require.Equal(t, got[0].Fingerprint(), again[0].Fingerprint())
	_, _, err = got[0].Parse(`{"town":"Oslo"}`)
	require.ErrorContains(t, err, "Arguments for s_get do not match its schema", "the model knows it by that name")

	whole, err := tool.Set{List: listing(listed...)}.Tools(t.Context())
	require.NoError(t, err)
	require.Equal(t, listed, whole, "without a prefix it is the same tool")
	whole[0] = tool.Tool{}
	require.False(t, listed[0].IsZero(), "the slice is the caller's")
}

// TestDecodeErrorOfARenamedTool: where the Go type refuses what the schema takes,
// the text names the tool as the model knows it.
func TestDecodeErrorOfARenamedTool(t *testing.T) {
	t.Parallel()
	x := tool.Must(tool.New("x", "", func(context.Context, picky) (string, error) { return "", nil }))
	got, err := tool.Set{Prefix: "s_", List: listing(x)}.Tools(t.Context())
	require.NoError(t, err)
	for _, err := range []error{errOfTwo(got[0].Call(t.Context(), json.RawMessage(`{"at":"no"}`))), errOfThree(got[0].Parse(`{"at":"no"}`))} {
		e, ok := errors.AsType[*tool.Error](err)
		require.True(t, ok)
		require.NotContains(t, e.Message, " x ")
		require.Contains(t, e.Message, "s_x")
	}
}

type picky struct {
	At pickyText `json:"at"`
}

type pickyText string

func (p *pickyText) UnmarshalText([]byte) error { return errors.New("is never right") }

func errOfTwo[A any](_ A, err error) error           { return err }
func errOfThree[A, B any](_ A, _ B, err error) error { return err }

// TestSetThatPanics is an error of the set.
func TestSetThatPanics(t *testing.T) {
	t.Parallel()
	_, err := tool.Set{Name: "mail", List: func(context.Context) ([]tool.Tool, error) { panic("boom") }}.Tools(t.Context())
	require.EqualError(t, err, `toolset "mail": panic: boom`)
}

// TestOptionalSet: an optional set returns the tools that can be offered, and the first
// error of the others.
func TestOptionalSet(t *testing.T) {
	t.Parallel()
	planted := errors.New("planted")
	for _, tt := range []struct {
		name string
		set  tool.Set
		want []string
		err  string
	}{
		{"nothing amiss", tool.Set{List: listing(named("a", "b")...)}, []string{"a", "b"}, ""},
		{
			"beside an error", tool.Set{Name: "s", Prefix: "p_", Allow: func(name string) bool { return name != "b" }, List: func(context.Context) ([]tool.Tool, error) {
				return named("a", "b", "a"), planted
			}}, []string{"p_a"}, `toolset "s": planted`,
		},
		{"two of a name", tool.Set{Name: "s", List: listing(named("a", "b", "a", "b")...)}, []string{"a", "b"}, `toolset "s": two tools are named "a"`},
		{"zero tool", tool.Set{Name: "s", List: listing(append(make([]tool.Tool, 1), named("a")...)...)}, []string{"a"}, `toolset "s": tool 0 is the zero Tool`},
		{
			"bad prefix", tool.Set{Name: "s", Prefix: strings.Repeat("x", 63), List: listing(named("ab", "c")...)}, []string{strings.Repeat("x", 63) + "c"},
			`toolset "s": tool "` + strings.Repeat("x", 63) + `ab": a name has 1 to 64 of the characters a-z A-Z 0-9 _ -`,
		},
		{"panic", tool.Set{Name: "s", List: func(context.Context) ([]tool.Tool, error) { panic("boom") }}, []string{}, `toolset "s": panic: boom`},
		{"panic of Allow", tool.Set{Name: "s", Allow: func(string) bool { panic("boom") }, List: listing(named("a")...)}, []string{}, `toolset "s": panic: boom`},
		{"no list", tool.Set{Name: "s"}, []string{}, `toolset "s": has no List`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.set.Optional = true
			got, err := tt.set.Tools(t.Context())
			require.Equal(t, tt.want, namesOf(got))
			require.Equal(t, tt.err, textOf(err))
			tt.set.Optional = false
			if err != nil {
				got, err = tt.set.Tools(t.Context())
				require.Nil(t, got)
				require.EqualError(t, err, tt.err)
			}
		})
	}
}

func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
