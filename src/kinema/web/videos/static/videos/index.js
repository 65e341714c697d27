// The list of videos: uploads with progress, and cards that keep themselves up to date.
import { toast } from "/static/kinema/site.js";
import { Upload, words } from "./tus.js";

const form = document.getElementById("upload");
const input = document.getElementById("files");
const list = form.querySelector("[data-list]");
const cards = document.getElementById("cards");
const uploads = [];

for (const element of form.querySelectorAll("[data-with-script]")) element.hidden = false;
for (const element of form.querySelectorAll("[data-without-script]")) element.hidden = true;
input.required = false;

input.addEventListener("change", () => {
  add([...input.files]);
  input.value = "";
});
form.addEventListener("submit", (event) => event.preventDefault());

let inside = 0;
const files = (event) => event.dataTransfer?.types.includes("Files");
addEventListener("dragenter", (event) => { if (files(event)) { inside += 1; form.classList.add("dragged"); } });
addEventListener("dragleave", (event) => { if (files(event) && --inside <= 0) { inside = 0; form.classList.remove("dragged"); } });
addEventListener("dragover", (event) => { if (files(event)) event.preventDefault(); });
addEventListener("drop", (event) => {
  if (!files(event)) return;
  event.preventDefault();
  inside = 0;
  form.classList.remove("dragged");
  add([...event.dataTransfer.files]);
});

function add(chosen) {
  const limit = Number(form.dataset.limit);
  for (const file of chosen) {
    if (file.size > limit) {
      toast(`${file.name}: ${words(file.size)}, and a video may have ${form.dataset.limitWords} at most here.`, { error: true });
      continue;
    }
    if (!file.size) {
      toast(`${file.name}: the file is empty.`, { error: true });
      continue;
    }
    const upload = new Upload(file, {
      collection: form.dataset.uploads,
      recognizer: form.elements.recognizer?.value ?? "",
      changed: show,
    });
    upload.row = row(upload);
    uploads.push(upload);
    show(upload);
  }
  next();
}

/** One at a time; what is paused lets the others pass. */
async function next() {
  if (uploads.some((upload) => ["sending", "retrying"].includes(upload.state))) return;
  const upload = uploads.find((one) => one.state === "waiting");
  if (!upload) return;
  await upload.start();
  refresh();
  if (uploads.length === 1 && upload.state === "done") location.assign(upload.url);
  else next();
}

function row(upload) {
  const item = document.createElement("li");
  item.innerHTML = `<div class="spread"><span class="cut grow" data-name></span><span class="row">
    <button type="button" class="small" data-pause></button><button type="button" class="small quiet" data-cancel>Give up</button>
    <a class="button small" data-open hidden>Open</a></span></div>
    <progress max="1" value="0"></progress><p class="small soft" data-words></p>`;
  item.querySelector("[data-name]").textContent = upload.file.name;
  item.querySelector("progress").setAttribute("aria-label", `Upload of ${upload.file.name}`);
  item.querySelector("[data-pause]").addEventListener("click", () => {
    if (upload.state === "paused") { upload.set("waiting"); next(); } else { upload.pause(); next(); }
  });
  item.querySelector("[data-cancel]").addEventListener("click", async () => { await upload.cancel(); item.remove(); next(); refresh(); });
  list.append(item);
  list.hidden = false;
  return item;
}

function show(upload) {
  const item = upload.row;
  if (!item) return;
  const share = upload.sent / upload.file.size;
  item.dataset.state = upload.state;
  item.querySelector("progress").value = share;
  const far = `${words(upload.sent)} of ${words(upload.file.size)}`;
  item.querySelector("[data-words]").textContent = {
    waiting: "waiting", sending: [far, upload.left].filter(Boolean).join(", "), paused: `paused at ${far}`,
    retrying: upload.message, done: "here", failed: upload.message,
  }[upload.state];
  item.querySelector("[data-words]").classList.toggle("problem", upload.state === "failed");
  const pause = item.querySelector("[data-pause]"), open = item.querySelector("[data-open]");
  pause.textContent = upload.state === "paused" ? "Go on" : "Pause";
  pause.hidden = upload.over;
  item.querySelector("[data-cancel]").textContent = upload.state === "failed" ? "Away" : "Give up";
  item.querySelector("[data-cancel]").hidden = upload.state === "done";
  open.hidden = upload.state !== "done";
  if (upload.url) open.href = upload.url;
}

let asked = null;
/** Replace the cards that have changed; the others, and who is typing or reading there, stay. */
async function refresh() {
  clearTimeout(asked);
  try {
    const answer = await fetch(cards.dataset.address, { headers: { Accept: "text/html" } });
    if (answer.ok) put(await answer.text());
  } catch { /* asked again below */ }
  if (cards.querySelector("[data-busy]")) asked = setTimeout(refresh, 1500);
}

function put(text) {
  const fresh = document.createElement("div");
  fresh.innerHTML = text;
  const [old, now] = [[...cards.querySelectorAll("article")], [...fresh.querySelectorAll("article")]];
  const same = old.length === now.length && old.every((card, index) => card.id === now[index].id);
  if (!same) {
    cards.replaceChildren(...fresh.childNodes);
    return;
  }
  now.forEach((card, index) => { if (card.innerHTML !== old[index].innerHTML) old[index].replaceWith(card); });
  const box = cards.querySelector("[data-cards]");
  fresh.querySelector("[data-busy]") ? box.setAttribute("data-busy", "") : box.removeAttribute("data-busy");
}

if (cards.querySelector("[data-busy]")) asked = setTimeout(refresh, 1500);
