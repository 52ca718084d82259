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
	toolName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)
	noLetter = regexp.MustCompile(`[^a-zA-Z0-9_-]+`)
)

// wire returns the id as the provider takes it: as it is if it may be, or else
// one that depends on nothing but it, so that a call and its result agree, in
// this request and in all later ones.
func (c CallIDs) wire(id string) string {
	switch {
	case c == CallIDsShort && utf8.RuneCountInString(id) > 40, c == CallIDs40 && !fortyID.MatchString(id):
		return "call_" + digest(id, 24)
	case c == CallIDsNine && !nineID.MatchString(id):
		return digest(id, 9)
	}
	return id
}

// digest returns n letters and digits that stand for text.
func digest(text string, n int) string {
	sum := sha256.Sum256([]byte(text))
	d := strings.Repeat("0", n) + new(big.Int).SetBytes(sum[:]).Text(62)
	return d[len(d)-n:] // the first ones are not evenly spread
}

// wireName returns the name of a called tool in letters that providers take: a
// model may have made one up, and a history with it would be refused for ever.
func wireName(name string) string {
	if toolName.MatchString(name) {
		return name
	}
	fit := noLetter.ReplaceAllString(name, "_")
	if len(fit) > 0 && len(fit) <= 64 {
		return fit
	}
	sum := sha256.Sum256([]byte(name))
	return fit[:min(len(fit), 55)] + "_" + hex.EncodeToString(sum[:4]) // from the end two could become one
}
