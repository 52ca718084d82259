package openai

import (
	"crypto/sha256"
	"encoding/hex"
	"math/big"
	"regexp"
	"strings"
	"unicode/utf8"
)

var (
	fortyID  = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,40}$`)
	nineID   = regexp.MustCompile(`^[a-zA-Z0-9]{9}$`)
	noLetter = regexp.MustCompile(`[^a-zA-Z0-9_-]+`)
)

// wire returns an id that the provider takes: id itself if allowed, else an id
// that depends only on id. So a call and its result agree, in this request and
// in all later requests.
func (c CallIDs) wire(id string) string {
	switch {
	case c == CallIDsShort && utf8.RuneCountInString(id) > 40, c == CallIDs40 && !fortyID.MatchString(id):
		return "call_" + digest(id, 24)
	case c == CallIDsNine && !nineID.MatchString(id):
		return digest(id, 9)
	}
	return id
}

// digest returns n letters and digits that identify text.
func digest(text string, n int) string {
	sum := sha256.Sum256([]byte(text))
	d := strings.Repeat("0", n) + new(big.Int).SetBytes(sum[:]).Text(62)
	return d[len(d)-n:] // the first digits are not evenly distributed
}

// isToolName reports whether a name has 1 to 64 letters, digits, underscores and hyphens.
func isToolName(name string) bool {
	for _, c := range []byte(name) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return 0 < len(name) && len(name) <= 64
}

// wireName returns the name of a called tool in letters that providers take. A
// model may have made up a name, and providers would refuse every later request
// with that name.
func wireName(name string) string {
	if isToolName(name) {
		return name
	}
	fit := noLetter.ReplaceAllString(name, "_")
	if len(fit) > 0 && len(fit) <= 64 {
		return fit
	}
	sum := sha256.Sum256([]byte(name))
	return fit[:min(len(fit), 55)] + "_" + hex.EncodeToString(sum[:4]) // without the digest, two names could become the same
}
