// Probabilities as bars: all classes in their order while they are few, else the most probable ones.

const FEW = 8, SHOWN = 6;

/** The colour of a class, the same wherever it is shown. */
export function colour(index) { return `var(--class-${index % 8})`; }

export class Bars {
  constructor(list) {
    this.list = list;
    this.lines = [];
    this.classes = [];
  }

  begin(classes) {
    this.classes = classes;
    this.lines = Array.from({ length: classes.length <= FEW ? classes.length : SHOWN }, () => {
      const make = (kind, name) => Object.assign(document.createElement(kind), { className: name });
      const line = make("li", ""), name = make("span", "name"), swatch = make("i", "swatch"), text = make("span", "");
      const meter = make("meter", ""), share = make("span", "number");
      swatch.setAttribute("aria-hidden", "true");
      name.append(swatch, text);
      line.append(name, meter, share);
      return { line, swatch, text, meter, share, index: -1 };
    });
    this.list.replaceChildren(...this.lines.map(({ line }) => line));
    this.lines.forEach((_, place) => this.name(place, place));
  }

  name(place, index) {
    const line = this.lines[place];
    if (line.index === index) return;
    line.index = index;
    line.text.textContent = line.text.title = this.classes[index];
    line.meter.setAttribute("aria-label", this.classes[index]);
    line.swatch.style.color = line.meter.style.color = colour(index);
  }

  row(values, best) {
    let order = values.map((_, index) => index);
    if (values.length > FEW) order = order.sort((a, b) => values[b] - values[a]).slice(0, SHOWN);
    order.forEach((index, place) => {
      const line = this.lines[place];
      if (!line) return;
      this.name(place, index);
      line.meter.value = values[index];
      line.share.textContent = `${Math.round(values[index] * 100)} %`;
      line.line.classList.toggle("best", index === best);
    });
  }
}
