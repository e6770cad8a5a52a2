// The list of samples: filtered, sorted, and only as much of it in the page as is seen.
const ROW = 62;
let matching = [], chosen = 0, outcome = "";

const several = (n) => new Set(rows.map((r) => r[n])).size > 1;
const familyName = (row) => several.dataset ? `${row.dataset}: ${row.family || "all"}` : row.family || "all";

function fillFilters() {
  several.dataset = several("dataset");
  const options = (select, all, names, label = (n) => n) => {
    const before = select.value;
    select.replaceChildren(new Option(all, ""), ...names.map((n) => new Option(label(n), n)));
    select.value = names.includes(before) ? before : "";
  };
  options(byId("family"), "all families", [...new Set(rows.map(familyName))].sort());
  options(byId("dataset"), "all datasets", [...new Set(rows.map((r) => r.dataset))].sort());
  byId("dataset").hidden = !several.dataset;
  const faults = {};
  for (const row of rows) for (const fault of row.faults || []) faults[fault] = (faults[fault] || 0) + 1;
  options(byId("fault"), "all kinds", Object.keys(faults).sort(), (name) => `${name} (${count(faults[name])})`);
  byId("fault").hidden = !Object.keys(faults).length;
  const n = {};
  for (const row of rows) n[row.state] = (n[row.state] || 0) + 1;
  byId("states").replaceChildren(...["", ...STATES.filter((s) => n[s] || s === outcome)].map((state) => {
    const button = make("button", "", state ? make("i", "dot " + state) : null, `${state || "all"} ${count(state ? n[state] || 0 : rows.length)}`);
    button.type = "button";
    button.setAttribute("aria-pressed", String(state === outcome));
    button.addEventListener("click", () => { outcome = state; filter(); });
    return button;
  }));
}

function filter(keepChosen) {
  const current = keepChosen && matching[chosen];
  const family = byId("family").value, dataset = byId("dataset").value, fault = byId("fault").value, sort = byId("sort").value;
  const doubt = parseFloat(byId("doubt").value), calls = parseFloat(byId("calls").value);
  const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  matching = rows.filter((row) => {
    if (outcome && row.state !== outcome) return false;
    if (family && familyName(row) !== family) return false;
    if (dataset && row.dataset !== dataset) return false;
    if (fault && !(row.faults || []).includes(fault)) return false;
    if (!isNaN(doubt) && !(row.doubt >= doubt)) return false;
    if (!isNaN(calls) && !(row.calls >= calls)) return false;
    if (!words.length) return true;
    row.text ||= [row.id, row.question, row.program, show(row.answer), show(row.expected), row.family, ...(row.faults || [])].join(" ").toLowerCase();
    return words.every((w) => row.text.includes(w));
  });
  if (sort) {
    const least = sort === "flip", none = least ? Infinity : -Infinity;
    const key = (row) => typeof row[sort] === "number" ? row[sort] : none;
    matching.sort((a, b) => (least ? key(a) - key(b) : key(b) - key(a)) || a.at - b.at);
  }
  byId("matching").textContent = `${count(matching.length)} of ${count(rows.length)}`;
  byId("tall").style.height = matching.length * ROW + "px";
  fillFilters();
  const same = current ? matching.indexOf(current) : -1;
  if (same >= 0) { chosen = same; drawList(); } else { byId("list").scrollTop = 0; choose(0); }
}

function drawList() {
  const list = byId("list"), first = Math.max(0, Math.floor(list.scrollTop / ROW) - 6);
  const last = Math.min(matching.length, Math.ceil((list.scrollTop + list.clientHeight) / ROW) + 6);
  const items = [];
  for (let k = first; k < last; k++) {
    const row = matching[k], answer = row.state === "error" ? "error" : row.state === "abstained" ? "abstained" : show(row.answer);
    const doubt = typeof row.doubt === "number" ? sure(1 - row.doubt) : "";
    const fault = (row.faults || []).filter((f) => f !== "error: unknown").map((f) => f.replace(/^(error|abstained|wrong): /, ""));
    const item = make("div", "item", make("div", "q", row.question || row.id),
      make("div", "m", make("i", "dot " + row.state), make("b", "", answer), fault.length ? make("em", "", fault.join(", ")) : null,
        make("span", "", [row.family, doubt, `${row.calls} calls`].filter(Boolean).join(" · "))));
    item.id = "item-" + k;
    item.style.top = k * ROW + "px";
    item.setAttribute("role", "option");
    item.setAttribute("aria-selected", String(k === chosen));
    item.setAttribute("aria-label", [row.state, row.question || row.id, ...(row.faults || [])].join(": "));
    item.setAttribute("aria-posinset", k + 1);
    item.setAttribute("aria-setsize", matching.length);
    item.addEventListener("click", () => { choose(k); byId("samples").classList.add("one"); });
    items.push(item);
  }
  byId("tall").replaceChildren(...items);
  list.setAttribute("aria-activedescendant", matching.length ? "item-" + chosen : "");
}

function choose(k) {
  chosen = Math.min(Math.max(k, 0), Math.max(matching.length - 1, 0));
  const list = byId("list"), top = chosen * ROW;
  if (top < list.scrollTop) list.scrollTop = top;
  else if (top + ROW > list.scrollTop + list.clientHeight) list.scrollTop = top + ROW - list.clientHeight;
  drawList();
  const row = matching[chosen];
  if (row && !byId("samples").hidden) history.replaceState(null, "", "#" + encodeURIComponent(row.id));
  drawSample(row);
}

// What is listed, as files.
const COLUMNS = ["id", "dataset", "family", "question", "program", "answer", "expected", "state", "faults", "doubt", "calls", "flip"];

function downloadCsv() {
  const lines = matching.map((row) => COLUMNS.map((name) => row[name]));
  download(`${facts.title}.csv`, "text/csv;charset=utf-8", csv([COLUMNS, ...lines]));
}

async function downloadJson() {
  const whole = [];
  for (const row of matching) {
    const {at, text, picture, ...fields} = row;
    whole.push({...fields, ...await details(at)});
  }
  download(`${facts.title}.json`, "application/json", JSON.stringify(whole, null, 1));
}
