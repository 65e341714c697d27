// One more field for one more action.
const box = document.querySelector("[data-labels]"), more = document.querySelector("[data-more]");
if (box && more) {
  more.hidden = false;
  more.addEventListener("click", () => {
    const field = box.lastElementChild.cloneNode(true), number = box.children.length + 1;
    const input = field.querySelector("input"), label = field.querySelector("label");
    input.id = label.htmlFor = `label-${number}`;
    input.value = "";
    input.placeholder = "one more, if you like";
    input.autofocus = false;
    label.textContent = `Action ${number}`;
    box.append(field);
    input.focus();
    if (number >= 20) more.hidden = true;
  });
}
