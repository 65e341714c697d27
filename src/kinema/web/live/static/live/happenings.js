// Events and notices as they happen: lists, the sign on the picture, and words for those who listen.
import { clock } from "/static/kinema/site.js";

const EVENTS = 30, NOTICES = 4, OLD = 8; // seconds after which an event is only listed

export class Happenings {
  constructor(find) {
    this.list = find("events");
    this.none = find("no-events");
    this.alarm = find("alarm");
    this.spoken = find("spoken");
    this.box = find("notices-box");
    this.notices = find("notices");
    this.lines = new Map();
    this.going = new Map();
  }

  begin() {
    this.list.replaceChildren();
    this.notices.replaceChildren();
    this.lines.clear();
    this.going.clear();
    this.box.hidden = true;
    this.show();
  }

  event(event, now) {
    const fresh = !this.lines.has(event.id), line = this.lines.get(event.id) ?? document.createElement("li");
    const time = document.createElement("span"), label = document.createElement("strong"), how = document.createElement("span");
    time.className = how.className = "soft small";
    time.textContent = event.began_at ? new Date(event.began_at).toLocaleTimeString([], { hour12: false }) : clock(event.start, true);
    label.textContent = event.label;
    how.textContent = event.ended ? `${(event.end - event.start).toFixed(1)} s · ${Math.round(event.peak * 100)} %` : "goes on";
    line.classList.toggle("on", !event.ended);
    line.replaceChildren(time, label, how);
    if (fresh) {
      this.lines.set(event.id, line);
      this.list.prepend(line);
      for (const id of [...this.lines.keys()].slice(0, -EVENTS)) { this.lines.get(id).remove(); this.lines.delete(id); }
    }
    event.ended ? this.going.delete(event.id) : this.going.set(event.id, event);
    if (!event.ended) this.say(`${event.label} begins`);
    else if (event.end > now - OLD) this.say(`${event.label} ended after ${(event.end - event.start).toFixed(1)} seconds`);
    this.show();
  }

  show() {
    this.none.hidden = this.lines.size > 0;
    const labels = [...new Set([...this.going.values()].map((event) => event.label))];
    this.alarm.hidden = !labels.length;
    this.alarm.textContent = labels.join(" · ");
  }

  over() { this.going.clear(); this.show(); }

  notice(text) {
    const line = document.createElement("li");
    line.textContent = text;
    this.notices.prepend(line);
    while (this.notices.children.length > NOTICES) this.notices.lastChild.remove();
    this.box.hidden = false;
    this.say(text);
  }

  say(text) { this.spoken.textContent = text; }
}
