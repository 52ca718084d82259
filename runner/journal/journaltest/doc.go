// Package journaltest checks that a store keeps what package journal promises.
//
//	func TestStore(t *testing.T) {
//		journaltest.Test(t, func(t *testing.T) journaltest.Store {
//			dir := t.TempDir()
//			return journaltest.Store{Open: func() journal.Journal { return journal.Dir{Path: dir} }}
//		})
//	}
//
// It plays processes: each value that Open returns is one, and nothing that one
// knows in memory may be needed by another. What only a machine without power
// shows, that synced events are on a disk, a store has to test by itself.
package journaltest
