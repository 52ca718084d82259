package loop

import (
	"crypto/sha256"
	"encoding/json"
	"slices"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// maxKeys bounds the keys of a session: the first, which usually began the
// session, and the newest.
const maxKeys = 1000

// A saidKey is a key of the caller, with the messages of the key.
type saidKey struct {
	name string
	hash [sha256.Size]byte // of the messages
	run  int               // the run with the messages; 0: the messages wait
	done int               // the first run that finished after that; 0: none
}

// takeKey notes the key of a message. Messages with the same key follow each other.
func (s *State) takeKey(b event.UserMessaged) {
	if b.Key == "" {
		return
	}
	keys := slices.Clone(s.keys) // a copy of the state may share the list
	n := len(keys)
	if n == 0 || keys[n-1].name != b.Key {
		if n == maxKeys {
			keys = slices.Delete(keys, 1, 2)
		}
		keys = append(keys, saidKey{name: b.Key})
		n = len(keys)
	}
	last := &keys[n-1]
	last.hash = chain(last.hash, b.Message)
	if !b.Said {
		last.run = s.Run
	}
	s.keys = keys
}

// landKeys notes that the run reads the messages that have waited.
func (s *State) landKeys() {
	s.markKeys(func(k *saidKey) *int { return &k.run })
}

// finishKeys notes the end of the run with the keys of the messages in its history.
func (s *State) finishKeys() {
	s.markKeys(func(k *saidKey) *int {
		if k.run == 0 {
			return nil
		}
		return &k.done
	})
}

// markKeys sets a field of the keys to the number of the run, where the field is 0.
func (s *State) markKeys(field func(*saidKey) *int) {
	cloned := false
	for i := range s.keys {
		if f := field(&s.keys[i]); f == nil || *f != 0 {
			continue
		}
		if !cloned {
			s.keys, cloned = slices.Clone(s.keys), true
		}
		*field(&s.keys[i]) = s.Run
	}
}

// Once reports the fate of the messages of a key. known means that the session remembers
// the key, and same that the messages are equal. finished is
// the first run that finished after it had read the messages, or 0.
func (s *State) Once(key string, messages []llm.Message) (finished int, known, same bool) {
	i := slices.IndexFunc(s.keys, func(k saidKey) bool { return k.name == key })
	if i < 0 {
		return 0, false, false
	}
	var hash [sha256.Size]byte
	for _, m := range messages {
		hash = chain(hash, m)
	}
	return s.keys[i].done, true, hash == s.keys[i].hash
}

// chain adds a message to a hash of messages.
func chain(hash [sha256.Size]byte, m llm.Message) [sha256.Size]byte {
	data, _ := json.Marshal(m) // a message of an event was written as JSON before
	return sha256.Sum256(append(hash[:], data...))
}
