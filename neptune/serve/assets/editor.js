// The program as one types it: what is wrong is underlined where it is, and words are completed.
const editor = byId("program"), marks = byId("marks"), words = byId("words");
let checking = null, offered = [], picked = 0;

function places(text, problems) { // from lines and columns to offsets
  const starts = [0];
  for (let i = 0; i < text.length; i++) if (text[i] === "\n") starts.push(i + 1);
  const at = (line, column) => Math.min((starts[line - 1] ?? text.length) + column - 1, text.length);
  return problems.filter((p) => p.line).map((p) => {
    let from = at(p.line, p.column), to = at(p.end_line ?? p.line, p.end_column ?? p.column + 1);
    if (to <= from) to = from + 1;
    if (from >= text.length) from = Math.max(text.trimEnd().length - 1, 0); // the fault is that it ends
    return [from, Math.max(to, from + 1)];
  }).sort((a, b) => a[0] - b[0]);
}

function underline(problems) {
  const text = editor.value, nodes = [];
  let at = 0;
  for (const [from, to] of places(text, problems)) {
    if (from < at) continue;
    nodes.push(text.slice(at, from), make("mark", "", text.slice(from, to) || " "));
    at = to;
  }
  marks.replaceChildren(...nodes, text.slice(at) + "\n");
  marks.scrollTop = editor.scrollTop;
}

function problemsOf(found) {
  byId("problems").replaceChildren(...found.problems.map((p) => {
    const where = p.line ? `line ${p.line}, column ${p.column}: ` : "";
    return make("li", "", `${where}${p.what}${p.expected ? `; expected ${p.expected}` : ""}`, p.hint ? make("span", "hint", ` ${p.hint}`) : null);
  }), ...found.notes.map((note) => make("li", "right", note)));
  editor.setAttribute("aria-invalid", String(found.problems.length > 0));
}

async function check() {
  checking?.abort();
  const program = editor.value, mine = checking = new AbortController();
  if (!program.trim()) { underline([]); problemsOf({problems: [], notes: []}); return; }
  try {
    const found = await post("/v1/check", {program}, mine.signal);
    if (editor.value !== program) return;
    underline(found.problems);
    problemsOf(found);
  } catch (error) {
    if (error.name !== "AbortError") say(error.message, true);
  }
}

const soon = later(180, check);

function tall() {
  editor.rows = Math.min(Math.max(4, editor.value.split("\n").length), 20);
}

function setProgram(text) {
  editor.value = text;
  tall();
  underline([]);
  hideWords();
  return check();
}

// --- completion ---

function begun() { // the word before the caret
  return editor.selectionStart === editor.selectionEnd ? /[A-Za-z_]\w*$/.exec(editor.value.slice(0, editor.selectionStart))?.[0] ?? "" : "";
}

function hideWords() {
  words.hidden = true;
  editor.removeAttribute("aria-activedescendant");
}

function offer(all = false) {
  const word = begun().toLowerCase();
  const names = facts.language.names.filter((n) => n.name.toLowerCase().startsWith(word) && n.name.toLowerCase() !== word);
  if ((!word && !all) || !names.length || (word.length < 2 && !all)) { hideWords(); return; }
  offered = names.sort((a, b) => a.name.length - b.name.length || (a.name < b.name ? -1 : 1)).slice(0, 40);
  picked = 0;
  words.replaceChildren(...offered.map((n, k) => {
    const item = make("li", "", make("span", "", n.use), make("small", "", n.kind));
    item.id = `word-${k}`;
    item.role = "option";
    item.title = n.help;
    item.addEventListener("mousedown", (event) => { event.preventDefault(); picked = k; complete(); });
    return item;
  }));
  const caret = caretPlace();
  words.style.left = `${Math.min(caret.x, Math.max(editor.clientWidth - 210, 0))}px`;
  words.style.top = `${caret.y}px`;
  words.hidden = false;
  pick(0);
}

function caretPlace() {
  const copy = marks.cloneNode(false), spot = make("span", "", "|");
  copy.style.visibility = "hidden";
  copy.append(editor.value.slice(0, editor.selectionStart - begun().length), spot);
  marks.parentElement.append(copy);
  const place = {x: spot.offsetLeft, y: spot.offsetTop + spot.offsetHeight - editor.scrollTop + 2};
  copy.remove();
  return place;
}

function pick(k) {
  picked = (k + offered.length) % offered.length;
  [...words.children].forEach((item, i) => item.setAttribute("aria-selected", String(i === picked)));
  words.children[picked].scrollIntoView({block: "nearest"});
  editor.setAttribute("aria-activedescendant", `word-${picked}`);
}

function complete() {
  const {name, kind} = offered[picked], from = editor.selectionStart - begun().length;
  const call = ["built-in", "property", "relation"].includes(kind) && editor.value[editor.selectionStart] !== "(";
  editor.setRangeText(name + (call ? "(" : ""), from, editor.selectionStart, "end");
  hideWords();
  editor.focus();
  changedProgram();
}

function changedProgram() {
  tall();
  marks.replaceChildren(editor.value + "\n");
  soon();
}

editor.addEventListener("input", () => { changedProgram(); offer(); });
editor.addEventListener("scroll", () => { marks.scrollTop = editor.scrollTop; });
editor.addEventListener("blur", hideWords);
editor.addEventListener("click", hideWords);
editor.addEventListener("keydown", (event) => {
  if (event.key === " " && event.ctrlKey) { event.preventDefault(); offer(true); return; }
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); hideWords(); runProgram(); return; }
  if (words.hidden) return;
  const does = {ArrowDown: () => pick(picked + 1), ArrowUp: () => pick(picked - 1), Tab: complete, Enter: complete, Escape: hideWords}[event.key];
  if (does) { event.preventDefault(); event.stopPropagation(); does(); }
});
