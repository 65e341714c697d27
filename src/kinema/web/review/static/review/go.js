// Review by keyboard: what is decided goes to the server in the background, the next clip is there already.
import { request, toast, typing } from "/static/kinema/site.js";
import { picker } from "./picker.js";

const AHEAD = 3;
const box = document.querySelector("[data-go]"), done = document.querySelector("[data-done]");
const stage = box.querySelector("[data-stage]"), mine = box.querySelector("[data-mine]");
const filter = box.dataset.filter, labels = JSON.parse(document.querySelector("#labels").textContent);
const moving = matchMedia("(prefers-reduced-motion: no-preference)");
const first = JSON.parse(document.querySelector("#clip").textContent);

const seen = first ? [first] : []; // clips in the order in which they were shown
let at = first ? 0 : -1; // which of them is shown
let ahead = []; // what comes next
let sending = Promise.resolve(); // decisions go one after the other, so that an undo finds the right one
let unsent = 0, refused = 0; // decisions that the server has not answered yet, that it did not take
let filling = null;
let busy = false;
const players = new Map();

const current = () => seen[at] ?? null;
const address = (path, query = {}) => {
  const all = new URLSearchParams(filter);
  for (const [name, value] of Object.entries(query)) all.set(name, value);
  return `/api/review/${path}?${all}`;
};

/** The player of a clip; made early for the clips to come, so that they begin at once. */
function player(clip) {
  let found = players.get(clip.pk);
  if (found) return found;
  if (clip.clip) {
    found = document.createElement("video");
    Object.assign(found, { muted: true, loop: true, playsInline: true, controls: true, preload: "auto", src: clip.clip });
    if (clip.thumbnail) found.poster = clip.thumbnail;
    found.setAttribute("aria-label", "The clip");
  } else if (clip.thumbnail) {
    found = document.createElement("img");
    Object.assign(found, { src: clip.thumbnail, alt: "The clip, one picture" });
  } else {
    found = document.createElement("p");
    found.textContent = "The clip has no picture.";
  }
  players.set(clip.pk, found);
  return found;
}

const place = (clip) => clip.source.includes("://") ? clip.source : clip.source.split(/[\\/]/).pop();

function about(clip) {
  const parts = [place(clip), clip.recorded.slice(0, 16).replace("T", " ")];
  if (clip.start !== null && clip.end !== null) parts.push(`${(clip.end - clip.start).toFixed(1)} s`);
  if (clip.peak !== null) parts.push(clip.peak.toFixed(2));
  if (clip.family && seen[at - 1]?.family === clip.family) parts.push("the same footage as before");
  return parts.filter(Boolean).join(" · ");
}

function show() {
  const clip = current();
  box.hidden = !clip;
  done.hidden = Boolean(clip);
  if (!clip) {
    stage.replaceChildren();
    done.querySelector("[data-undo]").hidden = !seen.length;
    say("Nothing left for you.");
    return;
  }
  const shown = player(clip);
  if (stage.firstElementChild !== shown) {
    stage.querySelector("video")?.pause();
    stage.replaceChildren(shown);
  }
  if (shown.play && moving.matches) shown.play().catch(() => {});
  box.querySelector("[data-label]").textContent = clip.label;
  box.querySelector("[data-about]").textContent = about(clip);
  box.querySelector("[data-history]").href = clip.url;
  for (const field of box.querySelectorAll("input[name=clip]")) field.value = clip.pk;
  mine.hidden = !clip.mine;
  mine.textContent = clip.mine ? `you said: ${clip.mine}` : "";
  say(`${clip.label}, ${place(clip)}`);
  for (const [pk, old] of players) {
    const near = ahead.some((next) => next.pk === pk) || seen.slice(Math.max(0, at - 2), at + 3).some((next) => next.pk === pk);
    if (!near) {
      old.removeAttribute?.("src");
      old.load?.();
      players.delete(pk);
    }
  }
}

function say(text) {
  document.querySelector("[data-said]").textContent = text;
}

function count(counts) {
  const bar = document.querySelector("[data-progress] progress");
  bar.max = counts.total || 1;
  bar.value = counts.settled;
  for (const [name, value] of Object.entries(counts)) {
    const place = document.querySelector(`[data-count=${name}]`);
    if (place) place.textContent = value;
  }
}

/** Ask for what comes next, without what is shown, waits here, or was looked at just now. */
function fill() {
  filling ??= (async () => {
    try {
      const without = [...seen.slice(-60), ...ahead].map((clip) => clip.pk);
      const { clips } = await request(address("next", { count: AHEAD + 1, without: without.join(",") }));
      const known = new Set(without);
      ahead.push(...clips.filter((clip) => !known.has(clip.pk)));
      for (const clip of ahead.slice(0, AHEAD)) player(clip);
    } catch (error) {
      toast(error.message, { error: true });
    } finally {
      filling = null;
    }
  })();
  return filling;
}

async function forward() {
  if (at + 1 < seen.length) {
    at += 1;
    show();
    return;
  }
  if (!ahead.length) {
    const before = refused;
    await sending;
    if (refused !== before) return; // what was not taken is shown again, and stays
    await fill();
  }
  if (!ahead.length) {
    // Those that were passed by without a decision come once more.
    const left = seen.filter((clip) => !clip.mine && clip !== current());
    if (left.length) {
      for (const clip of left) seen.splice(seen.indexOf(clip), 1);
      ahead.push(...left);
    }
  }
  if (ahead.length) {
    seen.push(ahead.shift());
    at = seen.length - 1;
  } else if (!current() || current().mine) {
    at = seen.length;
  } else {
    toast("This is the last one.");
  }
  show();
  if (ahead.length < AHEAD) fill();
}

function back() {
  if (at > 0) {
    at -= 1;
    show();
  } else toast("There is none before this one.");
}

async function decide(verdict, label = "") {
  const clip = current();
  if (!clip || busy) return;
  unsent += 1;
  const before = clip.mine;
  clip.mine = verdict === "relabel" ? `relabel ${label}` : verdict;
  if (verdict === "relabel" && !labels.includes(label)) labels.push(label);
  sending = sending.then(() => request(address(`clips/${clip.pk}/decisions`), { method: "POST", body: { verdict, label } }))
    .then((answer) => count(answer.counts))
    .catch((error) => {
      refused += 1;
      clip.mine = before;
      toast(`Not kept: ${error.message}`, { error: true });
      at = Math.max(0, seen.indexOf(clip));
      show();
    })
    .finally(() => { unsent -= 1; });
  await guarded(forward);
}

async function undo() {
  await guarded(async () => {
    await sending;
    let answer;
    try {
      answer = await request(address("undo"), { method: "POST" });
    } catch (error) {
      toast(error.message, { error: true });
      return;
    }
    count(answer.counts);
    if (!answer.clip) {
      toast("Nothing to take back.");
      return;
    }
    ahead = ahead.filter((clip) => clip.pk !== answer.clip.pk);
    let place = seen.findIndex((clip) => clip.pk === answer.clip.pk);
    if (place < 0) {
      place = Math.max(0, Math.min(at, seen.length));
      seen.splice(place, 0, answer.clip);
    }
    seen[place].mine = "";
    at = place;
    show();
    toast(`Taken back: ${answer.said}`);
  });
}

/** One step at a time: a key that comes in between is not taken for the clip that is about to be shown. */
async function guarded(step) {
  if (busy) return;
  busy = true;
  try { await step(); } finally { busy = false; }
}

const choose = picker(document.querySelector("[data-picker]"), labels);
const keys = document.querySelector("[data-keys]"), help = document.querySelector("[data-help]");

async function relabel() {
  const clip = current();
  if (!clip || busy) return;
  const label = await choose(clip.label);
  if (!label) return;
  at = seen.indexOf(clip); // a decision that was refused meanwhile has gone back to its own
  decide("relabel", label);
}

const ACTIONS = {
  a: () => decide("accept"),
  w: () => decide("wrong"),
  s: () => decide("skip"),
  r: relabel,
  u: undo,
  "?": () => keys.showModal(),
  ArrowRight: () => guarded(forward),
  ArrowLeft: () => guarded(async () => back()),
};

document.addEventListener("keydown", (event) => {
  if (typing(event) || document.querySelector("dialog[open]")) return;
  if (event.key === " ") {
    const video = stage.querySelector("video");
    if (!video || ["BUTTON", "A", "SUMMARY"].includes(event.target.tagName)) return;
    event.preventDefault();
    video.paused ? video.play().catch(() => {}) : video.pause();
    return;
  }
  const action = ACTIONS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!action || event.repeat) return;
  event.preventDefault();
  action();
});

box.querySelector("[data-decide]").addEventListener("submit", (event) => {
  event.preventDefault();
  decide(event.submitter.value);
});
for (const form of document.querySelectorAll("[data-undo]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    undo();
  });
}
// Who leaves takes no decision along: a link waits for those that are on their way, a tab that is closed asks.
document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[href]");
  if (!link || !unsent || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const before = refused;
  while (unsent) await sending;
  if (refused === before) location.assign(link.href);
});
addEventListener("beforeunload", (event) => { if (unsent) event.preventDefault(); });

box.querySelector("[data-plain]").hidden = true;
const button = box.querySelector("[data-relabel]");
button.hidden = help.hidden = false;
button.addEventListener("click", relabel);
help.addEventListener("click", () => keys.showModal());

if (first) {
  const shown = stage.firstElementChild;
  if (shown) players.set(first.pk, shown);
  first.mine = "";
  show();
  fill();
}
