// A prediction that goes on: the timeline grows under the stream of pictures.
const box = document.getElementById("timeline");

document.addEventListener("job", (event) => {
  const place = document.querySelector("[data-place]");
  if (place) place.hidden = event.detail.state !== "queued";
});

async function look() {
  try {
    const answer = await fetch(box.dataset.address);
    if (answer.status === 200) box.innerHTML = await answer.text();
  } catch { /* the progress says when the server is away */ }
  setTimeout(look, 1000);
}

look();
