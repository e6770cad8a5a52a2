// What the model said, question by question; a score that is moved is taken as another one.
let said = [], moved = new Map();

const keyOf = (question, objects) => JSON.stringify([question, objects]);
const changes = () => [...moved.values()];
const sets = () => byId("set").value.split(";").map((text) => text.trim()).filter(Boolean); // as --set takes them

function forgetScores() {
  said = [];
  moved = new Map();
  byId("set").value = "";
  byId("scores").hidden = true;
}

function showScores(evidence) {
  said = evidence || [];
  byId("scores").hidden = !said.length;
  const select = byId("score-question"), before = select.value;
  select.replaceChildren(...said.map((e, k) => new Option(asked(e.question, "xyzw".slice(0, e.arity).split("")), String(k))));
  if ([...select.options].some((o) => o.value === before)) select.value = before;
  sliders();
}

function sliders() {
  byId("score-reset").disabled = !moved.size && !sets().length;
  const one = said[Number(byId("score-question").value)], place = byId("sliders");
  if (!one) { place.replaceChildren(); return; }
  place.replaceChildren(...one.objects.flatMap((objects, k) => {
    const key = keyOf(one.question, objects), first = one.probabilities[k];
    const name = objects.length ? `object ${objects.join(" and ")}` : "the picture";
    const now = moved.get(key)?.probability ?? first ?? .5;
    const label = make("label", moved.has(key) ? "moved" : "", name), shown = make("output", "", first === null && !moved.has(key) ? "?" : now.toFixed(2));
    const slider = make("input");
    Object.assign(slider, {type: "range", min: "0", max: "1", step: "0.01", value: String(now), id: `score-${k}`});
    label.htmlFor = slider.id;
    slider.addEventListener("input", () => {
      moved.set(key, {question: one.question, objects, probability: Number(slider.value)});
      shown.textContent = Number(slider.value).toFixed(2);
      label.className = "moved";
      byId("score-reset").disabled = false;
      follow();
    });
    return [label, slider, shown];
  }));
}

byId("score-question").addEventListener("change", sliders);
byId("score-reset").addEventListener("click", () => { moved = new Map(); byId("set").value = ""; sliders(); follow(); });
byId("set").addEventListener("change", () => { sliders(); follow(); });
byId("set").addEventListener("keydown", (event) => { if (event.key === "Enter") { sliders(); follow(); } });
