// Pages of data: missing pictures come by themselves, a clip plays its part, arrows turn clips, a split shows what it needs.
import { follow, request, toast, typing } from "/static/kinema/site.js";

/** Ask for the pictures that this page lacks, and show them as they are made. */
async function pictures(form) {
  const text = form.querySelector("[data-pictures-text]"), button = form.querySelector("button");
  button.hidden = true;
  const wanted = form.querySelectorAll("input[name=row]").length;
  text.textContent = `Making ${wanted} picture${wanted === 1 ? "" : "s"}…`;
  try {
    const { job } = await request(form.action, { method: "POST", body: new FormData(form) });
    const over = await follow(job, (state) => {
      if (state.state === "queued") text.textContent = "Pictures are made when the job before them is over.";
      else if (state.message) text.textContent = `Making pictures: ${state.message}`;
    });
    if (over.state === "done") return location.reload();
    text.textContent = over.error || "No pictures were made.";
  } catch (error) {
    text.textContent = error.message;
  }
  button.hidden = false;
}

/** Play from begin to end, again and again, also where the clip is a part of a longer video. */
function part(video) {
  const begin = Number(video.dataset.begin ?? 0), end = Number(video.dataset.end ?? Infinity);
  if (!begin && end === Infinity) return;
  video.addEventListener("timeupdate", () => {
    if (video.currentTime >= end || video.currentTime < begin - 0.5) video.currentTime = begin;
  });
  video.addEventListener("pause", () => {
    // A media fragment stops at its end: go round as a whole video with "loop" does.
    if (!video.seeking && video.currentTime >= end - 0.05) {
      video.currentTime = begin;
      video.play().catch(() => {});
    }
  });
  video.addEventListener("ended", () => { video.currentTime = begin; video.play().catch(() => {}); });
}

/** Show only what the chosen way to split asks for. */
function ways(form) {
  const show = () => {
    const way = form.querySelector("input[name=way]:checked")?.value;
    for (const box of form.querySelectorAll("[data-way]")) box.hidden = !box.dataset.way.split(" ").includes(way);
  };
  form.addEventListener("change", show);
  show();
}

document.addEventListener("keydown", (event) => {
  if (typing(event) || event.target.tagName === "VIDEO") return;
  document.querySelector(`a[data-key="${event.key}"]`)?.click();
});
// A page that was loaded again for its pictures and still lacks them does not ask for ever.
const asked = `pictures ${location.pathname}${location.search}`;
const form = document.querySelector("[data-pictures]");
if (form) {
  form.addEventListener("submit", (event) => { event.preventDefault(); pictures(form); });
  const before = sessionStorage.getItem(asked), now = new FormData(form).getAll("row").join();
  if (before !== now) {
    sessionStorage.setItem(asked, now);
    pictures(form);
  }
}
for (const video of document.querySelectorAll("video[data-clip]")) {
  part(video);
  video.addEventListener("error", () => toast("This browser cannot play the file.", { error: true }));
}
for (const split of document.querySelectorAll("[data-split]")) ways(split);
for (const box of document.querySelectorAll("[data-needs]")) {
  const choice = box.closest("form")[box.dataset.needs];
  const show = () => { box.hidden = !choice.value; };
  choice.addEventListener("change", show);
  show();
}
document.querySelector(".tabs a[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
