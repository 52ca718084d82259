package llm_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
)

var png = []byte("\x89PNG\x0D\x0A\x1A\x0A")

func TestMessageValidate(t *testing.T) {
	t.Parallel()
	user := func(parts ...llm.Part) llm.Message {
		return llm.Message{Role: llm.RoleUser, Parts: append(llm.Parts{llm.Text{Text: "See:"}}, parts...)}
	}
	for _, tt := range []struct {
		name string
		m    llm.Message
		want string // "": fine
	}{
		{"text", user(), ""},
		{"whole parts", user(llm.Image{URL: "u"}, llm.Image{Data: png}, llm.Image{Data: []byte("?"), MediaType: "image/x"}, llm.Audio{Data: []byte("a"), Format: "wav"},
			llm.File{ID: "f"}, llm.File{Data: []byte("f")}, llm.RawPart{JSON: `{"type":"video"}`}), ""},
		{"image", user(llm.Image{MediaType: "image/png"}), "part 1: the image has neither URL nor Data"},
		{"image of no format", user(llm.Image{URL: "u"}, llm.Image{Data: []byte("?")}), "part 2: the bytes of the image are in no format that is known; set its MediaType"},
		{"audio", user(llm.Audio{Format: "wav"}), "part 1: the audio has no Data"},
		{"audio of the model in a user's mouth", user(llm.Audio{ID: "a"}), "part 1: the audio has no Data"},
		{"audio of the model", llm.Message{Role: llm.RoleAssistant, Parts: llm.Parts{llm.Audio{ID: "a"}, llm.Audio{Transcript: "t"}}}, ""},
		{"nothing of the model", llm.Message{Role: llm.RoleAssistant, Parts: llm.Parts{llm.Audio{}}}, "part 0: the audio has no Data"},
		{"file", user(llm.File{Name: "f.pdf", MediaType: "application/pdf"}), "part 1: the file has neither ID nor Data"},
		{"file of the system", llm.Message{Role: llm.RoleSystem, Parts: llm.Parts{llm.File{}}}, "part 0: the file has neither ID nor Data"},
		{"raw part", user(llm.RawPart{JSON: "{"}), "part 1: a raw part is not JSON"},
		{"extra of a part", user(llm.Text{Extra: []llm.Member{{Name: "x", Value: "{"}}}), `part 1: the member "x" is not JSON`},
		{"extra of the message", llm.Message{Role: llm.RoleUser, Extra: []llm.Member{{Name: "x"}}}, `the member "x" is not JSON`},
		{"result of a tool", llm.Message{Role: llm.RoleTool, Parts: llm.Parts{llm.ToolResult{Parts: llm.Parts{llm.Image{}}}}}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if err := tt.m.Validate(); tt.want == "" {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, tt.want)
			}
		})
	}
}
