const all = selector => [...document.querySelectorAll(selector)];
const players = all("video, audio"), note = document.getElementById("note"), stamp = document.querySelector(".stamp");
const help = document.querySelector(".help"), dialog = document.querySelector("dialog"), picked = document.querySelector(".picked");
const media = all("[data-medium]");
let current = players[0], touched = false;
const clock = second => `${Math.floor(second / 60)}:${String(Math.floor(second % 60)).padStart(2, "0")}`;
// As the service reads a line: 9:16, 0:04 (40%, 62%): the logo is cut.
const REMARK = /^(?:(?:([^,;\s][^,;]{0,40}), ?)?(?=\d{1,3}:[0-5]|\(\d)(?:(\d{1,3}):([0-5]\d)(?:\.\d+)?)?(?: ?\((\d{1,3})%, ?(\d{1,3})%\))?(?:[ :–-]+|$))?(.*)$/;
function read(line) {
  const [, name, minutes, seconds, x, y, text] = REMARK.exec(line.trim());
  const medium = media.find(one => one.dataset.medium === name) ?? (media.length === 1 ? media[0] : null);
  return { medium, time: minutes && clock(minutes * 60 + Number(seconds)), x, y, text };
}

for (const one of all("time")) {
  const at = new Date(one.dateTime);
  one.textContent = new Intl.DateTimeFormat(document.documentElement.lang, { day: "numeric", month: "long", year: "numeric", hour: "numeric", minute: "2-digit", timeZoneName: "short" }).format(at);
}
for (const player of players) {
  for (const name of ["play", "seeked", "timeupdate"]) player.addEventListener(name, () => {
    if (name === "play") for (const other of players) if (other !== player) other.pause();
    if (name !== "timeupdate") current = player;
    if (stamp && player === current) stamp.querySelector(".now").textContent = clock(player.currentTime);
    draw();
  });
}
// Writes a place before the line of the cursor, or on a new line if that has another one.
function write(medium, point = "") {
  if (!note) return;
  const at = touched ? note.selectionStart : note.value.length;
  note.focus();
  if (!medium) return;
  medium.pause?.();
  const time = medium.pause && clock(medium.currentTime);
  const place = [medium.dataset.medium, [time, point].filter(Boolean).join(" ")].filter(Boolean).join(", ") + (point ? ": " : " ");
  const start = note.value.slice(0, at).lastIndexOf("\n") + 1, end = `${note.value}\n`.indexOf("\n", at);
  const line = read(note.value.slice(start, end)), stays = line.text && (line.time || line.x);
  const other = line.x || line.time && (line.time !== time || line.medium !== medium);
  if (stays && other) note.setRangeText(`\n${place}`, end, end, "end");
  else note.setRangeText(place + line.text, start, end, "end");
  draw();
}
if (stamp && current) {
  stamp.hidden = false;
  stamp.querySelector(".now").textContent = clock(0);
  stamp.addEventListener("click", () => write(current));
}

// A layer over each picture shows the points of notes, and takes the tap that marks one.
const layers = new Map();
function arm(wanted) {
  for (const [medium, { layer, button }] of layers) {
    layer.classList.toggle("armed", medium === wanted);
    button.setAttribute("aria-pressed", medium === wanted);
  }
  wanted?.pause?.();
  wanted?.scrollIntoView({ block: "nearest" });
}
function draw() {
  const said = [...all(".answers .at").map(one => one.textContent), ...(note?.value.split(/\n|; /) ?? [])].map(read);
  for (const [medium, { layer }] of layers) {
    const shown = said.filter(one => one.x && one.medium === medium && (!one.time || one.time === clock(medium.currentTime)));
    layer.replaceChildren(...shown.map(({ x, y }) => {
      const dot = document.createElement("i");
      Object.assign(dot.style, { left: `${Math.min(x, 100)}%`, top: `${Math.min(y, 100)}%` });
      return dot;
    }));
  }
}
for (const button of all(".mark")) {
  const medium = button.closest("figure").querySelector("[data-medium]"), layer = document.createElement("div");
  layer.className = "layer";
  layer.dataset.hint = button.dataset.hint;
  layers.set(medium, { layer, button });
  medium.closest("figure").append(layer);
  // The picture alone, without what is beside it.
  const fit = () => {
    const wide = medium.videoWidth ?? medium.naturalWidth, high = medium.videoHeight ?? medium.naturalHeight;
    const scale = Math.min(medium.offsetWidth / wide, medium.offsetHeight / high);
    button.hidden = !Number.isFinite(scale);
    if (button.hidden) return;
    const left = medium.offsetLeft + (medium.offsetWidth - wide * scale) / 2, top = medium.offsetTop + (medium.offsetHeight - high * scale) / 2;
    Object.assign(layer.style, { left: `${left}px`, top: `${top}px`, width: `${wide * scale}px`, height: `${high * scale}px` });
  };
  new ResizeObserver(fit).observe(medium);
  for (const name of ["load", "loadedmetadata"]) medium.addEventListener(name, fit);
  button.addEventListener("click", () => arm(button.ariaPressed === "true" ? null : medium));
  layer.addEventListener("click", event => {
    const box = layer.getBoundingClientRect(), percent = (at, size) => Math.round(100 * Math.min(1, Math.max(0, at / size)));
    arm(null);
    write(medium, `(${percent(event.clientX - box.left, box.width)}%, ${percent(event.clientY - box.top, box.height)}%)`);
  });
}
note?.addEventListener("focus", () => { touched = true; });
note?.addEventListener("input", draw);
draw();
for (const mark of all(".at")) {
  const { medium, time } = read(mark.textContent);
  if (!time || !medium?.pause) continue;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "at";
  button.textContent = mark.textContent;
  button.addEventListener("click", () => {
    const [minutes, seconds] = time.split(":");
    current = medium;
    medium.currentTime = minutes * 60 + Number(seconds);
    medium.scrollIntoView({ block: "nearest" });
  });
  mark.replaceWith(button);
}
function choices() {
  const chosen = all("input[name=answer]:checked");
  picked.hidden = !chosen.length;
  picked.textContent = chosen.map(one => one.nextElementSibling.textContent).join(", ");
}
if (picked) {
  for (const one of all("input[name=answer]")) one.addEventListener("change", choices);
  choices();
}
help.hidden = false;
help.addEventListener("click", () => dialog.showModal());
addEventListener("keydown", event => {
  if (event.key === "Escape") arm(null);
  if (event.ctrlKey || event.metaKey || event.altKey || dialog.open || event.target.closest("textarea")) return;
  const goTo = selector => document.querySelector(selector)?.focus();
  if (event.key === " " && !event.target.closest("button, input, video, audio, a") && current) current.paused ? current.play() : current.pause();
  else if (event.key === "n") write(current);
  else if (event.key === "a") goTo(picked ? "input[name=answer]" : ".bar .first");
  else if (event.key === "?") dialog.showModal();
  else return;
  event.preventDefault();
});
// A second click sends nothing twice; the page comes back with what was recorded.
document.querySelector("form").addEventListener("submit", event => {
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "1";
});
addEventListener("pageshow", () => { delete document.querySelector("form").dataset.sent; });
