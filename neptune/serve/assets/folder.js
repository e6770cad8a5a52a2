// Search in a folder: the best so far, again and again, until it is done.
let finding = null;
const thumbs = new Map();

async function thumb(path) {
  if (!thumbs.has(path)) thumbs.set(path, fetch(`/v1/file?path=${encodeURIComponent(path)}`, {headers: headers({})}).then(checked).then((r) => r.blob()).then(asDataURL));
  return thumbs.get(path);
}

function showFound(found, done) {
  const share = found.oracle_calls_of_everything ? ` (${Math.round(100 * found.oracle_calls / found.oracle_calls_of_everything)} % of all)` : "";
  const line = `${found.said}; ${count(found.oracle_calls)} calls${share}, ${count(found.opened)} of ${count(found.pictures)} pictures opened${done ? "" : " …"}`;
  const hits = make("div", "found", ...found.hits.slice(0, 60).map((hit) => {
    const score = found.ranked_by === "number" ? String(hit.low) : hit.low === hit.high ? hit.low.toFixed(3) : `${hit.low.toFixed(2)}–${(hit.high ?? 1).toFixed(2)}`;
    const img = make("img"), button = make("button", "", img, make("span", "", `${hit.match ? "✓" : hit.match === false ? "✗" : "?"} ${score}`), make("span", "quiet", hit.picture));
    img.alt = "";
    button.type = "button";
    button.title = hit.picture;
    thumb(hit.picture).then((data) => { img.src = data; }, () => {});
    button.addEventListener("click", async () => {
      const file = await checked(await fetch(`/v1/file?path=${encodeURIComponent(hit.picture)}`, {headers: headers({})}));
      takePicture(hit.picture, await asDataURL(await file.blob()));
    });
    return button;
  }));
  const left = found.left_out.length ? make("p", "note", `Left out: ${found.left_out.slice(0, 3).map((l) => `${l.picture} (${l.why})`).join("; ")}`) : null;
  byId("found").replaceChildren(make("p", "note", line), hits, ...(left ? [left] : []));
}

async function startFolders() {
  if (!facts.folders) return;
  const {folders} = await (await checked(await fetch("/v1/folders", {headers: headers({})}))).json();
  byId("find-folder").replaceChildren(...folders.map((f) => new Option(`${f.of}${f.folder === "." ? "" : "/" + f.folder} (${count(f.pictures)})`, f.folder)));
}

async function find() {
  finding?.abort();
  const mine = finding = new AbortController();
  const query = byId("find-query").value.trim(), most = Number(byId("find-calls").value);
  if (!query) { say("Say what to look for", true); return; }
  byId("found").replaceChildren(make("p", "note", "Searching …"));
  byId("find-stop").hidden = false;
  const body = {folder: byId("find-folder").value, query, want: byId("find-want").value, top: 20, ...(most ? {max_oracle_calls: most} : {})};
  try {
    await events("/v1/find", body, (name, data) => {
      if (name === "found" || name === "done") showFound(data, name === "done");
      if (name === "done" && data.budget_spent) byId("found").prepend(make("p", "note", "The calls are spent: this is the best so far"));
    }, mine.signal);
    say("The search is done");
  } catch (error) {
    if (error.name !== "AbortError") byId("found").replaceChildren(make("p", "problems", error.message));
  } finally {
    if (finding === mine) byId("find-stop").hidden = true;
  }
}

if (facts.folders) {
  byId("find-form").addEventListener("submit", (event) => { event.preventDefault(); find(); });
  byId("find-stop").addEventListener("click", () => {
    finding?.abort();
    byId("found").prepend(make("p", "note", "Stopped: this is the best so far"));
    say("The search is stopped");
  });
}
