// Reads questions from stdin, a line of JSON each, and answers on stdout.
//   {"client": "ui6" | "ui7" | "ag", "talk": a name below, "url": of the server}
// The answer is {"error"} or what the talk returns.
import { createInterface } from 'node:readline';
import * as ui7 from 'ai';
import * as ui6 from 'ai6';
import { HttpAgent, buildResumeArray } from '@ag-ui/client';

const faults = [];
console.warn = (...args) => faults.push(args.join(' '));
console.error = console.warn;

class State {
  status = 'ready';
  error = undefined;
  constructor(messages) { this.messages = messages; }
  pushMessage = (m) => { this.messages = [...this.messages, m]; };
  popMessage = () => { this.messages = this.messages.slice(0, -1); };
  replaceMessage = (i, m) => { this.messages = this.messages.with(i, structuredClone(m)); };
  snapshot = (x) => structuredClone(x);
}

function page(ui, url, messages = [], sendAutomaticallyWhen = ui.lastAssistantMessageIsCompleteWithApprovalResponses) {
  class Chat extends ui.AbstractChat {}
  const state = new State(messages);
  const errors = [];
  const chat = new Chat({
    id: 'c', state, onError: (e) => errors.push(String(e.message ?? e)),
    transport: new ui.DefaultChatTransport({ api: url + '/ui' }),
    sendAutomaticallyWhen,
  });
  return { chat, state, errors };
}

const until = async (what, limit = 60000) => {
  for (const end = Date.now() + limit; Date.now() < end; await new Promise((r) => setTimeout(r, 5))) if (await what()) return;
  throw new Error('waited too long for ' + what);
};
const textOf = (m) => m.parts.filter((p) => p.type === 'text').map((p) => p.text).join('');
const callsOf = (m) => m.parts.filter((p) => p.toolCallId).map((p) => `${p.toolName ?? p.type}: ${p.state}`);
const report = ({ chat, errors }) => ({
  status: chat.status, errors, roles: chat.messages.map((m) => m.role), ids: chat.messages.map((m) => m.id).slice(1),
  text: textOf(chat.messages.at(-1)), calls: callsOf(chat.messages.at(-1)),
});
const history = async (url) => (await fetch(url + '/ui/c/messages')).json();

const uiTalks = {
  async say(ui, url) {
    const p = page(ui, url);
    await p.chat.sendMessage({ text: 'Hello.' });
    return report(p);
  },
  // Two calls wait. The page answers one, which posts nothing, and then the other.
  async approve(ui, url) {
    const p = page(ui, url);
    await p.chat.sendMessage({ text: 'Pay both.' });
    const waiting = p.chat.messages.at(-1).parts.filter((q) => q.state === 'approval-requested');
    await p.chat.addToolApprovalResponse({ id: waiting[0].approval.id, approved: true });
    await p.chat.addToolApprovalResponse({ id: waiting[1].approval.id, approved: false, reason: 'too much' });
    await until(() => p.chat.status === 'ready' && textOf(p.chat.messages.at(-1)) !== '');
    return report(p);
  },
  // The page is loaded again while calls wait, and answers then.
  async approveLater(ui, url) {
    await page(ui, url).chat.sendMessage({ text: 'Pay both.' });
    const h = await history(url);
    const p = page(ui, url, h.messages);
    await p.chat.resumeStream();
    for (const q of p.chat.messages.at(-1).parts.filter((q) => q.state === 'approval-requested'))
      await p.chat.addToolApprovalResponse({ id: q.approval.id, approved: true });
    await until(() => p.chat.status === 'ready' && textOf(p.chat.messages.at(-1)) !== '');
    return { active: h.active, ...report(p) };
  },
  // The page executes a tool.
  async frontEnd(ui, url) {
    const p = page(ui, url, [], ui.lastAssistantMessageIsCompleteWithToolCalls);
    await p.chat.sendMessage({ text: 'Where am I?' });
    const call = p.chat.messages.at(-1).parts.find((q) => q.state === 'input-available');
    await p.chat.addToolOutput({ tool: call.toolName, toolCallId: call.toolCallId, output: { city: 'Lisbon' } });
    await until(() => p.chat.status === 'ready' && textOf(p.chat.messages.at(-1)) !== '');
    return report(p);
  },
  // The page is loaded again in the middle of an answer, in two tabs.
  async reload(ui, url) {
    const first = page(ui, url);
    void first.chat.sendMessage({ text: 'Count.' });
    await until(() => first.chat.messages.length === 2 && textOf(first.chat.messages[1]) !== '');
    await first.chat.stop(); // leaves the stream
    const h = await history(url);
    const tabs = [page(ui, url, h.messages), page(ui, url, h.messages)];
    await Promise.all(tabs.map((t) => t.chat.resumeStream()));
    return { active: h.active, tabs: tabs.map(report) };
  },
  // The connection breaks in the middle of an answer; the page goes on in place.
  async broken(ui, url) {
    const p = page(ui, url);
    const sent = p.chat.sendMessage({ text: 'Count.' });
    await until(() => p.chat.messages.length === 2 && textOf(p.chat.messages[1]) !== '');
    await fetch(url + '/break', { method: 'POST' }).catch(() => {}); // breaks, too
    await sent;
    const broken = p.chat.status;
    await p.chat.resumeStream();
    return { broken, ...report(p) };
  },
  // A helper works: what it says comes as data parts, and its calls as parts of tools.
  async helper(ui, url) {
    const p = page(ui, url);
    await p.chat.sendMessage({ text: 'Ask.' });
    const told = p.chat.messages.at(-1).parts.filter((q) => q.type === 'data-toolloop-helper').map((q) => q.data);
    return { told, ...report(p), ids: p.chat.messages.at(-1).parts.filter((q) => q.toolCallId).map((q) => q.toolCallId) };
  },
  async stop(ui, url) {
    const p = page(ui, url);
    const sent = p.chat.sendMessage({ text: 'Count.' });
    await until(() => p.chat.messages.length === 2 && textOf(p.chat.messages[1]) !== '');
    const answer = await fetch(url + '/ui/c/stop', { method: 'POST' });
    await sent;
    return { stopped: answer.status, ...report(p), active: (await history(url)).active };
  },
  async busy(ui, url) {
    const p = page(ui, url), q = page(ui, url);
    const sent = p.chat.sendMessage({ text: 'Count.' });
    await until(() => p.chat.messages.length === 2);
    await q.chat.sendMessage({ text: 'And you?' });
    await sent;
    return { second: q.errors, secondStatus: q.chat.status, ...report(p) };
  },
};

async function agRun(agent, parameters) {
  const seen = [];
  await agent.runAgent(parameters, { onEvent: ({ event }) => { seen.push(event); } });
  const last = seen.at(-1);
  return last.type + (last.outcome ? ' ' + last.outcome.type : '') + (last.code ? ' ' + last.code : '');
}
const agReport = (agent) => ({ faults, messages: agent.messages.map((m) => `${m.role}: ${m.content ?? ''}${(m.toolCalls ?? []).map((c) => c.function.name + c.function.arguments).join(' ')}`) });

const agTalks = {
  async say(url) {
    const agent = new HttpAgent({ url: url + '/ag', threadId: 'c' });
    agent.addMessage({ id: 'a', role: 'user', content: 'Hello.' });
    return { last: await agRun(agent, { runId: 'r' }), ...agReport(agent) };
  },
  async approve(url) {
    const agent = new HttpAgent({ url: url + '/ag', threadId: 'c' });
    agent.addMessage({ id: 'a', role: 'user', content: 'Pay both.' });
    const first = await agRun(agent, { runId: 'r1' });
    const [one, two] = agent.pendingInterrupts;
    const resume = buildResumeArray(agent.pendingInterrupts, {
      [one.id]: { status: 'resolved', payload: { approved: true, arguments: { order: 'W9' } } },
      [two.id]: { status: 'cancelled' },
    });
    return { first, last: await agRun(agent, { runId: 'r2', resume }), ...agReport(agent) };
  },
  // A new page asks for the conversation while calls wait.
  async approveLater(url) {
    const agent = new HttpAgent({ url: url + '/ag', threadId: 'c' });
    agent.addMessage({ id: 'a', role: 'user', content: 'Pay both.' });
    await agRun(agent, { runId: 'r1' });
    const later = new HttpAgent({ url: url + '/ag', threadId: 'c' });
    const first = await agRun(later, { runId: 'r2' });
    const resume = buildResumeArray(later.pendingInterrupts, Object.fromEntries(later.pendingInterrupts.map((i) => [i.id, { status: 'resolved', payload: { approved: true } }])));
    return { first, last: await agRun(later, { runId: 'r3', resume }), ...agReport(later) };
  },
  // The connection breaks in the middle of an answer; the page asks again.
  async reload(url) {
    const agent = new HttpAgent({ url: url + '/ag', threadId: 'c' });
    agent.addMessage({ id: 'a', role: 'user', content: 'Count.' });
    const sent = agRun(agent, { runId: 'r1' }).catch((e) => String(e));
    await until(() => agent.messages.length === 2 && agent.messages[1].content !== '');
    agent.abortRun();
    await sent;
    const last = await agRun(agent, { runId: 'r2' });
    const fresh = new HttpAgent({ url: url + '/ag', threadId: 'c' });
    return { last, fresh: await agRun(fresh, { runId: 'r3' }), same: JSON.stringify(fresh.messages) === JSON.stringify(agent.messages), ...agReport(agent) };
  },
  async helper(url) {
    const agent = new HttpAgent({ url: url + '/ag', threadId: 'c' });
    agent.addMessage({ id: 'a', role: 'user', content: 'Ask.' });
    const helpers = [];
    await agent.runAgent({ runId: 'r' }, {
      onSubagentStartedEvent: ({ event }) => { helpers.push('started ' + event.name + ' for ' + event.parentToolCallId); },
      onSubagentFinishedEvent: ({ event }) => { helpers.push('finished ' + event.subagentRunId + ' ' + event.outcome.type); },
    });
    const fresh = new HttpAgent({ url: url + '/ag', threadId: 'c' });
    await fresh.runAgent({ runId: 'r2' });
    const owned = agent.messages.filter((m) => m.subagentRunId).map((m) => `${m.subagentRunId} ${m.role}: ${m.content ?? ''}${(m.toolCalls ?? []).map((c) => c.function.name).join(' ')}`);
    const sorted = (all) => JSON.stringify(all, (_, v) => (v && typeof v === 'object' && !Array.isArray(v) ? Object.fromEntries(Object.entries(v).sort()) : v));
    return { helpers, owned, same: sorted(fresh.messages) === sorted(agent.messages), faults };
  },
  async stop(url) {
    const agent = new HttpAgent({ url: url + '/ag', threadId: 'c' });
    agent.addMessage({ id: 'a', role: 'user', content: 'Count.' });
    const sent = agRun(agent, { runId: 'r1' });
    await until(() => agent.messages.length === 2 && agent.messages[1].content !== '');
    await fetch(url + '/ag/c/stop', { method: 'POST' });
    return { last: await sent, faults };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const q = JSON.parse(line);
  let answer;
  faults.length = 0;
  try {
    answer = q.client === 'ag' ? await agTalks[q.talk](q.url) : await uiTalks[q.talk](q.client === 'ui6' ? ui6 : ui7, q.url);
  } catch (e) {
    answer = { error: String(e?.stack ?? e) };
  }
  process.stdout.write(JSON.stringify(answer) + '\n');
}
