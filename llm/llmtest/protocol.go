package llmtest

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// checkProtocol reports the first violation of these rules. Some provider refuses
// such a request, or misreads the conversation:
//
//   - each call of a tool has one result, in a message of its own, in the order
//     of the calls, directly behind the message of the assistant that has them;
//   - no result stands anywhere else;
//   - the arguments of calls are JSON objects, or nothing (see [llm.ToolCall]);
//   - parts stand in messages of the roles that can have them, and hold something;
//   - no two tools have the same name.
//
// System and developer messages may stand anywhere except among results, as in
// OpenAI's API, and any role may begin, end and repeat.
func checkProtocol(req *llm.Request) error {
	if name := duplicateName(req.Tools); name != "" {
		return fmt.Errorf("two tools are named %q", name)
	}
	var open []llm.ToolCall // calls that wait for their results
	items := map[string]bool{}
	for i, m := range req.Messages {
		if err := cmp.Or(checkRole(m), m.Validate()); err != nil {
			return atMessage(i, err)
		}
		if m.Role == llm.RoleTool {
			if err := checkResult(m.Results()[0], open); err != nil {
				return atMessage(i, err)
			}
			open = open[1:]
			continue
		}
		if len(open) > 0 {
			return atMessage(i, fmt.Errorf("a message of the %s, where the result of %s is due", m.Role, callName(open[0])))
		}
		if err := cmp.Or(checkArguments(m), checkItems(m, items)); err != nil {
			return atMessage(i, err)
		}
		open = m.Calls()
	}
	if len(open) > 0 {
		return fmt.Errorf("the last message: %s has no result", callName(open[0]))
	}
	return nil
}

func atMessage(i int, err error) error { return at("messages", atIndex(i, err)) }

func duplicateName(tools []llm.ToolDef) string {
	for i, t := range tools {
		for _, before := range tools[:i] {
			if t.Name == before.Name {
				return t.Name
			}
		}
	}
	return ""
}

func callName(c llm.ToolCall) string {
	return strings.TrimSpace(fmt.Sprintf("the call of %s %s", c.Name, c.ID))
}

// checkResult reports a result that does not belong to the first open call.
func checkResult(r llm.ToolResult, open []llm.ToolCall) error {
	switch {
	case len(open) == 0:
		return fmt.Errorf("a result for %q, but no call waits for a result", r.CallID)
	case r.CallID != open[0].ID:
		return fmt.Errorf("a result for %q, but the next result must answer %s", r.CallID, callName(open[0]))
	}
	return nil
}

func checkRole(m llm.Message) error {
	switch m.Role {
	case llm.RoleSystem, llm.RoleDeveloper, llm.RoleUser, llm.RoleAssistant:
	case llm.RoleTool:
		if len(m.Parts) != 1 || len(m.Results()) != 1 {
			return errors.New("a message of a tool holds one result and nothing else")
		}
		return nil
	default:
		return fmt.Errorf("unknown role %q", m.Role)
	}
	for _, p := range m.Parts {
		switch p.(type) {
		case llm.ToolResult:
			return fmt.Errorf("a result in a message of the %s", m.Role)
		case llm.ToolCall, llm.Reasoning, llm.Refusal:
			if m.Role != llm.RoleAssistant {
				return fmt.Errorf("a %T in a message of the %s", p, m.Role)
			}
		}
	}
	return nil
}

func checkArguments(m llm.Message) error {
	for _, c := range m.Calls() {
		text := strings.TrimSpace(canonicalArguments(c.Arguments))
		if !strings.HasPrefix(text, "{") || !json.Valid([]byte(text)) {
			return fmt.Errorf("the arguments of %s are not a JSON object: %s", callName(c), clipLine(c.Arguments))
		}
	}
	return nil
}
