package openai_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

var (
	goodPNG = []byte("\x89PNG\x0D\x0A\x1A\x0A good")
	badPNG  = []byte("\x89PNG\x0D\x0A\x1A\x0A bad")
	heic    = []byte("\x00\x00\x00\x18ftypheic")
)

func shows(text string, parts ...llm.Part) llm.Message {
	return llm.Message{Role: llm.RoleUser, Parts: append(llm.Parts{llm.Text{Text: text}}, parts...)}
}

// base64Of is how the bytes look in a body.
func base64Of(data []byte) string {
	text, _ := json.Marshal(data) // bytes always marshal
	return strings.Trim(string(text), `"`)
}

// TestRefusedMedia: what a provider refuses of earlier messages is replaced by a
// note, for good and told once; the refusal of what the newest message shows is
// an error.
func TestRefusedMedia(t *testing.T) {
	t.Parallel()
	const (
		invalidData = "The image data you provided does not represent a valid image. Please check your input and try again with one of the supported image formats."
		noImages    = "Failed to deserialize the JSON body into the target type: messages[1]: unknown variant `image_url`, expected `text` at line 1 column 102905"
		mmproj      = "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj"
	)
	good, bad := llm.Image{Data: goodPNG}, llm.Image{Data: badPNG}
	for _, tt := range []struct {
		name     string
		rule     rule
		status   int // 0: 400
		profile  openai.Profile
		messages []llm.Message
		told     string // of the notice, behind "from now on "
		gone     []string
		there    []string
		err      string // the end of the error; "": an answer
	}{
		{name: "in the newest message", rule: rule{has(base64Of(badPNG)), invalidData}, messages: []llm.Message{llm.User("a"), llm.Assistant("b"), shows("c", bad)},
			err: " (the image of message 2, the newest: when another message of the user follows, a note takes its place)"},
		{name: "in a message whose request failed", rule: rule{has(base64Of(badPNG)), invalidData}, messages: []llm.Message{shows("a", good), llm.Assistant("b"), shows("c", bad), llm.User("d")},
			told: "a note takes the place of the image of message 2", gone: []string{base64Of(badPNG)}, there: []string{base64Of(goodPNG), `"d"`}},
		{name: "in a message whose request failed long ago", rule: rule{has(base64Of(badPNG)), invalidData}, messages: []llm.Message{shows("a", good), llm.Assistant("b"), shows("c", bad), llm.User("d"), llm.Assistant("e"), llm.User("f")},
			told: "a note takes the place of the image of message 2", gone: []string{base64Of(badPNG)}, there: []string{base64Of(goodPNG)}},
		{name: "of a tool", rule: rule{has(base64Of(badPNG)), invalidData}, profile: openai.Profile{ToolImages: openai.ToolImagesUser},
			messages: []llm.Message{shows("a", good), llm.Assistant("", call2("c", `{}`)), {Role: llm.RoleTool, Parts: llm.Parts{llm.ToolResult{CallID: "c", Parts: llm.Parts{llm.Text{Text: "Here:"}, bad}}}}},
			told:     "a note takes the place of the image of message 2", gone: []string{base64Of(badPNG)}, there: []string{base64Of(goodPNG), `Here:\n[image of 12 bytes: not shown, as the provider refused it: The image data`}},
		{name: "of a tool, on the other API", rule: rule{has(base64Of(badPNG)), invalidData}, profile: openai.Profile{API: openai.APIResponses},
			messages: []llm.Message{shows("a", good), llm.Assistant("", call2("c", `{}`)), {Role: llm.RoleTool, Parts: llm.Parts{llm.ToolResult{CallID: "c", Parts: llm.Parts{llm.Text{Text: "Here:"}, bad}}}}},
			told:     "a note takes the place of the image of message 2", gone: []string{base64Of(badPNG)}, there: []string{base64Of(goodPNG), `[image of 12 bytes: not shown`}},
		{name: "in a format that nobody reads", rule: rule{has(base64Of(heic)), "You uploaded an unsupported image. Please make sure your image has of one the following formats: ['png', 'jpeg', 'gif', 'webp']."},
			messages: []llm.Message{shows("a", good, llm.Image{Data: heic, MediaType: "image/heic"}, bad), llm.Assistant("b"), llm.User("c")},
			told:     "a note takes the place of the image of message 0", gone: []string{base64Of(heic)}, there: []string{base64Of(goodPNG), base64Of(badPNG)}},
		{name: "by its URL", rule: rule{has(`"url":"https://h.test/gone.png"`), "Error while downloading https://h.test/gone.png."},
			messages: []llm.Message{shows("a", llm.Image{URL: "https://h.test/gone.png"}, llm.Image{URL: "https://h.test/here.png"}), llm.Assistant("b"), shows("c", good)},
			told:     "a note takes the place of the image of message 0", gone: []string{`"url":"https://h.test/gone.png"`}, there: []string{`"url":"https://h.test/here.png"`, `[image https://h.test/gone.png: not shown`, base64Of(goodPNG)}},
		{name: "by its place", rule: rule{has(base64Of(badPNG)), "messages.1.content.1.image.source.base64.data: image exceeds 5 MB maximum"},
			messages: []llm.Message{llm.System("s"), shows("a", bad), llm.Assistant("b"), shows("c", good), llm.User("d")},
			told:     "a note takes the place of the image of message 1", gone: []string{base64Of(badPNG)}, there: []string{base64Of(goodPNG)}},
		{name: "by a place in the newest message", rule: rule{has(base64Of(badPNG)), "Invalid 'messages[2].content[1].image_url': not a valid image."},
			messages: []llm.Message{shows("a", good), llm.Assistant("b"), shows("c", bad)},
			err:      " (the image of message 2, the newest: when another message of the user follows, a note takes its place)"},
		{name: "the heaviest", rule: rule{has("AAAAAAAAAAAA"), "image exceeds the maximum size"},
			messages: []llm.Message{shows("a", good, llm.Image{Data: append(goodPNG[:8:8], make([]byte, 999)...)}), llm.Assistant("b"), llm.User("c")},
			told:     "a note takes the place of the image of message 0", gone: []string{"AAAAAAAAAAAA"}, there: []string{base64Of(goodPNG), "[image of 1007 bytes"}},
		{name: "too many", rule: rule{has(base64Of(goodPNG)), "At most 1 image(s) may be provided in one request."},
			messages: []llm.Message{shows("a", good), llm.Assistant("b"), shows("c", bad)},
			told:     "a note takes the place of the image of message 0", gone: []string{base64Of(goodPNG)}, there: []string{base64Of(badPNG)}},
		{name: "none at all", rule: rule{has(`"image_url"`), noImages}, messages: []llm.Message{shows("a", good), llm.Assistant("b"), shows("c", bad), llm.User("d")},
			told: "a note takes the place of each image of earlier messages", gone: []string{`"image_url"`}, there: []string{"the provider takes none: Failed to deserialize"}},
		{name: "none, as a failure of the server", status: 500, rule: rule{has(`"image_url"`), mmproj}, messages: []llm.Message{shows("a", good), llm.User("d")},
			told: "a note takes the place of each image of earlier messages", gone: []string{`"image_url"`}, there: []string{"the provider takes none: image input"}},
		{name: "none, as if it were not there", status: 404, rule: rule{has(`"image_url"`), "No endpoints found that support image input"}, messages: []llm.Message{shows("a", good), llm.User("d")},
			told: "a note takes the place of each image of earlier messages", gone: []string{`"image_url"`}},
		{name: "text alone", rule: rule{has(`"image_url"`), "messages[0]: invalid type: sequence, expected a string at line 1 column 29"}, messages: []llm.Message{shows("a", good), llm.User("d")},
			told: "a note takes the place of each image of earlier messages", gone: []string{`"image_url"`}},
		{name: "sounds", rule: rule{has(`"input_audio"`), "audio input is not supported"}, messages: []llm.Message{shows("a", llm.Audio{Data: []byte("a"), Format: "wav"}, good), llm.User("d")},
			told: "a note takes the place of each audio of earlier messages", gone: []string{`"input_audio"`}, there: []string{base64Of(goodPNG), "[audio of 1 bytes: not shown"}},
		{name: "a file", rule: rule{has(`"file"`), "Invalid file data: the PDF could not be decoded."}, messages: []llm.Message{shows("a", llm.File{Name: "f.pdf", Data: []byte("x")}, good), llm.User("d")},
			told: "a note takes the place of the file of message 0", gone: []string{`"type":"file"`}, there: []string{base64Of(goodPNG), `[file \"f.pdf\" of 1 bytes: not shown`}},
		{name: "by a filter", rule: rule{has(base64Of(badPNG)), "Your input image was rejected as a result of our safety system."}, messages: []llm.Message{shows("a", bad), llm.User("d")},
			told: "a note takes the place of the image of message 0", gone: []string{base64Of(badPNG)}},
		{name: "not for an image", rule: rule{has(`"a"`), "Unknown parameter: 'x'."}, messages: []llm.Message{shows("a", good), llm.User("d")}, err: "Unknown parameter: 'x'."},
		{name: "no images there", rule: rule{has(`"a"`), invalidData}, messages: []llm.Message{llm.User("a"), llm.User("d")}, err: "image formats."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := &picky{rules: []rule{tt.rule}, status: tt.status}
			if tt.profile.API == openai.APIResponses {
				p.answer = `{"object":"response","status":"completed","output":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":"ok"}]}]}`
			}
			c := p.config()
			c.Profile = &tt.profile
			m, req := c.Model("m"), &llm.Request{Messages: tt.messages, Memo: new(llm.Memo)}
			told, err := notices(t, m, req)
			if tt.err != "" {
				require.ErrorContains(t, err, tt.rule.words)
				require.True(t, strings.HasSuffix(err.Error(), tt.err), err)
				require.Empty(t, told)
				require.Len(t, p.bodies, 1)
				return
			}
			require.NoError(t, err)
			require.Len(t, told, 1)
			require.True(t, strings.HasSuffix(told[0], "; from now on "+tt.told), told[0])
			require.Len(t, p.bodies, 2)
			for _, text := range tt.gone {
				require.NotContains(t, p.bodies[1], text)
			}
			for _, text := range tt.there {
				require.Contains(t, p.bodies[1], text)
			}
			again, err := notices(t, m, req)
			require.NoError(t, err)
			require.Empty(t, again)
			require.Equal(t, p.bodies[1], p.bodies[2], "it is remembered")
		})
	}
}

// TestRefusedMediaGoOn: a conversation in which a picture is refused goes on with
// the next message, and a picture in that message is tried for what it is.
func TestRefusedMediaGoOn(t *testing.T) {
	t.Parallel()
	p := &picky{rules: []rule{{has(`"image_url"`), "This model does not support image input."}}}
	m := p.config().Model("m")
	picture := llm.Image{Data: goodPNG}
	req := &llm.Request{Messages: []llm.Message{shows("What is this?", picture)}, Memo: new(llm.Memo)}
	_, err := m.Generate(t.Context(), req, nil)
	requireKind(t, llm.KindInvalidRequest, err)
	require.Len(t, p.bodies, 1)

	req.Messages = append(req.Messages, llm.User("Then tell me a joke."))
	told, err := notices(t, m, req)
	require.NoError(t, err)
	require.Len(t, told, 1)
	require.Len(t, p.bodies, 3)

	req.Messages = append(req.Messages, llm.Assistant("ok"), shows("And this?", picture))
	_, err = m.Generate(t.Context(), req, nil)
	require.ErrorContains(t, err, "(the image of message 3, the newest")
	require.Len(t, p.bodies, 4)

	req.Messages = append(req.Messages, llm.User("Never mind."))
	told, err = notices(t, m, req)
	require.NoError(t, err)
	require.Empty(t, told, "that was told")
	require.Len(t, p.bodies, 5)
	require.NotContains(t, p.bodies[4], `"image_url"`)
}

// TestRefusedMediaUnlearnt: where notes do not help, nothing is remembered.
func TestRefusedMediaUnlearnt(t *testing.T) {
	t.Parallel()
	p := &picky{rules: []rule{{has(`"a"`), "I cannot process the image."}}}
	m, req := p.config().Model("m"), &llm.Request{Messages: []llm.Message{shows("a", llm.Image{Data: goodPNG}), llm.User("b")}}
	for n := 1; n <= 2; n++ {
		_, err := m.Generate(t.Context(), req, nil)
		requireKind(t, llm.KindInvalidRequest, err)
		require.Len(t, p.bodies, 2*n)
		require.Contains(t, p.bodies[2*n-2], base64Of(goodPNG))
	}
}
