package llm_test

import (
	"encoding/json"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// A user sends a picture and a document beside the question.
func ExampleUser_files() {
	png := []byte("\x89PNG\r\n\x1a\n…")
	m := llm.User("Does the invoice show this chair?",
		llm.Image{Data: png}, // or llm.Image{URL: "https://example.com/chair.png"}
		llm.File{Name: "invoice.pdf", MediaType: "application/pdf", Data: []byte("%PDF-1.7 …")})
	data, err := json.Marshal(m.Parts[1:])
	fmt.Println(string(data), err)
	// Output:
	// [{"type":"image","data":"iVBORw0KGgrigKY="},{"type":"file","name":"invoice.pdf","data":"JVBERi0xLjcg4oCm","media_type":"application/pdf"}] <nil>
}
