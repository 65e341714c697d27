// An archive goes in pieces: what has arrived stays when the connection breaks, and sending goes on from there.
import { request, token, toast } from "/static/kinema/site.js";

const form = document.querySelector("[data-upload]");
const box = form?.querySelector("[data-sending]"), bar = box?.querySelector("progress");
const line = box?.querySelector("[data-sent]"), pause = box?.querySelector("[data-pause]");
const wait = (ms) => new Promise((go) => setTimeout(go, ms));
const mb = (bytes) => (bytes / 1e6).toLocaleString("en", { maximumFractionDigits: 1 });
let paused = false;

/** Send one piece; resolves to how many bytes are there then, whoever sent them. */
async function piece(url, file, offset, size) {
  const answer = await fetch(url, {
    method: "PATCH",
    headers: { Accept: "application/json", "X-CSRFToken": token(), "Upload-Offset": String(offset), "Content-Type": "application/offset+octet-stream" },
    body: file.slice(offset, offset + size),
  });
  const found = await answer.json().catch(() => ({}));
  if (answer.ok || answer.status === 409) return found.offset;
  if (answer.status === 423 || (answer.status >= 500 && answer.status !== 507)) throw new TypeError("the server is away, or busy with it");
  const refused = new Error(found.detail ?? `The server refused (${answer.status}).`);
  refused.final = true;
  refused.gone = answer.status !== 507; // a full disk keeps what has arrived: sent again later, it goes on
  throw refused;
}

async function send(file, title) {
  const memory = `upload ${file.name} ${file.size} ${file.lastModified}`;
  let begun = null;
  const known = localStorage.getItem(memory);
  if (known) begun = await request(known).then((found) => ({ url: known, offset: found.offset, piece: 4 * 2 ** 20 })).catch(() => null);
  begun ??= await request(form.action, { method: "POST", body: { name: file.name, size: file.size } });
  localStorage.setItem(memory, begun.url);
  let { offset } = begun, failures = 0;
  while (offset < file.size) {
    while (paused) await wait(200);
    try {
      offset = await piece(begun.url, file, offset, Math.min(begun.piece, 4 * 2 ** 20));
      failures = 0;
    } catch (error) {
      if (error.final) { if (error.gone) localStorage.removeItem(memory); throw error; }
      failures += 1;
      if (failures > 60) throw new Error("The server does not answer. Choose the same file again later: it goes on where it stopped.");
      line.textContent = "The server does not answer; trying again…";
      await wait(Math.min(10_000, 500 * failures));
      continue;
    }
    bar.value = offset / file.size;
    line.textContent = `${mb(offset)} of ${mb(file.size)} MB`;
  }
  const done = await request(`${begun.url}done/`, { method: "POST", body: { title } });
  localStorage.removeItem(memory);
  location.assign(done.url);
}

form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const file = form.archive.files[0], button = form.querySelector("button.primary");
  if (!file) return;
  if (file.size > Number(form.dataset.limit) * 1e6) {
    toast(`${file.name} has ${mb(file.size)} MB; at most ${form.dataset.limit} MB may be sent.`, { error: true });
    return;
  }
  button.disabled = true;
  box.hidden = false;
  bar.value = 0;
  line.textContent = "beginning…";
  try {
    await send(file, form.title.value);
  } catch (error) {
    line.textContent = error.message;
    toast(error.message, { error: true });
    button.disabled = false;
  }
});
pause?.addEventListener("click", () => {
  paused = !paused;
  pause.textContent = paused ? "Go on" : "Pause";
});
