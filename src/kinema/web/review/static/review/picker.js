// Choosing a label: its number, a few of its letters, the arrows, or a new one.

/** Make a dialog a picker; the function that is returned opens it and resolves to a label, or to "" where none was chosen. */
export function picker(dialog, labels) {
  const text = dialog.querySelector("input"), list = dialog.querySelector("[role=listbox]");
  const hint = dialog.querySelector("[data-picker-hint]"), form = dialog.querySelector("form");
  let shown = [], chosen = 0, besides = "", finish = null;

  function draw() {
    const wanted = text.value.trim().toLowerCase();
    const others = labels.filter((label) => label !== besides);
    shown = others.filter((label) => label.toLowerCase().includes(wanted));
    shown.sort((one, other) => other.toLowerCase().startsWith(wanted) - one.toLowerCase().startsWith(wanted));
    const fresh = text.value.trim();
    if (fresh && ![...labels].some((label) => label.toLowerCase() === wanted)) shown.push(fresh);
    chosen = Math.min(chosen, Math.max(0, shown.length - 1));
    list.replaceChildren(...shown.map((label, index) => {
      const item = document.createElement("li");
      item.id = `picker-${index}`;
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", String(index === chosen));
      const number = document.createElement("kbd"), name = document.createElement("span");
      number.textContent = index < 9 ? index + 1 : "";
      number.hidden = index >= 9;
      name.textContent = label;
      item.append(number, name);
      item.addEventListener("click", () => end(label));
      return item;
    }));
    if (shown.length) text.setAttribute("aria-activedescendant", `picker-${chosen}`);
    else text.removeAttribute("aria-activedescendant");
    list.hidden = !shown.length;
    list.children[chosen]?.scrollIntoView({ block: "nearest" });
    hint.textContent = fresh && shown.at(-1) === fresh && !labels.includes(fresh) ? `“${fresh}” is a new label.` : "";
  }

  function end(label) {
    finish?.(label);
    finish = null;
    // A closed dialog's field keeps the focus until the next frame is drawn; a key that comes before is the page's.
    text.blur();
    if (dialog.open) dialog.close();
  }

  text.addEventListener("input", () => {
    chosen = 0;
    draw();
  });
  text.addEventListener("keydown", (event) => {
    if (/^[1-9]$/.test(event.key) && !text.value && shown[event.key - 1]) {
      event.preventDefault();
      end(shown[event.key - 1]);
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      chosen = Math.max(0, Math.min(shown.length - 1, chosen + (event.key === "ArrowDown" ? 1 : -1)));
      draw();
    }
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    end(event.submitter && event.submitter.value !== "ok" ? "" : shown[chosen] ?? text.value.trim());
  });
  dialog.addEventListener("close", () => {
    if (!dialog.open) end(""); // the event comes late: it may be open again by then
  });

  return (label) => new Promise((resolve) => {
    besides = label;
    text.value = "";
    chosen = 0;
    finish = resolve;
    dialog.showModal();
    draw();
    text.focus();
  });
}
