// Asks a server through the npm packages "openai" and "ai", for the tests of this
// directory. Each line on stdin is a question, and the next line on stdout is its
// answer.
//
//   question: {client: "openai" | "ai", api: "chat" | "responses", stream, baseURL, result}
//   answer:   {said: {text, reasoning, refusal, finish, calls, usage, deltas}}
//             or {error: {name, status, code, message, cause}}
//
// With "result", the client answers the calls of the first answer with this text, in
// a second request, and the answer is the second answer.

import { createInterface } from "node:readline";
import OpenAI from "openai";
import { generateText, jsonSchema, streamText, tool } from "ai";
import { createOpenAI } from "@ai-sdk/openai";

const hi = { role: "user", content: "hi" };
const parameters = { type: "object", properties: {}, additionalProperties: true };
const names = ["f", "g", "h"];

// openai/chat is the official client on Chat Completions.
async function openaiChat(client, stream, messages) {
  const tools = names.map((name) => ({ type: "function", function: { name, parameters } }));
  const body = { model: "m", messages, tools };
  const deltas = { text: "", reasoning: "" };
  let answer;
  if (stream) {
    const chunks = client.chat.completions.stream({ ...body, stream_options: { include_usage: true } });
    for await (const chunk of chunks) {
      const delta = chunk.choices[0]?.delta ?? {};
      deltas.text += (delta.content ?? "") + (delta.refusal ?? "");
      deltas.reasoning += delta.reasoning_content ?? "";
    }
    answer = await chunks.finalChatCompletion();
  } else {
    answer = await client.chat.completions.create(body);
  }
  const { message, finish_reason } = answer.choices[0];
  const said = {
    text: message.content ?? "",
    reasoning: (stream ? deltas.reasoning : message.reasoning_content) ?? "",
    refusal: message.refusal ?? "",
    finish: finish_reason,
    calls: (message.tool_calls ?? []).map((c) => ({ id: c.id, name: c.function.name, arguments: c.function.arguments })),
    usage: {
      input: answer.usage.prompt_tokens,
      cached: answer.usage.prompt_tokens_details.cached_tokens,
      output: answer.usage.completion_tokens,
      reasoning: answer.usage.completion_tokens_details.reasoning_tokens,
    },
    deltas: stream ? deltas.text : "",
  };
  const results = said.calls.map((c) => (content) => ({ role: "tool", tool_call_id: c.id, content }));
  return { said, message: [message], results };
}

// openai/responses is the official client on the Responses API.
async function openaiResponses(client, stream, input) {
  const tools = names.map((name) => ({ type: "function", name, parameters, strict: false }));
  const body = { model: "m", store: false, include: ["reasoning.encrypted_content"], input, tools };
  let answer;
  let deltas = "";
  if (stream) {
    const events = client.responses.stream(body);
    for await (const event of events) {
      if (event.type === "response.output_text.delta" || event.type === "response.refusal.delta") deltas += event.delta;
    }
    answer = await events.finalResponse();
  } else {
    answer = await client.responses.create(body);
  }
  const parts = answer.output.filter((item) => item.type === "message").flatMap((item) => item.content);
  const thoughts = answer.output.filter((item) => item.type === "reasoning").flatMap((item) => [...item.summary, ...(item.content ?? [])]);
  const calls = answer.output.filter((item) => item.type === "function_call");
  const said = {
    text: answer.output_text,
    reasoning: thoughts.map((part) => part.text).join(""),
    refusal: parts.map((part) => part.refusal ?? "").join(""),
    finish: answer.incomplete_details?.reason ?? answer.status,
    calls: calls.map((c) => ({ id: c.call_id, name: c.name, arguments: c.arguments })),
    usage: {
      input: answer.usage.input_tokens,
      cached: answer.usage.input_tokens_details.cached_tokens,
      output: answer.usage.output_tokens,
      reasoning: answer.usage.output_tokens_details.reasoning_tokens,
    },
    deltas,
  };
  const results = calls.map((c) => (output) => ({ type: "function_call_output", call_id: c.call_id, output }));
  return { said, message: answer.output.map(({ parsed_arguments, ...item }) => item), results };
}

// ai is the AI SDK, with the model of either API.
async function ai(model, stream, messages) {
  const tools = Object.fromEntries(names.map((name) => [name, tool({ inputSchema: jsonSchema(parameters) })]));
  const openai = { store: false, include: ["reasoning.encrypted_content"], forceReasoning: true };
  const ask = { model, messages, tools, maxRetries: 0, providerOptions: { openai } };
  let answer;
  let deltas = "";
  if (stream) {
    answer = streamText({ ...ask, onError: () => {} });
    for await (const part of answer.fullStream) {
      if (part.type === "text-delta") deltas += part.text;
      if (part.type === "error") throw part.error;
    }
  } else {
    answer = await generateText(ask);
  }
  const usage = await answer.usage;
  const calls = (await answer.toolCalls).filter((c) => !c.providerExecuted);
  const said = {
    text: await answer.text,
    reasoning: (await answer.reasoningText) ?? "",
    refusal: "",
    finish: await answer.finishReason,
    calls: calls.map((c) => ({ id: c.toolCallId, name: c.toolName, arguments: JSON.stringify(c.input) })),
    usage: {
      input: usage.inputTokens,
      cached: usage.inputTokenDetails.cacheReadTokens,
      output: usage.outputTokens,
      reasoning: usage.outputTokenDetails.reasoningTokens,
    },
    deltas,
  };
  const results = calls.map((c) => (value) => ({
    role: "tool",
    content: [{ type: "tool-result", toolCallId: c.toolCallId, toolName: c.toolName, output: { type: "text", value } }],
  }));
  return { said, message: (await answer.response).messages, results };
}

// asking returns the function that sends one request with the messages.
function asking({ client, api, stream, baseURL }) {
  if (client === "ai") {
    const provider = createOpenAI({ baseURL, apiKey: "k" });
    const model = api === "chat" ? provider.chat("m") : provider.responses("m");
    return (messages) => ai(model, stream, messages);
  }
  const official = new OpenAI({ baseURL, apiKey: "k", maxRetries: 0 });
  const ask = api === "chat" ? openaiChat : openaiResponses;
  return (messages) => ask(official, stream, messages);
}

async function answer(question) {
  const ask = asking(question);
  let last = await ask([hi]);
  if (question.result !== undefined) {
    const results = last.results.map((result) => result(question.result));
    last = await ask([hi, ...last.message, ...results]);
  }
  return last.said;
}

// told returns what a program can read in the error.
function told(error) {
  return {
    name: error.name === "Error" ? error.constructor.name : error.name,
    status: error.status ?? error.statusCode ?? 0,
    code: error.code ?? error.data?.error?.code ?? "",
    message: error.message ?? String(error),
    cause: String(error.cause?.cause?.code ?? error.cause?.code ?? error.cause?.message ?? ""),
  };
}

for await (const line of createInterface({ input: process.stdin })) {
  const reply = await answer(JSON.parse(line)).then((said) => ({ said }), (error) => ({ error: told(error) }));
  process.stdout.write(JSON.stringify(reply) + "\n");
}
