package mcp

import "encoding/json"

// MembersOf are the members of an object as a map.
func MembersOf(raw json.RawMessage) (map[string]json.RawMessage, error) {
	all, err := membersOf(raw)
	if err != nil {
		return nil, err
	}
	found := map[string]json.RawMessage{}
	for _, m := range all {
		found[m.name] = m.value
	}
	return found, nil
}
