// The small window of session.js is done: tell the page that opened it, and go.
try { new BroadcastChannel("oidc-session").postMessage("signed-in"); } catch { /* that page asks when it is looked at again */ }
setTimeout(() => window.close(), 100);
