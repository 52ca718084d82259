// Reads questions from stdin, a line of JSON each, and answers on stdout.
//   {"protocol": "ui6" | "ui7" | "ag", "raw": the body of a response, "messages": …}
// The answer is {"faults": […], "last": the type of the last event, "messages": …}.
import { createInterface } from 'node:readline';
import * as ui7 from 'ai';
import * as ui6 from 'ai6';
import { EventSchemas } from '@ag-ui/core/schemas';
import { AbstractAgent, enforceEvents, transformChunks, verifyEvents } from '@ag-ui/client';
import { from, lastValueFrom, toArray } from 'rxjs';

let faults = [];
console.warn = (...args) => faults.push('warning: ' + args.join(' '));
console.error = console.warn;

async function readUI(ui, raw, known) {
  const chunks = [];
  for await (const part of ui.parseJsonEventStream({ stream: new Response(raw).body, schema: ui.uiMessageChunkSchema })) {
    if (part.success) chunks.push(part.value);
    else faults.push('schema: ' + part.error);
  }
  let message;
  for await (const m of ui.readUIMessageStream({
    message: known,
    stream: new ReadableStream({ start(c) { for (const chunk of chunks) c.enqueue(chunk); c.close(); } }),
    onError: (e) => { if (!chunks.some((c) => c.type === 'error')) faults.push('stream: ' + e); },
    terminateOnError: false,
  })) message = m;
  const last = chunks.at(-1)?.type;
  if (!['finish', 'abort', 'error'].includes(last)) faults.push('the last chunk is ' + last);
  if (!raw.endsWith('data: [DONE]\n\n')) faults.push('no [DONE]');
  for (const p of message?.parts ?? [])
    if (p.state === 'streaming' || p.state === 'input-streaming') faults.push('left open: ' + JSON.stringify(p));
  return { last, messages: message ? [message] : [] };
}

class Recorded extends AbstractAgent {
  constructor(events, messages) {
    super({ threadId: 'c', initialMessages: messages });
    this.events = events;
  }
  run() { return from(this.events); }
}

async function readAG(raw, known) {
  const events = [];
  for (const frame of raw.split('\n\n')) {
    if (!frame || frame.startsWith(':')) continue;
    if (!frame.startsWith('data: ')) faults.push('frame: ' + frame);
    const value = JSON.parse(frame.slice(6));
    if (/:null[,}]/.test(JSON.stringify({ ...value, value: undefined, result: undefined, delta: undefined, content: undefined, messages: undefined }))) faults.push('null: ' + frame);
    const parsed = EventSchemas.safeParse(value);
    if (!parsed.success) faults.push('schema: ' + frame + parsed.error);
    events.push(value);
  }
  await lastValueFrom(from(events).pipe(transformChunks(), enforceEvents(), verifyEvents(), toArray()));
  const agent = new Recorded(events, known ?? []);
  await agent.runAgent({ runId: events[0].runId });
  const last = events.at(-1)?.type;
  if (!['RUN_FINISHED', 'RUN_ERROR'].includes(last)) faults.push('the last event is ' + last);
  return { last: last + (events.at(-1).outcome ? ' ' + events.at(-1).outcome.type : ''), messages: agent.messages };
}

for await (const line of createInterface({ input: process.stdin })) {
  const q = JSON.parse(line);
  faults = [];
  let answer = {};
  try {
    if (q.valid) await (q.protocol === 'ui6' ? ui6 : ui7).validateUIMessages({ messages: q.valid });
    if (q.raw) answer = q.protocol === 'ag' ? await readAG(q.raw, q.messages) : await readUI(q.protocol === 'ui6' ? ui6 : ui7, q.raw, q.messages?.[0]);
  } catch (e) {
    faults.push('failed: ' + (e?.stack ?? e));
  }
  process.stdout.write(JSON.stringify({ ...answer, faults }) + '\n');
}
