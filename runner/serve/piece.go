package serve

import "encoding/json"

// A kind is the kind of a piece.
type kind int

// The kinds of pieces. The comments name the members in use.
const (
	aUser       kind = iota // a message of the user: id, parts
	aStep                   // a turn begins: seq is its number in the message
	aStepEnd                // a turn has ended
	aText                   // more text: id, text
	aThought                // more reasoning: id, text
	aTextEnd                // of the text or reasoning id
	aFile                   // a picture of the model: text is its URL, name its media type
	aCall                   // the model writes a call: id, name
	aCallText               // more of its arguments: id, text
	aCallEnd                // the call is whole: id, name, data are its arguments, begun
	aCallLost               // the call that the model wrote does not count: id, name
	aQuestion               // the call waits for a person: id, name, seq, doubt
	anAnswer                // to aQuestion: id, denied, text is the reason
	aResult                 // of a call: id, data, text in a failure, denied
	aProgress               // of a call: id, data
	aRestart                // the texts since aStep do not count
	aPartial                // the texts since aStep, up to id, are a partial answer: seq is the number of the step
	aSaid                   // a message of the user in the middle of the answer: text
	anOutput                // the typed answer: data
	aHandoff                // to another agent: name
	aHelperText             // an answer of a helper: id, name is the helper's call, text
	aHelperEnd              // of a helper's run: id is the helper's call, end
	anEnd                   // of the run: end, data are the tokens
)

// An ending says how a run ended.
type ending int

const (
	finished ending = iota
	paused
	failed
)

// A piece is a change of the page. Every protocol has words for a piece.
type piece struct {
	kind   kind
	to     string // the id of the assistant's message
	past   bool   // to is not the message of the run
	agent  string // of a helper's piece
	reason string // of a denial, with a result
	id     string
	name   string
	text   string
	data   json.RawMessage
	parts  []userPart
	seq    int64 // of the event that asks, see aQuestion
	doubt  bool
	begun  bool // the text, or the call, is told in part
	again  bool // the call was told before
	isErr  bool
	denied bool
	end    ending
	// questions are all calls waiting for a person at the end of a run.
	questions []piece
	late      []string // calls that wait for a result
}

// A userPart is a text or a file of the user.
type userPart struct {
	text, url, mediaType, name string
}
