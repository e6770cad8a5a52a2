// The picture of a sample: its boxes, coloured by score, with labels that keep clear of one another.
const FONT = 11.5; // of a label, in pixels of the screen, whatever the picture's size
const PNG = "image/png;base64,"; // apart from "data:", so that a page without pictures is known by its text
const measure = document.createElement("canvas").getContext("2d");

function widthOf(text) {
  measure.font = `600 ${FONT}px system-ui, sans-serif`;
  return measure.measureText(text).width + 8;
}

// Where labels go: at a corner of their box if one is free, else at the nearest free place. The same in annotated pictures (labels.py).
function placeLabels(boxes, sizes, [width, height], order) {
  const taken = [], found = Array(boxes.length);
  const clear = ([x, y, w, h]) => taken.every(([a, b, c, d]) => x >= a + c || a >= x + w || y >= b + d || b >= y + h);
  for (const i of order) {
    const [x0, y0, x1, y1] = boxes[i], [w, h] = sizes[i];
    const inside = (x, y) => [Math.min(Math.max(x, 0), Math.max(width - w, 0)), Math.min(Math.max(y, 0), Math.max(height - h, 0)), w, h];
    const corners = [[x0, y0 - h], [x1 - w, y0 - h], [x0, y1], [x1 - w, y1], [x1, y0], [x0 - w, y0], [x0, y0], [x0, y1 - h]];
    let place = corners.map(([x, y]) => inside(x, y)).find(clear);
    for (let ring = 1; !place && ring <= 40; ring++) {
      const steps = [];
      for (let k = -ring; k <= ring; k++) steps.push([k, -ring], [k, ring], [-ring, k], [ring, k]);
      place = steps.map(([a, b]) => inside(x0 + a * h, y0 - h + b * h)).find(clear);
    }
    found[i] = place || null;
    if (place) taken.push(place);
  }
  return found;
}

class View {
  constructor(row, sample, repaint) {
    this.row = row;
    this.sample = sample;
    this.marked = new Set(sample.objects || []);
    const step = sample.scores ? null : (sample.trace || []).findLast((s) => s.scores);
    const node = sample.scores || step ? null : (sample.plan || []).find((s) => s.scores);
    this.rest = sample.scores ? {scores: sample.scores, name: () => "the answer"} : step ? {scores: step.scores, name: () => sourceOf(step.source)}
      : node ? {scores: node.scores, name: () => nodeOf(node)} : {scores: null, name: () => ""};
    this.strips = [];
    this.repaint = repaint;
  }

  picture() {
    const {sample, row} = this, frame = make("div", "picture"), source = pictures[row.picture];
    this.size = sample.size || [480, 320];
    if (source) {
      const img = make("img");
      img.loading = "lazy";
      img.decoding = "async";
      img.alt = "The picture of the question";
      [img.width, img.height] = this.size;
      img.src = source;
      frame.append(img);
    } else {
      frame.style.aspectRatio = this.size.join("/");
      frame.append(make("span", "quiet", "The picture can not be shown."));
    }
    this.groups = [];
    this.frame = frame;
    const layers = this.layers(frame);
    if (sample.boxes) {
      const svg = draw("svg", {viewBox: `0 0 ${this.size[0]} ${this.size[1]}`, preserveAspectRatio: "none", class: "boxes", role: "img", "aria-label": `${sample.boxes.length} boxes`});
      const rects = draw("g", {}), labels = draw("g", {});
      sample.boxes.forEach(([x0, y0, x1, y1], i) => {
        const box = draw("rect", {class: "box", x: x0, y: y0, width: x1 - x0, height: y1 - y0, rx: 2, "data-object": i});
        const label = draw("g", {class: "label", "data-object": i}, draw("line", {class: "lead"}), draw("rect", {rx: 2}), draw("text", {}));
        box.addEventListener("mouseenter", () => this.point(i));
        box.addEventListener("mouseleave", () => this.point(null));
        this.groups.push({box, label});
        rects.append(box);
        labels.append(label);
      });
      this.regions = draw("g", {});
      svg.append(rects, this.regions, labels);
      this.outline(sample.regions);
      frame.append(svg);
      new ResizeObserver(() => this.place()).observe(frame);
    }
    this.caption = make("b");
    const ramp = make("i");
    ramp.style.background = `linear-gradient(90deg, ${[0, .25, .5, .75, 1].map(color).join(",")})`;
    return make("div", "shown", frame, make("div", "under", this.caption, make("span", "ramp", "0", ramp, "1")), ...layers);
  }

  layers(frame) { // masks, depth and words, where a program asked for them: each may be laid over the picture
    const seen = this.sample.seen || {}, found = [], isPicture = (v) => typeof v === "string" && v.startsWith(`data:${PNG}`);
    const add = (name, node, on) => {
      const button = make("button", "layer", name), show = (v) => { node.style.display = v ? "" : "none"; button.setAttribute("aria-pressed", v); };
      button.type = "button";
      button.addEventListener("click", () => show(button.getAttribute("aria-pressed") !== "true"));
      show(on);
      frame.append(node);
      found.push(button);
    };
    for (const [field, name, on] of [["depth", `depth: bright is near (${seen.near}), dark is far (${seen.far}), ${seen.unit}`, !seen.masks && !seen.texts], ["masks", "masks", true]]) {
      if (!isPicture(seen[field])) continue;
      const img = make("img", `seen ${field}`);
      img.alt = field === "depth" ? "How far away what each pixel shows is" : "Which pixels are which thing's";
      img.src = seen[field];
      add(name, img, on);
    }
    if (Array.isArray(seen.texts) && seen.texts.length) {
      const svg = draw("svg", {viewBox: `0 0 ${this.size[0]} ${this.size[1]}`, preserveAspectRatio: "none", class: "words", role: "img", "aria-label": "Words read in the picture"});
      for (const [text, box, sure] of seen.texts) {
        const [x0, y0, x1, y1] = box, title = draw("title", {}), rect = draw("rect", {class: "word", x: x0, y: y0, width: x1 - x0, height: y1 - y0});
        title.textContent = `${text} (${sure})`;
        rect.append(title);
        svg.append(rect);
      }
      add(`words: ${seen.texts.map(([text]) => text).join(" · ").slice(0, 200)}`, svg, true);
    }
    return found.length ? [make("div", "layers", ...found)] : [];
  }

  place() { // labels have a size of the screen, so their places follow the picture's width
    const shown = this.frame.clientWidth, boxes = this.sample.boxes || [];
    if (!shown || !boxes.length) return;
    const unit = this.size[0] / shown, height = (FONT + 5) * unit;
    const scored = Boolean(this.rest.scores || (this.sample.plan || []).length), score = (i) => this.rest.scores?.[i] ?? 0;
    const order = boxes.map((_, i) => i).sort((a, b) => this.marked.has(b) - this.marked.has(a) || score(b) - score(a) || a - b);
    const sizes = (long) => boxes.map((_, i) => [widthOf(long ? `${i} · 0.00` : String(i)) * unit, height]);
    this.long = scored;
    let places = placeLabels(boxes, sizes(this.long), this.size, order);
    if (this.long && places.includes(null)) places = placeLabels(boxes, sizes(this.long = false), this.size, order);
    this.groups.forEach(({label}, i) => {
      label.style.display = places[i] ? "" : "none";
      if (!places[i]) return;
      const [x, y, w, h] = places[i], [line, rect, text] = label.children, [x0, y0, x1, y1] = boxes[i];
      for (const [name, value] of Object.entries({x, y, width: w, height: h, rx: 3 * unit})) rect.setAttribute(name, value);
      for (const [name, value] of Object.entries({x: x + w / 2, y: y + h / 2, "font-size": FONT * unit, "text-anchor": "middle", "dominant-baseline": "central"})) text.setAttribute(name, value);
      text.style.fontSize = FONT * unit + "px";
      const near = x <= x1 + 1 && x + w >= x0 - 1 && y <= y1 + 1 && y + h >= y0 - 1;
      const to = [Math.min(Math.max(x + w / 2, x0), x1), Math.min(Math.max(y + h / 2, y0), y1)];
      for (const [name, value] of Object.entries({x1: x + w / 2, y1: y + h / 2, x2: to[0], y2: to[1], visibility: near ? "hidden" : "visible"})) line.setAttribute(name, value);
    });
    this.paint(this.now, this.only);
  }

  paint(shown, objects) { // shown: {scores, name}, or null for what the answer rests on
    const now = shown || this.rest, only = objects && new Set(objects);
    [this.now, this.only] = [shown, objects];
    this.groups.forEach(({box, label}, i) => {
      const score = now.scores ? now.scores[i] : undefined, known = typeof score === "number";
      const strong = only ? only.has(i) : this.marked.has(i);
      const tint = known ? mixed(score) : strong ? mixed(1) : [168, 173, 182], stroke = `rgb(${tint.join(",")})`;
      box.setAttribute("stroke", stroke);
      box.setAttribute("stroke-width", strong ? 3.5 : known && score > .5 ? 2.5 : 1.5);
      box.setAttribute("stroke-dasharray", now.scores && !known ? "4 3" : "none");
      box.setAttribute("stroke-opacity", known ? .4 + .6 * score : .9);
      const [line, rect, text] = label.children;
      line.setAttribute("stroke", stroke);
      rect.setAttribute("fill", stroke);
      text.style.fill = inkOn(tint);
      text.textContent = known && this.long ? `${i} · ${score.toFixed(2)}` : i;
    });
    this.caption.textContent = now.name ? now.name() : "";
  }

  outline(boxes) { // regions of the program: where the answer came from, or those of the variable that is pointed at
    if (!this.regions) return;
    this.regions.replaceChildren(...(boxes || []).map(([x0, y0, x1, y1]) => draw("rect", {class: "region", x: x0, y: y0, width: x1 - x0, height: y1 - y0})));
  }

  point(i) { // an object of the picture: mark its scores in the plan
    for (const strip of this.strips) [...strip.children].forEach((cell, k) => cell.classList.toggle("at", k === i));
  }

  scored(node, scores, name, objects) {
    node.classList.add("scored");
    node.tabIndex = 0;
    const on = () => this.paint({scores, name}, objects), off = () => this.paint(null);
    node.addEventListener("mouseenter", on);
    node.addEventListener("mouseleave", off);
    node.addEventListener("focus", on);
    node.addEventListener("blur", off);
    return node;
  }

  strip(scores) { // a square an object: its number, and its score
    const strip = make("span", "strip");
    if (scores.length <= 40) {
      scores.forEach((s, i) => {
        const cell = make("i", "", make("small", "", String(i)), scoreText(s));
        if (typeof s === "number") [cell.style.background, cell.style.color] = [color(s), inkOn(mixed(s))];
        cell.setAttribute("aria-label", `object ${i}: ${typeof s === "number" ? s.toFixed(2) : "never asked"}`);
        strip.append(cell);
      });
      this.strips.push(strip);
    } else strip.append(make("span", "note", `${scores.length} objects`));
    return strip;
  }
}
