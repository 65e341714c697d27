// A project's page: the camera, counting in, recording four in a row while the last one is sent; dropping clips; keys.
import { toast, typing } from "/static/kinema/site.js";
import { Stopped, cameras, impossible, inWords, openCamera, record, tone, wait } from "/static/teach/recorder.js";
import { Takes } from "/static/teach/takes.js";

const TAKE = 2.5, COUNT = 3, PAUSES = 6; // seconds, seconds, pauses learned from
const root = document.querySelector("[data-project]");
const find = (name) => root.querySelector(`[data-${name}]`);
const preview = find("preview"), trouble = find("trouble"), big = find("big"), now = find("now"), strip = find("strip");
const trainButton = find("train-button");
let stream = null, running = null, sounds = true, chosen = null, opening = false, leaving = false;

const takes = new Takes(root, (standing) => {
  if (leaving) return;
  find("standing").textContent = standing.text;
  if (!document.getElementById("result")) {
    const steps = document.querySelectorAll(".teach-steps li");
    steps[Number(!standing.can_train)].removeAttribute("aria-current");
    steps[Number(standing.can_train)].setAttribute("aria-current", "step");
  }
  if (trainButton) trainButton.disabled = !standing.can_train || running !== null;
});

function say(text) {
  find("say").textContent = text;
}

function choose(action) {
  chosen = action;
  for (const one of root.querySelectorAll("[data-action]")) {
    one.classList.toggle("chosen", one === action);
    one.querySelector("[data-choose]").setAttribute("aria-pressed", String(one === action));
  }
  const most = root.querySelector('[data-record="4"]');
  if (most && action) most.textContent = `Record 4 takes of “${action.dataset.label}”`;
}

/** The first action that lacks takes, so that one key after the other records everything. */
function next() {
  const all = [...root.querySelectorAll("[data-action]")];
  const lacking = (one) => takes.number(one) < 4 && !(one.dataset.nothing !== undefined && root.dataset.pauses !== undefined);
  return all.find(lacking) ?? all.find((one) => takes.number(one) < 2) ?? null;
}

async function open(device) {
  const why = impossible();
  if (why) return complain(why);
  if (opening || running) return;
  opening = true;
  try {
    stream?.getTracks().forEach((track) => track.stop());
    stream = await openCamera(device);
  } catch (error) {
    return complain(inWords(error));
  } finally {
    opening = false;
  }
  trouble.hidden = true;
  preview.srcObject = stream;
  preview.hidden = false;
  find("off").hidden = true;
  for (const one of root.querySelectorAll("[data-controls]")) one.hidden = false;
  for (const one of root.querySelectorAll(".take:not([data-state=refused]) [data-again]")) one.hidden = false;
  takes.camera = true;
  stream.getVideoTracks()[0].addEventListener("ended", () => complain("The camera went away. Plug it in and open it again."));
  fetch(root.dataset.warmUrl, { method: "POST", headers: { "X-CSRFToken": document.querySelector("meta[name=csrf-token]").content } }).catch(() => {});
  const list = find("cameras"), known = await cameras();
  list.hidden = known.length < 2;
  list.replaceChildren(...known.map((camera, place) => new Option(camera.label || `Camera ${place + 1}`, camera.deviceId)));
  list.value = stream.getVideoTracks()[0].getSettings().deviceId ?? "";
}

function complain(text) {
  stop();
  stream = null;
  preview.hidden = true;
  find("off").hidden = false;
  trouble.textContent = text;
  trouble.hidden = false;
}

function stop() {
  running?.abort();
}

function busy(on) {
  for (const button of root.querySelectorAll("[data-record]")) button.hidden = on;
  find("stop").hidden = !on;
  find("cameras").disabled = on;
  find("stage").classList.toggle("busy", on);
  if (trainButton && on) trainButton.disabled = true;
}

/** Count in, and learn from the pause where that is wanted. */
async function countIn(action, signal) {
  const nothing = root.dataset.pauses !== undefined ? root.querySelector("[data-nothing]") : null;
  const wanted = nothing && nothing !== action && takes.number(nothing) < PAUSES;
  const pause = wanted ? record(stream, COUNT - 0.5, signal).catch(() => null) : null;
  big.hidden = false;
  for (let left = COUNT; left > 0; left -= 1) {
    big.textContent = left;
    say(String(left));
    if (sounds) tone(false);
    await wait(1, signal);
  }
  big.hidden = true;
  const blob = pause && await pause;
  if (blob?.size) takes.add(nothing, blob, { pause: true });
}

async function session(count, action, instead = null) {
  if (running || !stream || !action) return;
  running = new AbortController();
  const { signal } = running;
  choose(action);
  busy(true);
  now.hidden = false;
  find("stage").scrollIntoView({ block: "nearest" });
  try {
    for (let take = 1; take <= count; take += 1) {
      now.textContent = `${action.dataset.label}${count > 1 ? ` · take ${take} of ${count}` : ""}`;
      await countIn(action, signal);
      say(`Go: ${action.dataset.label}`);
      if (sounds) tone(true);
      find("stage").classList.add("recording");
      strip.style.transition = "none";
      strip.style.transform = "scaleX(0)";
      strip.getBoundingClientRect();
      strip.style.transition = `transform ${TAKE}s linear`;
      strip.style.transform = "scaleX(1)";
      const blob = await record(stream, TAKE, signal);
      find("stage").classList.remove("recording");
      takes.add(action, blob, { instead: take === 1 ? instead : null });
      say(`Take ${take} of ${count} is done.`);
    }
    const following = next();
    if (following && following !== action) {
      choose(following);
      toast(`Done. Next: “${following.dataset.label}”, press Space.`);
    } else if (!following) toast("Done. Press T to train.");
  } catch (error) {
    if (error instanceof Stopped) say("Stopped.");
    else toast(`The recording failed: ${error.message}`, { error: true });
  } finally {
    running = null;
    busy(false);
    big.hidden = now.hidden = true;
    find("stage").classList.remove("recording");
    strip.style.transition = "none";
    strip.style.transform = "scaleX(0)";
    takes.follow();
  }
}

function dropping() {
  for (const form of root.querySelectorAll("[data-drop]")) {
    const action = form.closest("[data-action]"), input = form.querySelector("input[type=file]");
    form.querySelector("[data-send]").hidden = true;
    const take = (files) => {
      const videos = [...files].filter((file) => file.type.startsWith("video/") || /\.(avi|mkv|mov|mp4|m4v|webm|mpe?g|wmv|flv|ogv|3gp)$/i.test(file.name));
      if (!videos.length) toast("Drop videos, a take each.", { error: true });
      for (const file of videos) takes.add(action, file, { name: file.name });
    };
    const chosen = () => { take(input.files); input.value = ""; };
    input.addEventListener("change", chosen);
    if (input.files.length) chosen(); // before this script was there
    action.addEventListener("dragover", (event) => { event.preventDefault(); action.classList.add("over"); });
    action.addEventListener("dragleave", (event) => { if (!action.contains(event.relatedTarget)) action.classList.remove("over"); });
    action.addEventListener("drop", (event) => { event.preventDefault(); action.classList.remove("over"); take(event.dataTransfer.files); });
  }
}

function keys(event) {
  if (event.key === "Escape" && running) return stop();
  if (typing(event) || (event.key === " " && event.target.closest("button, summary, a"))) return;
  if (event.target.tagName === "VIDEO" && event.target !== preview && event.key === " ") return;
  const place = Number(event.key);
  if (event.key >= "1" && event.key <= "9") {
    const action = root.querySelectorAll("[data-action]")[place - 1];
    if (action && !running) choose(action);
  } else if (event.key === " ") {
    event.preventDefault();
    running ? stop() : stream ? session(4, chosen) : open();
  } else if (event.key.toLowerCase() === "o") session(1, chosen);
  else if (event.key.toLowerCase() === "t" && trainButton && !trainButton.disabled && !running) trainButton.form.requestSubmit();
}

function begin() {
  find("camera").hidden = false;
  const why = impossible();
  if (why) {
    complain(why);
    find("open").hidden = true;
  }
  choose(next() ?? root.querySelector("[data-action]"));
  find("open").addEventListener("click", () => open());
  find("stop").addEventListener("click", stop);
  find("cameras").addEventListener("change", (event) => open(event.target.value));
  find("sound").addEventListener("click", (event) => {
    sounds = !sounds;
    event.currentTarget.setAttribute("aria-pressed", String(sounds));
  });
  for (const button of root.querySelectorAll("[data-record]")) {
    button.addEventListener("click", () => session(Number(button.dataset.record), chosen));
  }
  root.addEventListener("click", (event) => {
    const choice = event.target.closest("[data-choose]"), again = event.target.closest("[data-again]");
    if (choice && !running) choose(choice.closest("[data-action]"));
    if (again) {
      const tile = again.closest(".take");
      session(1, tile.closest("[data-action]"), tile);
    }
  });
  // The camera goes on to the live page; a training that is waited for shows its result.
  find("train")?.addEventListener("submit", async (event) => {
    stop();
    sessionStorage.setItem("kinema-teach", root.dataset.project);
    if (!takes.unsent) return;
    event.preventDefault();
    if (leaving) return;
    leaving = true;
    const form = event.target;
    trainButton.disabled = true;
    find("standing").textContent = "Training begins when the last take is there.";
    while (takes.unsent) await takes.sending;
    form.submit();
  });
  const result = document.getElementById("result");
  const waiting = document.querySelector("[data-job], .teach-train .note.error");
  if (result && !waiting && sessionStorage.getItem("kinema-teach") === root.dataset.project) {
    sessionStorage.removeItem("kinema-teach");
    result.focus({ preventScroll: true });
    result.scrollIntoView({ block: "start" });
    result.classList.add("fresh");
  }
  dropping();
  document.addEventListener("keydown", keys);
  window.addEventListener("pagehide", () => stream?.getTracks().forEach((track) => track.stop()));
}

if (root) begin();
