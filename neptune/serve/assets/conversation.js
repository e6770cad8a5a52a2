// A conversation: a model looks, acts and looks again; each turn is shown as it ends.
let talking = null;

function endTalk() {
  talking?.abort();
  talking = null;
  if (facts.turns) byId("talk").hidden = true;
}

function turnOf(turn) {
  const spent = [`${(turn.seconds.model + turn.seconds.program).toFixed(1)} s`, `${count(turn.spent.prompt_tokens + turn.spent.completion_tokens)} tokens`];
  if (turn.oracle_calls) spent.push(`${count(turn.oracle_calls)} calls of the oracle`);
  const parts = [make("h3", "", `Turn ${turn.number}`, make("span", "quiet", spent.join(" · ")))];
  if (turn.kind === "code") parts.push(make("pre", "", turn.read));
  else if (turn.kind === "answer") parts.push(make("p", "", "Answer: ", make("b", "", turn.read)));
  else parts.push(make("pre", "error", turn.read));
  if (turn.text) parts.push(make("pre", "result", turn.text));
  if (turn.error) parts.push(make("pre", "error", turn.error));
  for (const note of turn.notes ?? []) parts.push(make("p", "note", note));
  for (const picture of turn.pictures ?? []) {
    const image = make("img");
    image.src = picture.data;
    image.alt = `${picture.name}, ${picture.size[0]} × ${picture.size[1]} pixels`;
    parts.push(make("figure", "", image, make("figcaption", "", [picture.name, ...picture.history].join(" → "))));
  }
  const section = make("section", "turn", ...parts);
  section.setAttribute("aria-label", `Turn ${turn.number}`);
  return section;
}

function endOf(done) {
  const spent = [`${done.turns} turns`, `${count(done.tokens)} tokens`, ...(done.money ? [`${done.money.toFixed(4)} money`] : []), `${count(done.oracle_calls)} calls of the oracle`, `${done.seconds.toFixed(1)} s`];
  byId("talk-said").textContent = done.abstained ? "no answer" : done.answer;
  byId("talk-said").className = done.abstained ? "abstained" : "";
  byId("talk-end").textContent = [done.why, ...spent].filter(Boolean).join(" · ");
}

async function converse() {
  if (!picture) { say("Drop a picture first", true); byId("drop").focus(); return; }
  const question = byId("question").value.trim();
  if (!question) { say("Ask a question", true); byId("question").focus(); return; }
  endTalk();
  const mine = talking = new AbortController();
  byId("talk-said").textContent = "";
  byId("talk-end").textContent = "";
  byId("turns").replaceChildren();
  byId("talk").hidden = byId("talk-stop").hidden = false;
  say("Conversing …");
  try {
    await events("/v1/converse", {picture: picture.name, question}, (name, data) => {
      if (name === "begun") byId("talk-end").textContent = `at most ${data.turns} turns and ${count(data.tokens)} tokens`;
      if (name === "turn") byId("turns").append(turnOf(data));
      if (name === "done") endOf(data);
    }, mine.signal);
    say("The conversation is over");
  } catch (error) {
    if (error.name !== "AbortError") { byId("talk-end").textContent = error.message; say(error.message, true); }
  } finally {
    if (talking === mine) byId("talk-stop").hidden = true;
  }
}

if (facts.turns) {
  byId("converse").addEventListener("click", converse);
  byId("talk-stop").addEventListener("click", () => {
    talking?.abort();
    byId("talk-end").textContent = "stopped";
  });
}
