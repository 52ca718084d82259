package tool

import "encoding/json"

// StrictForm is strictForm of a schema that holds no more than it shows.
func StrictForm(wire json.RawMessage) (json.RawMessage, error) { return strictForm(wire, nil) }
