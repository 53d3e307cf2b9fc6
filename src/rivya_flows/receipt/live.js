// The page follows its run over a stream, changes only what has changed, and plays the run again.
const sheet = document.getElementById("sheet"), replay = document.getElementById("replay");
const [slider, moment, playing, live] = ["input", "output", ".play", ".live"].map(one => replay.querySelector(one));
const {key} = document.body.dataset, CUT = "<!---->", sleep = time => new Promise(done => setTimeout(done, time));
const headers = () => key ? {Authorization: `Basic ${localStorage.getItem(key)}`} : {};
let latest = null, back = null, isReading = false, isPlaying = false;  // `back`: the entry to look back to

// --- One page becomes the next: what is equal stays as it is, a film that plays too.
const keyOf = node => node.nodeType !== 1 ? "" : node.id || node.dataset.key || node.dataset.asset || node.dataset.answer || (node.dataset.name ? `${node.dataset.name} ${node.dataset.round}` : "");
const isAlike = (one, other) => one.nodeName === other.nodeName && !keyOf(one) && one.classList?.[0] === other.classList?.[0];
// What a person or this script has changed.
const isOwn = (node, name) => ["open", "aria-pressed", "data-loaded"].includes(name) || (name === "hidden" && node.matches(".media")) || (name === "src" && "loaded" in node.dataset);
function morph(node, wanted) {
  if (node.nodeType !== 1) {
    if (node.nodeValue !== wanted.nodeValue) node.nodeValue = wanted.nodeValue;
    return;
  }
  if (node.isEqualNode(wanted)) return;
  for (const {name, value} of [...wanted.attributes]) if (!isOwn(node, name) && node.getAttribute(name) !== value) node.setAttribute(name, value);
  for (const {name} of [...node.attributes]) if (!wanted.hasAttribute(name) && !isOwn(node, name)) node.removeAttribute(name);
  const keyed = new Map(), stays = new Set([...wanted.children].map(keyOf));
  for (const one of [...node.children]) {
    const name = keyOf(one);
    if (name && (keyed.has(name) || !stays.has(name))) one.remove();
    else if (name) keyed.set(name, one);
  }
  let at = node.firstChild;
  for (const one of [...wanted.childNodes]) {
    const name = keyOf(one), found = name ? keyed.get(name) : at && isAlike(at, one) ? at : null;
    keyed.delete(name);
    if (!found) {
      node.insertBefore(document.importNode(one, true), at);
      continue;
    }
    while (at !== found && at && !keyOf(at)) { const gone = at; at = at.nextSibling; gone.remove(); }
    if (at === found) at = at.nextSibling;
    else node.insertBefore(found, at);
    morph(found, one);
  }
  while (at) { const gone = at; at = at.nextSibling; gone.remove(); }
}
function show(page) {
  const wanted = new DOMParser().parseFromString(`<div id="sheet">${page.pieces.join(CUT)}</div>`, "text/html").getElementById("sheet");
  dress(wanted);
  morph(sheet, wanted);
  document.title = page.title;
  replay.dataset.seq = page.seq;
  replay.querySelector(".spent").textContent = `${page.credits} credits`;
  moment.textContent = new Date(1000 * page.at).toLocaleTimeString("en-GB");
  refresh();
  tellAnswers();
}

// --- The stream.
const words = {completed: "Completed", failed: "Failed", cancelled: "Cancelled", suspended: "Waits for an answer"};
function tellNow(lost) {
  const {status = "running", now: [working, left, stopped, command] = [[], "", "", ""]} = latest ?? {};
  const asks = status === "running" && !working.length && document.querySelector(".question");
  const text = lost || stopped || (back === null ? words[status] ?? (working.join(" · ") || (asks ? words.suspended : "Running")) : "Replay");
  replay.querySelector(".working").textContent = text;
  replay.querySelector(".working").title = text;
  replay.querySelector("code").textContent = lost || !stopped ? "" : command;
  replay.querySelector(".left").textContent = lost || stopped || back !== null ? "" : left;
  replay.dataset.status = lost || stopped ? "lost" : status;
}
function take(message) {
  const pieces = message.pieces.flatMap(one => typeof one === "string" ? [one] : latest.pieces.slice(...one));
  latest = {...message, pieces};
  slider.max = latest.seq;
  replay.hidden = false;
  if (back === null) {
    slider.value = latest.seq;
    show(latest);
  }
  tellNow();
}
async function follow() {
  let id = "", wait = 500;
  for (;;) {
    let lost = "The server of this page has ended; what is shown stays.";
    try {
      const answer = await fetch("events", {headers: id ? {...headers(), "Last-Event-ID": id} : headers(), cache: "no-store"});
      if (answer.status === 401) return location.replace(`/open?to=${encodeURIComponent(location.pathname)}`);
      if (answer.status === 404) return tellNow("This run is not in the store of this server.");
      if (answer.status === 503) lost = "Too many pages are open: waiting for a place.";
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let text = "", part = await reader.read(); answer.ok && !part.done; part = await reader.read()) {
        const events = (text + part.value).split("\n\n");
        text = events.pop();
        for (const lines of events.map(one => one.split("\n")).filter(one => one[0].startsWith("id: "))) {
          take(JSON.parse(lines[1].slice(6)));
          id = lines[0].slice(4);
          wait = 500;
        }
      }
    } catch { /* the server is away */ }
    tellNow(lost);
    await sleep(wait);
    wait = Math.min(2 * wait, 8000);
  }
}

// --- The slider.
async function lookBack(seq) {
  back = seq;
  document.body.classList.add("past");
  live.setAttribute("aria-pressed", false);
  tellNow();
  if (isReading) return;
  isReading = true;
  try {
    for (let seen = null; back !== null && back !== seen;) {
      seen = back;
      const answer = await fetch(`past?seq=${seen}`, {headers: headers()});
      if (answer.ok && back !== null) show(await answer.json());
    }
  } catch { /* `follow` says so */ }
  isReading = false;
}
function goLive() {
  back = null;
  isPlaying = false;
  document.body.classList.remove("past");
  live.setAttribute("aria-pressed", true);
  playing.setAttribute("aria-pressed", false);
  slider.value = latest.seq;
  show(latest);
  tellNow();
}
async function play() {
  isPlaying = !isPlaying;
  playing.setAttribute("aria-pressed", isPlaying);
  const pace = Math.max(1, Math.ceil(latest.seq / 80));
  for (let seq = back ?? 1; isPlaying && seq < latest.seq; seq = back + pace) {
    slider.value = seq;
    await lookBack(seq);
    await sleep(200);
    if (back === null) return;
  }
  if (isPlaying) goLive();
}
slider.addEventListener("input", () => {
  isPlaying = false;
  playing.setAttribute("aria-pressed", false);
  if (Number(slider.value) >= latest.seq) goLive();
  else lookBack(Number(slider.value));
});
live.addEventListener("click", goLive);
playing.addEventListener("click", play);

// --- Answers by a click.
const sent = new Map();
const nameOf = place => `${place.dataset.name} ${place.dataset.round} ${place.dataset.turn ?? ""}`;
function tellAnswers() {
  for (const place of document.querySelectorAll(".question:has(> .told)")) {
    const {text = "", isOver = false} = sent.get(nameOf(place)) ?? {};
    place.querySelector(".told").textContent = text;
    for (const button of place.querySelectorAll(".pick, .refuse")) button.disabled = isOver;
  }
}
async function answer(place, picked) {
  const name = nameOf(place), {dataset: {name: question, round}} = place;
  const tell = (text, isOver) => { sent.set(name, {text, isOver}); tellAnswers(); };
  tell("Sending …", true);
  try {
    const body = JSON.stringify({question, round: Number(round), picked, note: noteOf(place), by: place.querySelector(".by")?.value ?? null});
    const response = await fetch("answers", {method: "POST", headers: {...headers(), "Content-Type": "application/json"}, body});
    const {error} = await response.json();
    const note = place.querySelector(".note");
    if (response.ok && note) note.value = "";
    tell(response.ok ? "Answered." : error, response.ok);
  } catch { tell("Not sent: the server does not answer.", false); }
}
document.addEventListener("click", event => {
  const button = event.target.closest(".question:has(> .told) :is(.pick, .send, .refuse)"), place = button?.closest(".question");
  if (!place) return;
  if (button.matches(".pick")) answer(place, [button.dataset.picked]);
  else if (button.matches(".refuse")) answer(place, []);
  else answer(place, choiceOf(place).picked.map(one => [...place.querySelectorAll(".candidate")].find(other => other.dataset.answer === one).dataset.picked));
});
follow();
