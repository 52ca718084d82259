// Package stores has no code but its tests, of sessions in every store that there
// is: processes that run them are killed (SIGKILL) at every point before and after
// whatever they do, and at random moments, and others go on with the sessions;
// and what it costs to keep them.
package stores
