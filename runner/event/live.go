package event

// A Live is an ephemeral event, with the place of the event in its session. An engine whose
// runs are in other processes hands a Live out, for example by temporal.Worker.Watch, and a
// page shows the event before the store has the answer. The JSON of a Live passes from process
// to process. A Live can be late, lost or doubled on its way: After, Source and N say so.
type Live struct {
	Session string `json:"session"`
	// After is the Seq of the newest stored event when the work with the event began, such as
	// a request to a model. If the session has a later event, that work is over and stored.
	After int64 `json:"after"`
	// Source is a random name of the attempt at the work. A new attempt begins anew.
	Source string `json:"source"`
	// N counts the Lives of a Source, from 1 without a gap.
	N     int64 `json:"n"`
	Event Event `json:"event"`
}
