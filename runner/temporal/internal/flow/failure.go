package flow

import (
	"encoding/json"
	"slices"
	"time"
)

// Kinds of failures for the workflow.
const (
	KindLimit  = "limit"
	KindPaused = "paused"

	CauseCanceled = "canceled"
	CauseDeadline = "deadline"
)

// Canceled returns the failure of a canceled run.
func Canceled() *Failure {
	return &Failure{Text: "context canceled", Cause: CauseCanceled}
}

// TimeOver returns the failure of a run whose time was over, with the text of package runner.
func TimeOver(max time.Duration) *Failure {
	data, _ := json.Marshal(map[string]any{"Limit": "run_time", "Max": int64(max)}) // cannot fail
	return &Failure{Text: "limit of " + max.String() + " for a run reached (RunTimeout)", Kind: KindLimit, Data: data}
}

// kept returns the last ends, as many as the next execution may have. The log has the whole of
// each error.
func kept(ends []End) []End {
	last := &ends[len(ends)-1]
	if f := last.Failure; f != nil && len(f.Data) > maxData {
		last.Failure = &Failure{Text: f.Text, Cause: f.Cause, Kind: f.Kind}
	}
	from, bytes := len(ends), 0
	for ; from > 0 && len(ends)-from < maxEnds; from-- {
		raw, _ := json.Marshal(ends[from-1]) // cannot fail: Data came as JSON
		if bytes += len(raw); bytes > maxKept {
			break
		}
	}
	return slices.Delete(ends, 0, from)
}
