const all = selector => [...document.querySelectorAll(selector)];
const players = all("video, audio"), note = document.getElementById("note"), stamp = document.querySelector(".stamp");
const help = document.querySelector(".help"), dialog = document.querySelector("dialog"), picked = document.querySelector(".picked");
let current = players[0];
const clock = second => `${Math.floor(second / 60)}:${String(Math.floor(second % 60)).padStart(2, "0")}`;
const here = () => (current.dataset.medium ? `${current.dataset.medium}, ` : "") + clock(current.currentTime);

for (const one of all("time")) {
  const at = new Date(one.dateTime);
  one.textContent = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "long", timeStyle: "short" }).format(at);
}
for (const player of players) {
  for (const name of ["play", "seeked", "timeupdate"]) player.addEventListener(name, () => {
    if (name === "play") for (const other of players) if (other !== player) other.pause();
    if (name !== "timeupdate") current = player;
    if (stamp && player === current) stamp.querySelector(".now").textContent = clock(player.currentTime);
  });
}
function write() {
  if (!note) return;
  note.focus();
  if (!current) return;
  current.pause();
  const before = note.value.slice(0, note.selectionStart), line = before && !before.endsWith("\n") ? "\n" : "";
  note.setRangeText(`${line}${here()} `, note.selectionStart, note.selectionEnd, "end");
}
if (stamp && current) {
  stamp.hidden = false;
  stamp.querySelector(".now").textContent = clock(0);
  stamp.addEventListener("click", write);
}
for (const mark of all(".at")) {
  const player = players.find(one => one.dataset.medium === mark.dataset.medium) ?? (players.length === 1 ? players[0] : null);
  if (!player) continue;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "at";
  button.textContent = mark.textContent;
  button.addEventListener("click", () => {
    current = player;
    player.currentTime = Number(mark.dataset.second);
    player.scrollIntoView({ block: "nearest" });
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
  if (event.ctrlKey || event.metaKey || event.altKey || dialog.open || event.target.closest("textarea")) return;
  const goTo = selector => document.querySelector(selector)?.focus();
  if (event.key === " " && !event.target.closest("button, input, video, audio, a") && current) current.paused ? current.play() : current.pause();
  else if (event.key === "n") write();
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
