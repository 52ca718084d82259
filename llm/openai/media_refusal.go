package openai

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/llm"
)

var (
	// mediaText matches words for each kind of media.
	mediaText = map[string]*regexp.Regexp{
		"image": regexp.MustCompile(`(?i)\b(input_)?image(s|_url|_data)?\b|\bpictures?\b|\bvision\b|multi-?modal|\bmmproj\b|\bmtmd`),
		"audio": regexp.MustCompile(`(?i)\b(input_)?audio\b|multi-?modal`),
		"video": regexp.MustCompile(`(?i)\b(input_)?video(s|_url)?\b|multi-?modal`),
		"file":  regexp.MustCompile(`(?i)\b(input_)?files?\b|\bfile_(data|id)\b|\bpdfs?\b|\bdocuments?\b`),
	}
	// listText matches refusals of content that is not text, without a word about
	// the media.
	listText = regexp.MustCompile(`(?i)content\b.*(must be a string|(should|must) be a valid string|of type string)|invalid type: sequence, expected a string` +
		`|did not match any variant of untagged enum \w*content|(only|unsupported) .{0,30}content\W? (part )?types?\b|non-text content|text-only`)
	// noneText matches refusals of a whole kind of media.
	noneText = regexp.MustCompile(`(?i)not (supported|enabled|a (multi-?modal|vision) model|configured)|unsupported|(does not|doesn't|do not|cannot) (support|accept|handle|process)` +
		`|no endpoints found|unknown variant|expected .?text|only supported by certain models|at most 0 |requires? (a )?multi-?modal|mmproj`)
	// faultText matches complaints about one picture, sound, video or file.
	faultText = regexp.MustCompile(`(?i)format|media.?type|\bmime|dimension|resolution|pixel|too (large|big|small|many)|exceed|\bsize\b|decod|corrupt|download|fetch|\burls?\b|base64` +
		`|process (the )?(input )?image|load (the )?image|(in)?valid image|unsupported image|safety|policy`)

	// manyText matches complaints about too many media, so that the earlier media
	// are left out.
	manyText   = regexp.MustCompile(`(?i)(at most|maximum( number)? of|more than|up to|limit of) [1-9]\d* (input )?(images?|files?|audios?|videos?)|too many (images|files|audios|videos)`)
	fetchText  = regexp.MustCompile(`(?i)download|fetch|\burls?\b|https?:|timed? ?out`)
	weightText = regexp.MustCompile(`(?i)too (large|big)|exceed|dimension|\bsize\b|pixel|resolution`)
	placeText  = regexp.MustCompile(`(?:messages|input)[.\[](\d+)\]?(?:[.\[]content[.\[](\d+))?`)
)

// mediaKinds lists all kinds of media.
var mediaKinds = []string{"image", "audio", "video", "file"}

// maxReason limits the provider's words in a note.
const maxReason = 200

// A mediaRef is a media part for which the provider may have refused a request.
type mediaRef struct {
	part          llm.Part
	kind, content string
	message       int  // the index of its message
	answered      bool // the model has answered the message since
}

// refusedKinds returns the kinds of media in the provider's complaint.
func refusedKinds(e *llm.APIError) (kinds []string) {
	text := e.Message + "\n" + e.Param + "\n" + e.Code + "\n" + e.Type
	if strings.HasPrefix(e.Param, "tools") || strings.HasPrefix(e.Param, "response_format") {
		return nil
	}
	possible := invalid(e) || e.Kind == llm.KindNotFound && noneText.MatchString(text) || e.Kind == llm.KindContentFilter || e.Kind == llm.KindTooLarge
	if !possible {
		return nil
	}
	for _, kind := range mediaKinds {
		if mediaText[kind].MatchString(text) {
			kinds = append(kinds, kind)
		}
	}
	if kinds == nil && invalid(e) && listText.MatchString(text) {
		return mediaKinds
	}
	return kinds
}

// suspects lists the media of the given kinds in the request.
func (u *refusedMedia) suspects(messages []llm.Message, kinds []string) (all []mediaRef) {
	spoken, asked := -1, newest(messages)
	for i, m := range messages {
		if m.Role == llm.RoleAssistant {
			spoken = i
		}
	}
	for i, m := range messages {
		// After two user messages in a row, the request of the first failed.
		failed := m.Role == llm.RoleUser && i+1 < len(messages) && messages[i+1].Role == llm.RoleUser
		add := func(p llm.Part) {
			if kind := mediaKind(p); slices.Contains(kinds, kind) && (u == nil || i == asked || u.reason(p) == "") {
				all = append(all, mediaRef{p, kind, mediaValue(p), i, i < spoken && !failed})
			}
		}
		for _, p := range m.Parts {
			if result, ok := p.(llm.ToolResult); ok {
				for _, inner := range result.Parts {
					add(inner)
				}
			} else if m.Role != llm.RoleAssistant {
				add(p)
			}
		}
	}
	return all
}

// narrow returns the suspects for which f is true, or all if f is true for no
// suspect.
func narrow(all []mediaRef, f func(mediaRef) bool) []mediaRef {
	some := slices.DeleteFunc(slices.Clone(all), func(s mediaRef) bool { return !f(s) })
	if len(some) == 0 {
		return all
	}
	return some
}

// blamed returns the suspects that the refusal is about, judged by its words
// and by the media themselves.
func blamed(all []mediaRef, e *llm.APIError, sent body) []mediaRef {
	text := e.Message + "\n" + e.Param
	if named := sent.named(all, text); len(named) > 0 {
		return named
	}
	if manyText.MatchString(text) {
		return all
	}
	if fetchText.MatchString(text) {
		all = narrow(all, func(s mediaRef) bool { return strings.HasPrefix(s.content, "http") })
	}
	all = narrow(all, func(s mediaRef) bool { return !s.answered })
	all = narrow(all, func(s mediaRef) bool { return !readable(s.part) })
	if weightText.MatchString(text) && len(all) > 0 {
		heaviest := slices.MaxFunc(all, func(a, b mediaRef) int { return len(a.content) - len(b.content) })
		all = narrow(all, func(s mediaRef) bool { return s.content == heaviest.content })
	}
	return all
}

// named returns the suspects that the text names by URL or by place in the
// request.
func (b body) named(all []mediaRef, text string) (named []mediaRef) {
	if named = byURL(all, text); named != nil {
		return named
	}
	m := placeText.FindStringSubmatch(text)
	if m == nil {
		return nil
	}
	place := b.at(m[1], m[2])
	for _, s := range all {
		if place != nil && bytes.Contains(place, rawjson.AppendString(nil, s.content)) {
			named = append(named, s)
		}
	}
	return named
}

func byURL(all []mediaRef, text string) (named []mediaRef) {
	for _, s := range all {
		if strings.HasPrefix(s.content, "http") && strings.Contains(text, s.content) {
			named = append(named, s)
		}
	}
	return named
}

// at returns the JSON of a message or an item in the request, or of a part of
// its content.
func (b body) at(message, part string) []byte {
	all := slices.Concat(b...)
	list := rawjson.Member(all, "messages")
	if list == nil {
		list = rawjson.Member(all, "input")
	}
	found := element(list, message)
	if part != "" {
		found = element(rawjson.Member(found, "content"), part)
	}
	return found
}

// element returns the array element at an index in digits, or nil.
func element(list []byte, index string) []byte {
	n, err := strconv.Atoi(index)
	if err != nil {
		return nil
	}
	for v := range rawjson.Elements(list) {
		if n == 0 {
			return v
		}
		n--
	}
	return nil
}

// readable reports whether a picture begins like a format that all providers
// read.
func readable(p llm.Part) bool {
	image, ok := p.(llm.Image)
	if !ok || len(image.Data) == 0 {
		return true
	}
	found := http.DetectContentType(image.Data)
	return slices.Contains([]string{"image/png", "image/jpeg", "image/gif", "image/webp"}, found) &&
		(image.MediaType == "" || image.MediaType == found || image.MediaType == "image/jpg")
}

// A mediaRefusal is the consequence of a refusal.
type mediaRefusal struct {
	media  *refusedMedia // media left out from now on; nil means nothing new
	notice string        // text for a notice
	newest string        // media in the newest message that may be at fault; "" means none
	words  string        // the provider's words on one line
}

// judge finds the media that the provider has refused. Media in the newest
// message stay, and the author gets the error, unless earlier media are at
// fault.
func (u *refusedMedia) judge(messages []llm.Message, e *llm.APIError, sent body) (v mediaRefusal) {
	refusal, _, _ := strings.Cut(e.Message, " (POST ") // the provider's words, without ours
	text := refusal + "\n" + e.Param
	all := u.suspects(messages, refusedKinds(e))
	if len(all) == 0 && invalid(e) {
		all = byURL(u.suspects(messages, mediaKinds), text)
	}
	asked := newest(messages)
	var earlier []mediaRef
	for _, s := range all {
		if s.message != asked {
			earlier = append(earlier, s)
		} else if v.newest == "" {
			v.newest = s.String()
		}
	}
	v.words = clip.Bytes(strings.Join(strings.Fields(refusal), " "), maxReason)
	named := sent.named(all, text)
	switch {
	case len(earlier) == 0, len(named) > 0 && !slices.ContainsFunc(named, func(s mediaRef) bool { return s.message != asked }):
	case listText.MatchString(text), noneText.MatchString(text) && !faultText.MatchString(text):
		v.media, v.notice = u.withoutKinds(earlier, v.words)
	default:
		v.media, v.notice = u.withoutParts(blamed(earlier, e, sent), v.words)
	}
	return v
}

func (s mediaRef) String() string { return fmt.Sprintf("the %s of message %d", s.kind, s.message) }

// withoutKinds leaves out all media of the same kinds as these.
func (u *refusedMedia) withoutKinds(these []mediaRef, words string) (*refusedMedia, string) {
	kinds := map[string]string{}
	for _, s := range these {
		kinds[s.kind] = words
	}
	return u.with(kinds, map[string]string{}), "a note takes the place of each " + strings.Join(slices.Sorted(maps.Keys(kinds)), " and ") + " of earlier messages"
}

// withoutParts leaves out these parts.
func (u *refusedMedia) withoutParts(these []mediaRef, words string) (*refusedMedia, string) {
	parts := map[string]string{}
	var names []string
	for _, s := range these {
		parts[mediaDigest(s.part)] = words
		names = append(names, s.String())
	}
	return u.with(map[string]string{}, parts), "a note takes the place of " + strings.Join(slices.Compact(names), " and ")
}
