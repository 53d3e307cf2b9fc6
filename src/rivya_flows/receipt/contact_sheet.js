// What a script adds to the markup; a live page does it to each new state of itself.
function dress(root) {
  // Times are the reader's; without a script, UTC.
  for (const time of root.querySelectorAll("time[datetime]")) {
    time.title = time.textContent;
    time.textContent = new Date(time.getAttribute("datetime")).toLocaleString("en-GB", {weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short"});
  }
}
function refresh() {
  for (const picture of document.querySelectorAll(":is(.large, .candidate, .extras) img[data-whole]:not([data-loaded])")) {
    picture.dataset.loaded = "";
    load(picture, picture.dataset.whole);
  }
  draw();
}
// With captions or without: the same film goes on where the other was.
function switchCaptions(button) {
  const on = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", on);
  for (const place of button.closest(".card").querySelectorAll(".format")) {
    const films = [...place.querySelectorAll(".media")];
    if (films.length < 2) continue;
    const [from, to] = on ? films.reverse() : films;
    from.hidden = true;
    to.hidden = false;
    const before = from.querySelector("video"), after = to.querySelector("video");
    if (!before || !after) continue;
    if (before.currentTime) after.currentTime = before.currentTime;
    if (!before.paused) after.play();
    before.pause();
  }
}
// What is chosen becomes the command: by question and round, whatever else of the page changes.
const quoted = text => /^[\w@%+=:,.\/-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`;
const choices = new Map();
function choiceOf(place) {
  const name = `${place.dataset.name} ${place.dataset.round}`;
  if (!choices.has(name)) choices.set(name, {picked: [], refused: false});
  return choices.get(name);
}
const noteOf = place => (place.querySelector(".note")?.value ?? "").replace(/[\s\p{C}]+/gu, " ").trim();
function draw() {
  const answers = [], missing = [], names = new Set(), bar = document.querySelector(".answer[data-begin]");
  for (const place of document.querySelectorAll(".question")) {
    const {name} = place.dataset, {picked, refused} = choiceOf(place), note = noteOf(place);
    const candidates = [...place.querySelectorAll(".candidate")], lacks = Math.min(Number(place.dataset.count), candidates.length) - picked.length;
    for (const one of candidates) {
      const chosen = picked.includes(one.dataset.answer);
      one.classList.toggle("chosen", chosen);
      one.querySelector("button.choose")?.setAttribute("aria-pressed", chosen);
    }
    const refuse = place.querySelector(".refuse[aria-pressed]"), send = place.querySelector(".send");
    if (refuse) {
      refuse.setAttribute("aria-pressed", refused);
      refuse.parentElement.classList.toggle("chosen", refused);
    }
    if (send) send.disabled = lacks > 0;
    const noted = answer => note && ["none", "changes"].includes(answer) ? `${answer}: ${note}` : answer;
    if (refused) answers.push(`${name}=${noted("none")}`);
    else if (picked.length) answers.push(`${name}=${noted(picked.join(","))}`);
    const by = place.querySelector(".by")?.value;
    if (by && picked.length && picked[0] !== "end") names.add(by);
    if (picked.length && lacks > 0) missing.push(`${name}: pick ${lacks} more`);
  }
  if (!bar) return;
  const {begin, blank} = bar.dataset;
  bar.querySelector("code").textContent = answers.length ? [begin, ...answers.map(text => `--answer ${quoted(text)}`), ...[...names].slice(0, 1).map(name => `--by ${quoted(name)}`)].join(" ") : blank;
  bar.querySelector(".copy").disabled = !answers.length || missing.length > 0;
  bar.querySelector(".told").textContent = missing.join("; ");
}
function choose(place, answer) {
  const choice = choiceOf(place), count = Math.min(Number(place.dataset.count), place.querySelectorAll(".candidate").length);
  choice.refused = false;
  if (choice.picked.includes(answer)) choice.picked = choice.picked.filter(other => other !== answer);
  else choice.picked = [...choice.picked, answer].slice(-count);
  draw();
}
function refuse(place, refused) {
  Object.assign(choiceOf(place), {refused}, refused ? {picked: []} : {});
  draw();
}
function seek(button) {
  const {second, medium} = button.dataset;
  const media = [...(button.closest(".earlier, .question") ?? document).querySelectorAll("video, audio")].filter(one => !one.closest(".earlier") || button.closest(".earlier"));
  const player = media.find(one => one.closest(".media")?.textContent.includes(medium)) ?? media[0];
  if (!player) return;
  player.currentTime = Number(second);
  player.scrollIntoView({block: "nearest", behavior: "smooth"});
}
async function copy(bar) {
  const command = bar.querySelector("code"), told = bar.querySelector(".told");
  getSelection().selectAllChildren(command);
  // Only pages of https and of files may write the clipboard; elsewhere the selection is copied.
  try { await navigator.clipboard.writeText(command.textContent); told.textContent = "Copied."; }
  catch { told.textContent = document.execCommand("copy") ? "Copied." : "Press Ctrl+C to copy."; }
}
document.addEventListener("click", event => {
  const at = selector => event.target.closest(selector);
  if (at(".switch")) switchCaptions(at(".switch"));
  else if (at(".second")) seek(at(".second"));
  else if (at(".copy")) copy(at(".answer"));
  else if (at(".refuse[aria-pressed]")) refuse(at(".question"), at(".refuse").getAttribute("aria-pressed") !== "true");
  else if (at(".candidate")?.querySelector("button.choose") && !at("a, video, audio, pre, .zoom")) choose(at(".question"), at(".candidate").dataset.answer);
});
document.addEventListener("input", event => {
  const place = event.target.closest(".question");
  if (place?.querySelector(".refuse[aria-pressed]")) refuse(place, true);
  else if (place) draw();
});
dress(document);
refresh();
