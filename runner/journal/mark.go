package journal

import (
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
	"strings"
)

// markExtension is the ending of the small file beside a session file. The small file
// says, in the form of a session line, how much of the session is known to be on the
// disk. It is written after the sync and not synced itself, so it is never ahead of the
// truth. After a crash it may be behind or missing.
const markExtension = ".synced"

func (l *fileLog) markPath() string { return l.path + markExtension }

// writeMark writes the synced position. A failure does no harm: an older position is
// still true.
func (l *fileLog) writeMark() {
	_ = l.files.write(l.markPath(), markText(l.synced))
}

// markText has the same length for all positions, so that a write replaces the old text.
func markText(n int64) []byte {
	text := fmt.Appendf(nil, "%020d", n)
	return fmt.Appendf(text, " %08x\n", crc32.Checksum(text, castagnoli))
}

// marked returns the written position. 0 means that there is no readable position.
func (l *fileLog) marked() int64 {
	in, err := l.files.read(l.markPath())
	if err != nil {
		return 0
	}
	defer in.Close()
	data, err := io.ReadAll(io.NewSectionReader(in, 0, 64))
	if err != nil {
		return 0
	}
	digits, _, _ := strings.Cut(string(data), " ")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || string(markText(n)) != string(data) {
		return 0
	}
	return n
}

// removeStaleMark removes the position of an earlier session of this name. Somebody has
// removed the file of the earlier session.
func (l *fileLog) removeStaleMark() {
	if l.marked() > 0 {
		_ = l.files.remove(l.markPath())
	}
}
