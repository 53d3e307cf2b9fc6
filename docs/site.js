// What the theme's script makes is mended for keyboards and screen readers: boxes that scroll
// take the focus; the buttons of a code block and a part of the contents are no landmark.
// Of a terminal the commands are copied, of a change the new lines. Short code stays on a line.
const copied = {
  console: text => [...text.matchAll(/^\$ ((?:.*\\\n)*.*)$/gm)].map(found => found[1]).join("\n"),
  diff: text => text.replace(/^-.*\n?/gm, "").replace(/^[+ ]/gm, ""),
};
const mend = () => {
  for (const [kind, part] of Object.entries(copied)) {
    for (const block of document.querySelectorAll(`.language-${kind}:not([data-copy])`)) {
      block.dataset.copy = part(block.querySelector("code").textContent);
    }
  }
  for (const box of document.querySelectorAll(".md-typeset__scrollwrap, .md-typeset pre > code")) {
    box.tabIndex = 0;
  }
  for (const code of document.querySelectorAll(".md-typeset :not(pre) > code")) {
    code.classList.toggle("short", code.textContent.length < 20);
  }
  for (const part of document.querySelectorAll(".md-code__nav, .md-nav--secondary .md-nav")) {
    part.setAttribute("role", "none");
    part.removeAttribute("aria-label");
  }
};
new MutationObserver(mend).observe(document.body, { childList: true, subtree: true });
mend();
