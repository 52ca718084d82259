package llm

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Validate returns an error for the first part of m that cannot be sent to any
// provider: an empty image, audio or file, an image of unknown format, and a raw part
// or a member of Extra that is not JSON. The parts of tool results are not checked: a
// client sends a short text in place of a part that the provider cannot take.
func (m Message) Validate() error {
	if m.Role == RoleTool {
		return nil
	}
	for i, p := range m.Parts {
		if err := m.validate(p); err != nil {
			return fmt.Errorf("part %d: %w", i, err)
		}
	}
	return validateExtra(m.Extra)
}

func (m Message) validate(p Part) error {
	switch p := p.(type) {
	case Text:
		return validateExtra(p.Extra)
	case Image:
		if len(p.Data) == 0 && p.URL == "" {
			return errors.New("the image has neither URL nor Data")
		}
		if len(p.Data) > 0 && p.MediaType == "" && !strings.HasPrefix(http.DetectContentType(p.Data), "image/") {
			return errors.New("the bytes of the image are in no format that is known; set its MediaType")
		}
		return validateExtra(p.Extra)
	case Audio:
		said := m.Role == RoleAssistant && (p.ID != "" || p.Transcript != "") // by the model
		if len(p.Data) == 0 && !said {
			return errors.New("the audio has no Data")
		}
		return validateExtra(p.Extra)
	case File:
		if len(p.Data) == 0 && p.ID == "" {
			return errors.New("the file has neither ID nor Data")
		}
		return validateExtra(p.Extra)
	case RawPart:
		if !json.Valid([]byte(p.JSON)) {
			return errors.New("a raw part is not JSON")
		}
	}
	return nil
}

func validateExtra(extra []Member) error {
	for _, x := range extra {
		if !json.Valid([]byte(x.Value)) {
			return fmt.Errorf("the member %q is not JSON", x.Name)
		}
	}
	return nil
}
