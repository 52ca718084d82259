package llmtest

import (
	"fmt"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// checkItems reports items in a message of the model that OpenAI refuses when nothing
// is stored:
//
//   - a reasoning item without the item that it led to;
//   - a reasoning item with an id and without encrypted content;
//   - an id that is empty, of the wrong kind, or stands twice;
//   - encrypted content under the id of another item.
//
// seen has the ids of all items so far.
func checkItems(m llm.Message, seen map[string]bool) error {
	if m.Role != llm.RoleAssistant {
		return nil
	}
	for i := range m.Extra { // each message item of a turn has its own id
		id, given := textMember(m.Extra[i:i+1], "id")
		if err := checkItemID(id, given, "msg", seen); err != nil {
			return err
		}
	}
	for i, p := range m.Parts {
		var prefix string
		var extra []llm.Member
		switch p := p.(type) {
		case llm.Reasoning:
			prefix, extra = "rs", p.Extra
		case llm.ToolCall:
			prefix, extra = "fc", p.Extra
		case llm.RawPart: // an item of a hosted tool; each type has a prefix of its own
			extra, _ = llm.ParseMembers([]byte(p.JSON)) // parsed before
		default:
			continue
		}
		id, given := textMember(extra, "id")
		if err := checkItemID(id, given, prefix, seen); err != nil {
			return err
		}
		if prefix != "rs" {
			continue
		}
		if err := checkReasoningItem(id, given, extra, m.Parts[i+1:]); err != nil {
			return err
		}
	}
	return nil
}

// checkReasoningItem checks a reasoning item. given is false for an item without an id,
// and rest are the parts behind the item.
func checkReasoningItem(id string, given bool, extra []llm.Member, rest llm.Parts) error {
	content, encrypted := textMember(extra, "encrypted_content")
	switch {
	case given && !encrypted:
		return providerErrorf("Item with id '%s' not found. Items are not persisted when `store` is set to false.", id)
	case !given && !encrypted:
		return nil // reasoning of Chat Completions, or open text
	case given && strings.HasPrefix(content, ownContent) && content != ownContent+id:
		return providerErrorf("Encrypted content item_id did not match the target item id.")
	case !followed(rest):
		return providerErrorf("Item '%s' of type 'reasoning' was provided without its required following item.", id)
	}
	return nil
}

// ownContent is the prefix of a script's encrypted content. The item's id follows.
const ownContent = "toolloop-"

func checkItemID(id string, given bool, prefix string, seen map[string]bool) error {
	switch {
	case !given:
		return nil
	case id == "" && prefix == "":
		return providerErrorf("Invalid 'id': ''. Expected an ID that is not empty.")
	case !strings.HasPrefix(id, prefix):
		return providerErrorf("Invalid 'id': '%s'. Expected an ID that begins with '%s'.", id, prefix)
	case seen[id]:
		return providerErrorf("Duplicate item found with id %s. Remove duplicate items from your input and try again.", id)
	}
	seen[id] = true
	return nil
}

// followed reports whether parts contain more than reasoning.
func followed(parts llm.Parts) bool {
	for _, p := range parts {
		if _, reasoning := p.(llm.Reasoning); !reasoning {
			return true
		}
	}
	return false
}

// textMember returns the string value of a member.
func textMember(members []llm.Member, name string) (string, bool) {
	for _, m := range members {
		if m.Name == name {
			s, err := stringMember([]llm.Member{m}, name)
			return s, err == nil
		}
	}
	return "", false
}

// A providerError is an error in the words of a provider.
type providerError struct{ text string }

func (e *providerError) Error() string { return e.text }

// providerErrorf returns an error in the words of a provider.
func providerErrorf(format string, args ...any) error {
	return &providerError{fmt.Sprintf(format, args...)}
}
