// The keys of the review page, and what may be done while a decision is under way. A key clicks what a mouse would click.
//
// Every event says which item was on the page when it was sent (`data-item`: its id and the event it was read at), and the
// service refuses what does not match. So that nobody meets that refusal, nothing is begun while the page is drawn anew:
// what is meant for the item before is not used, and the page says so; what is meant for the next one waits until it is whole.
(() => {
  const DECIDING = '#approve, #skip, #undo, #reject, #redact, #alike-approve, #alike-reject';
  const STEPPING = '#queue label, #queue input, #queue-back, #queue-on';
  const PATIENCE = 60000;  // milliseconds after which an end that was never told is assumed
  let since = 0, before = '', next = null, unused = 0, total = 0, note = null, timer = null;
  const here = () => location.pathname.endsWith('/review');
  const item = () => document.querySelector('#item [data-item]')?.dataset.item ?? '';
  const busy = () => since > 0 && Date.now() - since < PATIENCE;
  const started = () => { since = Date.now(); before = item(); };

  const refuse = () => {
    if (!note) {
      note = Object.assign(document.createElement('div'), {className: 'fw-early', id: 'early', role: 'status'});
      document.body.append(note);
    }
    unused += 1;
    note.dataset.total = total += 1;
    note.textContent = window.fwWords.early.replace('{count}', unused);
    note.hidden = false;
    clearTimeout(timer);
    timer = setTimeout(() => { note.hidden = true; unused = 0; }, 6000);
  };
  const once_whole = (act) => {
    if (!busy()) act();
    else if (item() !== before && !next) next = [act, item()];
    else refuse();
  };
  const ended = () => {
    since = 0;
    const [act, meant] = next ?? [];
    next = null;
    if (!act) return;
    if (meant === item()) setTimeout(() => once_whole(act)); else refuse();
  };

  // What the events of the page call: `all` are their inputs, `at` is the place of the one that tells the item.
  const seen = (all, at) => { if (at >= 0) all[at] = item(); return all; };
  window.fwReview = {busy, ended, seen, begun: (all, at) => { started(); return seen(all, at); }};

  const press = (id) => once_whole(() => document.getElementById(id)?.click());
  const decide = (id) => { if (item()) press(id); };
  const focus = (id) => document.querySelector('#' + id + ' textarea, #' + id + ' input')?.focus();
  const step = (by) => once_whole(() => {
    const all = [...document.querySelectorAll('#queue input[type=radio]')];
    all[all.findIndex((radio) => radio.checked) + by]?.click();
  });
  const help = () => { const it = document.querySelector('#keys details'); if (it) it.open = !it.open; };
  const actions = {
    a: () => decide('approve'), s: () => decide('skip'), u: () => press('undo'), x: () => decide('redact'),
    e: () => focus('completion'), r: () => focus('reason'), j: () => step(1), k: () => step(-1),
    t: () => focus('tags'), p: () => once_whole(() => document.querySelector('#pin input')?.click()), '/': () => focus('search'), '?': help,
  };
  const repeats = ['j', 'k'];

  addEventListener('click', (event) => {
    const it = here() && event.target.closest?.(`${DECIDING}, ${STEPPING}`);
    if (!it) return;
    if (busy()) {
      event.preventDefault();
      event.stopImmediatePropagation();
      once_whole(() => it.isConnected && it.click());
    } else if (it.matches(DECIDING)) started();
  }, true);
  addEventListener('keydown', (event) => {
    if (!here() || !busy() || event.key !== 'Enter' || !event.target.closest('#reason')) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    press('reject');
  }, true);

  // Never while a person types, never with Ctrl, Alt or Meta held; a key held down decides one item.
  document.addEventListener('keydown', (event) => {
    if (!here()) return;
    const at = event.target;
    if (event.ctrlKey && event.key === 'Enter' && at.closest('#completion')) {
      const meant = item();
      event.preventDefault(); at.blur(); setTimeout(() => { if (item() === meant) decide('approve'); else refuse(); }, 50);
      return;
    }
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const typed = at.tagName === 'INPUT' && !['radio', 'checkbox'].includes(at.type);
    if (typed || at.closest('textarea, select, [contenteditable=true]')) {
      if (event.key === 'Escape') at.blur();
      return;
    }
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    if (!event.repeat || repeats.includes(event.key)) action();
  });
})();
