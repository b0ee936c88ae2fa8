// Tells people that their session ends soon, or has ended, and lets them sign in again in a small window: this page, and what was typed into it,
// stays. Include it once:
//
//     <script src="/oidc/session.js" defer></script>       data-warn="300": seconds before the end to speak up
//
// For applications: the event "oidc-session" on document, with detail {state, expires_at}; preventDefault() on it keeps the bar away.
// "active", "ending", "ended", "changed" (somebody else signed in), "anonymous" (nobody has been signed in here yet). The event
// "oidc-session-check", dispatched on document, makes the script ask at once.
(() => {
  "use strict";
  const script = document.currentScript;
  const once = Symbol.for("oidc_middleware.session");
  if (!script || document[once]) return;
  document[once] = true;

  const base = new URL(".", script.src);
  const warning = Number(script.dataset.warn) || 0;
  const SECOND = 1000, MINUTE = 60 * SECOND;

  const login = new URL("login", base);
  login.searchParams.set("return_to", base.pathname + "signed-in");

  let state = "", expiresAt = null, who = null, name = "";
  let deadline = 0, longest = 0, failures = 0, asked = 0, askedAt = 0, timer = 0;

  // -- asking: GET session prolongs nothing, so this page does not keep itself signed in ------------------------------------------------------

  async function ask() {
    const mine = ++asked;
    clearTimeout(timer);
    askedAt = Date.now();
    try {
      const answer = await fetch(new URL("session", base), {
        credentials: "same-origin", cache: "no-store", redirect: "error",
        headers: { Accept: "application/json" }, signal: AbortSignal.timeout(15 * SECOND),
      });
      const session = answer.ok ? await answer.json() : null;
      if (mine !== asked) return;
      if (!session && answer.status !== 401) throw new Error(`status ${answer.status}`);
      failures = 0;
      if (session) known(session);
      else become(who === null ? "anonymous" : "ended", null);
    } catch {
      if (mine !== asked) return;
      failures += 1; // no network, or the server is busy: that says nothing about the session
    }
    plan();
  }

  function known(session) {
    deadline = Date.now() + session.expires_in * SECOND; // by our own clock: the server's may be another
    longest = Math.max(longest, session.expires_in);
    name = session.name || "";
    who ??= session.sub;
    if (session.sub !== who) become("changed", session.expires_at);
    else become(session.expires_in <= warnSeconds() ? "ending" : "active", session.expires_at);
  }

  function warnSeconds() {
    return warning || Math.min(300, longest / 4);
  }

  function plan() {
    clearTimeout(timer);
    if (failures === 0 && (state === "anonymous" || state === "changed")) return;
    const left = deadline - Date.now();
    let delay = MINUTE;
    if (failures) delay = Math.min(10 * MINUTE, 15 * SECOND * 2 ** failures);
    else if (state === "ending") delay = Math.min(30 * SECOND, Math.max(SECOND, left + SECOND / 2));
    else if (state === "active") delay = Math.min(5 * MINUTE, Math.max(SECOND, left - warnSeconds() * SECOND));
    timer = setTimeout(ask, document.hidden ? Math.max(10 * MINUTE, 2 * delay) : delay);
  }

  function back() {
    if (!document.hidden && Date.now() - askedAt > 2 * SECOND) ask();
  }

  document.addEventListener("visibilitychange", back);
  window.addEventListener("focus", back);
  window.addEventListener("online", back);
  window.addEventListener("pageshow", (event) => event.persisted && ask());
  document.addEventListener("oidc-session-check", ask);
  if ("BroadcastChannel" in window) new BroadcastChannel("oidc-session").addEventListener("message", ask); // the small window is done

  // -- telling ---------------------------------------------------------------------------------------------------------------------------

  let quiet = false;

  function become(next, expires) {
    const changed = next !== state;
    const moved = expires !== expiresAt && !(Math.abs(expires - expiresAt) <= 2 && expires !== null && expiresAt !== null);
    state = next;
    if (moved) expiresAt = expires;
    if (changed || moved) {
      const event = new CustomEvent("oidc-session", { detail: { state, expires_at: expiresAt }, cancelable: true });
      const handled = !document.dispatchEvent(event);
      if (changed) quiet = false;
      quiet ||= handled;
    }
    show();
  }

  function wording() {
    const minutes = Math.max(1, Math.round((deadline - Date.now()) / MINUTE));
    switch (state) {
      case "ending":
        return [`Your session ends in ${minutes === 1 ? "a minute" : `${minutes} minutes`}.`, "Stay signed in"];
      case "ended":
        return ["Your session has ended. What is on this page stays.", "Sign in again"];
      case "changed":
        return [`Someone else is signed in now${name ? `: ${name}` : ""}.`, "Reload the page"];
    }
    return null;
  }

  let bar = null;

  function show() {
    const words = quiet ? null : wording();
    if (!bar && !words) return;
    bar ??= build();
    if (!bar.host.isConnected) document.body.append(bar.host); // some front ends replace what is in body
    bar.box.hidden = !words;
    if (!words) return;
    const [text, action] = words;
    if (bar.text.textContent !== text) bar.text.textContent = text; // only then is it read out
    bar.link.textContent = action;
    bar.link.href = state === "changed" ? location.href : login.href;
    bar.link.target = state === "changed" ? "_self" : "_blank";
  }

  function build() {
    const host = element("oidc-session-bar"), box = element("div", "box"), text = element("p"), link = element("a"), close = element("button");
    const root = host.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet(); // no <style>: a page's Content-Security-Policy need not allow one
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
    text.setAttribute("role", "status");
    link.rel = "noopener";
    link.addEventListener("click", signIn);
    close.type = "button";
    close.textContent = "Later";
    close.addEventListener("click", () => {
      quiet = true;
      show();
    });
    box.hidden = true;
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", "Session");
    box.append(text, link, close);
    root.append(box);
    return { host, box, text, link };
  }

  function element(tag, className = "") {
    const made = document.createElement(tag);
    made.className = className;
    return made;
  }

  // -- signing in again ------------------------------------------------------------------------------------------------------------------

  let popup = null;

  function signIn(event) {
    if (state === "changed") return;
    popup?.close();
    popup = window.open("", "_blank", "popup,width=480,height=720");
    if (!popup) return; // blocked: the link itself opens a tab
    event.preventDefault();
    popup.opener = null; // the provider's page has no business with this one
    popup.location.replace(login);
  }

  const STYLE = `
    :host { all: initial; color-scheme: light dark; }
    .box {
      --card: #fff; --ink: #171a21; --line: #d5d9e2; --accent: #2748b8; --on-accent: #fff;
      position: fixed; z-index: 2147483647; right: 0; bottom: 0; left: 0; margin: auto; box-sizing: border-box;
      width: fit-content; max-width: calc(100vw - 1.5rem); margin-bottom: calc(.75rem + env(safe-area-inset-bottom, 0px));
      padding: .625rem .75rem .625rem 1rem;
      display: flex; flex-wrap: wrap; align-items: center; gap: .5rem .75rem;
      color: var(--ink); background: var(--card); border: 1px solid var(--line); border-radius: .75rem;
      box-shadow: 0 8px 30px -8px rgb(10 15 30 / .35);
      font: 400 .9375rem/1.4 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif;
    }
    .box[hidden] { display: none; }
    p { margin: 0; flex: 1 1 auto; overflow-wrap: anywhere; }
    a, button {
      display: inline-flex; align-items: center; justify-content: center; min-height: 2.5rem; box-sizing: border-box; padding: .25rem .875rem;
      cursor: pointer; font: inherit; font-weight: 600; text-decoration: none; border: 1px solid transparent; border-radius: .5rem;
    }
    a { color: var(--on-accent); background: var(--accent); }
    button { color: var(--ink); background: transparent; border-color: var(--line); }
    :focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
    @media (prefers-color-scheme: dark) {
      .box { --card: #181c24; --ink: #eceef3; --line: #3a4150; --accent: #9db4ff; --on-accent: #101a3c; }
    }
    @media (max-width: 30rem) {
      .box { width: auto; margin-inline: .75rem; padding: .75rem 1rem; }
      p { flex-basis: 100%; }
      a, button { flex: 1 1 auto; }
    }
    @media print { .box { display: none; } }
  `;

  ask();
})();
