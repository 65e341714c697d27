"use strict";
const player = document.getElementById("player");
const video = player.querySelector("video");
const about = player.querySelector(".about");
let playing = null;
let address = null;

function cards() {
  return [...document.querySelectorAll("button.card:enabled")].filter((card) => card.offsetParent !== null);
}

function source(id) {
  const held = document.getElementById("preview-" + id);
  if (held.dataset.src) return held.dataset.src;
  const bytes = Uint8Array.from(atob(held.textContent.trim()), (character) => character.charCodeAt(0));
  address = URL.createObjectURL(new Blob([bytes], { type: "video/mp4" }));
  return address;
}

function release() {
  video.pause();
  video.removeAttribute("src");
  video.load();
  if (address) URL.revokeObjectURL(address);
  address = null;
}

function play(card) {
  if (playing) release();
  playing = card;
  about.replaceChildren(...card.closest("li").querySelector(".about").cloneNode(true).childNodes);
  if (!player.open) player.showModal();
  video.src = source(card.dataset.clip);
  // A browser may forbid playing by itself; its own button then starts the clip.
  video.play().catch(() => {});
}

function step(by) {
  const all = cards();
  const next = all[all.indexOf(playing) + by];
  if (next) play(next);
}

document.addEventListener("click", (event) => {
  const card = event.target.closest("button.card:enabled");
  if (card) play(card);
});
player.addEventListener("close", () => {
  release();
  const card = playing;
  playing = null;
  if (card) card.focus();
});
player.addEventListener("click", (event) => {
  if (event.target === player) player.close();
});
player.addEventListener("keydown", (event) => {
  if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
    event.preventDefault();
    step(event.key === "ArrowRight" ? 1 : -1);
  } else if (event.key === " " && event.target.tagName !== "BUTTON") {
    event.preventDefault();
    if (video.paused) video.play().catch(() => {});
    else video.pause();
  }
});
for (const [name, action] of Object.entries({
  back: () => step(-1),
  forth: () => step(1),
  again: () => { video.currentTime = 0; video.play().catch(() => {}); },
  close: () => player.close(),
})) player.querySelector("button." + name).addEventListener("click", action);

const find = document.getElementById("find");
if (find) {
  const matches = document.getElementById("matches");
  find.addEventListener("input", () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let number = 0;
    for (const section of document.querySelectorAll("section.sheet")) {
      let any = false;
      for (const item of section.querySelectorAll(".cards > li")) {
        const text = item.textContent.toLowerCase();
        item.hidden = !words.every((word) => text.includes(word));
        any = any || !item.hidden;
        number += item.hidden ? 0 : 1;
      }
      section.hidden = !any;
    }
    matches.textContent = words.length ? number + (number === 1 ? " clip" : " clips") : "";
  });
}
