package invoke

// A new goroutine has a stack of 2 KB. Every call of a tool needs more: the stack then grows
// twice, and each time package runtime walks and adjusts all frames. This is a quarter of
// the time of a short call. growStack lets the stack grow once, while it has two frames.

// growStack makes room for the usual call on the stack of a new goroutine.
//
//go:noinline
func growStack() byte {
	var room [5 << 10]byte
	return room[len(room)-1-int(touched(&room))]
}

// touched keeps the room on the stack.
//
//go:noinline
func touched(room *[5 << 10]byte) byte { return room[0] }
