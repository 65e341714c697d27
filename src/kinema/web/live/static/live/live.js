// A live view: what comes from the server, shown; what this browser's camera sees, sent.
import { clock, typing } from "/static/kinema/site.js";
import { Bars } from "./bars.js";
import { Camera } from "./camera.js";
import { Happenings } from "./happenings.js";
import { connect } from "./socket.js";
import { Timeline } from "./timeline.js";

const root = document.querySelector("[data-live]");
const find = (name) => root.querySelector(`[data-${name}]`);
const own = root.dataset.kind === "browser";
const stage = find("stage"), picture = find("picture"), veil = find("veil"), again = find("again");
const bars = new Bars(find("bars")), timeline = new Timeline(find("timeline")), happenings = new Happenings(find);
let classes = [], held = false, decoding = false, opened = false, camera = null, connection = null, newest = 0;
let pictures = null; // the stream of pictures, where no WebSocket gets through
let state = { state: "starting", text: "" }, refusal = null, noCamera = null; // why nothing can be shown: the server's words, the camera's

/** Words over the picture; null takes them away. `busy`: something is on its way. `button`: it can be started again. */
function cover(text, { busy = false, button = false } = {}) {
  veil.hidden = text === null;
  find("veil-text").textContent = text ?? "";
  find("spinner").hidden = !busy;
  again.hidden = !button;
}

/** A sentence begins with a capital, an address does not. */
function words(text) { return /^[a-z]+[ ,]/.test(text) ? text[0].toUpperCase() + text.slice(1) : text; }

function showState() {
  if (noCamera ?? refusal) return cover(noCamera ?? refusal, { button: true });
  if (state.state === "starting") return cover(`${words(state.text)} …`, { busy: true });
  if (state.state === "running") return newest || own ? cover(null) : cover("Waiting for the first picture …", { busy: true });
  happenings.over();
  cover(words(state.text), { button: true });
  if (state.state !== "ended") happenings.say(state.text);
}

function row(message) {
  newest = message.time;
  const values = message.smoothed.map((value) => value ?? 0), best = classes.indexOf(message.label);
  timeline.row(message.time, values);
  if (held) return;
  bars.row(values, best);
  find("waiting").hidden = true;
  const label = find("label"), top = values.indexOf(Math.max(...values));
  label.textContent = message.known ? classes[top] : message.full ? "unknown" : "looking …";
  label.classList.toggle("unknown", !message.known);
  find("share").textContent = message.known ? `${Math.round(values[top] * 100)} %` : "";
  find("now").hidden = false;
  find("clock").textContent = clock(message.time);
  if (state.state === "running" && !noCamera) cover(null);
}

function numbers({ sources: [source] }) {
  if (!source) return;
  const spread = source.recent_ms.p50 > 0 ? source.recent_ms : source.latency_ms;
  const time = (value) => (value > 0 ? `${Math.round(value)} ms` : "–");
  find("p50").textContent = time(spread.p50);
  find("p95").textContent = time(spread.p95);
  find("seen").textContent = `${source.seen} (${source.fps_in.toFixed(1)}/s)`;
  find("used").textContent = `${source.used} (${source.fps_used.toFixed(1)}/s)`;
  find("dropped").textContent = source.dropped + source.skipped;
  if (camera) find("unsent").textContent = camera.unsent;
}

const lines = {
  state(message) {
    state = message;
    if (message.state === "refused") refusal = message.text;
    showState();
  },
  start(message) {
    classes = message.classes;
    bars.begin(classes);
    timeline.begin(classes);
    happenings.begin();
    newest = 0;
  },
  history(message) { timeline.load(message.rows); },
  row,
  event(message) { timeline.event(message); happenings.event(message, newest); },
  notice(message) {
    happenings.notice(message.text);
    if (message.kind === "lost") cover(words(message.text), { busy: true });
    if (message.kind === "back") showState();
  },
  statistics: numbers,
  taken(message) { camera?.taken(message.number); },
};

async function show(time, blob) {
  if (held || decoding) return;
  decoding = true;
  try {
    const image = await createImageBitmap(blob);
    if (picture.width !== image.width || picture.height !== image.height) {
      picture.width = image.width;
      picture.height = image.height;
    }
    picture.getContext("2d").drawImage(image, 0, 0);
    image.close();
    picture.hidden = false;
    picture.dataset.time = time;
    if (state.state === "running" && !veil.hidden) { newest ||= time || 0.001; showState(); }
  } catch { /* a damaged picture: the next one comes soon */ } finally {
    decoding = false;
  }
}

function join() {
  connection ??= connect(`${location.pathname}socket?pictures=${own ? "none" : "bare"}`, {
    line: (message) => lines[message.type]?.(message),
    picture: show,
    open() {
      opened = true;
      refusal = null;
      pictures?.replaceWith(picture);
      pictures = null;
    },
    away(text, refused, tries) {
      if (pictures) return; // which would be covered with every try
      if (text || !refused) cover(text, { busy: !refused, button: refused });
      if (!opened && tries === 3 && !own) plain();
    },
  });
}

/** Where no WebSocket gets through, the pictures do. */
function plain() {
  pictures = document.createElement("img");
  pictures.alt = picture.getAttribute("aria-label");
  pictures.addEventListener("error", () => { pictures?.replaceWith(picture); pictures = null; }); // no server either
  pictures.src = root.dataset.stream;
  picture.replaceWith(pictures);
  cover(null);
}

/** Open this browser's camera, and only then ask for an engine. */
async function openCamera() {
  const link = {
    get ready() { return (connection?.ready ?? false) && state.state === "running"; },
    get waiting() { return connection.waiting; },
    send: (message) => connection.send(message),
  };
  const told = (text) => { noCamera = text; happenings.say(text); showState(); };
  camera ??= new Camera(find("camera"), link, { rate: Number(root.dataset.rate), width: Number(root.dataset.width), told });
  noCamera = null;
  try {
    await camera.open();
    find("next").hidden = (await camera.devices()).length < 2;
    join();
  } catch (error) {
    told(error.message);
  }
}

again.addEventListener("click", async () => {
  cover("Starting …", { busy: true });
  stage.focus();
  if (own && !camera?.running) await openCamera();
  if (!connection || noCamera) return;
  connection.ready ? connection.send({ type: "restart" }) : connection.again();
});

function pressed(button, on) { button.setAttribute("aria-pressed", String(on)); }

/** Hold the picture, and go on. Of one's own camera a copy is held: what is sent goes on, or a still would be looked at. */
function hold() {
  held = !held;
  pressed(find("pause"), held);
  if (!own) return;
  const film = find("camera");
  if (held && film.videoWidth) {
    Object.assign(picture, { width: film.videoWidth, height: film.videoHeight });
    picture.getContext("2d").drawImage(film, 0, 0);
    picture.classList.toggle("mirrored", film.classList.contains("mirrored"));
  }
  picture.hidden = !held || !film.videoWidth;
}

const keys = {
  " ": hold,
  f: () => { document.fullscreenElement ? document.exitFullscreen() : stage.requestFullscreen?.(); },
  m: () => {
    if (!own) return;
    const on = find("camera").classList.toggle("mirrored");
    picture.classList.toggle("mirrored", on);
    pressed(find("mirror"), on);
  },
};
find("pause").addEventListener("click", hold);
find("full").addEventListener("click", keys.f);
find("next")?.addEventListener("click", () => camera?.next().catch((error) => { noCamera = error.message; showState(); }));
find("mirror")?.addEventListener("click", keys.m);
document.addEventListener("keydown", (event) => {
  const key = keys[event.key.toLowerCase()];
  if (!key || typing(event) || (event.key === " " && ["BUTTON", "A"].includes(event.target.tagName))) return;
  event.preventDefault();
  key();
});
find("tools").hidden = false;
cover("Connecting …", { busy: true });
own ? openCamera() : join();
