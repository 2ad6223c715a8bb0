// What the page library's markup lacks for keyboards and screen readers. Runs in the head of every page; `fwWords` holds
// the words it says. It looks once a frame, whatever changed.
(() => {
  const words = window.fwWords, root = document.documentElement;
  const find = (selector) => document.querySelector(selector);
  const set = (name, value) => (element) => element.setAttribute(name, value);

  // The message box grows with what is written: the conversation gives way, so that Send stays in sight.
  let lowest = Infinity;
  const grown = new ResizeObserver(([{target}]) => {
    const height = target.offsetHeight;
    if (height) lowest = Math.min(lowest, height);
    root.style.setProperty('--fw-grown', `${height ? height - lowest : 0}px`);
  });

  const mends = [
    ['#message textarea:not([data-watched])', (element) => { set('data-watched', '')(element); grown.observe(element); }],
    // A message is labelled with its Markdown source; a screen reader should read the message itself.
    ['#chat :is([data-testid=user], [data-testid=bot])[aria-label]', (element) => element.removeAttribute('aria-label')],
    // Each piece of a growing answer would be read out; `tell` says when it is whole.
    ['#chat [role=log][aria-live=polite]', set('aria-live', 'off')],
    ['#chat .examples[role=list]', (element) => { set('role', 'group')(element); set('aria-label', words.examples)(element); }],
    ['div.empty[aria-label]:not([role])', set('role', 'note')],
    ['footer img:not([alt=""])', set('alt', '')],
    ['button.label-wrap.open:not([aria-expanded=true])', set('aria-expanded', 'true')],
    ['button.label-wrap:not(.open):not([aria-expanded=false])', set('aria-expanded', 'false')],
  ];

  // Panels that open in the page: what closes each, and what is filled in first.
  const panels = {
    'correction': ['#close-correction', '#reasons input'],
    'edit-question': ['#keep-question', '#edited textarea'],
    'renaming': ['#keep-title', '#new-title input, #new-title textarea'],
    'deleting': ['#keep-chat', '#keep-chat'],
    'delete-sure': ['#keep-data', '#keep-data'],
  };
  const openers = new Map();
  let clicked = null, writing = false, said = null, scheduled = false;

  const tell = (sentence) => {
    if (!said) {
      said = Object.assign(document.createElement('div'), {className: 'fw-said', role: 'status'});
      said.setAttribute('aria-live', 'polite');
      document.body.append(said);
    }
    said.textContent = sentence;
  };

  const follow_answer = () => {
    const now = find('#message .stop-button') !== null;
    if (now === writing) return;
    writing = now;
    if (now) return tell(words.writing);
    setTimeout(() => {
      const last = [...document.querySelectorAll('#chat .message.bot')].pop();
      const first = last?.querySelector('p')?.innerText ?? '';
      tell(`${words.ready} ${first.slice(0, 300)}`.trim());
    }, 200);
  };

  const follow_panels = () => {
    for (const [id, [, first]] of Object.entries(panels)) {
      const open = document.getElementById(id) !== null;
      if (open && !openers.has(id)) {
        openers.set(id, clicked);
        setTimeout(() => find(first)?.focus({preventScroll: id === 'correction'}), 60);
      } else if (!open && openers.has(id)) {
        const opener = openers.get(id);
        openers.delete(id);
        // Only where the focus was lost with the panel; a phone's keyboard is not called up for it.
        if (document.activeElement && document.activeElement !== document.body) continue;
        if (opener?.isConnected) opener.focus({preventScroll: true});
        else if (!matchMedia('(pointer: coarse)').matches) find('#message textarea')?.focus({preventScroll: true});
      }
    }
  };

  const look = () => {
    scheduled = false;
    if (words.language && root.lang !== words.language) root.lang = words.language;
    for (const [selector, mend] of mends) document.querySelectorAll(selector).forEach(mend);
    follow_answer();
    follow_panels();
  };
  new MutationObserver(() => {
    if (!scheduled) requestAnimationFrame(look);
    scheduled = true;
  }).observe(root, {subtree: true, childList: true, attributes: true, attributeFilter: ['aria-label', 'aria-live', 'class', 'role']});

  document.addEventListener('click', (event) => {
    const control = event.target.closest?.('button, a, summary');
    const inside = Object.keys(panels).some((id) => control?.closest('#' + id));
    if (control && !inside) clicked = control;
  }, true);
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || event.defaultPrevented) return;
    const at = document.activeElement, open = [...openers.keys()].reverse();
    const panel = open.find((id) => document.getElementById(id)?.contains(at)) ?? (at === document.body ? open[0] : null);
    if (panel) find(panels[panel][0])?.click();
  });
})();
