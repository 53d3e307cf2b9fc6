// What the theme's script makes is mended for keyboards and screen readers: boxes that scroll
// take the focus; the buttons of a code block and a part of the contents are no landmark.
const mend = () => {
  for (const box of document.querySelectorAll(".md-typeset__scrollwrap, .md-typeset pre > code")) {
    box.tabIndex = 0;
  }
  for (const part of document.querySelectorAll(".md-code__nav, .md-nav--secondary .md-nav")) {
    part.setAttribute("role", "none");
    part.removeAttribute("aria-label");
  }
};
new MutationObserver(mend).observe(document.body, { childList: true, subtree: true });
mend();
