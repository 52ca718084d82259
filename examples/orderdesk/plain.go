package main

import (
	"errors"
	"fmt"
	"net"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// plain replaces errors about unusable databases by one clear sentence. Other
// errors, such as errors of the provider, stay as they are.
func plain(err error) error {
	if _, is := errors.AsType[*llm.APIError](err); is {
		return err
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return errors.New(e.Message)
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return fmt.Errorf("there is no host %s", e.Name)
	}
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "dial" {
		return fmt.Errorf("no server responds at %v: %w", e.Addr, innermost(e))
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		if words, known := sqliteWords[e.Code()&0xff]; known {
			return errors.New(words)
		}
	}
	return err
}

// sqliteWords are texts for codes of https://www.sqlite.org/rescode.html.
var sqliteWords = map[int]string{
	5:  "the file is locked by another program",
	8:  "the file cannot be written to",
	10: "the disk fails",
	11: "the file is damaged",
	13: "the disk is full",
	14: "the file cannot be opened: does its directory exist, and is it writable?",
	26: "the file is not an SQLite database",
}

func innermost(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
