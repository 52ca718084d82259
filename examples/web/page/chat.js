'use strict';
// The page speaks the UI message stream of the AI SDK. All texts of the server become text
// nodes: nothing in them can be a tag, a script or a link.

const api = '/api/chat';
const $ = (id) => document.getElementById(id);
const el = (tag, cls, text) => {
  const e = document.createElement(tag);
  if (cls) e.className = cls;
  if (text !== undefined) e.textContent = text;
  return e;
};
const newID = () => Array.from(crypto.getRandomValues(new Uint8Array(12)), (b) => b.toString(16).padStart(2, '0')).join('');

// The address has the id of the conversation, so a reload comes back to it.
let chat = location.hash.slice(1);
if (!chat) location.replace('#' + (chat = newID()));
let messages = [];
let stream = null; // the request whose answer is being read
let failure = '';
let notice = '';

const path = (end) => api + '/' + encodeURIComponent(chat) + '/' + end;
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// ---- the conversation ----

// load shows the conversation, and the answer that is being written. It tries until the
// server is there. said is a failure to show.
async function load(said = '') {
  const of = chat;
  for (let wait = 250; of === chat; wait = Math.min(wait * 2, 4000)) {
    try {
      const response = await fetch(path('messages'));
      if (response.status >= 400 && response.status < 500) { // another try gets the same refusal
        failure = await response.text();
        draw();
        return;
      }
      if (!response.ok) throw new Error(await response.text());
      const history = await response.json();
      if (of !== chat) return;
      const known = new Set(history.messages.map((m) => m.id));
      messages = [...history.messages, ...messages.filter((m) => !known.has(m.id))]; // and what was said meanwhile
      notice = '';
      failure = said || (history.status === 'failed' ? 'The last answer did not come to its end.' : '');
      draw();
      const last = messages.at(-1);
      if (stream) return; // of a message that was said meanwhile
      if (history.active) await read(fetch(path('stream')));
      else if (last?.role === 'user' && !known.has(last.id)) await post(last); // it did not arrive; sent twice, it counts once
      return;
    } catch (error) {
      if (of !== chat) return;
      notice = 'The server does not answer. Trying again …';
      draw();
      await pause(wait);
    }
  }
}

// post sends a message of the user, or answers to questions.
const post = (message, goesOn) => read(fetch(api, {
  method: 'POST', headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify({ id: chat, messages: [message], trigger: 'submit-message' }),
}), goesOn);

async function say(text) {
  const message = { id: newID(), role: 'user', parts: [{ type: 'text', text }] };
  messages.push(message);
  draw();
  await post(message);
}

// answer notes an answer to a question. always is for which later calls the answer stands, too:
// '', 'arguments' or 'tool'.
function answer(part, approved, always, reason) {
  part.state = 'approval-responded';
  part.approval = { id: part.approval.id, approved, ...(always ? { always } : {}), ...(reason ? { reason } : {}) };
  touch(messages.at(-1));
  draw();
  void sendAnswers();
}

// sendAnswers sends the answers when no question is left, and when the other calls of the
// turn have ended.
async function sendAnswers() {
  const last = messages.at(-1);
  const has = (state) => last?.parts.some((p) => p.state === state);
  if (!stream && has('approval-responded') && !has('approval-requested')) await post(last, true);
}

// read applies the chunks of an answer. With goesOn, they belong to the message that the page
// has. A stream that breaks off is loaded again.
async function read(request, goesOn = false) {
  const mine = stream = { of: chat, goesOn };
  failure = '';
  draw();
  let ended = false;
  try {
    const response = await request;
    if (response.status === 204) await pause(250); // the answer has ended since the page was loaded
    else if (!response.ok) {
      ended = true;
      failure = (await response.text()).trim();
    } else {
      for await (const chunk of chunks(response.body)) {
        if (stream !== mine) return;
        ended = ended || ['finish', 'abort', 'error'].includes(chunk.type);
        apply(chunk);
        draw();
      }
    }
  } catch (error) { /* the connection broke */ }
  if (stream !== mine) return;
  stream = null;
  draw();
  if (!ended) await load();
  else if (goesOn && failure) await load(failure); // what became of the questions, the server knows
  else await sendAnswers();
}

async function* chunks(body) {
  let rest = '';
  for (const reader = body.pipeThrough(new TextDecoderStream()).getReader(); ;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split('\n');
    rest = lines.pop();
    for (const line of lines)
      if (line.startsWith('data: ') && line !== 'data: [DONE]') yield JSON.parse(line.slice(6));
  }
}

// apply changes the answer by a chunk.
function apply(c) {
  if (c.type === 'start') {
    const at = messages.findLastIndex((m) => m.id === c.messageId);
    if (at < 0) messages.push({ id: c.messageId, role: 'assistant', parts: [] });
    else if (!stream.goesOn) messages[at].parts = []; // the message is told from its begin
    if (at >= 0) touch(messages[at]);
    return;
  }
  const m = messages.at(-1);
  if (!m || m.role !== 'assistant') {
    if (c.type === 'error') failure = c.errorText;
    return;
  }
  touch(m);
  const text = (id) => m.parts.findLast((p) => p.text !== undefined && p.key === id);
  const call = m.parts.findLast((p) => p.toolCallId === c.toolCallId);
  const update = (part) => {
    if (call) Object.assign(call, part);
    else m.parts.push({ type: 'dynamic-tool', toolCallId: c.toolCallId, toolName: c.toolName, ...part });
  };
  switch (c.type) {
    case 'start-step': m.parts.push({ type: 'step-start' }); break;
    case 'text-start': case 'reasoning-start': m.parts.push({ type: c.type.slice(0, -6), text: '', key: c.id }); break;
    case 'text-delta': case 'reasoning-delta': text(c.id).text += c.delta; break;
    case 'file': m.parts.push({ type: 'file', url: c.url, mediaType: c.mediaType }); break;
    case 'tool-input-start': update({ state: 'input-streaming', raw: '' }); break;
    case 'tool-input-delta': if (call) call.raw += c.inputTextDelta; break;
    case 'tool-input-available': update({ state: 'input-available', input: c.input }); break;
    case 'tool-input-error': update({ state: 'output-error', input: c.input, errorText: c.errorText }); break;
    case 'tool-approval-request': update({ state: 'approval-requested', approval: { id: c.approvalId } }); break;
    case 'tool-output-available': update({ state: 'output-available', output: c.output }); break;
    case 'tool-output-error': update({ state: 'output-error', errorText: c.errorText }); break;
    case 'tool-output-denied': update({ state: 'output-denied', reason: c.reason }); break;
    case 'data-toolloop-helper': {
      const told = m.parts.find((p) => p.type === c.type && p.id === c.id);
      if (told) told.data = c.data;
      else m.parts.push({ type: c.type, id: c.id, data: c.data });
      break;
    }
    case 'data-toolloop-progress': {
      const about = c.data && byID(m, c.data.toolCallId);
      if (about) about.progress = c.data;
      break;
    }
    case 'data-toolloop-doubt': case 'data-toolloop-said': case 'data-toolloop-partial': m.parts.push({ type: c.type, data: c.data }); break;
    case 'data-toolloop-restart': // the texts of the step do not count
      for (let i = m.parts.length - 1; i >= 0 && m.parts[i].type !== 'step-start'; i--) if (ofAnswer.includes(m.parts[i].type)) m.parts.splice(i, 1);
      break;
    case 'abort': failure = 'Stopped.'; break;
    case 'error': failure = c.errorText; break;
  }
}

const ofAnswer = ['text', 'reasoning', 'file', 'data-toolloop-partial'];

const byID = (m, id) => m.parts.findLast((p) => p.toolCallId === id);

// ---- the page ----

const words = {
  'input-streaming': ['being written', ''], 'input-available': ['running', 'wait'], 'approval-requested': ['waits for you', 'wait'],
  'approval-responded': ['answered', 'wait'], 'output-available': ['done', 'good'], 'output-error': ['failed', 'bad'], 'output-denied': ['denied', 'bad'],
};

let waiting = false;
function draw() { // at most 60 times in a second, also in a tab that nobody sees
  if (waiting) return;
  waiting = true;
  setTimeout(() => { waiting = false; drawNow(); }, 16);
}

// What was drawn of a message, so that only changed messages are drawn again. touch counts the
// changes of a message.
const drawn = new Map();
const changes = new WeakMap();
const touch = (m) => changes.set(m, (changes.get(m) ?? 0) + 1);

function drawNow() {
  const main = $('messages');
  const atEnd = main.scrollHeight - main.scrollTop - main.clientHeight < 80;
  const nodes = messages.map((m) => {
    const before = drawn.get(m.id), now = changes.get(m);
    if (before && before.m === m && before.now === now) return before.node;
    const node = drawMessage(m);
    if (before) keep(before.node, node);
    drawn.set(m.id, { m, now, node });
    return node;
  });
  if (stream && messages.at(-1)?.role !== 'assistant') nodes.push(el('p', 'note', 'The desk is thinking …'));
  if (failure) nodes.push(el('p', 'note bad', failure));
  show(main, nodes);
  if (atEnd) main.scrollTop = main.scrollHeight;
  main.ariaBusy = String(!!stream); // a screen reader waits for the end of an answer
  $('ideas').hidden = messages.length > 0;
  $('stop').hidden = !stream;
  $('send').disabled = !$('text').value.trim();
  $('state').textContent = notice || (stream ? 'answering' : '');
}

// show puts nodes into a box. Nodes that are there already stay untouched, with the focus and
// the selection in them.
function show(box, nodes) {
  const wanted = new Set(nodes);
  const focus = document.activeElement?.dataset.key;
  nodes.forEach((node, i) => {
    const at = box.children[i];
    if (at === node) return;
    if (at && !wanted.has(at)) at.replaceWith(node);
    else box.insertBefore(node, at ?? null);
  });
  while (box.children.length > nodes.length) box.lastChild.remove();
  if (focus && !document.activeElement?.dataset.key) keyed(box).get(focus)?.focus({ preventScroll: true });
}

const keyed = (box) => new Map([...box.querySelectorAll('[data-key]')].map((e) => [e.dataset.key, e]));

// keep gives a message that is drawn again what the reader has typed and unfolded.
function keep(before, now) {
  const found = keyed(now);
  for (const [key, old] of keyed(before)) {
    const e = found.get(key);
    if (!e) continue;
    if (e.tagName === 'DETAILS') e.open = old.open;
    if (e.tagName === 'INPUT' || e.tagName === 'SELECT') e.value = old.value;
  }
}

// drawMessage draws what a helper said and did inside the card of the helper's call.
function drawMessage(m) {
  const box = el('article', 'message ' + m.role);
  const inside = new Map(); // by the call
  for (const p of m.parts) {
    const part = drawPart(m, p);
    if (!part) continue;
    (inside.get(outerOf(p)) ?? box).append(part);
    if (p.toolCallId) inside.set(p.toolCallId, part.querySelector('.inside'));
  }
  return box;
}

// outerOf returns the call whose helper made a part, or ''.
function outerOf(p) {
  if (p.type === 'data-toolloop-helper') return p.data.toolCallId;
  return p.toolCallId ? p.toolCallId.slice(0, Math.max(p.toolCallId.lastIndexOf('/'), 0)) : '';
}

function drawPart(m, p) {
  if (p.toolCallId) return drawCall(m, p);
  switch (p.type) {
    case 'text': return long(p.text, 'div', 'text');
    case 'reasoning': {
      const details = el('details');
      details.dataset.key = 'thought ' + m.parts.indexOf(p);
      details.append(el('summary', '', 'Thoughts'), long(p.text, 'div', 'text'));
      return details;
    }
    case 'file':
      if (!/^data:image\/(png|jpeg|gif|webp);base64,/.test(p.url)) return el('p', 'note', 'A file: ' + p.mediaType);
      return Object.assign(el('img'), { src: p.url, alt: 'A picture' });
    case 'data-toolloop-helper': {
      if (byID(m, p.data.toolCallId)?.output === p.data.text) return null; // it is the result of the call
      const said = long(p.data.text, 'div', 'text');
      said.prepend(el('span', 'who', p.data.agent));
      return said;
    }
    case 'data-toolloop-partial': return el('p', 'note', 'The answer breaks off here.');
    case 'data-toolloop-said': return el('p', 'note', 'You said: ' + p.data.text);
  }
  return null;
}

// most is how much of a text is shown at first.
const most = 4000;

function long(text, tag, cls) {
  const box = el(tag, cls, text.length > most ? text.slice(0, most) + '…' : text);
  if (text.length <= most) return box;
  const more = el('button', 'more', 'Show all ' + text.length + ' characters');
  more.type = 'button';
  more.onclick = () => { box.textContent = text; more.remove(); };
  const both = el('div');
  both.append(box, more);
  return both;
}

function drawCall(m, p) {
  const card = el('section', 'card');
  const head = el('div', 'head');
  const [word, mood] = words[p.state] ?? [p.state, ''];
  const done = p.progress && p.state === 'input-available' ? ` (${p.progress.done} of ${p.progress.total || '?'}) ${p.progress.message || ''}` : '';
  head.append(el('span', 'name', p.toolName ?? p.type.replace(/^tool-/, '')), el('span', 'status ' + mood, word + done));
  card.append(head);
  if (p.state === 'input-streaming') card.append(el('pre', '', p.raw || '…'));
  else card.append(drawInput(p.input));
  card.append(el('div', 'inside'));
  if (p.state === 'output-available') card.append(drawOutput(p.output));
  if (p.state === 'output-error') card.append(long(p.errorText, 'pre'));
  if (p.state === 'output-denied') {
    const reason = p.reason || p.approval?.reason;
    if (reason) card.append(long('Reason: ' + reason, 'p', 'note'));
  }
  if (p.state === 'approval-requested') card.append(drawQuestion(m, p));
  return card;
}

function drawOutput(output) {
  if (typeof output === 'string') return long(output, 'div', 'result');
  const values = output && !Array.isArray(output) ? Object.values(output) : [null, {}];
  if (values.length && values.every((v) => v === null || typeof v !== 'object')) {
    const list = drawInput(output);
    list.classList.add('result');
    return list;
  }
  return long(JSON.stringify(output, null, 2), 'pre');
}

function drawInput(input) {
  if (input === null || typeof input !== 'object') return long(String(input ?? ''), 'pre');
  const list = el('dl');
  for (const [name, value] of Object.entries(input)) {
    const cell = el('dd');
    cell.append(long(typeof value === 'string' ? value : JSON.stringify(value), 'span'));
    list.append(el('dt', '', name), cell);
  }
  return list;
}

function drawQuestion(m, p) {
  const box = el('div', 'ask');
  const yes = el('button', 'yes', 'Approve'), no = el('button', 'no', 'Deny');
  const why = Object.assign(el('input'), { placeholder: 'Reason, if you deny', ariaLabel: 'Reason' });
  const which = Object.assign(el('select'), { ariaLabel: 'Which calls' });
  yes.type = no.type = 'button';
  yes.onclick = () => answer(p, true, which.value);
  no.onclick = () => answer(p, false, which.value, why.value.trim());
  const doubt = m.parts.find((q) => q.type === 'data-toolloop-doubt' && q.data.toolCallId === p.toolCallId);
  if (doubt) box.append(el('p', 'note', doubt.data.text)); // an answer counts once
  else {
    which.append(new Option('only this call', ''), new Option('always with these arguments', 'arguments'), new Option('every later call in this chat', 'tool'));
    box.append(which);
  }
  box.append(yes, no, why);
  [yes, no, why, which].forEach((e, i) => { e.dataset.key = p.approval.id + i; });
  return box;
}

function send() {
  const text = $('text').value.trim();
  if (!text) return;
  $('text').value = '';
  void say(text);
}

$('form').onsubmit = (e) => { e.preventDefault(); send(); };
$('text').oninput = draw;
$('text').onkeydown = (e) => { if (e.key === 'Enter' && !e.shiftKey && !e.isComposing) { e.preventDefault(); send(); } };
$('stop').onclick = () => fetch(path('stop'), { method: 'POST' }).catch(() => {});
$('new').onclick = () => { location.hash = newID(); };
for (const idea of document.querySelectorAll('#ideas button')) idea.onclick = () => say(idea.textContent);
window.onhashchange = () => {
  chat = location.hash.slice(1);
  stream = null; // a run goes on without its page
  messages = [];
  drawn.clear();
  failure = '';
  void load();
};
void load();
