package sample

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"

	"github.com/seed-916e8f6a/toolloop/tool"
)

const maxTries = 50 // documents made before the generator gives up

// Document makes a JSON document that fits a schema and passes check. The same
// seed and name always give the same document.
func Document(seed uint64, name string, schemaText json.RawMessage, check func(string) error) (json.RawMessage, error) {
	root, err := readJSON(schemaText)
	if err != nil {
		return nil, fmt.Errorf("its schema: %w", err)
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	r := rand.New(rand.NewPCG(seed, h.Sum64()))
	for try := range maxTries {
		// An author's example may contradict the author's schema.
		g := &generator{rand: r, root: root, noExamples: try >= maxTries/2}
		var v any
		if v, err = g.value(root, place{}); err != nil {
			continue
		}
		var text json.RawMessage
		if text, err = writeJSON(v); err != nil {
			return nil, err
		}
		if err = check(string(text)); err == nil {
			return text, nil
		}
	}
	return nil, fmt.Errorf("nothing that fits its schema was found in %d tries; the last: %w", maxTries, err)
}

func writeJSON(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// Check returns a check for [Document]: validation against the schema of an object,
// as tools validate their arguments. For a schema that no tool can have, the check
// accepts every document.
func Check(schemaText json.RawMessage) func(string) error {
	t, err := tool.NewRaw("document", "", schemaText, func(context.Context, json.RawMessage) (string, error) { return "", nil })
	if err != nil {
		return func(string) error { return nil }
	}
	return func(text string) error { return Accept(t, text) }
}

// Accept returns an error if a tool refuses or repairs the arguments.
func Accept(t tool.Tool, arguments string) error {
	_, repairs, err := t.Parse(arguments)
	if err == nil && len(repairs) > 0 {
		return errors.New(repairs[0])
	}
	return err
}
