// Package agent defines an agent: a value with a model, instructions and tools. The
// package does no I/O. Package runner runs an agent.
//
//	assistant := &agent.Agent{
//		Name:         "assistant",
//		Instructions: "You answer questions about the weather.",
//		Model:        openai.Model("gpt-4o-mini"),
//		Tools:        []tool.Tool{weather},
//	}
//
// The examples show a typed answer (Output), requests with special members (Settings)
// and instructions that change (Instruct).
package agent
