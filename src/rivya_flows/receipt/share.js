document.documentElement.classList.add("scripted");
for (const button of document.querySelectorAll(".save")) {
  button.addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = button.closest(".media").querySelector("img, video, audio").src;
    link.download = button.dataset.file;
    link.click();
  });
}
