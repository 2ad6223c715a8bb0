// Shows an answer while it is written: the server sends its text (see flywheel/live.py), and here it becomes paragraphs,
// lists and code in the bubble that waits for it. Runs in the head of every page. Only elements and text are made, no
// HTML is read: nothing in an answer acts, and no image is fetched. The whole answer is then drawn by the page library.
(() => {
  const DEEPEST = 5;
  const OPENS = [
    ['code', /^ {0,3}(`{3,}|~{3,})/], ['heading', /^ {0,3}#{1,6} /], ['rule', /^ {0,3}([-*_])( *\1){2,} *$/],
    ['quote', /^ {0,3}>/], ['points', /^ *[-*+] /], ['steps', /^ *\d{1,9}[.)] /], ['table', /^ *\|/],
  ];
  const INLINE = /(`+)([^]{1,500}?)\1(?!`)|\*\*(?=\S)([^]{1,500}?)\*\*|(?<![*\w])\*(?=\S)([^*]{1,500}?)\*(?![*\w])|\[([^\]]{1,500})\]\([^)]{1,500}\)/;
  const streams = new Map(), painted = new WeakMap();

  const make = (tag, ...inside) => {
    const element = document.createElement(tag);
    element.append(...inside);
    return element;
  };
  const plain = (text) => text.split('\n').flatMap((line, at) => (at ? [make('br'), line] : [line]));
  const inline = (text) => {
    const made = [];
    for (let found; (found = INLINE.exec(text)); text = text.slice(found.index + found[0].length)) {
      const [, , code, strong, soft, link] = found;
      made.push(...plain(text.slice(0, found.index)));
      made.push(code !== undefined ? make('code', code) : strong !== undefined ? make('strong', ...inline(strong))
        : soft !== undefined ? make('em', ...inline(soft)) : make('u', ...plain(link)));
    }
    return [...made, ...plain(text)];
  };

  const kindOf = (line) => OPENS.find(([, opens]) => opens.test(line))?.[0] ?? 'words';
  // A list goes on with its own items, with what is indented, and over one empty line with either.
  const listEnds = (kind, next, after) => next?.trim() ? !/^ /.test(next) && ![kind, 'words'].includes(kindOf(next))
    : !/^ {2,}\S/.test(after ?? '') && kindOf(after ?? '') !== kind;
  const ends = {
    code: (line, first) => line.trim().startsWith(first.trim().match(/^(`+|~+)/)[0]) && !line.trim().match(/[^`~]/),
    heading: () => true,
    rule: () => true,
    quote: (line, first, next) => kindOf(next ?? '') !== 'quote',
    table: (line, first, next) => kindOf(next ?? '') !== 'table',
    points: (line, first, next, after) => listEnds('points', next, after),
    steps: (line, first, next, after) => listEnds('steps', next, after),
    words: (line, first, next) => !next?.trim() || kindOf(next) !== 'words',
  };
  const blocks = (text) => {
    const lines = text.split('\n'), found = [];
    for (let at = 0; at < lines.length; at++) {
      if (!lines[at].trim()) continue;
      const kind = kindOf(lines[at]), from = at;
      const over = () => !(kind === 'code' && at === from) && ends[kind](lines[at], lines[from], lines[at + 1], lines[at + 2]);
      while (at < lines.length - 1 && !over()) at++;
      found.push({kind, lines: lines.slice(from, at + 1)});
    }
    return found;
  };

  const parts = (line) => line.trim().replace(/^\||\|$/g, '').split('|').map((part) => part.trim());
  const row = (line, tag, rule) => make('tr', ...parts(line).map((part, at) => {
    const cell = make(tag, ...inline(part));
    if (rule[at]?.endsWith(':')) cell.align = 'right';
    return cell;
  }));
  const items = (lines, depth) => {
    const indent = lines[0].match(/^ */)[0].length, found = [];
    for (const line of lines) {
      const mark = line.match(/^( *)([-*+]|\d{1,9}[.)]) /);
      if (mark && mark[1].length <= indent + 1) found.push([line.slice(mark[0].length)]);
      else found.at(-1).push(line.replace(/^ {1,4}/, ''));
    }
    return found.map((item) => {
      const inside = drawn(item.join('\n'), depth);
      return make('li', ...(inside[0]?.tagName === 'P' ? [...inside[0].childNodes, ...inside.slice(1)] : inside));
    });
  };
  const draw = {
    words: (lines) => make('p', ...inline(lines.map((line) => line.trim()).join('\n'))),
    heading: ([line]) => make('h' + line.match(/#{1,6}/)[0].length, ...inline(line.replace(/^ *#+ /, ''))),
    rule: () => make('hr'),
    quote: (lines, depth) => make('blockquote', ...drawn(lines.map((line) => line.replace(/^ {0,3}> ?/, '')).join('\n'), depth)),
    table: ([head, rule = '', ...rows]) => make('table', make('thead', row(head, 'th', parts(rule))),
      make('tbody', ...rows.map((line) => row(line, 'td', parts(rule))))),
    code: (lines) => {
      const whole = lines.length > 1 && ends.code(lines.at(-1), lines[0]);
      const box = make('div', make('pre', make('code', lines.slice(1, whole ? -1 : undefined).join('\n'))));
      box.className = 'code_wrap';
      return box;
    },
    points: (lines, depth) => make('ul', ...items(lines, depth)),
    steps: (lines, depth) => Object.assign(make('ol', ...items(lines, depth)), {start: parseInt(lines[0], 10)}),
  };
  const one = ({kind, lines}, depth) => (depth > DEEPEST ? draw.words(lines) : draw[kind](lines, depth + 1));
  const drawn = (text, depth) => blocks(text).map((block) => one(block, depth));

  // Blocks that are as they were stay; most of the time the last one alone is drawn again.
  const paint = (element, text) => {
    let before = painted.get(element);
    if (!before) {
      element.replaceChildren();
      painted.set(element, before = []);
    }
    const now = blocks(text);
    now.forEach((block, at) => {
      const source = block.kind + block.lines.join('\n');
      if (before[at]?.source === source) return;
      const node = one(block, 0);
      if (before[at]) before[at].node.replaceWith(node);
      else element.append(node);
      before[at] = {source, node};
    });
    before.splice(now.length).forEach(({node}) => node.remove());
  };

  const show = (id, texts) => {
    const frame = document.querySelector('#chat .bubble-wrap');
    const atEnd = frame && frame.scrollHeight - frame.scrollTop - frame.clientHeight < 100;
    texts.forEach((text, at) => {
      const place = document.getElementById(`live-${id}-${at}`);
      if (place) paint(place, text);
    });
    if (atEnd) frame.scrollTop = frame.scrollHeight;
  };

  const follow = (id) => {
    const source = new EventSource(`/answers/${id}/live`), texts = [];
    streams.set(id, {source, texts});
    source.onmessage = (event) => {
      JSON.parse(event.data).forEach((change, at) => {
        texts[at] = change.text ?? (texts[at] ?? '') + (change.add ?? '');
      });
      show(id, texts);
    };
    source.addEventListener('end', () => source.close());
  };

  const look = () => {
    const places = [...document.querySelectorAll('#chat .fw-live')];
    const here = new Set(places.map((place) => place.id.split('-')[1]));
    for (const [id, {source, texts}] of streams) {
      if (here.has(id) && !document.hidden) {
        // The page library may have drawn the bubble anew.
        if (places.some((place) => !painted.has(place))) show(id, texts);
      } else {
        source.close();
        streams.delete(id);
      }
    }
    // A browser opens few connections to one address: a tab that nobody sees leaves them to the others.
    if (!document.hidden) here.forEach((id) => streams.has(id) || follow(id));
  };
  new MutationObserver(look).observe(document.documentElement, {subtree: true, childList: true});
  document.addEventListener('visibilitychange', look);
})();
