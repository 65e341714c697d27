// Uploads that survive a break: the tus protocol (tus.io, 1.0.0), a piece at a time.
import { clock, token } from "/static/kinema/site.js";

const PIECE = 2 * 2 ** 20;
const KEPT = "kinema-uploads";
const LONGEST_WAIT = 15000;

/** One file on its way. `changed()` is called with every step; `state`: waiting, sending, paused, retrying, done, failed. */
export class Upload {
  constructor(file, { collection, recognizer = "", changed = () => {} }) {
    Object.assign(this, { file, collection, recognizer, changed });
    this.state = "waiting";
    this.sent = 0;
    this.message = "";
    this.url = null;
    this.address = null;
    this.request = null;
    this.creating = null;
    this.marks = [];
    this.run = 0;
  }

  get over() { return this.state === "done" || this.state === "failed"; }

  /** What is left, in words. */
  get left() {
    const [first, last] = [this.marks[0], this.marks.at(-1)];
    if (!first || last.time - first.time < 800 || last.sent <= first.sent) return "";
    const rate = (last.sent - first.sent) / (last.time - first.time) * 1000;
    return `${words(rate)}/s, ${clock((this.file.size - this.sent) / rate)} left`;
  }

  async start() {
    if (this.over || this.state === "sending") return;
    this.set("sending");
    this.marks = [];
    const run = ++this.run; // one that was paused while it waited must not wake beside this one
    const going = () => run === this.run && ["sending", "retrying"].includes(this.state);
    let wait = 1000;
    while (going()) {
      try {
        if (!this.address) await (this.creating = this.create().finally(() => { this.creating = null; }));
        if (!going()) return; // given up meanwhile: it is being thrown away, and nothing is to be asked of it
        let offset = await this.ask();
        while (offset < this.file.size && going()) {
          if (this.state === "retrying") this.set("sending");
          this.progress(offset);
          offset = await this.send(offset);
          wait = 1000;
        }
        if (offset === this.file.size) {
          forget(this.file);
          this.progress(offset);
          this.set("done");
        }
      } catch (problem) {
        if (!going()) return;
        if (problem.gone) {
          this.address = null;
          forget(this.file);
        } else if (problem.final) {
          return this.set("failed", problem.message);
        }
        this.set("retrying", `${problem.message} Trying again in ${Math.round(wait / 1000)} s.`);
        await new Promise((go) => setTimeout(go, wait));
        wait = Math.min(2 * wait, LONGEST_WAIT);
      }
    }
  }

  pause() {
    if (this.over) return;
    this.set("paused");
    this.request?.abort();
  }

  /** Give it up, here and on the server. */
  async cancel() {
    this.set("failed", "given up");
    // What is being begun must be known before it can be thrown away: a request that is broken off may have been heard.
    if (this.creating) await this.creating.catch(() => {});
    else this.request?.abort();
    forget(this.file);
    if (this.address) await this.call("DELETE", this.address).catch(() => {});
  }

  async create() {
    const all = kept(), mark = fingerprint(this.file);
    const key = all[mark] ?? crypto.getRandomValues(new Uint32Array(4)).join("-");
    all[mark] = key;
    keep(all);
    const about = { filename: this.file.name, key, recognizer: this.recognizer };
    const metadata = Object.entries(about).filter(([, value]) => value)
      .map(([name, value]) => `${name} ${base64(value)}`).join(",");
    const answer = await this.call("POST", this.collection, {
      "Upload-Length": String(this.file.size), "Upload-Metadata": metadata,
    });
    this.address = new URL(answer.getResponseHeader("Location"), location.href).pathname;
    this.url = JSON.parse(answer.responseText).url;
  }

  async ask() {
    const answer = await this.call("HEAD", this.address);
    return Number(answer.getResponseHeader("Upload-Offset"));
  }

  async send(offset) {
    const piece = this.file.slice(offset, offset + PIECE);
    const headers = { "Upload-Offset": String(offset), "Content-Type": "application/offset+octet-stream" };
    const answer = await this.call("PATCH", this.address, headers, piece, (loaded) => this.progress(offset + loaded));
    return Number(answer.getResponseHeader("Upload-Offset"));
  }

  call(method, address, headers = {}, body = null, loaded = null) {
    return new Promise((done, failed) => {
      const request = new XMLHttpRequest();
      this.request = request;
      request.open(method, address);
      request.setRequestHeader("Tus-Resumable", "1.0.0");
      request.setRequestHeader("X-CSRFToken", token());
      for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
      if (loaded) request.upload.onprogress = (event) => loaded(event.loaded);
      request.onabort = () => failed(new Error("stopped"));
      request.onerror = () => failed(new Error("The server does not answer."));
      request.onload = () => {
        const status = request.status;
        if (status < 300 && (request.getResponseHeader("Tus-Resumable") || method === "DELETE")) return done(request);
        if (status < 300) return failed(problem("You were signed out. Sign in and choose the file again.", true));
        let text = `The server refused (${status}).`;
        try { text = JSON.parse(request.responseText).detail ?? text; } catch { /* no JSON */ }
        const error = problem(text, ![409, 423, 500, 502, 503, 504].includes(status));
        error.gone = status === 404 || status === 410;
        failed(error);
      };
      request.send(body);
    });
  }

  progress(sent) {
    this.sent = sent;
    this.marks.push({ time: performance.now(), sent });
    if (this.marks.length > 60) this.marks.shift();
    this.changed(this);
  }

  set(state, message = "") {
    this.state = state;
    this.message = message;
    this.changed(this);
  }
}

/** Bytes as people say them. */
export function words(size) {
  for (const [unit, many] of [["GB", 2 ** 30], ["MB", 2 ** 20], ["KB", 2 ** 10]]) {
    if (size >= many) return `${(size / many).toFixed(1).replace(/\.0$/, "")} ${unit}`;
  }
  return `${Math.round(size)} bytes`;
}

function problem(text, final) {
  const error = new Error(text);
  error.final = final;
  return error;
}

function fingerprint(file) {
  return `${file.name}|${file.size}|${file.lastModified}`;
}

function kept() {
  try { return JSON.parse(localStorage.getItem(KEPT)) ?? {}; } catch { return {}; }
}

function keep(all) {
  try { localStorage.setItem(KEPT, JSON.stringify(all)); } catch { /* private windows: no resume after a reload */ }
}

function forget(file) {
  const all = kept();
  delete all[fingerprint(file)];
  keep(all);
}

function base64(text) {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}
