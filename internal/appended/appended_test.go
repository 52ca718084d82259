package appended_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/appended"
	"github.com/seed-916e8f6a/toolloop/llm"
)

func TestVouched(t *testing.T) {
	t.Parallel()
	m, list := new(llm.Memo), []llm.Message{llm.User("a"), llm.Assistant("b"), llm.User("c")}
	require.False(t, appended.Vouched(m, list), "before Vouch")
	require.Same(t, m, appended.Vouch(m, list))
	require.True(t, appended.Vouched(m, list))
	require.False(t, appended.Vouched(m, list[:2]))
	require.False(t, appended.Vouched(m, list[1:]))
	require.False(t, appended.Vouched(m, slices.Clone(list)))
	require.False(t, appended.Vouched(new(llm.Memo), list))
	require.False(t, appended.Vouched(nil, list))
	require.Nil(t, appended.Vouch(nil, list))
	require.False(t, appended.Vouched(appended.Vouch(m, nil), nil))
}
