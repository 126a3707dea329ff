// Gives the canvas a role and a name for screen readers once its component has mounted it.

export default function () {
  const timer = setInterval(() => {
    for (const host of document.querySelectorAll(".st-key-canvas_place *")) {
      const canvas = host.shadowRoot?.querySelector("canvas.upper-canvas");
      if (!canvas) continue;
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", "Canvas: draw a digit here with a mouse, a pen or a finger");
      clearInterval(timer);
    }
  }, 100);
  setTimeout(() => clearInterval(timer), 20000);
  return () => clearInterval(timer);
}
