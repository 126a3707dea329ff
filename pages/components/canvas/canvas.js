// The canvas to draw on gets a name, once its component has put it there.

export default function () {
  const tries = setInterval(() => {
    for (const host of document.querySelectorAll(".st-key-canvas_place *")) {
      const canvas = host.shadowRoot?.querySelector("canvas.upper-canvas");
      if (!canvas) continue;
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", "Canvas: draw a digit here with a mouse, a pen or a finger");
      clearInterval(tries);
    }
  }, 100);
  setTimeout(() => clearInterval(tries), 20000);
  return () => clearInterval(tries);
}
