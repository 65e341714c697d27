// The player and its timeline: what is clicked or pressed seeks, and the bars say what holds at the moment shown.
import { clock, request, toast, typing } from "/static/kinema/site.js";

const stage = document.getElementById("player");
const video = stage.querySelector("video");
const controls = document.getElementById("controls");
const time = document.getElementById("time");
const over = document.querySelector("[data-over]");
const needle = document.querySelector("[data-needle]");
const bars = [...document.querySelectorAll("#bars li")];
const moment = document.querySelector("[data-moment]");
const rate = Number(stage.dataset.fps) || 25;
const original = video.querySelector("source")?.src;
const annotated = document.querySelector("[data-do=annotated]");
let seconds = Number(document.querySelector("[data-timeline]")?.dataset.seconds) || 0;
let view = null, starts = [], goingOn = null; // where a film that is being exchanged goes on

controls.hidden = false;

const seek = (to) => {
  const end = Number.isFinite(video.duration) ? video.duration : seconds;
  video.currentTime = Math.max(0, Math.min(to, end || to));
  show(video.currentTime);
};
const frame = (steps) => {
  video.pause();
  // To the middle of the frame: its beginning may belong to the one before.
  seek((Math.floor(video.currentTime * rate + 0.01) + steps + 0.5) / rate);
};
const play = () => (video.paused ? video.play().catch(unplayable) : video.pause());
const actions = {
  play, back: () => seek(video.currentTime - 10), forward: () => seek(video.currentTime + 10),
  "frame-back": () => frame(-1), "frame-forward": () => frame(1), annotated: exchange,
};
controls.addEventListener("click", (event) => actions[event.target.closest("[data-do]")?.dataset.do]?.());

/** The video as it came, or with what was said drawn on it; at the same moment. */
function exchange() {
  const drawn = annotated.getAttribute("aria-pressed") !== "true";
  goingOn ??= { at: video.currentTime, playing: !video.paused }; // pressed twice: as it was before the first
  annotated.setAttribute("aria-pressed", String(drawn));
  video.src = drawn ? stage.dataset.annotated : original;
}

function unplayable() {
  if (video.error || video.networkState === HTMLMediaElement.NETWORK_NO_SOURCE) document.getElementById("unplayable").hidden = false;
}

video.addEventListener("loadedmetadata", () => {
  if (goingOn) {
    const { at, playing } = goingOn;
    goingOn = null;
    video.currentTime = at;
    if (playing) play();
  }
  if (!seconds && Number.isFinite(video.duration)) seconds = video.duration;
  if (!video.videoWidth && annotated && annotated.getAttribute("aria-pressed") !== "true") return exchange(); // sound alone can be played
  if (annotated && video.currentSrc.includes("annotated")) annotated.setAttribute("aria-pressed", "true");
  if (video.videoWidth) stage.style.aspectRatio = `${video.videoWidth} / ${video.videoHeight}`;
});
const last = [...video.querySelectorAll("source")].at(-1);
last?.addEventListener("error", unplayable);
if (video.networkState === HTMLMediaElement.NETWORK_NO_SOURCE) unplayable();

const button = controls.querySelector("[data-do=play]");
for (const name of ["play", "pause", "ended"]) {
  video.addEventListener(name, () => { button.textContent = video.paused ? "Play" : "Pause"; if (!video.paused) tick(); });
}
for (const name of ["seeking", "seeked", "timeupdate"]) video.addEventListener(name, () => show(video.currentTime));
function tick() {
  show(video.currentTime);
  if (!video.paused) requestAnimationFrame(tick);
}

/** The newest row at or before a moment. */
function rowAt(at) {
  let [low, high] = [0, view.times.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (view.times[middle] <= at + 1e-6) low = middle + 1;
    else high = middle;
  }
  return view.probabilities[Math.max(0, low - 1)];
}

function show(at) {
  time.textContent = clock(at, true);
  let best = "";
  if (view?.times.length) {
    const row = rowAt(at);
    best = view.classes[row.indexOf(Math.max(...row))];
    for (const item of bars) {
      const value = row[view.classes.indexOf(item.dataset.label)] ?? 0;
      item.querySelector("meter").value = value;
      item.querySelector(".number").textContent = `${Math.round(100 * value)} %`;
      item.classList.toggle("best", item.dataset.label === best);
    }
    moment.textContent = `${clock(at, true)} ${best}`;
  }
  if (needle && seconds) {
    needle.hidden = false;
    needle.style.left = `${Math.min(100, 100 * at / seconds)}%`;
    over.setAttribute("aria-valuenow", at.toFixed(1));
    over.setAttribute("aria-valuetext", `${clock(at, true)} ${best}`.trim());
  }
}

if (over && seconds) {
  for (const [name, value] of Object.entries({
    role: "slider", tabindex: "0", "aria-label": "Moment of the video", "aria-valuemin": "0", "aria-valuemax": seconds.toFixed(1), "aria-valuenow": "0",
  })) over.setAttribute(name, value);
  const at = (event) => {
    const box = over.getBoundingClientRect();
    return seconds * Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
  };
  over.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    over.setPointerCapture(event.pointerId);
    seek(at(event));
  });
  over.addEventListener("pointermove", (event) => { if (over.hasPointerCapture(event.pointerId)) seek(at(event)); });
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-seek]");
  if (!link) return;
  event.preventDefault();
  seek(Number(link.dataset.seek));
  stage.scrollIntoView({ block: "nearest" });
});

const keys = {
  " ": play, k: play, ArrowLeft: (event) => seek(video.currentTime - (event.shiftKey ? 1 : 5)),
  ArrowRight: (event) => seek(video.currentTime + (event.shiftKey ? 1 : 5)),
  j: actions.back, l: actions.forward, ",": () => frame(-1), ".": () => frame(1),
  Home: () => seek(0), End: () => seek(seconds || video.duration),
  ArrowUp: () => jump(-1), ArrowDown: () => jump(1),
};
// Before the video's own keys and the page's scrolling, which would do the same once more.
document.addEventListener("keydown", (event) => {
  const action = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  const element = event.target;
  if (!action || typing(event)) return;
  if (event.key === " " && element.closest("button, a, summary, [tabindex='0']:not([role=slider])")) return;
  if (event.key.length > 1 && element.closest(".table-box")) return; // scrolls there
  if (["ArrowUp", "ArrowDown"].includes(event.key) && !starts.length) return;
  event.preventDefault();
  event.stopPropagation();
  action(event);
}, { capture: true });

/** To the event, or the segment where there is none, before or after the moment shown. */
function jump(way) {
  const at = video.currentTime;
  const to = way > 0 ? starts.find((start) => start > at + 0.05) : starts.findLast((start) => start < at - 0.5);
  if (to !== undefined) seek(to);
}

if (stage.dataset.view) {
  request(stage.dataset.view).then((found) => {
    view = found;
    starts = (found.events.length ? found.events : found.segments).map((entry) => entry.start);
    if (video.currentTime) show(video.currentTime);
    document.documentElement.dataset.player = "ready";
  }).catch((error) => toast(error.message, { error: true }));
}
