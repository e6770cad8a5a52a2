// Plain words for the notation of plans; the notation itself is shown on demand.
let notation = false;

const PLAIN = [
  [/^¬$/, "not"], [/^all of$/, "all of these hold"], [/^any of$/, "any of these holds"], [/^one of$/, "just one of these holds"],
  [/^∃(\w+)$/, "there is an object $1 with"], [/^∀(\w+)$/, "every object $1 has"],
  [/^ι(\w+)\s+the one that is$/, "the object $1 that fits"], [/^#(\w+)\s+how many are$/, "how many objects $1 fit"],
  [/^of the (\w+) meant$/, "where $1 is the object meant"], [/^compare ==?$/, "the two are equal"], [/^compare !=$/, "the two differ"],
  [/^compare >$/, "the first is more"], [/^compare <$/, "the first is fewer"], [/^compare >=$/, "the first is as many or more"],
  [/^compare <=$/, "the first is as many or fewer"], [/^how many hold$/, "how many of these hold"], [/^which fits best$/, "which of these fits best"],
  [/^(object \d+|\w+) ≠ (object \d+|\w+)$/, "$1 and $2 are two objects"], [/^(object \d+|\w+) = (object \d+|\w+)$/, "$1 and $2 are one object"],
];
const SIGNS = [
  [/ι(\w+) \(/g, "the $1 with ("], [/ι(\w+) /g, "the $1 with "], [/#(\w+) /g, "how many $1 with "], [/∃(\w+) /g, "some $1 with "], [/∀(\w+) /g, "every $1 has "],
  [/ ∧ /g, " and "], [/ ∨ /g, " or "], [/¬/g, "not "], [/ ≠ /g, " is not "],
];

const named = (source) => source.replace(/@(\d+)/g, (_, d) => "xyzwuvst"[d] || "@" + d);

function inWords(text) { // signs as words
  for (const [sign, words] of PLAIN) if (sign.test(text)) return text.replace(sign, words);
  const [, label, rest] = /^([^:()]+): (.+)$/.exec(text) || []; // a choice, and what is weighed for it
  if (label) return `${label}: ${inWords(rest)}`;
  let inside = text, before; // E[y ~ the y meant] …: innermost first
  do { before = inside; inside = before.replace(/(?:E|at)\[(\w+) ~ ([^[\]]*)\] /g, "$1 being $2: "); } while (inside !== before);
  return SIGNS.reduce((t, [sign, words]) => t.replace(sign, words), inside);
}

const sourceOf = (source) => notation ? named(source) : inWords(named(source));

// A question as it was asked, about the objects of a plan's line: "is the object in the red box large?" of large(x) is "is x large?".
function asked(question, objects) {
  const [first, second] = objects.map((o) => /^\d+$/.test(o) ? `object ${o}` : String(o));
  return question.replaceAll("the object in the red box", first ?? "the picture").replaceAll("the object in the green box", second ?? "the other");
}

// A plan as a reader takes it in: "the object that fits" and "all of these" are one line, and that objects differ is not said.
function planOf(nodes) {
  if (notation) return nodes;
  const kept = nodes.map((node, at) => ({...node, at, depth: node.depth, line: node.line}));
  const end = (k) => { let e = k + 1; while (e < kept.length && kept[e].depth > kept[k].depth) e++; return e; };
  const children = (k) => kept.slice(k + 1, end(k)).filter((n) => n.depth === kept[k].depth + 1);
  const drop = (k, lift) => { if (lift) for (let j = k + 1; j < end(k); j++) kept[j].lift = (kept[j].lift || 0) + 1; kept[k].gone = true; };
  kept.forEach((node, k) => {
    if (/^(object \d+|\w+) ≠ (object \d+|\w+)$/.test(node.text)) { drop(k, false); return; }
    if (node.text !== "all of") return;
    const parent = kept.slice(0, k).findLast((n) => n.depth === node.depth - 1);
    const inside = children(k).filter((n) => !/ ≠ /.test(n.text));
    if (parent && /^[ι#∃∀]/.test(parent.text) && children(kept.indexOf(parent)).length === 1) { parent.all = inside.length > 1; drop(k, true); } else if (inside.length === 1) drop(k, true);
  });
  return kept.filter((n) => !n.gone).map((n) => ({...n, depth: n.depth - (n.lift || 0)}));
}

function nodeOf(node) {
  if (notation) return node.text;
  if (node.all) return inWords(node.text).replace(/ (fits|fit)$/, " $1 all of these") + (/ with$/.test(inWords(node.text)) ? " all of these" : "");
  if (!node.question) return inWords(node.text);
  const [, label, negated, inside] = /^(?:([^(]*): )?(¬?)[^(]*\((.*)\)$/.exec(node.text) || [];
  if (inside === undefined) return node.question;
  return (label ? label + ": " : "") + (negated ? "not: " : "") + asked(node.question, inside.split(", "));
}

function sure(p) {
  if (notation) return `p = ${p.toFixed(3)}`;
  return `${(100 * p + 1e-7).toFixed(p > .99 && p < 1 ? 1 : 0)} % sure`;
}

function sureOf(sample) {
  if (typeof sample.probability === "number") return sure(sample.probability);
  if (!sample.bounds) return "";
  const [low, high] = sample.bounds;
  if (high - low < .005) return sure(low);
  return notation ? `p in [${low.toFixed(3)}, ${high.toFixed(3)}]` : `between ${(100 * low).toFixed(0)} and ${(100 * high).toFixed(0)} % sure`;
}

function valueOf(step) {
  if (typeof step.n === "number") return String(step.n);
  if (typeof step.p === "number") return step.p.toFixed(notation ? 3 : 2);
  if (step.bounds) return step.bounds.map((b) => b.toFixed(2)).join("–");
  return step.value === undefined ? "" : String(step.value);
}

const scoreText = (s) => typeof s !== "number" ? "?" : s > .995 ? "1" : s < .005 ? "0" : s.toFixed(2).slice(1);
