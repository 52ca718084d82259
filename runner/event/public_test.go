package event_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// withheld has the members that Public leaves out, by type. Every other member stays. A new
// member of an event fails TestPublic until it is here or in Public.
var withheld = map[string]string{
	"RunStarted":       "ID Trace",
	"Checked":          "Reason Text", // but the Text that replaces another
	"HandedOff":        "Before History",
	"UserMessaged":     "Key Person",
	"TurnPrepared":     "Instructions Tools ToolChoice Output Offer Chosen Messages Changed",
	"ModelAnswered":    "RawUsage LogProbs ID RequestID Extra",
	"ToolCallDeferred": "Handle",
	"ToolCallFinished": "Error Whole Given",
	"ApprovalAsked":    "Hash Fingerprint",
	"ApprovalDecided":  "Hash Person Words Checksum",
	"StandingRevoked":  "Person Words Checksum",
	"InDoubtDecided":   "Person Words Checksum",
	"LimitReached":     "Message",
	// of package llm:
	"Message":    "Extra",
	"Text":       "Extra",
	"Reasoning":  "Extra",
	"Refusal":    "Extra",
	"Image":      "Extra",
	"Audio":      "ID Extra",
	"File":       "ID Extra",
	"ToolCall":   "Extra",
	"ToolResult": "Extra",
	"RawPart":    "JSON",
}

// A filler fills values by reflection. Each text is marked: open may be seen, and secret
// must not.
type filler struct{ n int }

func (f *filler) fill(v reflect.Value, secret bool) {
	f.n++
	text := fmt.Sprintf("open%d", f.n)
	if secret {
		text = fmt.Sprintf("secret%d", f.n)
	}
	switch v.Type() {
	case reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(at))
		return
	case reflect.TypeFor[json.RawMessage]():
		v.Set(reflect.ValueOf(json.RawMessage(`"` + text + `"`)))
		return
	case reflect.TypeFor[llm.Parts]():
		v.Set(reflect.ValueOf(f.parts(secret)))
		return
	case reflect.TypeFor[llm.Role]():
		v.SetString("user")
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(f.n))
	case reflect.Float64:
		v.SetFloat(float64(f.n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem(), secret)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte(text))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		f.fill(v.Index(0), secret)
	case reflect.Struct:
		for i := range v.NumField() {
			f.fill(v.Field(i), secret || hidden(v.Type(), i))
		}
	default:
		panic(fmt.Sprintf("no way to fill a %v", v.Type()))
	}
}

func hidden(typ reflect.Type, field int) bool {
	return strings.Contains(" "+withheld[typ.Name()]+" ", " "+typ.Field(field).Name+" ")
}

// parts has one part of each kind.
func (f *filler) parts(secret bool) (all llm.Parts) {
	for _, p := range []llm.Part{llm.Text{}, llm.Reasoning{}, llm.Refusal{}, llm.Image{}, llm.Audio{}, llm.File{}, llm.ToolCall{}, llm.RawPart{}} {
		v := reflect.New(reflect.TypeOf(p)).Elem()
		f.fill(v, secret)
		all = append(all, v.Interface().(llm.Part))
	}
	return all
}

// requirePublic compares a value with its public form, member by member.
func requirePublic(t *testing.T, full, public reflect.Value, place string) {
	t.Helper()
	for i := range full.NumField() {
		name := place + "." + full.Type().Field(i).Name
		if hidden(full.Type(), i) {
			require.True(t, public.Field(i).IsZero(), "%s is not withheld", name)
			continue
		}
		require.False(t, public.Field(i).IsZero(), "%s: decide whether the member is public, in publicBody and in the table withheld", name)
		if full.Field(i).Kind() == reflect.Struct && full.Field(i).Type() != reflect.TypeFor[time.Time]() {
			requirePublic(t, full.Field(i), public.Field(i), name)
		}
		if parts, ok := public.Field(i).Interface().(llm.Parts); ok {
			all := full.Field(i).Interface().(llm.Parts)
			require.Len(t, parts, len(all)-1, "all but the RawPart")
			for k, p := range parts {
				requirePublic(t, reflect.ValueOf(all[k]), reflect.ValueOf(p), fmt.Sprintf("%s.%T", name, p))
			}
		}
	}
}

// unredacted finds texts that redact did not change, with their members.
var unredacted = regexp.MustCompile(`"(\w+)":\[?"open`)

// names are members with names of the program or of the provider, or with words of a list.
var names = []string{
	"agent", "call", "calls", "call_id", "id", "name", "model", "field", "format", "media_type", "detail", "failure", "limit", "decision", "by", "reason", "check", "stage", "verdict", "from", "to", "handoff", "raw", "native", "late", "always",
}

// TestPublic fills every member of every type of event, and wants a decision about it.
func TestPublic(t *testing.T) {
	t.Parallel()
	seen := map[reflect.Type]bool{}
	for _, tt := range every {
		typ := reflect.TypeOf(tt.body)
		if seen[typ] {
			continue
		}
		seen[typ] = true
		full := reflect.New(typ).Elem()
		new(filler).fill(full, false)
		e := event.Event{Seq: 7, Time: at, Path: "r1.t1.c0", Body: full.Interface().(event.Body)}
		public := e.Public(nil)
		require.Equal(t, []any{e.Seq, e.Time, e.Path, e.Type()}, []any{public.Seq, public.Time, public.Path, public.Type()})
		if written := map[string]bool{"OutputRejected": true, "StallDetected": true, "Compacted": true}[typ.Name()]; !written {
			requirePublic(t, full, reflect.ValueOf(public.Body), typ.Name())
		} else { // messages of the runner: only the role stays
			data, err := json.Marshal(public)
			require.NoError(t, err)
			require.NotContains(t, string(data), `"parts":[`)
		}
		data, err := json.Marshal(public)
		require.NoError(t, err)
		require.NotContains(t, string(data), "secret")
		data, err = json.Marshal(e.Public(func(string) string { return "[withheld]" }))
		require.NoError(t, err)
		for _, m := range unredacted.FindAllStringSubmatch(string(data), -1) {
			require.Contains(t, names, m[1], "%s: a free text that redact did not see", typ.Name())
		}
		var back event.Event
		require.NoError(t, json.Unmarshal(data, &back))
	}
	require.Equal(t, event.Event{}, event.Event{}.Public(nil))
}

// TestPublicRoles: no message of the role system or developer is public.
func TestPublicRoles(t *testing.T) {
	t.Parallel()
	for _, role := range []llm.Role{llm.RoleSystem, llm.RoleDeveloper} {
		e := event.Event{Body: event.UserMessaged{Message: llm.Message{Role: role, Parts: llm.Parts{llm.Text{Text: "You are."}}}}}
		require.Equal(t, event.UserMessaged{Message: llm.Message{Role: role}}, e.Public(nil).Body)
	}
	replaced := event.Checked{Verdict: "replace", Text: "***"}
	require.Equal(t, replaced, event.Event{Body: replaced}.Public(nil).Body)
	e := event.Event{Body: event.RunFinished{Output: json.RawMessage(`{"key":"sk-1"}`), Text: "sk-1"}}
	public := e.Public(func(s string) string { return strings.ReplaceAll(s, `"sk-1"`, `gone`) })
	require.Equal(t, event.RunFinished{Text: "sk-1"}, public.Body, "broken JSON is left out")
}
