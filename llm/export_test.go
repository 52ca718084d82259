package llm

// The two ways of ParseMembers.
var (
	SplitObject        = splitObject
	ParseMembersSlowly = parseMembers
)
