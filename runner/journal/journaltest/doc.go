// Package journaltest checks that a store keeps the rules of package journal.
//
//	func TestStore(t *testing.T) {
//		journaltest.Test(t, func(t *testing.T) journaltest.Store {
//			dir := t.TempDir()
//			return journaltest.Store{Open: func() journal.Journal { return journal.Dir{Path: dir} }}
//		})
//	}
//
// Each value that Store.Open returns stands for a process: two journals of the same Store
// must share nothing but the storage. The checks cannot switch off a machine: test yourself that
// synced events are on the disk.
package journaltest
