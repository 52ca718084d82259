package openai

import (
	"reflect"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// This file gives the sink the texts of usual chunks. A Delta is an interface, and Go
// allocates for each struct in an interface. The texts of the chunks that came with one
// read therefore go into one array: package reflect can make interfaces that point into
// an array that nobody can change, and so n deltas cost one allocation. The runner takes
// texts without a Delta around each; see package batched. No delta waits: the sink gets all
// texts before the next read.

// maxTogether is the number of deltas in one array.
const maxTogether = 16

// A usualReader reads usual chunks.
type usualReader interface {
	hasShape() bool
	usual(e event) (text string, ok bool)
	emitTexts(texts []string) error
}

// readUsual reads the usual chunks that stand in memory, up to any other event.
func readUsual(a usualReader, events *eventReader) error {
	for n := maxTogether; n == maxTogether && a.hasShape(); {
		for n = 0; n < maxTogether; n++ {
			e, size := events.inMemory()
			if size == 0 {
				break
			}
			text, ok := a.usual(e)
			if !ok {
				break
			}
			events.skip(size)
			events.texts[n] = text
		}
		if err := a.emitTexts(events.texts[:n]); err != nil {
			return err
		}
	}
	return nil
}

// readUsualEvent reads an event, and reports whether the event was a usual chunk.
func readUsualEvent(a usualReader, events *eventReader, e event) (usual bool, err error) {
	text, usual := a.usual(e)
	if !usual {
		return false, nil
	}
	events.texts[0] = text
	return true, a.emitTexts(events.texts[:1])
}

// emitTexts emits texts of the shape's target.
func (a *completion) emitTexts(texts []string) error {
	switch a.shape.target {
	case contentTarget:
		if a.batches && len(texts) > 0 {
			return a.emit(a.batch.Of(texts))
		}
		return emitTogether[llm.TextDelta](texts, a.emit)
	case thinkingTarget:
		return emitTogether[llm.ReasoningDelta](texts, a.emit)
	}
	for _, text := range texts {
		if err := a.emit(llm.CallDelta{Index: a.calls.byIndex[a.shape.name].position, Arguments: text}); err != nil {
			return err
		}
	}
	return nil
}

// minTogether is the number of deltas from which the array pays.
const minTogether = 4

func emitTogether[D llm.TextDelta | llm.ReasoningDelta](texts []string, emit func(llm.Delta) error) error {
	if len(texts) < minTogether {
		for _, text := range texts {
			if err := emit(any(D(struct{ Text string }{text})).(llm.Delta)); err != nil {
				return err
			}
		}
		return nil
	}
	var deltas [maxTogether]D
	for i, text := range texts {
		deltas[i] = D(struct{ Text string }{text})
	}
	array := reflect.ValueOf(deltas)
	for i := range texts {
		if err := emit(array.Index(i).Interface().(llm.Delta)); err != nil {
			return err
		}
	}
	return nil
}
