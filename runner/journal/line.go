package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"

	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// formatVersion is the version of the files that this package writes. The header has the
// same form in all versions.
const formatVersion = 1

// header is the first line of a file.
type header struct {
	Journal string `json:"journal"` // formatName
	Version int    `json:"version"`
	Session string `json:"session"`
}

const formatName = "toolloop"

// A line is an event's JSON with three more members: how many lines of the same append
// follow, how many bytes of the file were known to be on the disk at the time of writing,
// and a checksum of the line before the checksum.
const (
	leftMember   = `,"left":`
	syncedMember = `,"synced":`
	sumMember    = `,"sum":"`
	sumDigits    = 8
	sumLen       = len(sumMember) + sumDigits + len(`"}`)
)

// frame has the members of a line beside its event.
type frame struct {
	seq    int64
	left   int
	synced int64
}

func encodeHeader(session string) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(header{formatName, formatVersion, session}) // strings and a number can be written
	return seal(b.Bytes()[:b.Len()-len("}\n")])
}

// encodeAppend adds the lines of an append.
func encodeAppend(b []byte, synced int64, events []event.Event) ([]byte, error) {
	for i, e := range events {
		data, err := e.MarshalJSON()
		if err != nil {
			return nil, fmt.Errorf("event %d: %w", e.Seq, err)
		}
		start := len(b)
		b = append(append(b, data[:len(data)-len("}")]...), leftMember...)
		b = strconv.AppendInt(b, int64(len(events)-1-i), 10)
		b = append(b, syncedMember...)
		b = strconv.AppendInt(b, synced, 10)
		b = sealFrom(b, start)
	}
	return b, nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// seal closes an open object with its checksum and a line feed.
func seal(line []byte) []byte {
	return sealFrom(line, 0)
}

// sealFrom is seal for a line that begins at a place in b.
func sealFrom(b []byte, start int) []byte {
	text := b[start:]
	return append(appendSum(append(b, sumMember...), text), "\"}\n"...)
}

// appendSum appends the checksum of a text in hexadecimal digits.
func appendSum(b, text []byte) []byte {
	const digits = "0123456789abcdef"
	sum := crc32.Checksum(text, castagnoli)
	for shift := 4 * (sumDigits - 1); shift >= 0; shift -= 4 {
		b = append(b, digits[sum>>shift&0xf])
	}
	return b
}

// unseal returns the text before the checksum of a line without line feed. False means
// that the checksum is missing or wrong.
func unseal(line []byte) ([]byte, bool) {
	at := len(line) - sumLen
	if at < 0 || !bytes.HasPrefix(line[at:], []byte(sumMember)) || !bytes.HasSuffix(line, []byte(`"}`)) {
		return nil, false
	}
	var want [sumDigits]byte // a single spelling, so that no flipped bit goes unnoticed
	appendSum(want[:0], line[:at])
	return line[:at], string(line[at+len(sumMember):][:sumDigits]) == string(want[:])
}

var (
	errSum   = errors.New("the checksum does not match")
	errFrame = errors.New("this is not a line of a journal")
)

// parseHeader reads the first line, without its line feed.
func parseHeader(line []byte) (header, error) {
	if _, ok := unseal(line); !ok {
		return header{}, errSum
	}
	var h header
	if err := json.Unmarshal(line, &h); err != nil || h.Journal != formatName {
		return header{}, errFrame
	}
	return h, nil
}

// parseFrame reads a line, without its line feed.
func parseFrame(line []byte) (frame, error) {
	rest, ok := unseal(line)
	if !ok {
		return frame{}, errSum
	}
	at := bytes.LastIndex(rest, []byte(leftMember))
	if at < 0 {
		return frame{}, errFrame
	}
	left, synced, _ := bytes.Cut(rest[at+len(leftMember):], []byte(syncedMember))
	seq, _, _ := bytes.Cut(bytes.TrimPrefix(rest, []byte(`{"seq":`)), []byte(","))
	var f frame
	var err1, err2, err3 error
	f.seq, err1 = strconv.ParseInt(string(seq), 10, 64)
	f.left, err2 = strconv.Atoi(string(left))
	f.synced, err3 = strconv.ParseInt(string(synced), 10, 64)
	if err1 != nil || err2 != nil || err3 != nil || f.left < 0 {
		return frame{}, errFrame
	}
	return f, nil
}
