package mcp

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// maxContent bounds the encoded content of a result, in bytes. Clients that use the SDK
// end the connection at messages above 16 MiB.
const maxContent = 15 << 20

// contentOf returns the content of a result. An image without data is sent as its URL,
// a file without data as its id.
func contentOf(parts llm.Parts) []sdk.Content {
	w := contentWriter{room: maxContent}
	for _, p := range parts {
		switch p := p.(type) {
		case llm.Text:
			w.text(p.Text)
		case llm.Image:
			w.image(p)
		case llm.Audio:
			w.audio(p)
		case llm.File:
			w.file(p)
		}
	}
	return w.content
}

type contentWriter struct {
	content []sdk.Content
	room    int
}

func (w *contentWriter) add(c sdk.Content, size int) {
	w.content = append(w.content, c)
	w.room -= size
}

// text adds as much of a text as fits.
func (w *contentWriter) text(s string) {
	shown := s
	for encoded(shown) > w.room {
		shown = clip.Cut(shown, len(shown)/2)
	}
	w.room -= encoded(shown)
	w.join(shown)
	if left := len(s) - len(shown); left > 0 {
		w.note("The result is cut off: %d of its %d bytes are left out.", left, len(s))
	}
}

// join appends text to a preceding text, so that a client reads what a model reads; see
// [llm.ToolResult.Text].
func (w *contentWriter) join(s string) {
	if n := len(w.content); n > 0 {
		if before, ok := w.content[n-1].(*sdk.TextContent); ok {
			last, _ := utf8.DecodeLastRuneInString(before.Text)
			first, _ := utf8.DecodeRuneInString(s)
			if before.Text != "" && s != "" && !unicode.IsSpace(last) && !unicode.IsSpace(first) {
				before.Text += "\n"
			}
			before.Text += s
			return
		}
	}
	w.content = append(w.content, &sdk.TextContent{Text: s})
}

// encoded returns the length of a text in JSON. For short texts it returns an upper
// bound.
func encoded(s string) int {
	if len(s) < maxContent/1000 {
		return 6 * len(s)
	}
	b, _ := json.Marshal(s) // cannot fail: it is a string
	return len(b)
}

func (w *contentWriter) note(format string, args ...any) {
	w.join("\n[" + fmt.Sprintf(format, args...) + "]")
}

// data adds binary content, if its base64 encoding fits.
func (w *contentWriter) data(c sdk.Content, what string, bytes int) {
	size := base64.StdEncoding.EncodedLen(bytes)
	if size > w.room {
		w.note("%s of %d bytes is left out: there is no room for it in a message.", what, bytes)
		return
	}
	w.add(c, size)
}

func (w *contentWriter) image(p llm.Image) {
	data, mediaType := p.Data, p.MediaType
	if len(data) == 0 {
		var ok bool
		if data, mediaType, ok = readDataURL(p.URL); !ok {
			w.add(&sdk.ResourceLink{URI: p.URL, Name: "image"}, encoded(p.URL))
			return
		}
	}
	if mediaType == "" {
		mediaType = http.DetectContentType(data)
	}
	w.data(&sdk.ImageContent{Data: data, MIMEType: mediaType}, "An image", len(data))
}

// readDataURL decodes a data URL.
func readDataURL(address string) (data []byte, mediaType string, ok bool) {
	rest, ok := strings.CutPrefix(address, "data:")
	if !ok {
		return nil, "", false
	}
	head, body, ok := strings.Cut(rest, ",")
	mediaType, in64 := strings.CutSuffix(head, ";base64")
	if !ok || !in64 {
		return nil, "", false
	}
	data, err := base64.StdEncoding.DecodeString(body)
	return data, mediaType, err == nil
}

// audioTypes are the media types of formats whose names differ from the subtype.
var audioTypes = map[string]string{"mp3": "audio/mpeg", "": "audio/wav", "pcm16": "audio/pcm"}

func (w *contentWriter) audio(p llm.Audio) {
	if len(p.Data) > 0 {
		mediaType, ok := audioTypes[p.Format]
		if !ok {
			mediaType = "audio/" + p.Format
		}
		w.data(&sdk.AudioContent{Data: p.Data, MIMEType: mediaType}, "Audio", len(p.Data))
	}
	if p.Transcript != "" {
		w.text(p.Transcript)
	}
}

func (w *contentWriter) file(p llm.File) {
	if len(p.Data) == 0 {
		w.text(fmt.Sprintf("[The file %s%s]", p.Name, p.ID))
		return
	}
	mediaType := p.MediaType
	if mediaType == "" {
		mediaType = http.DetectContentType(p.Data)
	}
	w.data(&sdk.EmbeddedResource{Resource: &sdk.ResourceContents{
		URI:      "attachment:///" + url.PathEscape(cmp.Or(p.Name, "file")), // a name, not a location
		MIMEType: mediaType, Blob: p.Data,
	}}, "A file", len(p.Data))
}
