// Keeps the key figures fresh. That a session ends, and how to sign in again without leaving the page, is for /oidc/session.js to say.
async function refresh() {
  const answer = await fetch(document.body.dataset.summary, { headers: { Accept: "application/json" } });
  if (answer.status === 401) document.dispatchEvent(new Event("oidc-session-check"));
  if (answer.ok) {
    const { tiles } = await answer.json();
    for (const tile of document.querySelectorAll("[data-tile]")) tile.textContent = tiles[tile.dataset.tile] ?? tile.textContent;
  }
}

setInterval(() => document.hidden || refresh().catch(() => {}), 10_000);

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.user[open]")) if (!menu.contains(event.target)) menu.open = false;
});
