
'use strict';
(() => {
  const list = document.getElementById('list');
  if (list) refresh(list);
  const place = document.getElementById('live');
  if (!place || !window.EventSource) return;
  // refresh loads a list again and again, while somebody looks at it and uses nothing in it.
  function refresh(list) {
    const again = async () => {
      let wait = 5000;
      try {
        if (document.visibilityState === 'visible' && !list.contains(document.activeElement)) {
          const began = performance.now();
          const answer = await fetch((location.search || '?') + '&again');
          const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
          if (answer.status === 200 && !list.contains(document.activeElement)) {
            for (const part of ['main', 'nav.chips', 'nav.pages']) document.querySelector(part).replaceChildren(...page.querySelector(part).childNodes);
          }
          wait = Math.max(wait, 20 * (performance.now() - began));
        }
      } catch { /* the server is away: later */ }
      setTimeout(again, wait);
    };
    setTimeout(again, 5000);
  }

  const find = (key) => [...document.querySelectorAll('[data-part]')].find((e) => e.dataset.part === key);
  const fixed = ['top', 'strip', 'usage'];

  // keep gives a new element what the reader has done to the old one.
  function keep(old, now) {
    const folds = [...now.querySelectorAll('details')];
    [...old.querySelectorAll('details')].forEach((d, i) => { if (folds[i]) folds[i].open = d.open; });
    if (old.tabIndex === -1 && old.hasAttribute('tabindex')) now.tabIndex = -1;
  }

  function put(part) {
    const made = document.createElement('template');
    made.innerHTML = part.html;
    const old = find(part.key);
    if (fixed.includes(part.key)) {
      keep(old, made.content);
      old.replaceChildren(made.content);
      return;
    }
    const now = made.content.firstElementChild;
    if (old) {
      keep(old, now);
      if (old.outerHTML === now.outerHTML) return; // what somebody has typed stays
      const focused = old === document.activeElement;
      old.replaceWith(now);
      if (focused) now.focus({ preventScroll: true });
      return;
    }
    home(part).append(now);
  }

  // home returns where a new part belongs.
  function home(part) {
    if (part.key.startsWith('w')) return document.getElementById('waits');
    const main = document.getElementById('session');
    if (!part.run) return main;
    let run = [...document.querySelectorAll('[data-run]')].find((e) => e.dataset.run === part.run);
    if (!run) {
      run = document.createElement('section');
      run.className = 'run';
      run.dataset.run = part.run;
      main.append(run);
    }
    return run;
  }

  const source = new EventSource(place.dataset.live);
  source.onopen = () => { place.textContent = 'live'; };
  source.onerror = () => {
    place.textContent = source.readyState === EventSource.CLOSED ? 'not live: reload the page' : 'connecting …';
  };
  source.onmessage = (message) => {
    const change = JSON.parse(message.data);
    const atEnd = window.innerHeight + window.scrollY > document.documentElement.scrollHeight - 80 && window.scrollY > 0;
    for (const part of change.parts) put(part);
    for (const e of document.querySelectorAll('#waits > [data-part]')) if (!change.waits.includes(e.dataset.part)) e.remove();
    document.title = change.title;
    document.body.dataset.seq = change.seq;
    document.dispatchEvent(new Event('parts'));
    if (atEnd) window.scrollTo(0, document.documentElement.scrollHeight);
  };
  window.addEventListener('pagehide', () => source.close());
  window.addEventListener('pageshow', (e) => { if (e.persisted) location.reload(); });
})();
