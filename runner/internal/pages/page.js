
'use strict';
(() => {
  const $ = (id) => document.getElementById(id);
  const query = $('q'), only = $('only'), open = $('open'), count = $('count');
  let cards, runs;
  let texts; // the text of each card in lower case, made for the first search
  function collect() {
    cards = [...document.querySelectorAll('main > article, main > .run > article')];
    runs = [...document.querySelectorAll('main > .run')];
    texts = undefined;
  }
  collect();
  $('tools').hidden = $('keys').hidden = false;

  let last = '';
  const maxMarked = 200, maxRanges = 2000;

  function search() {
    const want = query.value.trim().toLowerCase();
    if (want && !texts) texts = cards.map((c) => c.textContent.toLowerCase());
    const shown = cards.filter((c, i) => {
      c.hidden = (want && !texts[i].includes(want)) || (only.checked && !('problem' in c.dataset));
      return !c.hidden;
    });
    for (const r of runs) r.hidden = shown.length < cards.length && ![...r.children].some((c) => c.tagName === 'ARTICLE' && !c.hidden);
    count.textContent = want || only.checked ? shown.length + ' of ' + cards.length : '';
    if (want !== last) mark(want, shown.slice(0, maxMarked));
    last = want;
  }

  // mark unfolds and colours what was found.
  function mark(want, found) {
    if (window.Highlight) CSS.highlights.delete('found');
    if (want.length < 2) return;
    const ranges = [];
    for (const card of found) {
      const walk = document.createTreeWalker(card, NodeFilter.SHOW_TEXT);
      for (let n = walk.nextNode(); n && ranges.length < maxRanges; n = walk.nextNode()) {
        const text = n.data.toLowerCase();
        if (text.length !== n.data.length) continue; // the places differ
        for (let at = text.indexOf(want); at >= 0 && ranges.length < maxRanges; at = text.indexOf(want, at + want.length)) {
          const range = new Range();
          range.setStart(n, at);
          range.setEnd(n, at + want.length);
          ranges.push(range);
          const fold = n.parentElement.closest('details');
          if (fold && !n.parentElement.closest('summary')) fold.open = true;
        }
      }
    }
    if (window.Highlight) CSS.highlights.set('found', new Highlight(...ranges));
  }

  // go shows what the address names: #e12 or #q=words.
  function go() {
    const hash = location.hash.slice(1);
    if (hash.startsWith('q=')) {
      try { query.value = decodeURIComponent(hash.slice(2)); } catch { query.value = hash.slice(2); }
      search();
      return;
    }
    const target = hash && $(hash);
    if (!target) return;
    if (target.closest('[hidden]')) clear();
    for (let d = target.closest('details'); d; d = d.parentElement.closest('details')) d.open = true;
    target.scrollIntoView();
  }

  function clear() {
    query.value = '';
    only.checked = false;
    search();
  }

  function unfold(within, on) {
    for (const d of within.querySelectorAll('details')) d.open = on;
  }

  let timer;
  query.addEventListener('input', () => { clearTimeout(timer); timer = setTimeout(search, 120); });
  only.addEventListener('change', search);
  $('tools').addEventListener('submit', (e) => { e.preventDefault(); search(); });
  open.addEventListener('click', () => {
    const on = open.getAttribute('aria-pressed') !== 'true';
    open.setAttribute('aria-pressed', on);
    open.textContent = on ? 'Fold all' : 'Unfold all';
    unfold(document, on);
  });

  let at = null; // the card of the keys
  function step(by) {
    const shown = cards.filter((c) => !c.hidden);
    const next = shown[Math.min(Math.max(shown.indexOf(at) + by, 0), shown.length - 1)];
    if (!next) return;
    at = next;
    at.tabIndex = -1;
    at.focus({ preventScroll: true });
    at.scrollIntoView({ block: 'start' });
  }
  document.addEventListener('keydown', (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    if (e.key === 'Escape') { clear(); query.blur(); return; }
    if (e.target.closest('input:not([type=checkbox]), textarea, select')) return;
    if (e.key === '/') { e.preventDefault(); query.focus(); query.select(); }
    if (e.key === 'j') step(1);
    if (e.key === 'k') step(-1);
    if (e.key === 'e' && at) unfold(at, !at.querySelector('details')?.open);
  });
  window.addEventListener('hashchange', go);
  document.addEventListener('parts', () => { // another script has changed the page
    at = at && (cards[cards.indexOf(at)]?.isConnected ? at : null);
    collect();
    if (query.value.trim() || only.checked) search();
  });
  go();
})();
