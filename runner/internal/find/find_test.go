package find

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWords(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"":                          nil,
		"__ -":                      nil,
		"getUserByID":               {"get", "user", "id"},
		"list_pull-requests":        {"list", "pull", "request"},
		"parseHTTPResponse2JSON":    {"parse", "http", "response", "2", "json"},
		"URLs of IDs":               {"url", "id"},
		"Creates the user's boxes.": {"create", "user", "box"},
		"categories, addresses":     {"category", "address"},
		"status analysis class gas": {"status", "analysis", "class", "ga"},
		"Größe über alles":          {"größe", "über", "alle"},
		"天气 forecast":               {"天", "气", "forecast"},
		"v2":                        {"v", "2"},
	} {
		require.Equal(t, want, words(text), text)
	}
}

func TestSearch(t *testing.T) {
	t.Parallel()
	x := New([]Document{
		{"send_mail", "Sends a message to a person."},
		{"listMails", "Lists the messages of a mailbox, newest first, with sender and subject."},
		{"delete_file", "Deletes a file. The sender of a mail is not told."},
		{"delete_folder", "Deletes a folder."},
		{"twin", "The same."},
		{"twin", "The same."},
	})
	require.Equal(t, []int{0, 1, 2}, x.Search("mail", 9))
	require.Equal(t, []int{1}, x.Search("list mails", 1))
	require.Equal(t, []int{3, 2}, x.Search("delete", 9), "a short text is about little else")
	require.Equal(t, []int{4, 5}, x.Search("Twins", 9), "equals keep their order")
	require.Empty(t, x.Search("the of", 9))
	require.Empty(t, x.Search("rocket", 9))
	require.Empty(t, New(nil).Search("mail", 9))
}
