// The page of a folder of runs: a table that sorts and filters; two runs that are ticked are compared.
const FIELDS = [
  ["run", "Run"], ["when", "Started", "started"], ["accuracy", "Right, of all"], ["interval", "95 %"], ["answered", "Right, of answered"], ["n", "Samples"],
  ["errors", "Errors"], ["abstained", "Abstained"], ["calls", "Oracle calls"],
];
const NUMBERS = new Set(["accuracy", "interval", "answered", "n", "errors", "abstained", "calls"]);
const ticked = new Set();
let sorted = {by: "started", down: true};

const keyOf = (run, name) => name === "interval" ? run.interval?.[0] : run[name];

function shown() {
  const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (run) => words.every((w) => [run.run, run.data, run.oracle, run.detector, run.programs, run.logic, run.trouble].join(" ").toLowerCase().includes(w));
  const {by, down} = sorted, last = (v) => v === undefined || v === null || v === "";
  return facts.runs.filter(fits).sort((a, b) => {
    const [x, y] = [keyOf(a, by), keyOf(b, by)];
    if (last(x) || last(y)) return last(x) - last(y); // what is not known comes last
    return (typeof x === "number" ? x - y : String(x).localeCompare(String(y), "en", {numeric: true})) * (down ? -1 : 1);
  });
}

function cellOf(run, name, label) {
  const cell = make("td", NUMBERS.has(name) ? "number" : "");
  if (name !== "run") cell.dataset.name = label;
  if (name === "run") {
    const link = make(run.link ? "a" : "b", "", run.run);
    if (run.link) link.href = run.link;
    cell.append(link, make("span", "note", [run.data, run.oracle && `oracle ${run.oracle}`, run.detector && `detector ${run.detector}`, run.logic].filter(Boolean).join(" · ")));
    if (run.trouble) cell.append(make("span", "note trouble", `! ${run.trouble}`));
  } else if (name === "accuracy") {
    const meter = make("span", "meter", make("i"));
    meter.firstChild.style.width = 100 * (run.accuracy || 0) + "%";
    cell.append(typeof run.accuracy === "number" ? meter : "", make("b", "", percent(run.accuracy)));
  } else cell.append(name === "interval" ? range(run.interval) : name === "answered" ? percent(run.answered) : NUMBERS.has(name) ? count(run[name]) : run[name] || "–");
  return cell;
}

const quoted = (word) => /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`; // as a shell takes it

function drawRuns() {
  const list = shown(), head = make("tr", "", make("th", "")), body = make("tbody");
  for (const [name, label, by = name] of FIELDS) {
    const button = make("button", "", label), cell = make("th", NUMBERS.has(name) ? "number" : "", button);
    button.type = "button";
    cell.scope = "col";
    cell.setAttribute("aria-sort", sorted.by === by ? sorted.down ? "descending" : "ascending" : "none");
    button.addEventListener("click", () => { sorted = {by, down: sorted.by === by ? !sorted.down : name !== "run"}; drawRuns(); });
    head.append(cell);
  }
  for (const run of list) {
    const tick = make("input");
    tick.type = "checkbox";
    tick.checked = ticked.has(run.run);
    tick.setAttribute("aria-label", `Compare ${run.run}`);
    tick.addEventListener("change", () => {
      if (tick.checked) ticked.add(run.run); else ticked.delete(run.run);
      if (ticked.size > 2) ticked.delete([...ticked][0]);
      drawRuns();
    });
    body.append(make("tr", "", make("td", "", tick), ...FIELDS.map(([name, label]) => cellOf(run, name, label))));
  }
  byId("runs").replaceChildren(make("div", "panel", make("table", "", make("thead", "", head), body)));
  byId("matching").textContent = `${count(list.length)} of ${count(facts.runs.length)} runs`;
  byId("two").hidden = ticked.size !== 2;
  byId("command").textContent = `neptune-reasoner compare ${[...ticked].map((run) => quoted(`${facts.folder}/${run}`)).join(" ")}`;
}

function downloads() {
  const names = Object.keys(facts.runs[0]);
  byId("csv").addEventListener("click", () => download("runs.csv", "text/csv;charset=utf-8", csv([names, ...shown().map((run) => names.map((n) => run[n]))])));
  byId("json").addEventListener("click", () => download("runs.json", "application/json", JSON.stringify(shown(), null, 1)));
}

startPage();
byId("search").addEventListener("input", drawRuns);
addEventListener("keydown", (e) => {
  if (/^(input|select)$/i.test(e.target.tagName) || e.ctrlKey || e.metaKey || e.altKey) return;
  if (e.key === "t") otherTheme();
  if (e.key === "/") { e.preventDefault(); byId("search").focus(); }
});
downloads();
drawRuns();
document.documentElement.dataset.ready = "true";
