package event

// The general paths, without the coder.
var (
	Marshal   = Event.marshal
	Unmarshal = (*Event).unmarshal
)

// The fast paths. Write returns nil, and Read returns false, for what they do not know.
var (
	Write = Event.write
	Read  = (*Event).read
)
