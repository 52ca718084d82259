// Package kill has no code but its tests: processes that run sessions are killed
// (SIGKILL), at every point before and after whatever they do, and at random
// moments, and others go on with the sessions.
package kill
