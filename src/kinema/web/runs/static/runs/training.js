// The curves of a training while they grow.
import { request } from "/static/kinema/site.js";

const box = document.querySelector("[data-curves]");
const waiting = document.querySelector("[data-waiting]");
let epochs = -1;

async function look() {
  const found = await request(box.dataset.curves);
  if (found.epochs === epochs) return;
  epochs = found.epochs;
  box.innerHTML = found.html;
  if (waiting) waiting.hidden = epochs > 0;
}

async function watch() {
  for (;;) {
    // The page says itself when the server is gone; the curves only wait for it.
    await look().catch(() => {});
    await new Promise((go) => setTimeout(go, 1000));
  }
}

if (box) watch();
