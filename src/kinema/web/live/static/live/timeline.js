// The last minute as lines, one a class, which move to the left as time goes on.
import { colour } from "./bars.js";

const SPAN = 60, LINES = 6, PAD = 18, EVERY = 66;
const still = matchMedia("(prefers-reduced-motion: reduce)");

export class Timeline {
  constructor(canvas) {
    this.canvas = canvas;
    this.rows = [];
    this.events = new Map();
    this.classes = [];
    this.drawn = 0;
    this.said = 0;
    new ResizeObserver(() => this.draw(true)).observe(canvas);
    const turn = () => { this.draw(); requestAnimationFrame(turn); };
    requestAnimationFrame(turn);
  }

  begin(classes) { this.classes = classes; this.rows = []; this.events.clear(); }

  load(rows) {
    this.rows = rows.map(([time, , values]) => ({ time, values: new Map(Object.entries(values).map(([k, v]) => [Number(k), v])) }));
    this.arrived = performance.now();
  }

  row(time, values) {
    const kept = new Map();
    values.forEach((value, index) => { if (value >= 0.02) kept.set(index, value); });
    this.rows.push({ time, values: kept });
    this.arrived = performance.now();
    while (this.rows.length && this.rows[0].time < time - SPAN - 2) this.rows.shift();
  }

  event(event) {
    this.events.set(event.id, event);
    for (const [id, one] of this.events) if (one.end < this.now() - 2 * SPAN) this.events.delete(id);
  }

  now() {
    const last = this.rows.at(-1);
    if (!last) return 0;
    return last.time + Math.min(1.5, (performance.now() - this.arrived) / 1000);
  }

  draw(at_once = false) {
    const moment = performance.now();
    if (!at_once && (moment - this.drawn < (still.matches ? 1000 : EVERY) || document.hidden)) return;
    this.drawn = moment;
    const { canvas } = this, scale = devicePixelRatio || 1;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (!width) return;
    if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
    }
    const pen = canvas.getContext("2d"), style = getComputedStyle(canvas);
    const ink = (value) => { canvas.style.color = value; return style.color; }; // what var() and light-dark() come to
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    const bottom = height - PAD, now = this.now();
    const x = (time) => width - ((now - time) / SPAN) * width, y = (value) => bottom - value * (bottom - 6);
    pen.font = `11px ${style.fontFamily}`;
    pen.lineWidth = 1;
    pen.strokeStyle = ink("var(--line)");
    pen.fillStyle = ink("var(--ink-soft)");
    for (const value of [0, 0.5, 1]) {
      pen.beginPath();
      pen.moveTo(0, Math.round(y(value)) + 0.5);
      pen.lineTo(width, Math.round(y(value)) + 0.5);
      pen.stroke();
    }
    for (const ago of [60, 45, 30, 15]) pen.fillText(`${ago} s ago`, Math.max(0, x(now - ago)) + 2, height - 4);
    for (const event of this.events.values()) {
      const index = this.classes.indexOf(event.label), end = event.ended ? event.end : now;
      if (index < 0 || x(end) < 0) continue;
      pen.globalAlpha = 0.16;
      pen.fillStyle = ink(colour(index));
      pen.fillRect(x(event.start), 6, Math.max(2, x(end) - x(event.start)), bottom - 6);
      pen.globalAlpha = 1;
    }
    const most = new Map();
    for (const { values } of this.rows) for (const [index, value] of values) if (value > (most.get(index) ?? 0)) most.set(index, value);
    const shown = [...most].sort((a, b) => b[1] - a[1]).slice(0, LINES).map(([index]) => index);
    pen.lineWidth = 2;
    pen.lineJoin = "round";
    for (const index of shown) {
      pen.strokeStyle = ink(colour(index));
      pen.beginPath();
      let before = -Infinity;
      for (const { time, values } of this.rows) {
        const place = [x(time), y(values.get(index) ?? 0)];
        time - before > 2 ? pen.moveTo(...place) : pen.lineTo(...place);
        before = time;
      }
      pen.stroke();
    }
    if (moment - this.said > 5000 && this.rows.length) this.say(moment);
  }

  say(moment) {
    this.said = moment;
    const sums = new Map();
    for (const { values } of this.rows) for (const [index, value] of values) sums.set(index, (sums.get(index) ?? 0) + value);
    const parts = [...sums].sort((a, b) => b[1] - a[1]).slice(0, 3)
      .map(([index, sum]) => `${this.classes[index]} ${Math.round((100 * sum) / this.rows.length)} %`);
    this.canvas.setAttribute("aria-label", `Probabilities of the last minute, on average: ${parts.join(", ")}`);
  }
}
