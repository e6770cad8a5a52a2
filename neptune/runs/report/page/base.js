"use strict";
// Small helpers, and the data of the page.
const byId = (id) => document.getElementById(id);
const facts = JSON.parse(byId("facts").textContent);
const SVG = "http:/" + "/www.w3.org/2000/svg"; // a name, not an address: nothing is fetched
const STATES = facts.states;

function make(tag, className, ...inside) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...inside.filter((x) => x !== null && x !== undefined));
  return node;
}

function draw(tag, attributes, ...inside) {
  const node = document.createElementNS(SVG, tag);
  for (const name in attributes) node.setAttribute(name, attributes[name]);
  node.append(...inside);
  return node;
}

function mixed(score) { // the ramp's colour of a score, as [red, green, blue]
  const ramp = facts.ramp, position = Math.min(Math.max(score, 0), 1) * (ramp.length - 1);
  const low = Math.min(Math.floor(position), ramp.length - 2);
  return ramp[low].map((a, i) => Math.round(a + (ramp[low + 1][i] - a) * (position - low)));
}

const color = (score) => `rgb(${mixed(score).join(",")})`;

function inkOn([red, green, blue]) { // black or white, whichever is read better
  const [r, g, b] = [red, green, blue].map((v) => v / 255).map((v) => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
  return .2126 * r + .7152 * g + .0722 * b > .179 ? "#000" : "#fff";
}

const show = (v) => v === undefined || v === null ? "–" : v === true ? "yes" : v === false ? "no" : typeof v === "string" ? v
  : typeof v.object === "number" ? `object ${v.object}` : JSON.stringify(v);
const percent = (x) => x === null || x === undefined ? "–" : (100 * x).toFixed(1) + "%";
const count = (x) => x === null || x === undefined ? "–" : Math.round(x).toLocaleString("en");
const range = (ends) => ends ? ends.map((v) => (100 * v).toFixed(1)).join("–") : "–";

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const inflated = new DecompressionStream("deflate"), writer = inflated.writable.getWriter();
  // Not a Blob's stream: that goes through the browser's own process and back, which a busy machine is slow at.
  const written = writer.write(bytes).then(() => writer.close());
  const [json] = await Promise.all([new Response(inflated.readable).text(), written]);
  return JSON.parse(json);
}

// The index: one object a sample, made from columns.
let rows = [], pictures = [];
const chunks = new Map(), fresh = [];

function addRows(table) {
  const names = Object.keys(table), n = table.id.length;
  for (let i = 0; i < n; i++) {
    const row = {at: rows.length};
    for (const name of names) {
      const column = table[name];
      if (Array.isArray(column)) row[name] = column[i];
      else row[name] = Array.isArray(column.at[i]) ? column.at[i].map((k) => column.of[k]) : column.of[column.at[i]];
    }
    rows.push(row);
  }
}

let stored = 0; // samples that are in the page itself; later ones came from its server

// Data that lies beside the page, in scripts that call `data`: a page from a file may load these, and read no other file.
const arrived = new Map();
const NOT_BESIDE = "The data of this page is not beside it: keep the folder report-pages with report.html, or write both anew with neptune-reasoner report.";

function data(name, text) { arrived.set(name, text); }

function beside(name) {
  return new Promise((done, failed) => {
    const script = make("script");
    script.onload = () => {
      const text = arrived.get(name);
      arrived.delete(name);
      script.remove();
      if (text === undefined) failed(new Error(NOT_BESIDE)); else done(text);
    };
    script.onerror = () => { script.remove(); failed(new Error(NOT_BESIDE)); };
    script.src = `${facts.beside}/${name}.js`;
    document.head.append(script);
  });
}

async function details(at) {
  if (at >= stored) return fresh[at - stored];
  const which = Math.floor(at / facts.chunk), name = `chunk-${which}`;
  if (!chunks.has(which)) chunks.set(which, facts.beside ? beside(name).then(unpack) : unpack(byId(name).textContent));
  try {
    return (await chunks.get(which))[at % facts.chunk];
  } catch (error) {
    chunks.delete(which); // it may be there the next time
    throw error;
  }
}

// Light and dark, and what else is kept between pages where storage is not barred.
function kept(name) {
  try { return localStorage.getItem("neptune-" + name); } catch { return null; }
}

function keep(name, value) {
  try { localStorage.setItem("neptune-" + name, value); } catch { /* then it is not kept */ }
}

function theme(name) {
  if (!["light", "dark"].includes(name)) return;
  document.documentElement.dataset.theme = name;
  keep("theme", name);
}

function otherTheme() {
  const dark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  theme(dark ? "light" : "dark");
}

async function copy(button, text) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch { // barred, as in a page from a file: it is marked, and can be copied by hand
    getSelection().selectAllChildren(byId("command"));
    button.textContent = "Marked";
  }
}

function startPage() {
  theme(kept("theme"));
  byId("theme").addEventListener("click", otherTheme);
  if (byId("copy")) byId("copy").addEventListener("click", () => copy(byId("copy"), byId("command").textContent));
}

function download(name, kind, text) {
  const link = make("a");
  link.href = URL.createObjectURL(new Blob([text], {type: kind}));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function csv(lines) { // RFC 4180; a text that a spreadsheet would take for a formula begins with an apostrophe
  const cell = (v) => {
    const text = v === null || v === undefined ? "" : Array.isArray(v) ? v.join("; ") : typeof v === "object" ? JSON.stringify(v) : String(v);
    const safe = typeof v !== "number" && /^[=+\-@\t\r]/.test(text) ? "'" + text : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return lines.map((line) => line.map(cell).join(",")).join("\r\n") + "\r\n";
}
