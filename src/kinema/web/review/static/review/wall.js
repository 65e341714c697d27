// The wall: clips play while they are seen, and the number of those that have come is told without moving anything.
import { request } from "/static/kinema/site.js";

const MOST = 12; // players at a time
const EVERY = 4000; // milliseconds
const moving = matchMedia("(prefers-reduced-motion: no-preference)");
const seen = new Set();

function play(video) {
  video.play().catch(() => {}); // a browser that saves power, a clip that is gone: the picture stays
}

function arrange() {
  const first = [...seen].slice(0, MOST);
  for (const video of seen) {
    if (moving.matches && !document.hidden && first.includes(video)) play(video);
    else video.pause();
  }
}

const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) seen.add(target);
    else {
      seen.delete(target);
      target.pause();
    }
  }
  arrange();
}, { threshold: 0.4 });

for (const video of document.querySelectorAll(".tile video")) {
  watcher.observe(video);
  const tile = video.closest("a");
  for (const kind of ["pointerenter", "focus"]) tile.addEventListener(kind, () => moving.matches && play(video));
}
moving.addEventListener("change", arrange);
document.addEventListener("visibilitychange", arrange);

const button = document.querySelector("[data-new]");

async function look() {
  if (!document.hidden) {
    const query = new URLSearchParams(location.search);
    query.delete("page");
    query.set("after", button.dataset.after);
    try {
      const { count } = await request(`/api/review/new?${query}`);
      if (count) {
        button.textContent = `${count} new`;
        button.hidden = false;
      }
    } catch { /* the server is away: the next look tells */ }
  }
  setTimeout(look, EVERY);
}

if (button) setTimeout(look, EVERY);
