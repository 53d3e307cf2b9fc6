document.documentElement.classList.add("scripted");
// Two films begin together, the second without its sound.
for (const button of document.querySelectorAll(".both")) {
  const films = [...button.closest(".duo").querySelectorAll("video")];
  const plays = () => films.some(film => !film.paused && !film.ended);
  button.addEventListener("click", () => {
    if (plays()) return films.forEach(film => film.pause());
    const at = films[0].ended ? 0 : films[0].currentTime;
    films.forEach((film, index) => { film.currentTime = at; film.muted = index > 0; film.play(); });
  });
  for (const film of films) for (const name of ["play", "pause", "ended"]) {
    film.addEventListener(name, () => { button.textContent = plays() ? "Pause both" : "Play both"; });
  }
}
