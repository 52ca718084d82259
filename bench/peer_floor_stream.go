package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"strings"
)

// readStream reads a streamed answer. text, if not nil, takes the text out of usual
// chunks without a parser.
func readStream(body io.Reader, text func(data []byte) (piece []byte, ok bool)) (m floorMessage, err error) {
	m.Role = "assistant"
	var content strings.Builder
	var arguments []strings.Builder
	lines := bufio.NewReaderSize(body, 16<<10)
	for {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			return m, err
		}
		data, ok := bytes.CutPrefix(line, []byte("data: "))
		if !ok {
			continue
		}
		if bytes.HasPrefix(data, []byte("[DONE]")) {
			break
		}
		if text != nil {
			if piece, ok := text(data); ok {
				content.Write(piece)
				continue
			}
		}
		var chunk floorResponse
		if err := json.Unmarshal(data, &chunk); err != nil {
			return m, err
		}
		if len(chunk.Choices) > 0 {
			delta := chunk.Choices[0].Delta
			content.WriteString(delta.Content)
			arguments = addCalls(&m, arguments, delta.ToolCalls)
		}
	}
	m.Content = content.String()
	for i := range arguments {
		m.ToolCalls[i].Function.Arguments = arguments[i].String()
	}
	_, err = io.Copy(io.Discard, lines) // the end lets the connection be used again
	return m, err
}

func addCalls(m *floorMessage, arguments []strings.Builder, calls []floorCall) []strings.Builder {
	for _, call := range calls {
		for len(m.ToolCalls) <= call.Index {
			m.ToolCalls = append(m.ToolCalls, floorCall{})
			arguments = append(arguments, strings.Builder{})
		}
		arguments[call.Index].WriteString(call.Function.Arguments)
		if call.ID != "" {
			at := call.Index
			call.Index = 0
			m.ToolCalls[at] = call
		}
	}
	return arguments
}
