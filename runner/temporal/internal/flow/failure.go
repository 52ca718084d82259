package flow

import (
	"encoding/json"
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
