// A picture, a question, an answer; and what follows when something is changed.
let picture = null, asking = null, latest = null, looked = null;

const logT = (id) => id === "t-oracle" ? 10 ** (Number(byId(id).value) / 2) : Number(byId(id).value);

function how() {
  const found = {logic: byId("logic").value};
  const temperatures = {};
  if (logT("t-oracle") !== 1) temperatures.oracle = logT("t-oracle");
  if (logT("t-quantifier") !== 0) temperatures.quantifier = logT("t-quantifier");
  if (logT("t-iota") !== 1) temperatures.iota = logT("t-iota");
  return Object.keys(temperatures).length ? {...found, temperatures} : found;
}

// --- the picture ---

async function takeFile(file) {
  if (!file) return;
  if (file.size > facts.most_bytes) { say(`The picture is too large: at most ${count(facts.most_bytes / 1e6)} MB`, true); return; }
  say("Sending the picture …");
  try {
    const form = new FormData();
    form.append("file", file, file.name || "picture");
    const sent = await (await checked(await fetch("/v1/pictures", {method: "POST", headers: headers({}), body: form}))).json();
    await takePicture(sent.picture, await asDataURL(file), file.name);
  } catch (error) {
    say(error.message, true);
  }
}

async function takePicture(name, data, file = "") {
  picture = {name, file};
  pictures = [data];
  latest = null;
  forgetScores();
  endTalk();
  byId("answer").hidden = true;
  byId("plan").replaceChildren();
  byId("drop").hidden = true;
  byId("choose").textContent = "Another picture";
  say("Looking …");
  try {
    looked = await post("/v1/look", {picture: name});
    paint({boxes: looked.boxes, size: looked.size, objects: []});
    const outside = looked.out_of_domain ? `Out of domain: ${looked.out_of_domain}` : `${looked.boxes.length} objects`;
    say(outside, Boolean(looked.out_of_domain));
    if (byId("question").value.trim()) ask();
  } catch (error) {
    paint({boxes: [], size: [480, 320], objects: []});
    say(error.message, true);
  }
}

function paint(sample) {
  const view = new View({picture: 0, program: latest?.program}, sample, () => {});
  byId("shown").replaceChildren(view.picture());
  requestAnimationFrame(() => view.place());
  return view;
}

// --- asking ---

async function ask(given) {
  if (!picture) { say("Drop a picture first", true); byId("drop").focus(); return; }
  const question = byId("question").value.trim(), program = given ?? "";
  if (!question && !program) { say("Ask a question, or write a program", true); return; }
  asking?.abort();
  asking = new AbortController();
  moved = new Map();
  byId("set").value = "";
  const body = {picture: picture.name, inside: true, evidence: true, ...how(), ...(program ? {program} : {question})};
  const sample = {boxes: [], size: looked?.size ?? [480, 320], objects: [], scores: null};
  let view = null;
  say("Asking …");
  try {
    await events("/v1/stream", body, (name, data) => {
      if (name === "program" && !program) setProgram(data.program);
      if (name === "boxes") { Object.assign(sample, {boxes: data.boxes, size: data.size}); view = paint(sample); }
      if (name === "scores" && view) {
        say(`${asked(data.question, ["x", "y"])} …`);
        if (data.objects[0]?.length === 1) {
          const scores = sample.boxes.map(() => null);
          data.objects.forEach(([i], k) => { scores[i] = data.probabilities[k]; });
          view.paint({scores, name: () => asked(data.question, ["x"])});
        }
      }
      if (name === "answer") showAnswer({...data, question: body.question, base: data.program});
    }, asking.signal);
  } catch (error) {
    if (error.name === "AbortError") return;
    byId("answer").hidden = true;
    byId("plan").replaceChildren();
    if (error.error?.line) { underline([error.error]); problemsOf({problems: [error.error], notes: []}); }
    say(error.message, true);
  }
}

const runProgram = () => ask(editor.value.trim() || null);

function showAnswer(found, keepScores = false) {
  latest = found;
  const sample = {...found, boxes: found.scene.boxes, size: found.scene.size, plan: found.inside?.plan ?? [], lines: found.inside?.lines ?? []};
  const view = paint(sample);
  byId("answer").hidden = false;
  byId("said").textContent = found.abstained ? found.answer : found.answer.replace(/ \([\d.]+\)(?=$|,)/, "");
  byId("said").className = found.abstained ? "abstained" : "";
  byId("sure").textContent = [sureOf(sample), found.abstained ? WHY[found.why] || found.why : ""].filter(Boolean).join(" · ");
  byId("alerts").replaceChildren(...[alerts(sample)].filter(Boolean));
  byId("plan").replaceChildren(...[view.plan()].filter(Boolean));
  if (!keepScores) showScores(found.evidence);
  const usage = found.usage || {};
  say(`${count(usage.oracle_calls || 0)} calls of the model`);
}

const follow = later(120, async () => { // the same question, with scores, logic or temperatures that are others
  if (!latest || !picture) return;
  asking?.abort();
  asking = new AbortController();
  const body = {picture: picture.name, program: latest.base, inside: true, ...how(), changed: changes(), set: sets()};
  try {
    showAnswer({...await post("/v1/ask", body, asking.signal), evidence: said, question: latest.question, base: latest.base}, true);
  } catch (error) {
    if (error.name !== "AbortError") say(error.message, true);
  }
});

// --- taking it along ---

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
const fileOf = () => picture?.file || (picture?.name.startsWith("picture:") || picture?.name.startsWith("data:") ? "picture.png" : picture?.name ?? "picture.png");

function copied(kind) {
  const {logic, temperatures = {}} = how(), other = logic === facts.logics[0] ? "" : logic;
  const fields = Object.entries(facts.given).map(([name, value]) => ` --${name} ${quoted(String(value))}`).join("");
  if (kind === "command") return `neptune-reasoner ask ${quoted(fileOf())} --program ${quoted(latest.base)}${fields}${other ? ` --logic ${other}` : ""}${sets().length ? ` --set ${sets().map(quoted).join(" ")}` : ""}`;
  const {oracle, ...taus} = temperatures, warm = Object.keys(temperatures).length > 0;
  const numbers = [JSON.stringify(logic), ...Object.entries(taus).map(([name, tau]) => `${name}_tau=${tau}`), ...(oracle ? [`oracle={"default": (${oracle}, 0.0)}`] : [])];
  const models = Object.entries(facts.given).map(([name, value]) => `${{vlm_model_name: "oracle", od_model: "detector"}[name] ?? name}=${value === null ? "None" : JSON.stringify(value)}`);
  const given = [...models, ...(other ? [`logic=${JSON.stringify(other)}`] : []), ...(warm ? [`parameters=LogicParameters(${numbers.join(", ")})`] : [])];
  return `from neptune import Engine\n${warm ? "from neptune.algebra import LogicParameters\n" : ""}\nwith Engine(${given.join(", ")}) as engine:\n    answer = engine.ask(${JSON.stringify(fileOf())}, program=${JSON.stringify(latest.base)})\nprint(answer)\n`;
}

function leftOut(kind) { // what a command or a program does not say, and a bundle does
  const what = [...(moved.size ? ["scores that were moved"] : []), ...(kind === "command" && how().temperatures ? ["temperatures"] : []),
    ...(kind === "python" && sets().length ? ["changes"] : [])];
  return what.length ? `Without ${what.join(" and ")}: these are in the bundle.` : "";
}

async function bundle() {
  const body = {picture: picture.name, program: latest.base, ...(latest.question ? {question: latest.question} : {}), ...how(), changed: changes(), set: sets()};
  say("Packing …");
  const sent = await fetch("/v1/bundle", {method: "POST", headers: headers({"Content-Type": "application/json"}), body: JSON.stringify(body)});
  download("answer.zip", "application/zip", await (await checked(sent)).blob());
  say("neptune-reasoner replay answer.zip gives this answer again");
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", () => {
    if (!latest) return;
    const kind = button.dataset.copy;
    if (kind === "bundle") { bundle().catch((error) => say(error.message, true)); return; }
    byId("command").textContent = copied(kind);
    byId("command").hidden = false;
    byId("left-out").textContent = leftOut(kind);
    copy(button, byId("command").textContent);
    setTimeout(() => { button.textContent = kind === "python" ? "Python" : kind; }, 1500);
  });
}

// --- where things come from ---

function dropping(place) {
  place.addEventListener("dragover", (event) => { event.preventDefault(); place.classList.add("over"); });
  place.addEventListener("dragleave", () => place.classList.remove("over"));
  place.addEventListener("drop", (event) => { event.preventDefault(); place.classList.remove("over"); takeFile(event.dataTransfer.files[0]); });
}

const chooseFile = () => byId("file").click();
for (const id of ["drop", "shown"]) dropping(byId(id));
for (const name of ["dragover", "drop"]) window.addEventListener(name, (event) => event.preventDefault());
byId("drop").addEventListener("click", chooseFile);
byId("drop").addEventListener("keydown", (event) => { if (["Enter", " "].includes(event.key)) { event.preventDefault(); chooseFile(); } });
byId("choose").addEventListener("click", chooseFile);
byId("file").addEventListener("change", () => { takeFile(byId("file").files[0]); byId("file").value = ""; });
window.addEventListener("paste", (event) => { const file = [...event.clipboardData.files].find((f) => f.type.startsWith("image/")); if (file) takeFile(file); });
byId("sample-picture")?.addEventListener("click", async () => takeFile(new File([Uint8Array.from(atob(facts.sample.split(",")[1]), (c) => c.charCodeAt(0))], "sample.jpg", {type: "image/jpeg"})));
byId("ask-form").addEventListener("submit", (event) => { event.preventDefault(); ask(); });
byId("run").addEventListener("click", runProgram);
byId("logic").addEventListener("change", follow);
for (const id of ["t-oracle", "t-quantifier", "t-iota"]) {
  byId(id).addEventListener("input", () => { byId(id).nextElementSibling.textContent = String(Math.round(100 * logT(id)) / 100); follow(); });
}
byId("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  token = byId("token").value.trim();
  byId("token-form").hidden = true;
  try { sessionStorage.setItem("neptune-token", token); } catch { /* then it is asked for again */ }
  startFolders().catch((error) => say(error.message, true));
});
byId("notation").addEventListener("click", () => {
  notation = !notation;
  document.body.classList.toggle("notation", notation);
  byId("notation").setAttribute("aria-pressed", String(notation));
  if (latest) showAnswer({...latest, evidence: said}, true);
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, textarea, select")) return;
  const does = {"/": () => byId("question").focus(), t: otherTheme, w: () => byId("notation").click(), e: () => editor.focus()}[event.key];
  if (does) { event.preventDefault(); does(); }
});

async function start() {
  startPage();
  token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
  try { token ||= sessionStorage.getItem("neptune-token") ?? ""; if (token) sessionStorage.setItem("neptune-token", token); } catch { /* it is in the address */ }
  if (location.hash) history.replaceState(null, "", location.pathname);
  byId("token-form").hidden = !facts.token || Boolean(token);
  underline([]);
  document.documentElement.dataset.ready = "yes";
  if (!facts.token || token) await startFolders();
}

start().catch((error) => say(error.message, true));
