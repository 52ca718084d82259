package journal

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
)

// stateExtension is the ending of the file beside a session file that holds the saved
// state: a line with the Seq, the length and a checksum, and the state. The file is written
// in place and not synced. After a crash it may hold a piece of a state, and is ignored.
const stateExtension = ".state"

func (l *fileLog) statePath() string { return l.path + stateExtension }

// stateHead has the same length for all states, so that a write replaces the old text.
func stateHead(seq int64, state []byte) []byte {
	return fmt.Appendf(nil, "%020d %020d %08x\n", seq, len(state), crc32.Checksum(state, castagnoli))
}

// LoadState implements the optional method of [Log].
func (l *fileLog) LoadState(ctx context.Context) (seq int64, state []byte, err error) {
	if err := context.Cause(ctx); err != nil {
		return 0, nil, err
	}
	in, err := l.files.read(l.statePath())
	if err != nil {
		return 0, nil, nil // there is none, or it cannot be read: the events are the truth
	}
	defer in.Close()
	size, err := in.size()
	if err != nil {
		return 0, nil, nil
	}
	data, err := io.ReadAll(io.NewSectionReader(in, 0, size))
	if err != nil {
		return 0, nil, nil
	}
	head, rest, _ := bytes.Cut(data, []byte("\n"))
	fields := bytes.Fields(head)
	if len(fields) != 3 {
		return 0, nil, nil
	}
	seq, err = strconv.ParseInt(string(fields[0]), 10, 64)
	length, lerr := strconv.Atoi(string(fields[1]))
	if err != nil || lerr != nil || length < 0 || length > len(rest) {
		return 0, nil, nil
	}
	if state = rest[:length]; string(stateHead(seq, state)) != string(head)+"\n" {
		return 0, nil, nil
	}
	return seq, state, nil
}

// SaveState implements the optional method of [Log].
func (l *fileLog) SaveState(ctx context.Context, seq int64, state []byte) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := context.Cause(l.ctx); err != nil {
		return err
	}
	if err := l.files.write(l.statePath(), append(stateHead(seq, state), state...)); err != nil {
		return &StoreError{Session: l.session, Seq: seq, Err: err}
	}
	return nil
}
