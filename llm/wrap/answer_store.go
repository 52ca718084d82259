package wrap

import (
	"bytes"
	"cmp"
	"container/list"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// cacheKey returns the name of all requests equal to req, for a model.
func cacheKey(model string, req *llm.Request) (string, error) {
	own := *req
	own.Memo, own.Stream = nil, false
	text, err := json.Marshal(struct { // a change of the form of answers changes Version
		Version int
		Model   string
		Request *llm.Request
	}{1, model, &own})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// keptAnswer is an [llm.Response] without what its request has cost: Usage, RawUsage and
// RateLimits.
type keptAnswer struct {
	ID        string       `json:"id,omitempty"`
	RequestID string       `json:"request_id,omitempty"`
	Model     string       `json:"model,omitempty"`
	Message   llm.Message  `json:"message"`
	Finish    llm.Finish   `json:"finish"`
	LogProbs  string       `json:"log_probs,omitempty"` // a string keeps the bytes
	Extra     []llm.Member `json:"extra,omitempty"`
}

func encodeAnswer(r *llm.Response) ([]byte, error) {
	return json.Marshal(keptAnswer{
		ID: r.ID, RequestID: r.RequestID, Model: r.Model, Message: r.Message, Finish: r.Finish, LogProbs: string(r.LogProbs), Extra: r.Extra,
	})
}

func decodeAnswer(answer []byte) (*llm.Response, error) {
	var k keptAnswer
	if err := json.Unmarshal(answer, &k); err != nil {
		return nil, err
	}
	r := &llm.Response{ID: k.ID, RequestID: k.RequestID, Model: k.Model, Message: k.Message, Finish: k.Finish, Extra: k.Extra}
	if k.LogProbs != "" {
		r.LogProbs = json.RawMessage(k.LogProbs)
	}
	return r, nil
}

// A memoryStore is an [answerStore] of bounded size.
type memoryStore struct {
	maxAge time.Duration // 0: without end
	most   int           // -1: no bound

	mu    sync.Mutex
	byKey map[string]*list.Element
	used  *list.List // of *memoryAnswer, the last used first
}

type memoryAnswer struct {
	key    string
	at     time.Time
	answer []byte
}

func newMemoryStore(maxAge time.Duration, most int) *memoryStore {
	return &memoryStore{maxAge: maxAge, most: most, byKey: map[string]*list.Element{}, used: list.New()}
}

func (s *memoryStore) get(key string, now time.Time) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.byKey[key]
	if e == nil || isOld(s.maxAge, e.Value.(*memoryAnswer).at, now) {
		return nil
	}
	s.used.MoveToFront(e)
	return e.Value.(*memoryAnswer).answer
}

func (s *memoryStore) put(key string, now time.Time, answer []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.byKey[key]; e != nil {
		s.used.Remove(e)
	}
	s.byKey[key] = s.used.PushFront(&memoryAnswer{key: key, at: now, answer: answer})
	if s.most >= 0 && s.used.Len() > s.most {
		delete(s.byKey, s.used.Remove(s.used.Back()).(*memoryAnswer).key)
	}
	return nil
}

func isOld(maxAge time.Duration, at, now time.Time) bool {
	return maxAge > 0 && now.Sub(at) >= maxAge
}

// A dirStore is an [answerStore] with a file for each answer: a line with the checksum and
// the time, then the answer.
type dirStore struct {
	dir    string
	maxAge time.Duration
}

// fileHead is the first line of a file.
type fileHead struct {
	Sum string    `json:"sha256"` // of the answer
	At  time.Time `json:"at"`
}

func newDirStore(dir string, maxAge time.Duration) (*dirStore, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("wrap: Cache.Dir: %w", err)
	}
	return &dirStore{dir: dir, maxAge: maxAge}, nil
}

func (s *dirStore) file(key string) string { return filepath.Join(s.dir, key+".answer") }

func (s *dirStore) get(key string, now time.Time) []byte {
	text, err := os.ReadFile(s.file(key))
	if err != nil {
		return nil
	}
	line, answer, _ := bytes.Cut(text, []byte("\n"))
	var head fileHead
	if json.Unmarshal(line, &head) != nil || head.Sum != checksum(answer) || isOld(s.maxAge, head.At, now) {
		return nil
	}
	return answer
}

func (s *dirStore) put(key string, now time.Time, answer []byte) error {
	head, err := json.Marshal(fileHead{Sum: checksum(answer), At: now.UTC()})
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(s.dir, key+".*.tmp")
	if err != nil {
		return err
	}
	_, err = f.Write(append(append(head, '\n'), answer...))
	if err = cmp.Or(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), s.file(key))
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

func checksum(answer []byte) string {
	sum := sha256.Sum256(answer)
	return hex.EncodeToString(sum[:])
}
