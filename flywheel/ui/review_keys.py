"""The keys of the review page: what each does, as words for a person and as a script for the head of the page.

A key clicks what a mouse would click, so it can do nothing that the page does not offer. Knows elements by their ids.
"""

from html import escape

from flywheel.words.catalogue import say

HELP = (
    ("j, k", "step"),
    ("a", "approve"),
    ("e", "edit"),
    ("x", "redact"),
    ("r", "reject"),
    ("s", "skip"),
    ("u", "undo"),
    ("t", "tag"),
    ("/", "search"),
    ("?", "help"),
)
"""Keys, and `review.key.<name>` in the catalogue."""

# Never while a person types, never with Ctrl, Alt or Meta held. A decision waits until the page shows the item it is
# for: one key held down must not decide what nobody has seen.
SCRIPT = """<script>
(() => {
  let seen = '', waitUntil = 0;
  const shown = () => document.querySelector('#item [data-item]')?.dataset.item ?? '';
  const decide = (id) => {
    if (shown() === seen && Date.now() < waitUntil) return;
    const it = document.getElementById(id);
    if (!it || it.disabled) return;
    seen = shown(); waitUntil = Date.now() + 3000;
    it.click();
  };
  const press = (id) => document.getElementById(id)?.click();
  const focus = (id) => document.querySelector('#' + id + ' textarea, #' + id + ' input')?.focus();
  const step = (by) => {
    const all = [...document.querySelectorAll('#queue input[type=radio]')];
    all[all.findIndex((radio) => radio.checked) + by]?.click();
  };
  const help = () => { const it = document.querySelector('#keys details'); if (it) it.open = !it.open; };
  const actions = {
    a: () => decide('approve'), s: () => decide('skip'), u: () => press('undo'), x: () => press('redact'),
    e: () => focus('completion'), r: () => focus('reason'), j: () => step(1), k: () => step(-1),
    t: () => focus('tags'), '/': () => focus('search'), '?': help,
  };
  document.addEventListener('keydown', (event) => {
    if (!location.pathname.endsWith('/review')) return;
    const at = event.target;
    if (event.ctrlKey && event.key === 'Enter' && at.closest('#completion')) {
      event.preventDefault(); at.blur(); setTimeout(() => decide('approve'), 50);
      return;
    }
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (at.closest('textarea, select, [contenteditable=true]') || (at.tagName === 'INPUT' && at.type !== 'radio')) {
      if (event.key === 'Escape') at.blur();
      return;
    }
    const action = actions[event.key];
    if (action) { event.preventDefault(); action(); }
  });
})();
</script>"""


def help_view() -> str:
    """The list of keys, folded away."""
    rows = "".join(
        f"<div><dt><kbd>{keys}</kbd></dt><dd>{escape(say(f'review.key.{name}'))}</dd></div>" for keys, name in HELP
    )
    return f'<details><summary>{escape(say("review.keys"))}</summary><dl class="fw-facts fw-keys">{rows}</dl></details>'
