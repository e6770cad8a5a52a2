"use strict";
// Small helpers, and the data of the page.
const byId = (id) => document.getElementById(id);
const facts = JSON.parse(byId("facts").textContent);
const SVG = "http:/" + "/www.w3.org/2000/svg"; // a name, not an address: nothing is fetched
const STATES = ["right", "wrong", "error", "abstained", "unjudged"];

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

function color(score) {
  const ramp = facts.ramp, position = Math.min(Math.max(score, 0), 1) * (ramp.length - 1);
  const low = Math.min(Math.floor(position), ramp.length - 2);
  return `rgb(${ramp[low].map((a, i) => Math.round(a + (ramp[low + 1][i] - a) * (position - low))).join(",")})`;
}

const show = (v) => v === undefined || v === null ? "–" : v === true ? "yes" : v === false ? "no" : typeof v === "string" ? v : JSON.stringify(v);
const percent = (x) => x === null || x === undefined ? "–" : (100 * x).toFixed(1) + "%";
const count = (x) => Math.round(x).toLocaleString("en");

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

// The index: one object a sample, made from columns.
let rows = [], pictures = [];
const chunks = new Map(), fresh = [];

function addRows(table) {
  const coded = new Set(["dataset", "family", "state"]);
  const names = Object.keys(table), n = table.id.length;
  for (let i = 0; i < n; i++) {
    const row = {at: rows.length};
    for (const name of names) row[name] = coded.has(name) ? table[name].of[table[name].at[i]] : table[name][i];
    rows.push(row);
  }
}

let stored = 0; // samples that are in the page itself; later ones came from its server

async function details(at) {
  if (at >= stored) return fresh[at - stored];
  const which = Math.floor(at / facts.chunk);
  if (!chunks.has(which)) chunks.set(which, unpack(byId(`chunk-${which}`).textContent));
  return (await chunks.get(which))[at % facts.chunk];
}
