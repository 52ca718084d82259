// Package agent says what an agent is: a value that names a model, what it is
// told and the tools it has. It does no I/O and knows no loop; package runner
// runs it.
//
//	assistant := &agent.Agent{
//		Name:         "assistant",
//		Instructions: "You answer questions about the weather.",
//		Model:        openai.Model("gpt-4o-mini"),
//		Tools:        []tool.Tool{weather},
//	}
//
// Words owned here: agent, instructions.
package agent
