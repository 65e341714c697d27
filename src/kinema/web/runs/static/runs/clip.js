// The line of the moment on the timeline of a clip; a click on it goes there.
const video = document.querySelector("[data-player]");
const chart = document.querySelector("[data-timeline]");

if (video && chart && chart.dataset.unit === "seconds") {
  const [first, last, left, right] = ["first", "last", "left", "right"].map((name) => Number(chart.dataset[name]));
  const head = chart.querySelector("[data-head]");
  // An excerpt begins with the clip, the whole file with the video.
  const begin = () => (video.currentSrc.includes("/excerpt/") ? first : 0);

  const show = () => {
    const time = Math.min(last, Math.max(first, video.currentTime + begin()));
    const x = left + ((right - left) * (time - first)) / (last - first);
    head.setAttribute("x1", x);
    head.setAttribute("x2", x);
  };
  const follow = () => {
    show();
    if (!video.paused && !video.ended) requestAnimationFrame(follow);
  };
  video.addEventListener("play", follow);
  for (const name of ["timeupdate", "seeked", "loadedmetadata"]) video.addEventListener(name, show);

  chart.addEventListener("click", (event) => {
    const frame = chart.getBoundingClientRect();
    const x = ((event.clientX - frame.left) / frame.width) * chart.viewBox.baseVal.width;
    const share = Math.min(1, Math.max(0, (x - left) / (right - left)));
    video.currentTime = first + share * (last - first) - begin();
    show();
  });
  chart.classList.add("seeks");
}
