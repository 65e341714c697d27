// The choice of a source: only the fields that belong to it.

const form = document.querySelector(".choose");

function show() {
  const chosen = form.elements.source.value;
  for (const field of form.querySelectorAll("[data-for]")) field.hidden = field.dataset.for !== chosen;
}

if (form) {
  form.addEventListener("change", show);
  form.addEventListener("submit", () => {
    const button = form.querySelector("button.primary");
    button.disabled = true;
    setTimeout(() => (button.disabled = false), 4000); // for who comes back to the page
  });
  show();
}
