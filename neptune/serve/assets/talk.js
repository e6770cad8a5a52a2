// Talking to the server: JSON, and events as they come.
let token = "";

function headers(more) {
  return token ? {...more, Authorization: `Bearer ${token}`} : more;
}

class Refused extends Error {
  constructor(status, error) {
    super(error.text || "The server refuses");
    Object.assign(this, {status, error});
  }
}

async function checked(response) {
  if (response.ok) return response;
  let error = {text: `The server answers ${response.status}`};
  try { error = (await response.json()).error || error; } catch { /* no JSON: the status has to do */ }
  if (response.status === 401) byId("token-form").hidden = false;
  throw new Refused(response.status, error);
}

async function post(path, body, signal) {
  const response = await fetch(path, {method: "POST", headers: headers({"Content-Type": "application/json"}), body: JSON.stringify(body), signal});
  return (await checked(response)).json();
}

async function events(path, body, hear, signal) { // server-sent events, of a request that has a body
  const response = await checked(await fetch(path, {method: "POST", headers: headers({"Content-Type": "application/json"}), body: JSON.stringify(body), signal}));
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const {value, done} = await reader.read();
    if (done) return;
    text += value;
    const parts = text.split("\n\n");
    text = parts.pop();
    for (const part of parts) {
      const [, name, data] = /^event: (\w+)\ndata: (.*)$/s.exec(part) || [];
      if (name === "error") throw new Refused(JSON.parse(data).status, JSON.parse(data));
      if (name) hear(name, JSON.parse(data));
    }
  }
}

const asDataURL = (blob) => new Promise((resolve, reject) => {
  const reader = new FileReader();
  reader.onload = () => resolve(reader.result);
  reader.onerror = () => reject(reader.error);
  reader.readAsDataURL(blob);
});

function say(text, news = false) {
  byId("status").textContent = text;
  byId("status").classList.toggle("news", news);
}

function later(wait, work) { // once, when nothing more has come for a while
  let timer;
  return (...given) => { clearTimeout(timer); timer = setTimeout(() => work(...given), wait); };
}
