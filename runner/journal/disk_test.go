package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
)

// NewDir is a Dir on a disk of the tests.
func NewDir(path string, d *Disk) Dir { return Dir{Path: path, system: d} }

// Disk is a file system in memory that knows what of it is durable. What
// processes see is the cache; what Crash leaves is what was synced, and of the
// rest what the test wants.
type Disk struct {
	// Before is asked before everything that changes or syncs something. Its
	// error is that of the operation, which is not done. May be nil.
	Before func(op string) error

	marks   map[string]string // small files
	names   map[string]*inode // as processes see them
	durable map[string]*inode
	changed map[string][]func(map[string]*inode) // by directory: changes of names that are not synced
}

type inode struct {
	dir    bool
	locked bool
	cache  []byte // as processes see it
	disk   []byte
	dirty  []change // not synced, in order
}

// change is a write, or a truncation where data is nil.
type change struct {
	at   int64
	data []byte
}

func (c change) apply(b []byte) []byte {
	if c.data == nil {
		return resize(b, int(c.at))
	}
	b = resize(b, max(len(b), int(c.at)+len(c.data)))
	copy(b[c.at:], c.data)
	return b
}

func resize(b []byte, n int) []byte {
	if n <= len(b) {
		return bytes.Clone(b[:n])
	}
	return append(bytes.Clone(b), make([]byte, n-len(b))...)
}

// NewDisk returns a disk with nothing but a root.
func NewDisk() *Disk {
	root := map[string]*inode{"/": {dir: true}}
	return &Disk{marks: map[string]string{}, names: maps.Clone(root), durable: root, changed: map[string][]func(map[string]*inode){}}
}

func (d *Disk) before(op string) error {
	if d.Before == nil {
		return nil
	}
	return d.Before(op)
}

// A Survival says what a crash leaves of what was not synced.
type Survival struct {
	Names  bool // new and removed names
	Bytes  int  // so many bytes of data, in the order in which they were written; a truncation counts for one
	Size   bool // and the size is that after all of it: zeros stand for the rest
	Blocks func(block int) bool
}

// block is the size of what the disk writes at once where Survival.Blocks
// decides. Small, so that there are many.
const block = 64

// Unsynced is how much of the files' data is not synced, as Survival.Bytes counts.
func (d *Disk) Unsynced() int {
	n := 0
	for _, i := range d.names {
		for _, c := range i.dirty {
			n += max(1, len(c.data))
		}
	}
	return n
}

// Renamed says whether there are names that are not synced.
func (d *Disk) Renamed() bool { return len(d.changed) > 0 }

// Crash returns the disk as it is found after a crash of the machine.
func (d *Disk) Crash(s Survival) *Disk {
	names := maps.Clone(d.durable)
	if s.Names {
		for _, changes := range d.changed {
			for _, change := range changes {
				change(names)
			}
		}
	}
	after := NewDisk()
	after.marks = maps.Clone(d.marks)
	for name, i := range names {
		if !reachable(names, name) {
			continue
		}
		b := i.survivor(s)
		after.names[name] = &inode{dir: i.dir, cache: b, disk: bytes.Clone(b)}
	}
	after.durable = maps.Clone(after.names)
	return after
}

// reachable says whether a name and all directories above it are there.
func reachable(names map[string]*inode, name string) bool {
	for ; name != "/"; name = path.Dir(name) {
		if names[name] == nil {
			return false
		}
	}
	return true
}

func (i *inode) survivor(s Survival) []byte {
	size := len(i.cache)
	if s.Blocks != nil { // in any order
		b := resize(i.disk, size)
		for at := 0; at < size; at += block {
			if s.Blocks(at / block) {
				copy(b[at:], i.cache[at:min(at+block, size)])
			}
		}
		return b
	}
	b, left := bytes.Clone(i.disk), s.Bytes
	for _, c := range i.dirty {
		n := max(1, len(c.data))
		if left < n && c.data != nil {
			c.data = c.data[:left]
		}
		if left > 0 {
			b = c.apply(b)
		}
		left = max(0, left-n)
	}
	if s.Size {
		b = resize(b, size)
	}
	return b
}

func (d *Disk) rename(dir string, change func(map[string]*inode)) {
	change(d.names)
	d.changed[dir] = append(d.changed[dir], change)
}

func (d *Disk) open(name string) (_ file, made bool, _ error) {
	if i, ok := d.names[name]; ok {
		return &diskFile{disk: d, inode: i}, false, nil
	}
	if _, ok := d.names[path.Dir(name)]; !ok {
		return nil, false, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	if err := d.before("create"); err != nil {
		return nil, false, err
	}
	i := new(inode)
	d.rename(path.Dir(name), func(m map[string]*inode) { m[name] = i })
	return &diskFile{disk: d, inode: i}, true, nil
}

// write changes a mark. What a crash leaves of it is all of it, at once: that is the
// worst for a mark, which must not be ahead of what it is about.
func (d *Disk) write(name string, data []byte) error {
	d.marks[name] = string(data)
	return nil
}

type openedText struct{ *bytes.Reader }

func (openedText) Close() error           { return nil }
func (t openedText) size() (int64, error) { return t.Size(), nil }

func (d *Disk) read(name string) (readFile, error) {
	if m, ok := d.marks[name]; ok {
		return openedText{bytes.NewReader([]byte(m))}, nil
	}
	i, ok := d.names[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return openedText{bytes.NewReader(i.cache)}, nil
}

func (d *Disk) list(dir string) ([]string, error) {
	var names []string
	for name := range d.names {
		if path.Dir(name) == dir {
			names = append(names, path.Base(name))
		}
	}
	slices.Sort(names)
	return names, nil
}

func (d *Disk) mkdir(dir string) error {
	if _, ok := d.names[dir]; ok {
		return fs.ErrExist
	}
	if _, ok := d.names[path.Dir(dir)]; !ok {
		return fs.ErrNotExist
	}
	if err := d.before("mkdir"); err != nil {
		return err
	}
	i := &inode{dir: true}
	d.rename(path.Dir(dir), func(m map[string]*inode) { m[dir] = i })
	return nil
}

func (d *Disk) remove(name string) error {
	if _, ok := d.marks[name]; ok {
		delete(d.marks, name)
		return nil
	}
	if err := d.before("remove"); err != nil {
		return err
	}
	d.rename(path.Dir(name), func(m map[string]*inode) { delete(m, name) })
	return nil
}

func (d *Disk) syncDir(dir string) error {
	if err := d.before("syncDir"); errors.Is(err, ErrIgnored) {
		return nil
	} else if err != nil {
		return err
	}
	for _, change := range d.changed[dir] {
		change(d.durable)
	}
	delete(d.changed, dir)
	return nil
}

type diskFile struct {
	disk   *Disk
	inode  *inode
	locked bool
}

func (f *diskFile) ReadAt(b []byte, at int64) (int, error) {
	return bytes.NewReader(f.inode.cache).ReadAt(b, at)
}

// ErrShort is what Before returns to let half of a write through.
var ErrShort = errors.New("no space left on device")

func (f *diskFile) WriteAt(b []byte, at int64) (int, error) {
	err := f.disk.before("write")
	if errors.Is(err, ErrShort) {
		b = b[:len(b)/2]
	} else if err != nil {
		return 0, err
	}
	f.change(change{at, append([]byte{}, b...)})
	return len(b), err
}

func (f *diskFile) Truncate(size int64) error {
	if err := f.disk.before("truncate"); err != nil {
		return err
	}
	f.change(change{size, nil})
	return nil
}

func (f *diskFile) change(c change) {
	f.inode.cache = c.apply(f.inode.cache)
	f.inode.dirty = append(f.inode.dirty, c)
}

// ErrSync is what Before returns to let a sync fail as disks do: what was not
// written is taken for written from now on. ErrIgnored lets it do nothing.
var (
	ErrSync    = errors.New("input/output error")
	ErrIgnored = errors.New("ignored")
)

func (f *diskFile) Sync() error {
	err := f.disk.before("sync")
	if errors.Is(err, ErrIgnored) {
		return nil
	}
	if err == nil {
		for _, c := range f.inode.dirty {
			f.inode.disk = c.apply(f.inode.disk)
		}
	}
	if err == nil || errors.Is(err, ErrSync) {
		f.inode.dirty = nil
	}
	return err
}

func (f *diskFile) Close() error {
	if f.locked {
		f.inode.locked, f.locked = false, false
	}
	return nil
}

func (f *diskFile) size() (int64, error) { return int64(len(f.inode.cache)), nil }

func (f *diskFile) lock() (bool, error) {
	if f.inode.locked {
		return false, nil
	}
	f.inode.locked, f.locked = true, true
	return true, nil
}

func (f *diskFile) isAt(name string) bool { return f.disk.names[name] == f.inode }

// FileOf is the path of a session's file.
func FileOf(dir, session string) string { return fmt.Sprintf("%s/%s", dir, fileName(session)) }

// Flip changes one bit of a file, on the disk and in the cache.
func (d *Disk) Flip(name string, bit int) {
	d.names[name].cache[bit/8] ^= 1 << (bit % 8)
	d.names[name].disk = bytes.Clone(d.names[name].cache)
}

// Restore gives a file its bytes back.
func (d *Disk) Restore(name string, b []byte) {
	d.names[name].cache, d.names[name].disk = bytes.Clone(b), bytes.Clone(b)
}

// Bytes are those of a file.
func (d *Disk) Bytes(name string) []byte { return bytes.Clone(d.names[name].cache) }

// Seal ends a line of a file.
func Seal(line string) string { return string(seal([]byte(line))) }
