for (const picture of document.querySelectorAll(".large img[data-whole], .candidate img[data-whole], .extras img[data-whole]")) load(picture, picture.dataset.whole);
// With captions or without: the same film goes on where the other was.
for (const button of document.querySelectorAll(".switch")) {
  button.addEventListener("click", () => {
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
  });
}
// Times are the reader's; without a script, UTC.
for (const time of document.querySelectorAll("time[datetime]")) {
  time.title = time.textContent;
  time.textContent = new Date(time.dateTime).toLocaleString("en-GB", {weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short"});
}
// What is chosen becomes the command.
const quoted = text => /^[\w@%+=:,.\/-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`;
const answer = document.querySelector(".answer");
if (answer) {
  const command = document.getElementById("command"), copy = answer.querySelector(".copy"), told = answer.querySelector(".told");
  const begin = answer.dataset.begin, blank = command.textContent;
  const questions = [...document.querySelectorAll(".question")].map(place => ({
    place, name: place.dataset.name, chosen: [], refused: false,
    candidates: [...place.querySelectorAll(".candidate")],
    none: place.querySelector(".none"), note: place.querySelector(".none input"),
  }));
  for (const one of questions) one.count = Math.min(Number(one.place.dataset.count), one.candidates.length);
  const noteOf = one => one.note ? one.note.value.replace(/[\s\p{C}]+/gu, " ").trim() : "";
  function draw() {
    const answers = [], missing = [];
    for (const one of questions) {
      for (const candidate of one.candidates) {
        const chosen = one.chosen.includes(candidate);
        candidate.classList.toggle("chosen", chosen);
        candidate.querySelector(".choose").setAttribute("aria-pressed", chosen);
      }
      if (one.none) {
        one.none.classList.toggle("chosen", one.refused);
        one.none.querySelector(".refuse").setAttribute("aria-pressed", one.refused);
      }
      if (one.refused) answers.push(`${one.name}=none${noteOf(one) ? `: ${noteOf(one)}` : ""}`);
      else if (one.chosen.length) answers.push(`${one.name}=${one.chosen.map(candidate => candidate.dataset.answer).join(",")}`);
      if (!one.refused && one.chosen.length && one.chosen.length < one.count) missing.push(`${one.name}: pick ${one.count - one.chosen.length} more`);
    }
    command.textContent = answers.length ? [begin, ...answers.map(text => `--answer ${quoted(text)}`)].join(" ") : blank;
    copy.disabled = !answers.length || missing.length > 0;
    told.textContent = missing.join("; ");
  }
  function choose(one, candidate) {
    one.refused = false;
    if (one.chosen.includes(candidate)) one.chosen = one.chosen.filter(other => other !== candidate);
    else one.chosen = [...one.chosen, candidate].slice(-one.count);
    draw();
  }
  for (const one of questions) {
    for (const candidate of one.candidates) {
      candidate.addEventListener("click", event => {
        if (!event.target.closest("a, video, audio, pre, .zoom")) choose(one, candidate);
      });
    }
    if (!one.none) continue;
    const refuse = refused => { one.refused = refused; if (refused) one.chosen = []; draw(); };
    one.none.querySelector(".refuse").addEventListener("click", () => refuse(!one.refused));
    one.note?.addEventListener("input", () => refuse(true));
  }
  copy.addEventListener("click", async () => {
    getSelection().selectAllChildren(command);
    // Only pages of https and of files may write the clipboard; elsewhere the selection is copied.
    try { await navigator.clipboard.writeText(command.textContent); told.textContent = "Copied."; }
    catch { told.textContent = document.execCommand("copy") ? "Copied." : "Press Ctrl+C to copy."; }
  });
}
