package tape

// Updating tells what a flag and an environment say.
var Updating = updating
