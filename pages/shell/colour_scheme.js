// Switch of the theme without a reload: the client of Streamlit follows the colour scheme of the system, which this
// script answers for. Remove once Streamlit can set its theme: streamlit #14172.
(() => {
  const KEY = "colourScheme", native = window.matchMedia.bind(window), system = native("(prefers-color-scheme: dark)");
  const scheme = new EventTarget();
  let chosen = window.sessionStorage.getItem(KEY);
  Object.defineProperties(scheme, {
    matches: { get: () => (chosen === null ? system.matches : chosen === "dark") },
    media: { value: system.media },
  });
  scheme.addListener = (listener) => scheme.addEventListener("change", listener);
  scheme.removeListener = (listener) => scheme.removeEventListener("change", listener);
  system.addEventListener("change", () => { if (chosen === null) scheme.dispatchEvent(new Event("change")); });
  window.matchMedia = (query) => (native(query).media === system.media ? scheme : native(query));
  window.addEventListener("switch-colour-scheme", () => {
    const shown = () => getComputedStyle(document.querySelector(".stApp")).colorScheme, before = shown();
    chosen = before === "dark" ? "light" : "dark";
    window.sessionStorage.setItem(KEY, chosen);
    scheme.dispatchEvent(new Event("change"));
    setTimeout(() => {
      if (shown() !== before) return;
      // A theme chosen in the menu takes precedence: withdraw it.
      Object.keys(window.localStorage).filter((key) => key.startsWith("stActiveTheme")).forEach((key) => window.localStorage.removeItem(key));
      window.location.reload();
    }, 600);
  });
})();
