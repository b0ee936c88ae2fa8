// Keeps the key figures fresh. When the session has ended, the middleware answers 401 with the address of the sign-in: say so, lose nothing.
const ended = document.getElementById("ended");

async function refresh() {
  const answer = await fetch(document.body.dataset.summary, { headers: { Accept: "application/json" } });
  if (answer.status === 401) {
    const problem = await answer.json();
    const login = new URL(problem.login_url, location.href);
    login.searchParams.set("return_to", location.pathname + location.search);
    ended.querySelector("a").href = login.href;
    ended.hidden = false;
    return;
  }
  if (answer.ok) {
    const { tiles } = await answer.json();
    for (const tile of document.querySelectorAll("[data-tile]")) tile.textContent = tiles[tile.dataset.tile] ?? tile.textContent;
    ended.hidden = true;
  }
}

setInterval(() => document.hidden || refresh().catch(() => {}), 10_000);

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.user[open]")) if (!menu.contains(event.target)) menu.open = false;
});
