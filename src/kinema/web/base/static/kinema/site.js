// What all pages share: requests, messages, the theme, progress of jobs. Pages work without it unless they say so.

const AWAY = 2000; // milliseconds between looks for a server that does not answer

/** The CSRF token that a form of this page or its head carries. */
export function token() {
  return document.querySelector("meta[name=csrf-token]")?.content ?? "";
}

/** A request to this site. Resolves to JSON (or null); rejects with an Error in words. */
export async function request(address, { method = "GET", body, headers = {}, signal } = {}) {
  const options = { method, signal, headers: { Accept: "application/json", ...headers } };
  if (method !== "GET" && method !== "HEAD") options.headers["X-CSRFToken"] = token();
  if (body instanceof FormData || body instanceof Blob || body instanceof ArrayBuffer) options.body = body;
  else if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["Content-Type"] = "application/json";
  }
  let answer;
  try {
    answer = await fetch(address, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw Object.assign(new Error("The server does not answer. Is kinema serve still running?"), { unreachable: true });
  }
  const text = await answer.text();
  let found = null;
  try { found = text ? JSON.parse(text) : null; } catch { /* a page, not JSON */ }
  if (!answer.ok) {
    const detail = found?.detail ?? found?.error;
    const said = typeof detail === "string" ? detail : `The server refused (${answer.status}).`;
    throw Object.assign(new Error(said), { unreachable: [502, 503, 504].includes(answer.status) }); // a proxy says so too
  }
  return found;
}

/** A line at the corner that goes away by itself; screen readers hear it. */
export function toast(text, { error = false, seconds = error ? 8 : 4 } = {}) {
  const box = document.querySelector(".toasts");
  if (!box) return;
  const line = document.createElement("div");
  line.className = error ? "toast error" : "toast";
  line.textContent = text;
  box.append(line);
  setTimeout(() => line.remove(), seconds * 1000);
}

/** Seconds as 1:02:03, or 0:07.4 with tenths. */
export function clock(seconds, tenths = false) {
  const whole = Math.floor(seconds);
  const hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
  const rest = tenths ? (seconds % 60).toFixed(1).padStart(4, "0") : String(whole % 60).padStart(2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

/** Follow a job until it is over; `seen(job)` is called with each state. A server that is away for a while is waited for. */
export async function follow(address, seen = () => {}, { every = 700, signal, away = () => {} } = {}) {
  for (;;) {
    let job;
    try {
      job = await request(address, { signal });
    } catch (error) {
      if (!error.unreachable) throw error;
      away(error.message);
      await new Promise((go) => setTimeout(go, AWAY));
      continue;
    }
    seen(job);
    if (["done", "failed", "cancelled"].includes(job.state)) return job;
    await new Promise((go) => setTimeout(go, every));
  }
}

function watchJobs() {
  for (const box of document.querySelectorAll("[data-job]")) {
    const bar = box.querySelector("progress"), state = box.querySelector("[data-state]");
    const line = box.querySelector("[data-message]");
    follow(box.dataset.job, (job) => {
      if (bar) job.progress === null ? bar.removeAttribute("value") : (bar.value = job.progress);
      if (state) state.textContent = { queued: "waiting" }[job.state] ?? job.state;
      if (line) line.textContent = job.error || job.message;
      box.dispatchEvent(new CustomEvent("job", { detail: job, bubbles: true }));
    }, { away: (text) => { if (line) line.textContent = text; } }).then((job) => {
      if (box.dataset.then) location.assign(job.state === "done" ? box.dataset.then : job.url);
      else if (box.dataset.reload !== undefined) location.reload();
    }).catch((error) => toast(error.message, { error: true }));
  }
}


/** Keep the number of open jobs in the bar right, as long as there are any; a page that begins one dispatches "jobs". */
function barJobs() {
  const link = document.querySelector("[data-jobs]");
  if (!link) return;
  let timer = 0;
  const look = async () => {
    clearTimeout(timer);
    if (document.hidden) { timer = setTimeout(look, 5000); return; }
    let found;
    try { found = await request(link.dataset.jobs); } catch { return; }
    const many = found.running + found.waiting;
    link.hidden = many === 0;
    link.querySelector("[data-jobs-text]").textContent = `${many} job${many === 1 ? "" : "s"}`;
    if (many) timer = setTimeout(look, 3000);
  };
  document.addEventListener("jobs", look);
  if (!link.hidden) timer = setTimeout(look, 3000);
}

function themes() {
  const button = document.querySelector("[data-theme-button]");
  if (!button) return;
  const dark = () => (document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const show = () => button.setAttribute("aria-pressed", String(dark()));
  button.hidden = false;
  show();
  button.addEventListener("click", () => {
    const theme = dark() ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    localStorage.setItem("kinema-theme", theme);
    show();
  });
}

function confirmations() {
  document.addEventListener("submit", (event) => {
    const text = event.target.dataset?.confirm;
    if (text && !confirm(text)) event.preventDefault();
  });
}

/** True where a key was meant for a field and not for the page. */
export function typing(event) {
  const target = event.target;
  return event.ctrlKey || event.metaKey || event.altKey || target.isContentEditable ||
    ["INPUT", "SELECT", "TEXTAREA"].includes(target.tagName);
}

themes();
confirmations();
watchJobs();
barJobs();
