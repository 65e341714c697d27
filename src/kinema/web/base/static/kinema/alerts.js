// "Send a test" without leaving the page: it takes some seconds where nobody answers.
import { request, toast } from "/static/kinema/site.js";

for (const form of document.querySelectorAll("form[data-test]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button"), line = form.closest(".card").querySelector("[data-said]");
    const words = button.textContent;
    button.disabled = true;
    button.textContent = "Sending …";
    try {
      const { well, said } = await request(form.action, { method: "POST" });
      line.textContent = said;
      line.className = `small ${well ? "good-text" : "bad-text"}`;
      toast(said, { error: !well });
    } catch (error) {
      toast(error.message, { error: true });
    } finally {
      button.disabled = false;
      button.textContent = words;
    }
  });
}
