document.documentElement.classList.add("scripted");
// Each medium is embedded once; every further place takes the source from the first.
for (const place of document.querySelectorAll("[data-of]")) {
  const first = document.querySelector(`#${place.dataset.of} :is(img, video, audio)`);
  if (!first) continue;
  place.src = first.src;
  if (first.poster) place.poster = first.poster;
  if (first.dataset.whole) place.dataset.whole = first.dataset.whole;
}
// The file itself, where it can be reached; else the small picture stays.
function load(picture, url) {
  const whole = new Image(), small = picture.src;
  whole.addEventListener("load", () => { if (picture.src === small) picture.src = whole.src; });
  whole.src = url;
}
// A click enlarges a picture or film; keys, buttons and swipes go on to the others of the page.
const dialog = document.getElementById("lightbox"), stage = dialog.querySelector(".stage");
let album = [], at = 0, opener = null, touch = null;
function show(index) {
  at = (index + album.length) % album.length;
  const figure = album[at], small = figure.querySelector("img, video"), shown = small.cloneNode(true);
  shown.removeAttribute("loading");
  shown.removeAttribute("data-of");
  stage.style.setProperty("--ratio", figure.style.getPropertyValue("--ratio") || "auto");
  stage.replaceChildren(shown);
  if (shown.dataset.whole) load(shown, shown.dataset.whole);
  if (small.localName === "video") {
    shown.preload = "metadata";
    shown.currentTime = small.currentTime;
    if (!small.paused) { small.pause(); shown.play(); }
  }
  dialog.querySelector("b").textContent = figure.dataset.about;
  dialog.querySelector(".position").textContent = `${at + 1} of ${album.length}`;
  dialog.querySelector(".alt").textContent = small.alt ?? small.ariaLabel;
  dialog.querySelector("a").href = figure.dataset.file;
}
document.addEventListener("click", event => {
  const link = event.target.closest(".zoom");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const assetOf = one => one.closest(".media").dataset.asset, seen = new Set();
  // A medium that is in several places comes once.
  album = [...document.querySelectorAll(".media:has(.zoom):not([hidden])")].filter(one => !seen.has(assetOf(one)) && seen.add(assetOf(one)));
  opener = link;
  dialog.showModal();
  show(album.findIndex(one => assetOf(one) === assetOf(link)));
});
dialog.addEventListener("click", event => {
  const button = event.target.closest("button")?.className;
  if (button === "previous") show(at - 1);
  else if (button === "next") show(at + 1);
  else if (button === "close" || event.target.matches("dialog, .stage, img")) dialog.close();
});
dialog.addEventListener("keydown", event => {
  const index = {ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: album.length - 1}[event.key];
  if (index === undefined) return;
  event.preventDefault();
  show(index);
});
stage.addEventListener("touchstart", event => { touch = event.touches.length === 1 ? event.touches[0] : null; }, {passive: true});
stage.addEventListener("touchend", event => {
  const end = event.changedTouches[0], x = touch ? end.clientX - touch.clientX : 0;
  if (Math.abs(x) > 48 && Math.abs(x) > 2 * Math.abs(end.clientY - touch.clientY)) show(at + (x < 0 ? 1 : -1));
  touch = null;
});
dialog.addEventListener("close", () => { stage.replaceChildren(); opener.focus(); });
