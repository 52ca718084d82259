package journal

import (
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
	"strings"
)

// markExtension is that of the file beside a session's, which says in the same form as
// the session's own lines how much of it is known to be on the disk. It is never ahead
// of the truth: it is written after the sync, and not synced itself. So it may be
// behind, after a crash, or not there, and then it says nothing.
const markExtension = ".synced"

func (l *fileLog) markPath() string { return l.path + markExtension }

// mark writes down how much is on the disk. That this fails is no harm.
func (l *fileLog) mark() {
	_ = l.files.write(l.markPath(), markText(l.synced))
}

// markText has one length for all positions, so that it replaces what was there.
func markText(n int64) []byte {
	text := fmt.Appendf(nil, "%020d", n)
	return fmt.Appendf(text, " %08x\n", crc32.Checksum(text, castagnoli))
}

// marked is what was written down; 0: nothing that can be read.
func (l *fileLog) marked() int64 {
	in, err := l.files.read(l.markPath())
	if err != nil {
		return 0
	}
	defer in.Close()
	data, err := io.ReadAll(io.LimitReader(in, 64))
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

// forget removes what was written down of an earlier session of this name, whose file
// somebody has removed.
func (l *fileLog) forget() {
	if l.marked() > 0 {
		_ = l.files.remove(l.markPath())
	}
}
