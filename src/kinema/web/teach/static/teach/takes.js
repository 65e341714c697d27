// Tiles of takes: shown at once from the browser's own recording, sent while the next one is recorded, followed until read.
import { request, toast } from "/static/kinema/site.js";

const calm = matchMedia("(prefers-reduced-motion: reduce)");
const ENOUGH = 4;
const LONGEST_WAIT = 5000;

/** Loops play while they are seen; where motion is not wanted, under the pointer or the focus only. */
const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting && !calm.matches) target.play().catch(() => {});
    else target.pause();
  }
}, { threshold: 0.25 });

export function looping(video) {
  watcher.observe(video);
  for (const on of ["pointerenter", "focus"]) video.addEventListener(on, () => video.play().catch(() => {}));
  for (const off of ["pointerleave", "blur"]) video.addEventListener(off, () => { if (calm.matches) video.pause(); });
}

/** What a take is called before the server has it: one that is sent twice, for want of an answer, is known by it. */
function fresh() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (one) => one.toString(16).padStart(2, "0")).join("");
}

export class Takes {
  /** `root` is the element of the project; `changed(standing)` hears how many takes there are and whether to train. */
  constructor(root, changed) {
    this.root = root;
    this.changed = changed;
    this.sending = Promise.resolve();
    this.unsent = 0;
    this.following = false;
    for (const video of document.querySelectorAll(".take video")) looping(video);
    for (const action of root.querySelectorAll("[data-action]")) this.count(action);
    root.addEventListener("submit", (event) => this.remove(event));
    window.addEventListener("beforeunload", (event) => { if (this.unsent) event.preventDefault(); });
    if (root.querySelector(".take[data-state=waiting]")) this.follow();
  }

  action(id) {
    return this.root.querySelector(`[data-action="${id}"]`);
  }

  number(action) {
    return action.querySelectorAll(".take:not([data-state=refused])").length;
  }

  /** Show a recording as a tile and put it in line to be sent; resolves once it was sent. */
  add(action, blob, { pause = false, name = "", instead = null } = {}) {
    const tile = document.getElementById("take-tile").content.firstElementChild.cloneNode(true);
    const video = tile.querySelector("video");
    video.src = URL.createObjectURL(blob);
    video.setAttribute("aria-label", `A take of ${action.dataset.label}, just recorded`);
    if (pause) tile.querySelector("[data-length]").textContent = "pause";
    looping(video);
    action.querySelector("[data-takes]").append(tile);
    this.count(action);
    this.unsent += 1;
    this.sending = this.sending.then(() => this.send(action, tile, blob, { pause, name, instead })).finally(() => { this.unsent -= 1; });
    return this.sending;
  }

  async send(action, tile, blob, { pause, name, instead }) {
    const body = new FormData();
    body.append("action", action.dataset.action);
    body.append("uid", fresh());
    if (pause) body.append("pause", "1");
    const suffix = blob.type.includes("mp4") ? "mp4" : "webm";
    body.append("clip", blob, name || `${pause ? "pause" : "take"}.${suffix}`);
    try {
      const ask = () => request(this.root.dataset.uploadUrl, { method: "POST", body });
      const away = (reason) => this.show(tile, { state: "waiting", said: "waiting", reason });
      const { takes } = await this.persistently(ask, away);
      this.show(tile, takes[0]);
      if (instead) await this.forget(instead);
      this.follow();
    } catch (error) {
      this.show(tile, { state: "refused", said: "refused", reason: error.message });
    }
    this.count(action);
  }

  /** A server that does not answer is asked again until it does: it may be restarted. `away(text)` hears of it. */
  async persistently(ask, away = () => {}) {
    for (let turn = 1; ; turn += 1) {
      try { return await ask(); } catch (error) {
        if (!error.unreachable) throw error;
        away(`${error.message} It is asked again.`);
        await new Promise((go) => setTimeout(go, Math.min(1000 * turn, LONGEST_WAIT)));
      }
    }
  }

  show(tile, take) {
    if (take.id) tile.dataset.take = take.id;
    tile.dataset.state = take.state;
    const said = tile.querySelector("[data-said]"), reason = tile.querySelector("[data-reason]");
    said.textContent = take.said;
    said.hidden = take.state === "ready";
    said.classList.toggle("error", take.state === "refused");
    reason.textContent = take.reason ?? "";
    reason.hidden = !take.reason;
    if (take.seconds) tile.querySelector("[data-length]").textContent = `${take.seconds.toFixed(1)} s${take.pause ? " · pause" : ""}`;
    const form = tile.querySelector("[data-delete-take]");
    if (take.delete) form.action = take.delete;
    form.querySelector("button").disabled = !tile.dataset.take && take.state !== "refused"; // while it is sent
    const again = tile.querySelector("[data-again]");
    again.hidden = take.pause || !this.camera;
    const blank = tile.querySelector(".take-blank"), own = tile.querySelector("video");
    // A dropped clip of a kind that this browser does not play: what kinema made of it does.
    if (take.state === "ready" && own?.src.startsWith("blob:") && (own.error || own.readyState === 0)) {
      Object.assign(own, { poster: take.thumbnail, src: take.clip });
    }
    if (take.state === "ready" && blank) {
      const video = document.createElement("video");
      Object.assign(video, { muted: true, loop: true, playsInline: true, poster: take.thumbnail, src: take.clip, tabIndex: 0 });
      video.setAttribute("aria-label", "A take");
      blank.replaceWith(video);
      looping(video);
    }
  }

  /** Ask how far the takes are until all were looked at. An answer may be older than a take that was sent meanwhile: ask again. */
  async follow() {
    this.more = true;
    if (this.following) return;
    this.following = true;
    try {
      while (this.more) {
        this.more = false;
        let told = false;
        const away = (text) => { told ||= toast(text) ?? true; };
        const { takes, standing } = await this.persistently(() => request(this.root.dataset.stateUrl), away);
        for (const take of takes) {
          const tile = this.root.querySelector(`.take[data-take="${take.id}"]`);
          if (tile) this.show(tile, take);
        }
        for (const action of this.root.querySelectorAll("[data-action]")) this.count(action);
        this.changed(standing);
        if (this.unsent || takes.some((take) => take.state === "waiting")) this.more = true;
        if (this.more) await new Promise((go) => setTimeout(go, 800));
      }
    } catch (error) {
      toast(error.message, { error: true });
    } finally {
      this.following = false;
    }
  }

  async remove(event) {
    const form = event.target.closest("[data-delete-take]");
    if (!form) return;
    event.preventDefault();
    await this.forget(form.closest(".take"));
  }

  async forget(tile) {
    const action = tile.closest("[data-action]"), form = tile.querySelector("[data-delete-take]");
    if (!action || tile.dataset.going) return; // it is gone, or the button was pressed twice
    tile.dataset.going = "1";
    try {
      if (tile.dataset.take) await request(form.action, { method: "POST" });
      const next = tile.nextElementSibling ?? tile.previousElementSibling;
      const focused = tile.contains(document.activeElement);
      tile.remove();
      if (focused) (next?.querySelector("[data-delete-take] button") ?? action.querySelector("[data-choose]")).focus();
      this.count(action);
      this.follow();
    } catch (error) {
      delete tile.dataset.going;
      toast(error.message, { error: true });
    }
  }

  count(action) {
    const number = this.number(action), dots = action.querySelector("[data-dots]");
    action.querySelector("[data-count]").textContent = `${number} take${number === 1 ? "" : "s"}`;
    action.querySelector("[data-none]").hidden = action.querySelector(".take") !== null;
    dots.replaceChildren(...Array.from({ length: Math.max(ENOUGH, Math.min(number, 12)) }, (_, place) => {
      const dot = document.createElement("i");
      if (place < number) dot.className = "on";
      return dot;
    }));
  }
}
