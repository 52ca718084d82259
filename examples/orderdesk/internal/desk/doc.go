// Package desk is the back office of a shop: users, products and orders in a
// database, and the tools with which an agent works on them.
//
//	d, err := desk.Open(ctx, "desk.db") // or "postgres://…"
//	…
//	r := runner.Runner{Journal: d.Journal()}
//	result, err := r.Session("request-1").Run(ctx, d.Agent(model), runner.Say(llm.User("…")))
//
// # What to copy
//
// A tool that changes something is one transaction (change.go). The call's
// idempotency key is claimed at its beginning and the result kept at its end, so
// a call that is made again, because its process died before the answer was
// recorded, finds what it did and answers the same. The conversations are in the
// same database, in tables of their own.
//
// Money is whole cents ([Cents]), in Go and in the database. Lists have a
// position in the database, since the order of rows is part of the answer.
//
// What the desk refuses is a [Refusal], which the model reads. All other errors
// are hidden from it: they are about the database.
package desk
