// One entry of the browser's history for each action of the viewer. Streamlit adds one for each message of the server
// that changes the URL, so that a button that opens another page adds two, and Back shows a page without its parameters:
// streamlit #8102. Remove once it adds one.
(() => {
  let hasEntry = true; // that of the load
  const push = window.history.pushState;
  for (const kind of ["pointerdown", "keydown"]) window.addEventListener(kind, () => { hasEntry = false; }, true);
  window.addEventListener("popstate", () => { hasEntry = true; }, true);
  window.history.pushState = function (...entry) {
    if (hasEntry) return window.history.replaceState(...entry);
    hasEntry = true;
    return push.apply(window.history, entry);
  };
})();
