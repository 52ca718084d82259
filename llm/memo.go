package llm

import "sync"

// A Memo carries encoded messages from the earlier requests of a conversation, so
// that a run of T turns costs O(T) of encoding instead of O(T²). The code that runs
// the conversation makes a Memo with new(Memo) and puts it into each request.
//
// The contract: a later request with the same Memo has the Messages of the earlier
// request, unchanged and in place, and perhaps new ones at the end. After an edit of
// the history, use a new Memo. A Memo is safe for concurrent use and must not be
// copied.
type Memo struct {
	mu    sync.Mutex
	first [2]memoSlot // most conversations have no other slots, and need no map
	slots map[any]any // the other slots
}

type memoSlot struct{ key, value any }

// Slot returns the value of the key. The first call for a key makes the value with
// make. The key is the client's own comparable value and names the client and its
// dialect. The value must be safe for concurrent use. On a nil Memo, each call of
// Slot calls make.
func (m *Memo) Slot(key any, make func() any) any {
	if m == nil {
		return make()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.first {
		s := &m.first[i]
		if s.key == nil && key != nil {
			s.key, s.value = key, make()
		}
		if s.key == key && key != nil {
			return s.value
		}
	}
	v, ok := m.slots[key]
	if !ok {
		v = make()
		if m.slots == nil {
			m.slots = map[any]any{}
		}
		m.slots[key] = v
	}
	return v
}
