package inspect_test

import (
	"context"

	"github.com/seed-916e8f6a/toolloop/runner"
)

func nowhere(context.Context, string, runner.Input) error { return nil }
